//! People who use the system without pause, and what failed for them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::email;
use crate::stoa::{Caller, PASSWORD, token};

/// People at once.
const PEOPLE: usize = 4;
/// Between two requests of one of them.
const REST: Duration = Duration::from_millis(5);

/// People at work: each reads, sets a preference and logs in, in turn.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    people: Vec<JoinHandle<Vec<Failed>>>,
}

/// A request that got no answer, or a wrong one.
pub(super) struct Failed {
    pub(super) method: Method,
    pub(super) sent: Instant,
    what: String,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ago: {}", self.method, self.sent.elapsed(), self.what)
    }
}

impl Traffic {
    pub(super) async fn start(url: &str) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut people = Vec::new();
        for _ in 0..PEOPLE {
            let person = Person {
                caller: Caller::new(url),
                email: email("busy"),
                stop: Arc::clone(&stop),
                answered: Arc::clone(&answered),
            };
            let registered = person.caller.register(&person.email).await;
            people.push(tokio::spawn(person.work(registered)));
        }
        Self {
            stop,
            answered,
            people,
        }
    }

    /// Waits until so many more requests were answered.
    pub(super) async fn flows(&self, requests: u64) {
        let enough = self.answered.load(Ordering::Relaxed) + requests;
        for _ in 0..1200 {
            if self.answered.load(Ordering::Relaxed) >= enough {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not even {requests} requests were answered within 30 s");
    }

    /// Ends it; returns how many requests were answered well, and those that were not.
    pub(super) async fn stop(self) -> (u64, Vec<Failed>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for person in self.people {
            failed.extend(person.await.unwrap());
        }
        (self.answered.load(Ordering::Relaxed), failed)
    }
}

struct Person {
    caller: Caller,
    email: String,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Person {
    async fn work(self, registered: Value) -> Vec<Failed> {
        let login = json!({"email": self.email, "password": PASSWORD});
        let requests = [
            (Method::GET, "/api/v1/users/me", Value::Null),
            (Method::GET, "/api/v1/auth/sessions?limit=1", Value::Null),
            (
                Method::PUT,
                "/api/v1/users/me/preferences/theme",
                json!({"value": "dark"}),
            ),
            (Method::POST, "/api/v1/auth/login", login),
        ];
        let mut failed = Vec::new();
        let mut session = token(&registered).to_owned();
        for (method, path, body) in requests.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let sent = Instant::now();
            let request = self.caller.request(method.clone(), path);
            let answer = request.bearer_auth(&session).json(body).send().await;
            let what = match answer {
                Ok(answer) if answer.status() == 200 => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    // The newest session: an account keeps only so many, and the oldest ends.
                    if method == Method::POST
                        && let Ok(signed_in) = answer.json::<Value>().await
                    {
                        token(&signed_in).clone_into(&mut session);
                    }
                    None
                }
                Ok(answer) => Some(format!(
                    "{} {}",
                    answer.status(),
                    answer.text().await.unwrap_or_default()
                )),
                Err(error) => Some(format!("{error:?}")),
            };
            if let Some(what) = what {
                let method = method.clone();
                failed.push(Failed { method, sent, what });
            }
            tokio::time::sleep(REST).await;
        }
        failed
    }
}
