//! A cache that is bounded in bytes, for what is dear to read twice.
//!
//! Least recently used goes first. It is cut into shards so that threads seldom wait for each other; a
//! lock is held for a lookup, never while something is read or decoded. Two threads that miss the same
//! key both make the value, which is cheap for what is kept here: a dirent, or a cluster that is not yet
//! decoded (decoding happens inside the cluster, once).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module. `V` is cheap to clone, such as an `Arc`.
pub(crate) struct Cache<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    hasher: RandomState,
    /// Bytes a shard holds at most.
    room: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Shard<K, V> {
    kept: HashMap<K, Kept<V>>,
    /// From the least to the most recently used.
    order: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
}

struct Kept<V> {
    value: V,
    cost: usize,
    used: u64,
}

/// How a cache is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Bytes that are held.
    pub bytes: u64,
    /// Bytes that may be held.
    pub limit: u64,
    /// How many values are held.
    pub entries: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(bytes: usize, shards: usize) -> Self {
        let shard = || Mutex::new(Shard { kept: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0 });
        let shards: Box<[_]> = (0..shards.max(1)).map(|_| shard()).collect();
        let room = bytes / shards.len();
        Self { shards, hasher: RandomState::new(), room, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The value, which is then the most recently used.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key)?;
        let found = shard.touch(key);
        drop(shard);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a value that costs that many bytes, or changes what a kept one costs. One that costs more
    /// than there is room is not kept.
    pub(crate) fn put(&self, key: K, value: V, cost: usize) {
        let Some(mut shard) = self.shard(&key) else { return };
        shard.remove(&key);
        if cost > self.room {
            return;
        }
        while shard.bytes + cost > self.room {
            let Some((_, oldest)) = shard.order.pop_first() else { break };
            shard.remove(&oldest);
        }
        shard.clock += 1;
        let used = shard.clock;
        shard.order.insert(used, key.clone());
        shard.bytes += cost;
        shard.kept.insert(key, Kept { value, cost, used });
    }

    /// Forgets what has such a key.
    pub(crate) fn forget(&self, mut which: impl FnMut(&K) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let keys: Vec<K> = shard.kept.keys().filter(|k| which(k)).cloned().collect();
            for key in &keys {
                shard.remove(key);
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let held = self.shards.iter().map(lock).map(|shard| (shard.bytes as u64, shard.kept.len() as u64));
        let (bytes, entries) = held.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Usage {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes,
            limit: (self.room * self.shards.len()) as u64,
            entries,
        }
    }

    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K, V>>> {
        let count = self.shards.len() as u64;
        let at = usize::try_from(self.hasher.hash_one(key).checked_rem(count)?).ok()?;
        self.shards.get(at).map(lock)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shard<K, V> {
    fn touch(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let kept = self.kept.get_mut(key)?;
        let key = self.order.remove(&kept.used)?;
        kept.used = self.clock;
        self.order.insert(self.clock, key);
        Some(kept.value.clone())
    }

    fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.order.remove(&kept.used);
            self.bytes -= kept.cost;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(100, 1);
        for key in 0..4 {
            cache.put(key, key, 25);
        }
        assert_eq!(cache.get(&0), Some(0));
        cache.put(4, 4, 25);
        assert_eq!((cache.get(&0), cache.get(&1), cache.get(&4)), (Some(0), None, Some(4)));
        let usage = cache.usage();
        assert_eq!((usage.hits, usage.misses, usage.bytes, usage.entries), (3, 1, 100, 4));
    }

    #[test]
    fn it_never_holds_more_than_its_bytes() {
        let cache = Cache::new(1000, 4);
        for key in 0..10_000_usize {
            cache.put(key % 97, key, key % 300);
            assert!(cache.usage().bytes <= 1000);
        }
        cache.forget(|_| true);
        assert_eq!((cache.usage().bytes, cache.usage().entries), (0, 0));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Cache::new(100, 1);
        cache.put(1, 1, 50);
        cache.put(1, 1, 101);
        assert_eq!((cache.get(&1), cache.usage().bytes), (None, 0));
    }
}
