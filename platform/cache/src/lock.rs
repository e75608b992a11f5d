//! Locks that end by themselves, with fencing tokens.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_kernel::Clock;

use crate::time::Time;

/// Locks are kept apart from values, so that they never make way for them.
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
    /// Larger than that of every earlier holder, also across restarts.
    pub token: u64,
    key: String,
    locks: Arc<Locks>,
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
        state.held.insert(
            key.to_owned(),
            Held {
                token,
                expires: locks.time.after(ttl),
            },
        );
        state.sweep(now);
        Some(Lock {
            token,
            key: key.to_owned(),
            locks: locks.clone(),
        })
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
    /// Whether the lock is still this one's: its lifetime has not passed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let now = self.locks.time.now();
        let state = self.locks.state.lock();
        state
            .held
            .get(&self.key)
            .is_some_and(|held| held.token == self.token && now < held.expires)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.locks.state.lock();
        if state
            .held
            .get(&self.key)
            .is_some_and(|held| held.token == self.token)
        {
            state.held.remove(&self.key);
        }
    }
}
