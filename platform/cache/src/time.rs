//! The cache's own time: nanoseconds since it was made, or of a clock that tests can move.

use std::time::{Duration, Instant};

use stoa_kernel::Clock;

#[derive(Clone, Debug)]
pub(crate) enum Time {
    /// Never goes back, whatever is done to the machine's clock.
    Monotonic(Instant),
    Clock(Clock),
}

impl Time {
    pub(crate) fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    /// Nanoseconds since some moment in the past.
    pub(crate) fn now(&self) -> i64 {
        match self {
            Self::Monotonic(start) => nanos(start.elapsed()),
            Self::Clock(clock) => clock.now().as_microsecond().saturating_mul(1000),
        }
    }

    pub(crate) fn after(&self, period: Duration) -> i64 {
        self.now().saturating_add(nanos(period))
    }
}

pub(crate) fn nanos(period: Duration) -> i64 {
    i64::try_from(period.as_nanos()).unwrap_or(i64::MAX)
}
