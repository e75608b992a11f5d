//! Time that only goes forward, of a clock that tests can move.

use std::time::{Duration, Instant};

use stoa_kernel::{Clock, Timestamp};

pub(crate) struct Time {
    clock: Clock,
    begun: Instant,
    begun_at: Timestamp,
}

impl Time {
    pub(crate) fn of(clock: Clock) -> Self {
        Self {
            begun: Instant::now(),
            begun_at: clock.now(),
            clock,
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Since this was made.
    pub(crate) fn elapsed(&self) -> Duration {
        if self.clock.is_system() {
            return self.begun.elapsed();
        }
        let moved = self.clock.now().duration_since(self.begun_at);
        Duration::try_from(moved).unwrap_or_default()
    }
}
