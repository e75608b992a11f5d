//! The one handle that services hold.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use stoa_kernel::{Clock, Rate};

use crate::{
    CacheConfig, CacheError,
    limiter::Limiter,
    lock::{Lock, Locks},
    messages::{Hearing, Messages},
    redis::Redis,
    time::Time,
    values::Values,
};

/// Values with a lifetime, rate limits, locks, and messages to whoever shares them: in this process, or in a Redis that
/// several processes share. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Cache {
    local: Arc<Local>,
    redis: Option<Arc<Redis>>,
}

struct Local {
    time: Time,
    values: Values,
    locks: Arc<Locks>,
    limiters: Mutex<HashMap<(&'static str, String), Limiter>>,
    messages: Arc<Messages>,
}

/// That the cache is well, in a few words for those who ask after its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHealth {
    /// `local`, `redis` or `redis cluster`.
    pub engine: &'static str,
    /// How long it took to write one small value.
    pub took: Duration,
}

impl Cache {
    /// The cache that the settings name. A server must answer now; later it may come and go.
    ///
    /// # Errors
    /// When `cache.url` is none, or nobody answers there. No password is ever shown.
    pub async fn open(config: &CacheConfig, clock: Clock) -> Result<Self, CacheError> {
        let time = if clock.is_system() {
            Time::monotonic()
        } else {
            Time::Clock(clock)
        };
        let redis = match config.url.as_str() {
            "" => None,
            _ => Some(Redis::open(config).await?),
        };
        Ok(Self::new(config.max_mib.saturating_mul(1024 * 1024), time, redis))
    }

    /// In this process; values are bounded by `max_bytes` in all, and the least recently used make way for new ones.
    #[must_use]
    pub fn local(max_bytes: u64) -> Self {
        Self::new(max_bytes, Time::monotonic(), None)
    }

    /// As [`Cache::local`], with all lifetimes and rates measured by `clock`, so that tests can move it.
    #[must_use]
    pub fn local_with_clock(max_bytes: u64, clock: Clock) -> Self {
        Self::new(max_bytes, Time::Clock(clock), None)
    }

    fn new(max_bytes: u64, time: Time, redis: Option<Arc<Redis>>) -> Self {
        let local = Local {
            values: Values::new(max_bytes, time.clone()),
            locks: Arc::new(Locks::new(time.clone())),
            limiters: Mutex::default(),
            messages: Arc::default(),
            time,
        };
        Self {
            local: Arc::new(local),
            redis,
        }
    }

    /// Whether other processes share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.redis.is_some()
    }

    /// Most that the values kept in this process take up in all, in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.local.values.max_bytes()
    }

    /// The part of it that is in this process, and that no server can take away: itself, if nobody shares it.
    #[must_use]
    pub fn here(&self) -> Self {
        Self {
            local: Arc::clone(&self.local),
            redis: None,
        }
    }

    /// The value of `key`, unless it has expired or made way for others.
    ///
    /// # Errors
    /// When the engine does not answer; the local one always does.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        match &self.redis {
            None => Ok(self.local.values.get(key)),
            Some(redis) => redis.get(key).await,
        }
    }

    /// Keeps `value` under `key` for `ttl`, in place of what was there. One larger than the whole cache is not kept.
    ///
    /// # Errors
    /// When the engine does not answer; the local one always does.
    pub async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        match &self.redis {
            None => self.local.values.set(key, value, ttl),
            Some(redis) => redis.set(key, &value, ttl).await?,
        }
        Ok(())
    }

    /// Sets only if absent; true if it did. One winner among concurrent callers. After an error it may or may not have.
    ///
    /// # Errors
    /// When the engine does not answer, or the value is larger than the whole cache: then nobody could be told that it
    /// is there.
    pub async fn add(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, CacheError> {
        match &self.redis {
            None => self.local.values.add(key, value, ttl),
            Some(redis) => redis.add(key, &value, ttl).await,
        }
    }

    /// Counts one more under `key`, and returns how many there are with it. The count ends `ttl` after its first.
    ///
    /// # Errors
    /// When the engine does not answer. After that the one may have been counted.
    pub async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        match &self.redis {
            None => Ok(self.local.values.count(key, ttl)),
            Some(redis) => redis.count(key, ttl).await,
        }
    }

    /// Forgets `key`; also fine if there is none.
    ///
    /// # Errors
    /// When the engine does not answer; the local one always does.
    pub async fn remove(&self, key: &str) -> Result<(), CacheError> {
        match &self.redis {
            None => self.local.values.remove(key),
            Some(redis) => redis.remove(key).await?,
        }
        Ok(())
    }

    /// A GCRA limiter named `name`: the whole rate may come as a burst. Who asks twice for the same name and rate
    /// gets the same limiter.
    #[must_use]
    pub fn limiter(&self, name: &'static str, rate: Rate) -> Limiter {
        let mut limiters = self.local.limiters.lock();
        limiters
            .entry((name, rate.to_string()))
            .or_insert_with(|| Limiter::new(name, rate, self.local.time.clone(), self.redis.clone()))
            .clone()
    }

    /// A lock with a fencing token that only grows; none if somebody holds it. It is held until the [`Lock`] is
    /// released or dropped, and no longer than `ttl`.
    ///
    /// # Errors
    /// When the engine does not answer; the local one always does.
    pub async fn lock(&self, key: &str, ttl: Duration) -> Result<Option<Lock>, CacheError> {
        match &self.redis {
            None => Ok(Locks::take(&self.local.locks, key, ttl)),
            Some(redis) => redis.lock(key, ttl).await,
        }
    }

    /// Tells everybody who [hears](Cache::hear) `topic`, in this process and in those that share the cache.
    ///
    /// A hint and no more: it comes at most once, and not to those who cannot be reached right now. What must not be
    /// missed is an event.
    pub async fn tell(&self, topic: &'static str, payload: Bytes) {
        if let Some(redis) = &self.redis {
            redis.publish(topic, &payload).await;
        }
        self.local.messages.deliver(topic, payload);
    }

    /// What is [told](Cache::tell) about `topic` from now on.
    #[must_use]
    pub fn hear(&self, topic: &'static str) -> Hearing {
        let hearing = self.local.messages.hear(topic);
        if let Some(redis) = &self.redis {
            redis.listen(&self.local.messages);
        }
        hearing
    }

    /// Which version the server says it is; none for the local engine, or if it does not say.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<Option<String>, CacheError> {
        match &self.redis {
            None => Ok(None),
            Some(redis) => redis.version().await,
        }
    }

    /// Asks the engine for a sign of life.
    ///
    /// # Errors
    /// When it does not answer. Until it does, limits hold for each process by itself, and values and locks fail.
    pub async fn ping(&self) -> Result<CacheHealth, CacheError> {
        let begun = Instant::now();
        if let Some(redis) = &self.redis {
            redis.ping().await?;
        }
        Ok(CacheHealth {
            engine: self.redis.as_ref().map_or("local", |redis| redis.engine()),
            took: begun.elapsed(),
        })
    }
}
