//! The time, for what runs once it is due and cannot be taken back: a jump of the clock that does not last is not believed.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use stoa_kernel::{Clock, Timestamp};

/// A clock that is ahead for so long is believed; further ahead by less is not ahead.
const LASTS: Duration = Duration::from_secs(2);

/// Compares what a clock says with the time that has passed.
pub(crate) struct Steady {
    clock: Clock,
    /// What was believed last, and when.
    last: (Instant, Timestamp),
    ahead_since: Option<Instant>,
}

impl Steady {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            last: (clock.monotonic(), clock.now()),
            ahead_since: None,
        }
    }

    /// What the clock says; while it is ahead and that has not lasted yet, what it would say if it had not jumped.
    pub(crate) fn now(&mut self) -> Timestamp {
        let (now, said) = (self.clock.monotonic(), self.clock.now());
        let (at, before) = self.last;
        let after = |passed| {
            let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
            before.saturating_add(passed).unwrap_or(Timestamp::MAX)
        };
        let passed = now.duration_since(at);
        if said > after(passed.saturating_add(LASTS)) {
            let since = *self.ahead_since.get_or_insert(now);
            if now.duration_since(since) < LASTS {
                return after(passed);
            }
        }
        self.ahead_since = None;
        self.last = (now, said);
        said
    }

    /// Whether the clock is ahead, and is not believed yet.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.ahead_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_believed_once_it_lasts() {
        let (clock, hour) = (Clock::adjustable(), Duration::from_secs(3600));
        let mut steady = Steady::new(&clock);
        let later = clock.after(hour / 2);
        clock.jump(hour);
        assert!(steady.now() < later && steady.is_in_doubt());
        clock.set_back(hour);
        assert!(steady.now() < later && !steady.is_in_doubt());
        clock.jump(hour);
        assert!(steady.now() < later && steady.is_in_doubt());
        clock.advance(LASTS);
        assert!(steady.now() > later && !steady.is_in_doubt());
    }

    #[test]
    fn time_that_passes_is_no_jump() {
        let (clock, hour) = (Clock::adjustable(), Duration::from_secs(3600));
        let mut steady = Steady::new(&clock);
        let later = clock.after(hour);
        clock.advance(hour);
        assert!(steady.now() >= later && !steady.is_in_doubt());
        clock.set_back(hour);
        assert!(steady.now() < later && !steady.is_in_doubt());
    }
}
