//! How quick a replica is, as a moving average that forgets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// After so long without an answer a third of what is known is left.
const MEMORY: f64 = 5.0;
/// What a replica counts for that nobody has asked yet, in microseconds.
const UNKNOWN: f64 = 1000.0;

/// Moving average of the time to an answer. A slow answer counts at once, quick ones bit by bit: so a replica that gets
/// into trouble is spared before it has made many wait.
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
            average: AtomicU64::new(0_f64.to_bits()),
            at: AtomicU64::new(0),
        }
    }

    /// An answer took so long. Two at once may overwrite each other, which an average survives.
    pub(super) fn note(&self, took: Duration) {
        let new = took.as_secs_f64() * 1e6;
        let (old, weight) = self.remembered();
        let average = if new > old {
            new
        } else {
            old * weight + new * (1.0 - weight)
        };
        self.average.store(average.to_bits(), Ordering::Relaxed);
        self.at.store(self.now(), Ordering::Relaxed);
    }

    /// What one more request may expect beside `in_flight` others.
    pub(super) fn cost(&self, in_flight: usize) -> f64 {
        let (average, weight) = self.remembered();
        let others = u32::try_from(in_flight).unwrap_or(u32::MAX);
        (average * weight + UNKNOWN * (1.0 - weight)) * (f64::from(others) + 1.0)
    }

    /// The average, and how much of it still counts.
    fn remembered(&self) -> (f64, f64) {
        let age = self.now().saturating_sub(self.at.load(Ordering::Relaxed));
        let seconds = Duration::from_millis(age).as_secs_f64();
        // A millisecond for answers that come in one; so that a thousand of them count as a second.
        let weight = (-(seconds + 0.001) / MEMORY).exp();
        (f64::from_bits(self.average.load(Ordering::Relaxed)), weight)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_counts_at_once_and_load_counts_too() {
        let (quick, slow) = (Latency::new(), Latency::new());
        quick.note(Duration::from_millis(2));
        slow.note(Duration::from_millis(2));
        slow.note(Duration::from_millis(50));
        slow.note(Duration::from_millis(2));
        assert!(slow.cost(0) > 10.0 * quick.cost(0));
        assert!(quick.cost(60) > slow.cost(0));
    }
}
