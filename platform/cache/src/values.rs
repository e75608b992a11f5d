//! Values with a lifetime, bounded in bytes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use moka::{
    Expiry,
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
    sync,
};

use crate::{CacheError, time::Time};

/// What an entry costs beside its key and value: the map's, the queues' and the expiry's bookkeeping.
const OVERHEAD: usize = 160;

/// Moka throws expired entries out by real time, so that they do not pile up; whether one is still good is decided
/// here, by the cache's own time, which tests can move.
pub(crate) struct Values {
    entries: sync::Cache<Arc<str>, Entry>,
    time: Time,
    max_bytes: u64,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
    expires: i64,
}

impl Values {
    pub(crate) fn new(max_bytes: u64, time: Time) -> Self {
        let entries = sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Arc<str>, entry: &Entry| weight(key, &entry.value))
            .expire_after(Lifetime)
            // A new entry is always let in: `add` must not tell a caller that it won and then keep nothing.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            entries,
            time,
            max_bytes,
        }
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.entries.get(key)?;
        self.is_good(&entry).then_some(entry.value)
    }

    pub(crate) fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.entries.insert(key.into(), self.entry(value, ttl));
    }

    pub(crate) fn add(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, CacheError> {
        if u64::from(weight(key, &value)) > self.max_bytes {
            return Err(CacheError::TooLarge(value.len()));
        }
        let outcome = self
            .entries
            .entry(key.into())
            .and_compute_with(|present| match present {
                Some(entry) if self.is_good(entry.value()) => Op::Nop,
                _ => Op::Put(self.entry(value, ttl)),
            });
        Ok(matches!(
            outcome,
            CompResult::Inserted(_) | CompResult::ReplacedWith(_)
        ))
    }

    /// A count is kept as a server keeps it: in decimal digits. What is no count counts for nothing.
    pub(crate) fn count(&self, key: &str, ttl: Duration) -> u64 {
        let read = |value: &Bytes| std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        let written = |count: u64| Bytes::from(count.to_string());
        let outcome = self.entries.entry(key.into()).and_compute_with(|present| {
            match present.map(moka::Entry::into_value) {
                Some(entry) if self.is_good(&entry) => {
                    let count = read(&entry.value).unwrap_or(0).saturating_add(1);
                    // It ends when it would have.
                    let left = entry.expires.saturating_sub(self.time.now());
                    Op::Put(Entry {
                        value: written(count),
                        ttl: Duration::from_nanos(u64::try_from(left).unwrap_or(0)),
                        expires: entry.expires,
                    })
                }
                _ => Op::Put(self.entry(written(1), ttl)),
            }
        });
        match outcome {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) => {
                read(&entry.value().value).unwrap_or(1)
            }
            _ => 1,
        }
    }

    pub(crate) fn remove(&self, key: &str) {
        self.entries.invalidate(key);
    }

    fn entry(&self, value: Bytes, ttl: Duration) -> Entry {
        Entry {
            value,
            ttl,
            expires: self.time.after(ttl),
        }
    }

    fn is_good(&self, entry: &Entry) -> bool {
        self.time.now() < entry.expires
    }
}

fn weight(key: &str, value: &Bytes) -> u32 {
    u32::try_from(key.len() + value.len() + OVERHEAD).unwrap_or(u32::MAX)
}

struct Lifetime;

impl Expiry<Arc<str>, Entry> for Lifetime {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}
