//! Tokens that were found good, so that a signature is checked once and not with every request.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    mem,
    sync::Arc,
};

use parking_lot::RwLock;
use siphasher::sip128::SipHasher13;

/// More than one, so that two threads seldom meet.
const SHARDS: usize = 16;
/// Tokens of one generation of a shard; so 32,768 tokens in all.
const GENERATION: usize = 1024;

/// Values by token. Bounded: each shard keeps two generations, and when the younger is full the older is forgotten.
///
/// A token is known by a keyed 128-bit hash of it, whose key never leaves the process: nobody can make another token
/// with the same hash, and no token can be read out of the cache.
pub(crate) struct TokenCache<V> {
    hasher: SipHasher13,
    shards: [RwLock<Generations<V>>; SHARDS],
}

struct Generations<V> {
    young: HashMap<u128, Arc<V>, BuildHasherDefault<Folded>>,
    old: HashMap<u128, Arc<V>, BuildHasherDefault<Folded>>,
}

impl<V> TokenCache<V> {
    pub(crate) fn new() -> Self {
        let hasher = SipHasher13::new_with_key(&stoa_kernel::random::bytes());
        let empty = || Generations {
            young: HashMap::default(),
            old: HashMap::default(),
        };
        Self {
            hasher,
            shards: std::array::from_fn(|_| RwLock::new(empty())),
        }
    }

    /// What a token is known by here.
    pub(crate) fn key(&self, token: &str) -> u128 {
        self.hasher.hash(token.as_bytes()).as_u128()
    }

    pub(crate) fn get(&self, key: u128) -> Option<Arc<V>> {
        let shard = self.shard(key);
        {
            let generations = shard.read();
            if let Some(value) = generations.young.get(&key) {
                return Some(Arc::clone(value));
            }
            if !generations.old.contains_key(&key) {
                return None;
            }
        }
        // Still in use: so it stays for another generation.
        let mut generations = shard.write();
        let value = generations
            .old
            .remove(&key)
            .or_else(|| generations.young.get(&key).cloned())?;
        generations.insert(key, Arc::clone(&value));
        Some(value)
    }

    pub(crate) fn insert(&self, key: u128, value: Arc<V>) {
        self.shard(key).write().insert(key, value);
    }

    pub(crate) fn remove(&self, key: u128) {
        let mut generations = self.shard(key).write();
        generations.young.remove(&key);
        generations.old.remove(&key);
    }

    fn shard(&self, key: u128) -> &RwLock<Generations<V>> {
        &self.shards[(key >> 64) as usize % SHARDS]
    }
}

impl<V> Generations<V> {
    fn insert(&mut self, key: u128, value: Arc<V>) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_bounded_and_keeps_what_is_used() {
        let cache = TokenCache::new();
        let used = cache.key("used");
        cache.insert(used, Arc::new(0));
        for n in 1..100_000_u32 {
            cache.insert(cache.key(&n.to_string()), Arc::new(n));
            assert_eq!(cache.get(used).as_deref(), Some(&0));
        }
        let kept: usize = cache
            .shards
            .iter()
            .map(|s| s.read().young.len() + s.read().old.len())
            .sum();
        assert!(kept <= SHARDS * GENERATION * 2, "{kept}");
        assert_eq!(cache.get(cache.key("1")), None);
        assert_eq!(cache.get(cache.key("99999")).as_deref(), Some(&99_999));
    }
}
