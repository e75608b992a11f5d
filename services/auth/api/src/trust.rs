//! Keeps a process's verifier as auth would have it: the keys, and what was taken back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stoa_http::{Verifier, VerifyingKey};
use stoa_kernel::Timestamp;
use stoa_rpc::{Channel, Directory};
use tokio::task::AbortHandle;

use crate::v1::{TrustRequest, TrustResponse, access_client::AccessClient};

/// How often auth is asked: a session that was ended anywhere is refused everywhere within a second.
const EVERY: Duration = Duration::from_millis(300);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks auth, about three times a second, for new keys and for what was taken back, and tells the verifier. While auth does
/// not answer, what was told before holds. Ends when dropped.
pub struct TrustFeed {
    task: AbortHandle,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    heard: AtomicBool,
    answering: AtomicBool,
}

impl TrustFeed {
    /// Begins to ask, by way of the directory's auth.
    #[must_use]
    pub fn start(verifier: Verifier, directory: &Directory) -> Self {
        let state = Arc::new(State::default());
        let follower = Follower {
            auth: AccessClient::new(directory.channel("auth")),
            verifier,
            seq: 0,
            keys: Vec::new(),
        };
        let task = tokio::spawn(follower.follow(Arc::clone(&state)));
        Self {
            task: task.abort_handle(),
            state,
        }
    }

    /// Whether auth has ever answered: before that no token can be checked.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.state.heard.load(Ordering::Relaxed)
    }

    /// Whether auth answered when it was asked last.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.state.answering.load(Ordering::Relaxed)
    }
}

impl Drop for TrustFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    auth: AccessClient<Channel>,
    verifier: Verifier,
    seq: i64,
    /// Names of the keys that the verifier has.
    keys: Vec<String>,
}

impl Follower {
    async fn follow(mut self, state: Arc<State>) {
        loop {
            let outcome = self.ask().await;
            let was = state.answering.swap(outcome.is_ok(), Ordering::Relaxed);
            match outcome {
                Ok(()) => state.heard.store(true, Ordering::Relaxed),
                Err(error) if was => {
                    tracing::warn!(%error, "auth does not answer; its keys and revocations are those of before");
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&mut self) -> Result<(), tonic::Status> {
        let mut request = tonic::Request::new(TrustRequest { seq: self.seq });
        request.set_timeout(PATIENCE);
        let answer = self.auth.trust(request).await?.into_inner();
        self.take(answer);
        Ok(())
    }

    fn take(&mut self, answer: TrustResponse) {
        let names: Vec<_> = answer.keys.iter().map(|key| key.kid.clone()).collect();
        if names != self.keys {
            let keys = answer.keys.into_iter().filter_map(|key| {
                let public = key.public.try_into().ok()?;
                Some(VerifyingKey { kid: key.kid, public })
            });
            self.verifier.set_keys(keys.collect());
            self.keys = names;
        }
        let time = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        for one in answer.revoked_sessions {
            if let Ok(session) = one.session_id.parse() {
                self.verifier.revoke_session(session, time(one.until));
            }
        }
        for one in answer.raised_versions {
            if let Ok(user) = one.user_id.parse() {
                self.verifier.raise_version(user, one.version, time(one.until));
            }
        }
        self.seq = answer.seq;
    }
}
