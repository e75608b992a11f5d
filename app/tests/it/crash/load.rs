//! Clients that write without pause, and remember what they were told is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use stoa_kernel::UserId;
use tokio::task::JoinHandle;

use crate::stoa::{Caller, PASSWORD, token};

/// Clients at work at once.
const CLIENTS: usize = 6;
/// The preferences that everybody sets, each once and to its own name: so a write that was told to have failed and arrives
/// late undoes nothing.
const KEYS: [&str; 3] = ["first", "second", "third"];
/// How every address begins, which tells these people from others in the same tables.
pub(crate) const MARK: &str = "crash-";
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two people: what is under test has the same processors to itself as the load.
const REST: Duration = Duration::from_millis(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// Somebody whose registration was acknowledged.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
    /// Preferences that were acknowledged. Others of [`KEYS`] may be there or not.
    pub(crate) kept: Vec<&'static str>,
    token: String,
}

/// Clients at work.
pub(crate) struct Load {
    clients: Vec<JoinHandle<Vec<Person>>>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    /// Writes that were acknowledged.
    acknowledged: AtomicU64,
    /// Access tokens that were found to have expired.
    expired: AtomicU64,
}

impl Load {
    /// Starts them; no two loads on one installation have the same name.
    pub(crate) fn start(caller: &Caller, name: &str) -> Self {
        let progress = Arc::new(Progress::default());
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let caller = Caller {
            url: caller.url.clone(),
            client: http.build().unwrap(),
        };
        let clients = (0..CLIENTS).map(|number| {
            let client = Client {
                caller: caller.clone(),
                name: format!("{MARK}{name}-c{number}"),
                progress: Arc::clone(&progress),
            };
            tokio::spawn(client.work())
        });
        Self {
            clients: clients.collect(),
            progress,
        }
    }

    /// How many access tokens were found to have expired.
    pub(crate) fn expired(&self) -> u64 {
        self.progress.expired.load(Ordering::Relaxed)
    }

    /// Waits until writes are acknowledged again.
    pub(crate) async fn goes_on(&self) {
        let before = self.progress.acknowledged.load(Ordering::Relaxed);
        for _ in 0..1200 {
            assert!(
                !self.clients.iter().any(JoinHandle::is_finished),
                "a client has failed"
            );
            // More than what may have been under way.
            if self.progress.acknowledged.load(Ordering::Relaxed) > before + 2 * CLIENTS as u64 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no write was acknowledged within 60 s of the repair");
    }

    /// Ends the work; returns whoever is registered for certain.
    pub(crate) async fn stop(self) -> Vec<Person> {
        self.progress.stop.store(true, Ordering::Relaxed);
        let mut people = Vec::new();
        for client in self.clients {
            people.extend(client.await.unwrap());
        }
        people
    }
}

struct Client {
    caller: Caller,
    name: String,
    progress: Arc<Progress>,
}

impl Client {
    async fn work(self) -> Vec<Person> {
        let mut people = Vec::new();
        for number in 0.. {
            if self.is_over() {
                break;
            }
            // After an unclear answer the address may be taken.
            let email = format!("{}n{number}@example.com", self.name);
            let Some(mut person) = self.register(email).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            for key in KEYS {
                self.set(&mut person, key).await;
            }
            self.read_back(&mut person).await;
            people.push(person);
            tokio::time::sleep(REST).await;
        }
        people
    }

    fn is_over(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }

    async fn register(&self, email: String) -> Option<Person> {
        let body = json!({"email": email, "password": PASSWORD, "first_name": "Ada"});
        let request = self
            .caller
            .request(Method::POST, "/api/v1/auth/register")
            .json(&body);
        let (status, answer) = clear(request).await?;
        assert_eq!(status, 201, "{email}: {answer}");
        self.acknowledged();
        Some(Person {
            id: answer["user"]["id"].as_str().unwrap().parse().unwrap(),
            token: token(&answer).to_owned(),
            kept: Vec::new(),
            email,
        })
    }

    /// Sets a preference, again and again until it is acknowledged or the work is over.
    async fn set(&self, person: &mut Person, key: &'static str) {
        let path = format!("/api/v1/users/me/preferences/{key}");
        let body = json!({ "value": key });
        if let Some(answer) = self.insist(person, Method::PUT, &path, &body).await {
            assert_eq!(answer["value"], key);
            person.kept.push(key);
            self.acknowledged();
        }
    }

    /// What was acknowledged is what is read, wherever the request lands.
    async fn read_back(&self, person: &mut Person) {
        let path = "/api/v1/users/me/preferences";
        let Some(answer) = self.insist(person, Method::GET, path, &Value::Null).await else {
            return;
        };
        let items = answer["items"].as_array().unwrap();
        for key in &person.kept {
            assert!(
                items.iter().any(|item| item["value"] == *key),
                "{}: {key} was acknowledged and is not among {items:?}",
                person.email
            );
        }
    }

    /// Asks until there is a clear answer; none if the work is over before.
    async fn insist(&self, person: &mut Person, method: Method, path: &str, body: &Value) -> Option<Value> {
        let mut unclear = false;
        while !self.is_over() {
            let request = self
                .caller
                .request(method.clone(), path)
                .bearer_auth(&person.token)
                .json(body);
            match clear(request).await {
                Some((StatusCode::OK, answer)) => return Some(answer),
                Some((StatusCode::UNAUTHORIZED, answer)) if answer["code"] == "token_expired" => {
                    self.progress.expired.fetch_add(1, Ordering::Relaxed);
                    self.log_in_again(person).await;
                }
                // The one before may still be under way.
                Some((StatusCode::CONFLICT, _)) if unclear => {}
                Some((status, answer)) => panic!("{method} {path} of {}: {status} {answer}", person.email),
                None => unclear = true,
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    async fn log_in_again(&self, person: &mut Person) {
        let body = json!({"email": person.email, "password": PASSWORD});
        let request = self
            .caller
            .request(Method::POST, "/api/v1/auth/login")
            .json(&body);
        if let Some((status, answer)) = clear(request).await {
            assert_eq!(status, 200, "{}: {answer}", person.email);
            token(&answer).clone_into(&mut person.token);
        }
    }

    fn acknowledged(&self) {
        self.progress.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer that has arrived whole and says what happened: none if it did not, or is a 5xx.
async fn clear(request: RequestBuilder) -> Option<(StatusCode, Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status();
    let body = answer.json().await.ok()?;
    (!status.is_server_error()).then_some((status, body))
}
