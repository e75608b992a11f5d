//! Room for answers, shared out among callers: who stores much loses its own oldest answers, and nobody else's.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::sender::Hash;

/// What an answer takes up beside its bytes, here and in the cache.
const OVERHEAD: u64 = 512;
/// One caller has at most this part of the room.
const PART: u64 = 16;

/// Which answers are stored, by whose they are. Answers that have expired stay counted until they are the oldest.
pub(super) struct Quotas {
    room: u64,
    used: u64,
    owners: HashMap<Hash, Owner>,
    by_size: BTreeSet<(u64, Hash)>,
}

#[derive(Default)]
struct Owner {
    size: u64,
    /// Oldest first.
    answers: VecDeque<(Hash, u64)>,
}

impl Quotas {
    pub(super) fn new(room: u64) -> Self {
        Self {
            room,
            used: 0,
            owners: HashMap::new(),
            by_size: BTreeSet::new(),
        }
    }

    /// Takes in an answer of `size` bytes. Returns the keys of those that have to go for it: this caller's oldest, and if all
    /// callers together have no room, the oldest of whoever has most. None if it is too large to be stored at all.
    pub(super) fn add(&mut self, owner: Hash, key: Hash, size: usize) -> Option<Vec<Hash>> {
        let size = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(OVERHEAD);
        if size > self.room / PART {
            return None;
        }
        self.change(owner, |held| {
            held.answers.retain(|(known, size)| {
                held.size -= if *known == key { *size } else { 0 };
                *known != key
            });
            held.answers.push_back((key, size));
            held.size += size;
        });
        let mut gone = Vec::new();
        while self
            .owners
            .get(&owner)
            .is_some_and(|held| held.size > self.room / PART)
        {
            gone.extend(self.drop_oldest(owner));
        }
        while self.used > self.room {
            let Some((_, largest)) = self.by_size.last().copied() else {
                break;
            };
            gone.extend(self.drop_oldest(largest));
        }
        Some(gone)
    }

    fn drop_oldest(&mut self, owner: Hash) -> Option<Hash> {
        self.change(owner, |held| {
            let (key, size) = held.answers.pop_front()?;
            held.size -= size;
            Some(key)
        })
    }

    /// Changes what an owner has, and keeps sums and order true to it.
    fn change<T>(&mut self, owner: Hash, change: impl FnOnce(&mut Owner) -> T) -> T {
        let held = self.owners.entry(owner).or_default();
        let before = held.size;
        let result = change(held);
        let after = held.size;
        self.used = self.used - before + after;
        self.by_size.remove(&(before, owner));
        if after == 0 {
            self.owners.remove(&owner);
        } else {
            self.by_size.insert((after, owner));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> Hash {
        super::super::sender::hash(&[&number.to_be_bytes()])
    }

    #[test]
    fn who_stores_much_loses_its_own_oldest() {
        let mut quotas = Quotas::new(160_000);
        assert_eq!(quotas.add(name(1), name(100), 1000), Some(vec![]));
        let gone: Vec<_> = (200..400)
            .flat_map(|key| quotas.add(name(2), name(key), 1000).unwrap())
            .collect();
        assert_eq!(gone, (200..394).map(name).collect::<Vec<_>>());
        assert!(quotas.used <= 160_000 && quotas.owners.len() == 2);
    }

    #[test]
    fn when_there_is_no_room_whoever_has_most_gives_way() {
        let mut quotas = Quotas::new(160_000);
        quotas.add(name(1), name(100), 1000).unwrap();
        for owner in 2..32 {
            for key in 0..10 {
                let gone = quotas.add(name(owner), name(owner * 1000 + key), 1000).unwrap();
                assert!(!gone.contains(&name(100)));
            }
        }
        assert!(quotas.used <= 160_000);
        assert_eq!(quotas.owners.len(), quotas.by_size.len());
    }

    #[test]
    fn what_is_stored_again_counts_once_and_what_is_too_large_is_not_stored() {
        let mut quotas = Quotas::new(160_000);
        for _ in 0..100 {
            assert_eq!(quotas.add(name(1), name(7), 1000), Some(vec![]));
        }
        assert_eq!(quotas.used, 1000 + OVERHEAD);
        assert_eq!(quotas.add(name(1), name(8), 10_000), None);
    }
}
