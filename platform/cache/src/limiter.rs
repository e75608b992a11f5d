//! Rate limits by the generic cell rate algorithm: one number a key, the time at which its allowance is whole again.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use stoa_kernel::Rate;

use crate::time::{Time, nanos};

/// Parts that a limiter's keys are spread over, so that requests seldom wait for each other and a sweep is short.
const SHARDS: usize = 64;
/// Keys of one part before the first sweep.
const SWEEP_FROM: usize = 64;

/// A limiter's key: hashed once by the caller's side, so that nothing is allocated on the hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// A network address; [`LimitKey::address`] makes one that cannot be got round.
    Address(IpAddr),
    /// A user, by the bytes of the id.
    User(uuid_bytes::Bytes16),
    /// Anything else, by a hash of it.
    Hash(u64),
}

/// Sixteen bytes of an id.
pub mod uuid_bytes {
    /// An id's bytes.
    pub type Bytes16 = [u8; 16];
}

impl LimitKey {
    /// The key of a caller's address. IPv6 addresses count by their /64: one subscriber has them all, and could otherwise
    /// take a new one for each request. IPv4 addresses written as IPv6 count as IPv4.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            IpAddr::V4(v4) => IpAddr::V4(v4),
        })
    }
}

/// A limiter's answer, with what the `RateLimit` headers say. Times in whole seconds are rounded up by whoever writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// May it happen?
    pub allowed: bool,
    /// How many in a period.
    pub limit: u32,
    /// How many more may come now.
    pub remaining: u32,
    /// In how long the whole allowance is there again.
    pub reset: Duration,
    /// In how long the next is allowed; zero if it was allowed.
    pub retry_after: Duration,
}

/// Allows each key a rate. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    rate: Rate,
    /// None when the rate is off.
    cells: Option<Cells>,
}

struct Cells {
    limit: u32,
    /// Nanoseconds in which one more is allowed, rounded up so that the rate is never exceeded.
    interval: i64,
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

impl Limiter {
    pub(crate) fn new(rate: Rate, time: Time) -> Self {
        let cells = match rate {
            Rate::Off => None,
            Rate::Limit { count, period } => Some(Cells::new(count.get(), period, time)),
        };
        Self(Arc::new(Inner { rate, cells }))
    }

    /// Whether there is no limit.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.cells.is_none()
    }

    /// The rate it allows.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.0.rate
    }

    /// Takes one from `key`'s allowance. None when the rate is off. Sync on purpose: it is asked on every request.
    #[must_use]
    pub fn check(&self, key: LimitKey) -> Option<Verdict> {
        self.0.cells.as_ref().map(|cells| cells.check(key))
    }

    /// What a check would say, taking nothing: `remaining` and `reset` are those of the allowance as it is.
    #[must_use]
    pub fn peek(&self, key: LimitKey) -> Option<Verdict> {
        self.0.cells.as_ref().map(|cells| cells.peek(key))
    }

    /// Gives `key` its whole allowance back, such as after a good login.
    pub fn reset(&self, key: LimitKey) {
        if let Some(cells) = &self.0.cells {
            cells.shard(&key).lock().whole_at.remove(&key);
        }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        let cells = self.0.cells.iter();
        cells
            .flat_map(|cells| &cells.shards)
            .map(|shard| shard.lock().whole_at.len())
            .sum()
    }
}

impl Cells {
    fn new(limit: u32, period: Duration, time: Time) -> Self {
        let count = i64::from(limit);
        let interval = (nanos(period) / count + i64::from(nanos(period) % count != 0)).max(1);
        Self {
            limit,
            interval,
            time,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn shard(&self, key: &LimitKey) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash % SHARDS as u64) as usize]
    }

    fn check(&self, key: LimitKey) -> Verdict {
        let mut shard = self.shard(&key).lock();
        let now = self.time.now(); // after the wait for the lock, so that it never goes back within a key
        let known = shard.whole_at.get_mut(&key);
        let whole_at = known.as_deref().map_or(now, |at| *at.max(&now));
        let next = whole_at.saturating_add(self.interval);
        if next.saturating_sub(now) > self.full() {
            return self.verdict(false, now, whole_at);
        }
        match known {
            Some(at) => *at = next,
            None => shard.add(key, next, now),
        }
        self.verdict(true, now, next)
    }

    fn peek(&self, key: LimitKey) -> Verdict {
        let shard = self.shard(&key).lock();
        let now = self.time.now();
        let whole_at = shard.whole_at.get(&key).map_or(now, |at| *at.max(&now));
        let allowed = whole_at.saturating_add(self.interval).saturating_sub(now) <= self.full();
        self.verdict(allowed, now, whole_at)
    }

    /// Nanoseconds in which a used-up allowance is whole again.
    fn full(&self) -> i64 {
        self.interval.saturating_mul(i64::from(self.limit))
    }

    fn verdict(&self, allowed: bool, now: i64, whole_at: i64) -> Verdict {
        let spent = whole_at - now;
        let left = (self.full() - spent) / self.interval;
        let wait = if allowed {
            0
        } else {
            spent + self.interval - self.full()
        };
        let duration = |nanos: i64| Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        Verdict {
            allowed,
            limit: self.limit,
            remaining: u32::try_from(left).unwrap_or(0),
            reset: duration(spent),
            retry_after: duration(wait),
        }
    }
}

impl Shard {
    fn add(&mut self, key: LimitKey, whole_at: i64, now: i64) {
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
