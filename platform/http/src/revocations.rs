//! What was taken back before it expired.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;
use stoa_kernel::Timestamp;

/// Values that hold until a time each. What is over is forgotten as new ones come, so that it does not grow without end.
pub(crate) struct Until<K, V> {
    /// Lets the usual case, that nothing was revoked, pass without a lock.
    any: AtomicBool,
    held: RwLock<Held<K, V>>,
}

struct Held<K, V> {
    entries: HashMap<K, (V, Timestamp)>,
    /// How many entries there may be before the next look for what is over.
    prune_at: usize,
}

/// Fewer entries than this are not worth a look.
const FEW: usize = 64;

impl<K: Hash + Eq, V: Copy + Ord> Until<K, V> {
    pub(crate) fn new() -> Self {
        let held = Held {
            entries: HashMap::new(),
            prune_at: FEW,
        };
        Self {
            any: AtomicBool::new(false),
            held: RwLock::new(held),
        }
    }

    /// The greater value and the later time win.
    pub(crate) fn raise(&self, key: K, value: V, until: Timestamp, now: Timestamp) {
        let mut held = self.held.write();
        let entry = held.entries.entry(key).or_insert((value, until));
        *entry = (entry.0.max(value), entry.1.max(until));
        if held.entries.len() >= held.prune_at {
            held.entries.retain(|_, (_, until)| *until > now);
            held.prune_at = (held.entries.len() * 2).max(FEW);
        }
        self.any.store(true, Ordering::Release);
    }

    /// The value, if it holds at `now`.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let held = self.held.read();
        let (value, until) = held.entries.get(key)?;
        (*until > now).then_some(*value)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_is_over_is_forgotten_and_the_rest_is_not() {
        let start = Timestamp::UNIX_EPOCH;
        let until = Until::new();
        for n in 0..10_000_i64 {
            let now = start + SignedDuration::from_secs(n);
            until.raise(n, n, now + SignedDuration::from_secs(10), now);
            assert_eq!(until.get(&n, now), Some(n));
            assert_eq!(until.get(&(n - 9).max(0), now), Some((n - 9).max(0)));
        }
        assert!(until.held.read().entries.len() <= 2 * FEW);
    }

    #[test]
    fn what_is_over_holds_no_more_even_before_it_is_forgotten() {
        let (until, end) = (
            Until::new(),
            Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10),
        );
        until.raise(1, 7, end, Timestamp::UNIX_EPOCH);
        assert_eq!(until.get(&1, end - SignedDuration::from_micros(1)), Some(7));
        assert_eq!(until.get(&1, end), None);
    }

    #[test]
    fn a_lower_value_does_not_undo_a_higher() {
        let until = Until::new();
        until.raise(1, 7, Timestamp::MAX, Timestamp::UNIX_EPOCH);
        until.raise(1, 3, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        assert_eq!(until.get(&1, Timestamp::UNIX_EPOCH), Some(7));
    }
}
