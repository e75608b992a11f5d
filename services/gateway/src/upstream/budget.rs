//! How much may be tried again, so that retries never become the load that keeps a service down.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use parking_lot::Mutex;

/// Retries a second that are allowed whatever the load.
const FLOOR: i64 = 10;
/// What may be saved up.
const MOST: i64 = 1000;
/// A retry, in the units that are counted.
const RETRY: i64 = 1000;

/// One service's budget: requests pay in, retries draw from it.
pub(super) struct Budget {
    /// What each request pays in.
    share: i64,
    balance: AtomicI64,
    /// When the floor was last paid in.
    paid: Mutex<Instant>,
}

impl Budget {
    /// `share` of the requests may be tried again.
    pub(super) fn new(share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "held between 0 and 1000")]
        let share = (share.clamp(0.0, 1.0) * 1000.0) as i64;
        Self {
            share,
            // As if it had been quiet for a while: the first thing that happens may be a crash.
            balance: AtomicI64::new(10 * FLOOR * RETRY),
            paid: Mutex::new(Instant::now()),
        }
    }

    /// A request begins.
    pub(super) fn pay_in(&self) {
        if self.balance.load(Ordering::Relaxed) < MOST * RETRY {
            self.balance.fetch_add(self.share, Ordering::Relaxed);
        }
    }

    /// Whether one more retry may be.
    pub(super) fn draw(&self) -> bool {
        self.pay_floor();
        let drawn = self
            .balance
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                (balance >= RETRY).then_some(balance - RETRY)
            });
        drawn.is_ok()
    }

    fn pay_floor(&self) {
        let mut paid = self.paid.lock();
        let millis = i64::try_from(paid.elapsed().as_millis()).unwrap_or(i64::MAX);
        if millis > 0 {
            *paid = Instant::now();
            if self.balance.load(Ordering::Relaxed) < MOST * RETRY {
                self.balance
                    .fetch_add(millis.saturating_mul(FLOOR).min(MOST * RETRY), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_requests_may_be_tried_again() {
        let budget = Budget::new(0.2);
        let saved = std::iter::repeat_with(|| budget.draw())
            .take_while(|&drawn| drawn)
            .count();
        assert!((100..150).contains(&saved), "{saved}");
        for _ in 0..1000 {
            budget.pay_in();
        }
        let drawn = std::iter::repeat_with(|| budget.draw())
            .take_while(|&drawn| drawn)
            .count();
        assert!((199..250).contains(&drawn), "{drawn}");
    }
}
