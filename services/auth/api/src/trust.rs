//! Keeps a process's verifier as auth would have it: the keys, and what was revoked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use stoa_http::{Verifier, VerifyingKey};
use stoa_kernel::Timestamp;
use stoa_rpc::{Channel, Directory};
use tokio::task::AbortHandle;

use crate::v1::{TrustRequest, TrustResponse, access_client::AccessClient};

/// How often auth is asked: a session that was ended anywhere is refused everywhere within a second.
const EVERY: Duration = Duration::from_millis(300);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is logged that auth still cannot be read.
const REMIND: Duration = Duration::from_secs(60);

/// Asks auth, about three times a second, for new keys and for what was revoked, and tells the verifier. While auth cannot be
/// read, what was told before holds. Ends when dropped.
pub struct TrustFeed {
    task: AbortHandle,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    heard: AtomicBool,
    /// Why auth could not be read when it was asked last.
    failure: Mutex<Option<Failing>>,
}

struct Failing {
    since: Instant,
    logged: Instant,
    why: String,
}

impl TrustFeed {
    /// Starts to ask auth, which the directory names.
    #[must_use]
    pub fn start(verifier: Verifier, directory: &Directory) -> Self {
        let state = Arc::new(State::default());
        let follower = Follower {
            auth: AccessClient::new(directory.channel("auth")),
            verifier,
            seq: 0,
            mark: Vec::new(),
            keys: Vec::new(),
            issuers: Vec::new(),
            organizations: false,
        };
        let task = tokio::spawn(follower.follow(Arc::clone(&state)));
        Self {
            task: task.abort_handle(),
            state,
        }
    }

    /// Whether everything that auth had to tell was read once: before that no token can be checked.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.state.heard.load(Ordering::Relaxed)
    }

    /// Why auth could not be read when it was asked last, and for how long that has been so; none if it was read.
    #[must_use]
    pub fn failure(&self) -> Option<(String, Duration)> {
        let failure = self.state.failure.lock();
        failure
            .as_ref()
            .map(|failing| (failing.why.clone(), failing.since.elapsed()))
    }
}

impl Drop for TrustFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Everything was read.
    fn read(&self) {
        self.heard.store(true, Ordering::Relaxed);
        if let Some(failing) = self.failure.lock().take() {
            tracing::info!(after = ?failing.since.elapsed(), "auth is read again");
        }
    }

    /// Logs the first failure, and then one a minute.
    fn failed(&self, error: &tonic::Status) {
        let now = Instant::now();
        let mut failure = self.failure.lock();
        let failing = failure.get_or_insert_with(|| Failing {
            since: now,
            logged: now,
            why: String::new(),
        });
        let first = failing.why.is_empty();
        failing.why = format!("{:?}: {}", error.code(), error.message());
        if first || failing.logged + REMIND <= now {
            failing.logged = now;
            tracing::error!(
                %error,
                "auth cannot be read: sessions that are ended and permissions that are taken away are still accepted here"
            );
        }
    }
}

struct Follower {
    auth: AccessClient<Channel>,
    verifier: Verifier,
    /// Up to where auth has told, and the mark of it.
    seq: i64,
    mark: Vec<u8>,
    /// Names of the keys that the verifier has.
    keys: Vec<String>,
    issuers: Vec<String>,
    /// Whether what was told so far includes organizations.
    organizations: bool,
}

impl Follower {
    async fn follow(mut self, state: Arc<State>) {
        loop {
            match self.ask().await {
                Ok(true) => continue,
                Ok(false) => state.read(),
                Err(error) => state.failed(&error),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads one page; true if there are more.
    async fn ask(&mut self) -> Result<bool, tonic::Status> {
        let mut request = tonic::Request::new(TrustRequest {
            seq: self.seq,
            mark: self.mark.clone(),
        });
        request.set_timeout(PATIENCE);
        let answer = self.auth.trust(request).await?.into_inner();
        // An answer that leads nowhere is not asked for again at once.
        let more = answer.more && answer.seq != self.seq;
        let again = answer.tells_organizations && !self.organizations && self.seq > 0;
        self.organizations = answer.tells_organizations;
        self.take(answer);
        if again {
            // An older auth has answered until now: what it has passed over is asked for.
            (self.seq, self.mark) = (0, Vec::new());
            return Ok(true);
        }
        Ok(more)
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
        if !answer.issuers.is_empty() && answer.issuers != self.issuers {
            self.verifier.set_issuers(&answer.issuers);
            self.issuers = answer.issuers;
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
        for one in answer.raised_roles {
            self.verifier.raise_role(&one.role, one.version, time(one.until));
        }
        for one in answer.raised_organizations {
            if let Ok(organization) = one.organization_id.parse() {
                let until = time(one.until);
                self.verifier.raise_organization(organization, one.version, until);
            }
        }
        (self.seq, self.mark) = (answer.seq, answer.mark);
    }
}
