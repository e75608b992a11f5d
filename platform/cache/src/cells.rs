//! Rate limits kept in this process: one number a key, the time at which its allowance is whole again.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

use parking_lot::Mutex;

use crate::{
    gcra::{Allowance, Verdict},
    key::LimitKey,
    time::Time,
};

/// Parts that a limiter's keys are spread over, so that requests seldom wait for each other and a sweep is short.
const SHARDS: usize = 64;
/// Keys of one part before the first sweep.
const SWEEP_FROM: usize = 64;

pub(crate) struct Cells {
    allowance: Allowance,
    time: Time,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// When each key's allowance is whole again. A key whose time has passed is as good as none.
    whole_at: HashMap<LimitKey, i64>,
    sweep_at: usize,
}

impl Cells {
    pub(crate) fn new(allowance: Allowance, time: Time) -> Self {
        Self {
            allowance,
            time,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn shard(&self, key: &LimitKey) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash % SHARDS as u64) as usize]
    }

    pub(crate) fn check(&self, key: LimitKey) -> Verdict {
        let mut shard = self.shard(&key).lock();
        let now = self.time.now(); // after the wait for the lock, so that it never goes back within a key
        let whole_at = shard.whole_at(&key, now);
        let next = whole_at.saturating_add(self.allowance.interval);
        if next.saturating_sub(now) > self.allowance.full() {
            return self.allowance.verdict(false, whole_at - now);
        }
        shard.set(key, next, now);
        self.allowance.verdict(true, next - now)
    }

    pub(crate) fn peek(&self, key: LimitKey) -> Verdict {
        let shard = self.shard(&key).lock();
        let now = self.time.now();
        let spent = shard.whole_at(&key, now) - now;
        let allowed = spent.saturating_add(self.allowance.interval) <= self.allowance.full();
        self.allowance.verdict(allowed, spent)
    }

    /// Takes `count`, as far as there is that much left.
    pub(crate) fn spend(&self, key: LimitKey, count: u32) {
        let mut shard = self.shard(&key).lock();
        let now = self.time.now();
        let whole_at = shard.whole_at(&key, now);
        let wanted = whole_at.saturating_add(self.allowance.interval.saturating_mul(i64::from(count)));
        let most = now.saturating_add(self.allowance.full()).max(whole_at);
        shard.set(key, wanted.min(most), now);
    }

    pub(crate) fn give_back(&self, key: LimitKey) {
        let mut shard = self.shard(&key).lock();
        let now = self.time.now();
        let next = shard.whole_at(&key, now) - self.allowance.interval;
        if next > now {
            shard.set(key, next, now);
        } else {
            shard.whole_at.remove(&key);
        }
    }

    pub(crate) fn reset(&self, key: LimitKey) {
        self.shard(&key).lock().whole_at.remove(&key);
    }

    pub(crate) fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().whole_at.len()).sum()
    }
}

impl Shard {
    fn whole_at(&self, key: &LimitKey, now: i64) -> i64 {
        self.whole_at.get(key).map_or(now, |at| *at.max(&now))
    }

    fn set(&mut self, key: LimitKey, whole_at: i64, now: i64) {
        self.whole_at.insert(key, whole_at);
        if self.whole_at.len() > self.sweep_at {
            self.sweep(now);
        }
    }

    /// Forgets keys whose allowance is whole, whenever the keys have doubled since the last look: what is remembered
    /// stays in proportion to what was used lately.
    fn sweep(&mut self, now: i64) {
        self.whole_at.retain(|_, at| *at > now);
        self.sweep_at = (self.whole_at.len() * 2).max(SWEEP_FROM);
        self.whole_at.shrink_to(self.sweep_at);
    }
}
