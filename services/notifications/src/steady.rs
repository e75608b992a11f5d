//! The time, for what is sent when it is due and cannot be taken back: a jump of the clock that does not last is not believed.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use stoa_kernel::{Clock, Timestamp};

/// A jump ahead that lasts this long is believed; the same is no jump.
const LASTS: Duration = Duration::from_secs(2);

/// Knows what the clock said last, and how much time has passed since.
pub(crate) struct Steady {
    clock: Clock,
    last: Mutex<(Instant, Timestamp)>,
}

impl Steady {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            last: Mutex::new((Instant::now(), clock.now())),
        }
    }

    /// What the clock says. If it is further ahead than time has passed, what it says two seconds later.
    async fn now(&self) -> Timestamp {
        let now = self.clock.now();
        let (at, before) = *self.last.lock();
        let passed =
            jiff::SignedDuration::try_from(at.elapsed() + LASTS).unwrap_or(jiff::SignedDuration::MAX);
        let now = match now > before.saturating_add(passed).unwrap_or(Timestamp::MAX) {
            true => {
                tokio::time::sleep(LASTS).await;
                self.clock.now()
            }
            false => now,
        };
        *self.last.lock() = (Instant::now(), now);
        now
    }

    /// The due time, if it has not come yet: the work was begun by a clock that was ahead, and is to be put off until then.
    pub(crate) async fn not_before(&self, due: Option<Timestamp>) -> Option<Timestamp> {
        let due = due?;
        (self.now().await < due).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_jump_is_believed_once_it_lasts() {
        let clock = Clock::adjustable();
        let steady = Steady::new(&clock);
        let hour = Duration::from_secs(3600);
        let due = Some(clock.after(hour / 2));
        assert_eq!(steady.not_before(due).await, due);
        clock.advance(hour);
        let (early, ()) = tokio::join!(steady.not_before(due), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.set_back(hour);
        });
        assert_eq!(early, due);
        clock.advance(hour);
        assert_eq!(steady.not_before(due).await, None);
        assert_eq!(steady.not_before(None).await, None);
    }
}
