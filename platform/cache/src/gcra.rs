//! The arithmetic of rate limits, the same wherever the numbers are kept.

use std::time::Duration;

use stoa_kernel::Rate;

use crate::time::nanos;

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

/// A rate as the generic cell rate algorithm sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) limit: u32,
    /// Nanoseconds in which one more is allowed, rounded up so that the rate is never exceeded.
    pub(crate) interval: i64,
}

impl Allowance {
    /// Of a rate that is counted in units of `grain` nanoseconds; none if it is off.
    pub(crate) fn of(rate: Rate, grain: i64) -> Option<Self> {
        let Rate::Limit { count, period } = rate else {
            return None;
        };
        let units = nanos(period).div_euclid(grain);
        let count = i64::from(count.get());
        let interval = (units / count + i64::from(units % count != 0)).max(1);
        Some(Self {
            limit: u32::try_from(count).unwrap_or(u32::MAX),
            interval: interval.saturating_mul(grain),
        })
    }

    /// Nanoseconds in which a used-up allowance is whole again.
    pub(crate) fn full(&self) -> i64 {
        self.interval.saturating_mul(i64::from(self.limit))
    }

    /// `spent`: in how many nanoseconds the allowance is whole again.
    pub(crate) fn verdict(&self, allowed: bool, spent: i64) -> Verdict {
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
