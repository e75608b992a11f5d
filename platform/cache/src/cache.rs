//! The one handle that services hold.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use stoa_kernel::{Clock, Rate};

use crate::{
    limiter::Limiter,
    lock::{Lock, Locks},
    time::Time,
    values::Values,
};

/// Values with a lifetime, rate limits and locks. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Cache(Arc<Local>);

struct Local {
    time: Time,
    values: Values,
    locks: Arc<Locks>,
    limiters: Mutex<HashMap<(&'static str, String), Limiter>>,
}

/// The cache's engine does not answer, or cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the cache does not answer: {0}")]
pub struct CacheError(pub String);

impl Cache {
    /// In this process; values are bounded by `max_bytes` in all, and the least recently used make way for new ones.
    #[must_use]
    pub fn local(max_bytes: u64) -> Self {
        Self::with_time(max_bytes, Time::monotonic())
    }

    /// As [`Cache::local`], with all lifetimes and rates measured by `clock`, so that tests can move it.
    #[must_use]
    pub fn local_with_clock(max_bytes: u64, clock: Clock) -> Self {
        Self::with_time(max_bytes, Time::Clock(clock))
    }

    fn with_time(max_bytes: u64, time: Time) -> Self {
        Self(Arc::new(Local {
            values: Values::new(max_bytes, time.clone()),
            locks: Arc::new(Locks::new(time.clone())),
            limiters: Mutex::default(),
            time,
        }))
    }

    /// The value of `key`, unless it has expired or made way for others.
    ///
    /// # Errors
    /// When the engine does not answer; this one always does.
    #[expect(clippy::unused_async, reason = "an engine outside the process will wait here")]
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.0.values.get(key))
    }

    /// Keeps `value` under `key` for `ttl`, in place of what was there. One larger than the whole cache is not kept.
    ///
    /// # Errors
    /// When the engine does not answer; this one always does.
    #[expect(clippy::unused_async, reason = "an engine outside the process will wait here")]
    pub async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.0.values.set(key, value, ttl);
        Ok(())
    }

    /// Sets only if absent; true if it did. One winner among concurrent callers.
    ///
    /// # Errors
    /// When the value is larger than the whole cache: then nobody could be told that it is there.
    #[expect(clippy::unused_async, reason = "an engine outside the process will wait here")]
    pub async fn add(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, CacheError> {
        self.0.values.add(key, value, ttl)
    }

    /// Forgets `key`; also fine if there is none.
    ///
    /// # Errors
    /// When the engine does not answer; this one always does.
    #[expect(clippy::unused_async, reason = "an engine outside the process will wait here")]
    pub async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.0.values.remove(key);
        Ok(())
    }

    /// A GCRA limiter named `name`: the whole rate may come as a burst. Who asks twice for the same name and rate
    /// gets the same limiter.
    #[must_use]
    pub fn limiter(&self, name: &'static str, rate: Rate) -> Limiter {
        let mut limiters = self.0.limiters.lock();
        limiters
            .entry((name, rate.to_string()))
            .or_insert_with(|| Limiter::new(rate, self.0.time.clone()))
            .clone()
    }

    /// A lock with a fencing token that only grows; none if somebody holds it. It is held until the [`Lock`] is
    /// dropped, and no longer than `ttl`.
    ///
    /// # Errors
    /// When the engine does not answer; this one always does.
    #[expect(clippy::unused_async, reason = "an engine outside the process will wait here")]
    pub async fn lock(&self, key: &str, ttl: Duration) -> Result<Option<Lock>, CacheError> {
        Ok(Locks::take(&self.0.locks, key, ttl))
    }
}
