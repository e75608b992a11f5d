//! Where time comes from. Nothing else in the tree asks the operating system for it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of time, in whole microseconds: the finest that both database engines keep.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// The machine's clock, as a test has moved it.
    Shifted(Arc<Shift>),
}

/// By how many microseconds.
#[derive(Debug, Default)]
struct Shift {
    clock: AtomicI64,
    /// As much time seems to have passed besides.
    passed: AtomicU64,
}

impl Shift {
    fn clock(&self, by: i64) {
        self.clock.fetch_add(by, Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The machine's clock, which [`Clock::advance`] can move. For tests.
    #[must_use]
    pub fn adjustable() -> Self {
        Self(Source::Shifted(Arc::default()))
    }

    /// Whether this is the machine's clock, which nobody moves.
    #[must_use]
    pub const fn is_system(&self) -> bool {
        matches!(self.0, Source::System)
    }

    /// The time now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    pub fn now(&self) -> Timestamp {
        let micros = Timestamp::now().as_microsecond();
        let shift = match &self.0 {
            Source::System => 0,
            Source::Shifted(by) => by.clock.load(Ordering::Relaxed),
        };
        Timestamp::from_microsecond(micros.saturating_add(shift)).unwrap_or(Timestamp::MAX)
    }

    /// The time `after` from now.
    #[must_use]
    pub fn after(&self, after: Duration) -> Timestamp {
        self.now()
            .saturating_add(SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }

    /// How much time passes, whatever the clock is set to: for the time between two of these.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        let now = Instant::now();
        match &self.0 {
            Source::System => now,
            Source::Shifted(by) => now + Duration::from_micros(by.passed.load(Ordering::Acquire)),
        }
    }

    /// Has time pass by an adjustable clock; on the system clock nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Source::Shifted(shift) = &self.0 {
            // In this order: who looks between the two sees a jump, which is soon over.
            shift.clock(micros(by));
            shift
                .passed
                .fetch_add(micros(by).unsigned_abs(), Ordering::Release);
        }
    }

    /// Sets an adjustable clock ahead although no time has passed; on the system clock nothing happens.
    pub fn jump(&self, by: Duration) {
        if let Source::Shifted(shift) = &self.0 {
            shift.clock(micros(by));
        }
    }

    /// Sets an adjustable clock back; on the system clock nothing happens.
    pub fn set_back(&self, by: Duration) {
        if let Source::Shifted(shift) = &self.0 {
            shift.clock(-micros(by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustable_clock_moves_for_all_its_holders() {
        let clock = Clock::adjustable();
        let other = clock.clone();
        let before = other.now();
        clock.advance(Duration::from_secs(3600));
        assert!(other.now().duration_since(before) >= SignedDuration::from_secs(3600));
    }

    #[test]
    fn a_clock_that_jumps_has_no_time_pass() {
        let clock = Clock::adjustable();
        let (before, passed) = (clock.now(), clock.monotonic());
        let hour = Duration::from_secs(3600);
        clock.jump(hour);
        assert!(clock.now().duration_since(before) >= SignedDuration::from_secs(3600));
        assert!(clock.monotonic().duration_since(passed) < hour);
        clock.set_back(hour);
        clock.advance(hour);
        assert!(clock.monotonic().duration_since(passed) >= hour);
        assert!(clock.now().duration_since(before) < SignedDuration::from_secs(7200));
    }

    #[test]
    fn time_has_no_more_than_microseconds() {
        assert_eq!(Clock::system().now().subsec_nanosecond() % 1000, 0);
    }
}
