//! Rate limits by the generic cell rate algorithm.

use std::sync::Arc;

use futures::future::join_all;
use stoa_kernel::Rate;

use crate::{
    cells::Cells,
    gcra::{Allowance, Verdict},
    key::LimitKey,
    redis::{Redis, SharedLimit},
    time::Time,
};

/// Allows each key a rate. Cheap to clone; clones count together, and so do the processes that share a cache. While the
/// shared cache is away each process counts by itself, from nothing: a limit never fails.
///
/// Without a shared cache an answer is immediate, and takes no longer than a look into a map.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    rate: Rate,
    /// None when the rate is off.
    cells: Option<Cells>,
    shared: Option<SharedLimit>,
}

impl Limiter {
    pub(crate) fn new(name: &str, rate: Rate, time: Time, redis: Option<Arc<Redis>>) -> Self {
        Self(Arc::new(Inner {
            rate,
            cells: Allowance::of(rate, 1).map(|allowance| Cells::new(allowance, time)),
            shared: redis.and_then(|redis| SharedLimit::new(redis, name, rate)),
        }))
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

    /// Takes one from `key`'s allowance. None when the rate is off.
    pub async fn check(&self, key: LimitKey) -> Option<Verdict> {
        let cells = self.0.cells.as_ref()?;
        // Boxed, so that whoever asks does not carry the way to a server with it where there is none.
        if let Some(shared) = self.shared()
            && let Some(verdict) = Box::pin(shared.check(key)).await
        {
            return Some(verdict);
        }
        Some(cells.check(key))
    }

    /// Takes one from `key`'s allowance, and says whether there was one. True when the rate is off.
    pub async fn allows(&self, key: LimitKey) -> bool {
        self.check(key).await.is_none_or(|verdict| verdict.allowed)
    }

    /// Takes one from the allowance of each, in one round trip: the verdict of one that refuses, else that of the one
    /// with the least left; none when all are off. What one refuses may have been taken from the others.
    pub async fn check_all(limits: &[(&Self, LimitKey)]) -> Option<Verdict> {
        if limits.iter().any(|(limiter, _)| limiter.shared().is_some()) {
            let verdicts = join_all(limits.iter().map(|(limiter, key)| limiter.check(*key)));
            let verdicts = Box::pin(verdicts).await;
            return verdicts.into_iter().flatten().reduce(Verdict::tighter);
        }
        let mut tightest: Option<Verdict> = None;
        for (limiter, key) in limits {
            let Some(cells) = &limiter.0.cells else { continue };
            let verdict = cells.check(*key);
            tightest = Some(tightest.map_or(verdict, |other| other.tighter(verdict)));
            if !verdict.allowed {
                break;
            }
        }
        tightest
    }

    /// What a check would say, taking nothing: `remaining` and `reset` are those of the allowance as it is.
    pub async fn peek(&self, key: LimitKey) -> Option<Verdict> {
        let cells = self.0.cells.as_ref()?;
        if let Some(shared) = self.shared()
            && let Some(verdict) = Box::pin(shared.peek(key)).await
        {
            return Some(verdict);
        }
        Some(cells.peek(key))
    }

    /// Takes `count` from `key`'s allowance, or what is left of it.
    pub async fn spend(&self, key: LimitKey, count: u32) {
        if let Some(cells) = &self.0.cells {
            cells.spend(key, count);
        }
        if let Some(shared) = self.shared() {
            Box::pin(shared.spend(key, count)).await;
        }
    }

    /// Gives one back that a check took, such as when it turns out that it should not have counted.
    pub async fn give_back(&self, key: LimitKey) {
        if let Some(cells) = &self.0.cells {
            cells.give_back(key);
        }
        if let Some(shared) = self.shared() {
            Box::pin(shared.give_back(key)).await;
        }
    }

    /// Gives `key` its whole allowance back, such as after a good login.
    pub async fn reset(&self, key: LimitKey) {
        if let Some(cells) = &self.0.cells {
            cells.reset(key);
        }
        if let Some(shared) = self.shared() {
            Box::pin(shared.reset(key)).await;
        }
    }

    /// How many keys are remembered in this process.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.cells.as_ref().map_or(0, Cells::keys)
    }

    /// The limit as it is shared, unless it is not or the server is away.
    fn shared(&self) -> Option<&SharedLimit> {
        self.0.shared.as_ref().filter(|shared| shared.is_there())
    }
}

impl Verdict {
    /// The one that refuses for longer, or else leaves less.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let rank = |verdict: &Self| {
            (
                verdict.allowed,
                std::cmp::Reverse(verdict.retry_after),
                verdict.remaining,
            )
        };
        if rank(&other) < rank(&self) { other } else { self }
    }
}
