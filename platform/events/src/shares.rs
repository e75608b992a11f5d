//! How the workers of a process are shared among queues: no queue, however long its jobs take, leaves the others without any.

use std::collections::HashMap;

use crate::store::Share;

/// The part of the workers that each queue has besides, for itself: an eighth, at least one.
const OWN: usize = 8;

/// What runs now, by queue.
pub(crate) struct Shares {
    concurrency: usize,
    running: HashMap<&'static str, usize>,
    /// The most of queues that may not have all workers.
    at_most: HashMap<&'static str, usize>,
}

/// What may be claimed now.
pub(crate) struct Room {
    /// The queues that may have more, and how much each.
    pub(crate) shares: Vec<Share<'static>>,
    /// Of all together.
    pub(crate) most: usize,
}

impl Shares {
    pub(crate) fn new(queues: impl Iterator<Item = &'static str>, concurrency: usize) -> Self {
        Self {
            concurrency,
            running: queues.map(|queue| (queue, 0)).collect(),
            at_most: HashMap::new(),
        }
    }

    /// With fewer workers for these queues than there are.
    pub(crate) fn at_most(mut self, queues: impl Iterator<Item = (&'static str, usize)>) -> Self {
        self.at_most = queues.collect();
        self
    }

    pub(crate) fn begun(&mut self, queue: &'static str) {
        *self.running.entry(queue).or_default() += 1;
    }

    pub(crate) fn ended(&mut self, queue: &'static str) {
        if let Some(running) = self.running.get_mut(queue) {
            *running = running.saturating_sub(1);
        }
    }

    /// All that runs.
    pub(crate) fn running(&self) -> usize {
        self.running.values().sum()
    }

    /// While not all workers are busy each queue may have the rest of them; then those that have few, some of their own.
    pub(crate) fn room(&self) -> Room {
        let free = self.concurrency.saturating_sub(self.running());
        let own = (self.concurrency / OWN).max(1);
        let mut shares: Vec<_> = self
            .running
            .iter()
            .map(|(queue, running)| {
                let most = if free > 0 {
                    free
                } else {
                    own.saturating_sub(*running)
                };
                let at_most = self.at_most.get(queue).copied().unwrap_or(usize::MAX);
                Share {
                    queue,
                    most: most.min(at_most.saturating_sub(*running)),
                }
            })
            .filter(|share| share.most > 0)
            .collect();
        // So that statements are the same each time.
        shares.sort_unstable_by_key(|share| share.queue);
        let most = if free > 0 {
            free
        } else {
            shares.iter().map(|share| share.most).sum()
        };
        Room { shares, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of: &Room) -> Vec<(&'static str, usize)> {
        of.shares.iter().map(|share| (share.queue, share.most)).collect()
    }

    #[test]
    fn a_queue_alone_has_all_workers() {
        let all = Shares::new(["a", "b"].into_iter(), 32);
        assert_eq!(shares(&all.room()), [("a", 32), ("b", 32)]);
        assert_eq!(all.room().most, 32);
    }

    #[test]
    fn a_queue_that_holds_all_workers_leaves_others_some() {
        let mut all = Shares::new(["a", "b", "c"].into_iter(), 32);
        (0..32).for_each(|_| all.begun("a"));
        assert_eq!(shares(&all.room()), [("b", 4), ("c", 4)]);
        assert_eq!(all.room().most, 8);
        (0..4).for_each(|_| all.begun("b"));
        assert_eq!(shares(&all.room()), [("c", 4)]);
        (0..5).for_each(|_| all.ended("a"));
        assert_eq!(shares(&all.room()), [("a", 1), ("b", 1), ("c", 1)]);
    }

    #[test]
    fn a_queue_that_is_bounded_leaves_others_the_rest() {
        let mut all = Shares::new(["a", "b"].into_iter(), 32).at_most([("a", 8)].into_iter());
        assert_eq!(shares(&all.room()), [("a", 8), ("b", 32)]);
        (0..8).for_each(|_| all.begun("a"));
        assert_eq!(shares(&all.room()), [("b", 24)]);
        (0..24).for_each(|_| all.begun("b"));
        assert!(all.room().shares.is_empty());
        all.ended("a");
        assert_eq!(shares(&all.room()), [("a", 1), ("b", 1)]);
    }

    #[test]
    fn one_worker_is_one_and_one_for_each_other_queue() {
        let mut all = Shares::new(["a", "b"].into_iter(), 1);
        assert_eq!(all.room().most, 1);
        all.begun("a");
        assert_eq!(shares(&all.room()), [("b", 1)]);
    }
}
