//! How quick a replica is, as a moving average that forgets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// After so long without an answer a third of what is known is left: so that a slow one is tried again.
const MEMORY: f64 = 1.0;
/// How much of the average each answer makes up.
const SHARE: f64 = 0.2;
/// What a replica counts for that nobody has asked yet, in microseconds.
const UNKNOWN: f64 = 1000.0;

/// Moving average of the time to an answer.
pub(super) struct Latency {
    begun: Instant,
    /// Bits of microseconds as f64.
    average: AtomicU64,
    /// Milliseconds since `begun`.
    at: AtomicU64,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            average: AtomicU64::new(UNKNOWN.to_bits()),
            at: AtomicU64::new(0),
        }
    }

    /// An answer took so long. Two at once may overwrite each other, which an average survives.
    pub(super) fn note(&self, took: Duration) {
        let new = took.as_secs_f64() * 1e6;
        let old = f64::from_bits(self.average.load(Ordering::Relaxed));
        let average = old + (new - old) * SHARE;
        self.average.store(average.to_bits(), Ordering::Relaxed);
        self.at.store(self.now(), Ordering::Relaxed);
    }

    /// What one more request may expect beside `in_flight` others.
    pub(super) fn cost(&self, in_flight: usize) -> f64 {
        let average = f64::from_bits(self.average.load(Ordering::Relaxed));
        let age = self.now().saturating_sub(self.at.load(Ordering::Relaxed));
        let weight = (-Duration::from_millis(age).as_secs_f64() / MEMORY).exp();
        let others = u32::try_from(in_flight).unwrap_or(u32::MAX);
        average * weight * (f64::from(others) + 1.0)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowness_and_load_both_cost() {
        let (quick, slow) = (Latency::new(), Latency::new());
        for _ in 0..10 {
            quick.note(Duration::from_millis(2));
            slow.note(Duration::from_millis(50));
        }
        assert!(slow.cost(0) > 10.0 * quick.cost(0));
        assert!(quick.cost(60) > slow.cost(0));
    }
}
