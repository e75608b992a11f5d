//! Where time comes from. Nothing else in the tree asks the operating system for it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A source of time, in whole microseconds: the finest that both database engines keep.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// Microseconds that a test has moved the system clock forward by.
    Shifted(Arc<AtomicI64>),
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
            Source::Shifted(by) => by.load(Ordering::Relaxed),
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

    /// Moves an adjustable clock forward; on the system clock nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Source::Shifted(shift) = &self.0 {
            shift.fetch_add(
                i64::try_from(by.as_micros()).unwrap_or(i64::MAX),
                Ordering::Relaxed,
            );
        }
    }

    /// Moves an adjustable clock back; on the system clock nothing happens.
    pub fn set_back(&self, by: Duration) {
        if let Source::Shifted(shift) = &self.0 {
            shift.fetch_sub(
                i64::try_from(by.as_micros()).unwrap_or(i64::MAX),
                Ordering::Relaxed,
            );
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
    fn time_has_no_more_than_microseconds() {
        assert_eq!(Clock::system().now().subsec_nanosecond() % 1000, 0);
    }
}
