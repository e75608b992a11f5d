//! Locks that end by themselves, with fencing tokens.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_kernel::Clock;

use crate::{redis::HeldThere, time::Time};

/// Locks of this process, kept apart from values, so that they never make way for them.
pub(crate) struct Locks {
    time: Time,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_token: u64,
    held: HashMap<String, Held>,
    /// How many may be held before those that have expired are looked for.
    sweep_at: usize,
}

struct Held {
    token: u64,
    expires: i64,
}

/// A lock that is held until this is dropped, and no longer than the lifetime it was taken for. Whoever writes under it
/// passes the token along and refuses smaller ones, so that a holder who was slept past the lifetime does no harm.
#[must_use = "the lock is given back when this is dropped"]
pub struct Lock {
    /// Larger than that of every earlier holder of the same key, also across restarts: it is no smaller than the time in
    /// microseconds. A Redis that loses what it kept, or fails over to another, keeps that promise as far as its clock
    /// does not go back.
    pub token: u64,
    backend: Backend,
}

pub(crate) enum Backend {
    Local { key: String, locks: Arc<Locks> },
    Shared(HeldThere),
}

impl Locks {
    pub(crate) fn new(time: Time) -> Self {
        Self {
            time,
            state: Mutex::default(),
        }
    }

    pub(crate) fn take(locks: &Arc<Self>, key: &str, ttl: Duration) -> Option<Lock> {
        let now = locks.time.now();
        let mut state = locks.state.lock();
        if state.held.get(key).is_some_and(|held| now < held.expires) {
            return None;
        }
        // The machine's clock in microseconds, so that tokens also grow across restarts.
        let floor = u64::try_from(Clock::system().now().as_microsecond()).unwrap_or(0);
        let token = floor.max(state.last_token + 1);
        state.last_token = token;
        let expires = locks.time.after(ttl);
        state.held.insert(key.to_owned(), Held { token, expires });
        state.sweep(now);
        let backend = Backend::Local {
            key: key.to_owned(),
            locks: locks.clone(),
        };
        Some(Lock::new(token, backend))
    }

    fn is_held(&self, key: &str, token: u64) -> bool {
        let now = self.time.now();
        let state = self.state.lock();
        let held = state.held.get(key);
        held.is_some_and(|held| held.token == token && now < held.expires)
    }

    fn release(&self, key: &str, token: u64) {
        let mut state = self.state.lock();
        if state.held.get(key).is_some_and(|held| held.token == token) {
            state.held.remove(key);
        }
    }
}

impl State {
    /// Forgets what has expired, whenever what is held has doubled since the last look.
    fn sweep(&mut self, now: i64) {
        if self.held.len() > self.sweep_at {
            self.held.retain(|_, held| now < held.expires);
            self.sweep_at = (self.held.len() * 2).max(64);
        }
    }
}

impl Lock {
    pub(crate) fn new(token: u64, backend: Backend) -> Self {
        Self { token, backend }
    }

    /// Whether the lock is still this one's, as far as can be known from here: its lifetime has not passed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match &self.backend {
            Backend::Local { key, locks } => locks.is_held(key, self.token),
            Backend::Shared(held) => held.is_fresh(),
        }
    }

    /// Gives the lock back, and returns once it is given back. One that is dropped is given back soon after; where that
    /// fails, at the end of its lifetime.
    pub async fn release(mut self) {
        if let Backend::Shared(held) = &mut self.backend
            && let Some(release) = held.release(self.token)
        {
            release.await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match &mut self.backend {
            Backend::Local { key, locks } => locks.release(key, self.token),
            Backend::Shared(held) => {
                if let Some(release) = held.release(self.token)
                    && let Ok(runtime) = tokio::runtime::Handle::try_current()
                {
                    runtime.spawn(release);
                }
            }
        }
    }
}
