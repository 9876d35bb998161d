//! A cache that is bounded in bytes, for what is dear to read twice.
//!
//! Least recently used goes first. It is cut into shards so that threads seldom wait for each other; a
//! lock is held for a lookup, never while something is read or decoded. Two threads that miss the same
//! key both make the value, which is cheap for what is kept here: a dirent, or a cluster that is not yet
//! decoded (decoding happens inside the cluster, once).

use std::collections::HashMap;
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
    places: HashMap<K, usize>,
    /// The values, linked in a circle from the most to the least recently used; between the two is
    /// [`Shard::first`], the place of the most recently used one. Places that are free have no value.
    slots: Vec<Slot<K, V>>,
    free: Vec<usize>,
    first: Option<usize>,
    bytes: usize,
}

struct Slot<K, V> {
    kept: Option<(K, V)>,
    cost: usize,
    newer: usize,
    older: usize,
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
        let shard = || Mutex::new(Shard::new());
        let shards: Box<[_]> = (0..shards.max(1)).map(|_| shard()).collect();
        let room = bytes / shards.len();
        Self { shards, hasher: RandomState::new(), room, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The value, which is then the most recently used.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let found = self.shard(key)?.touch(key);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a value that costs that many bytes, or changes what a kept one costs. One that costs more
    /// than there is room is not kept.
    pub(crate) fn put(&self, key: K, value: V, cost: usize) {
        let Some(mut shard) = self.shard(&key) else { return };
        // What goes is dropped when the lock is free again.
        let mut gone = Vec::from_iter(shard.remove(&key));
        shard.make_room(cost, self.room, &mut gone);
        if cost <= self.room {
            shard.insert(key, value, cost);
        }
        drop(shard);
    }

    /// The value that is kept, or else this one, which is kept from now on.
    pub(crate) fn get_or_put(&self, key: K, value: V, cost: usize) -> V {
        let Some(mut shard) = self.shard(&key) else { return value };
        if let Some(kept) = shard.touch(&key) {
            return kept;
        }
        let mut gone = Vec::new();
        shard.make_room(cost, self.room, &mut gone);
        if cost <= self.room {
            shard.insert(key, value.clone(), cost);
        }
        drop(shard);
        value
    }

    /// Whether something that costs that many bytes would be kept.
    pub(crate) const fn has_room_for(&self, cost: usize) -> bool {
        cost <= self.room
    }

    /// Forgets what has such a key.
    pub(crate) fn forget(&self, mut which: impl FnMut(&K) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let keys: Vec<K> = shard.places.keys().filter(|k| which(k)).cloned().collect();
            for key in &keys {
                shard.remove(key);
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let held = self.shards.iter().map(lock).map(|shard| (shard.bytes as u64, shard.places.len() as u64));
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
    fn new() -> Self {
        Self { places: HashMap::new(), slots: Vec::new(), free: Vec::new(), first: None, bytes: 0 }
    }

    fn touch(&mut self, key: &K) -> Option<V> {
        let place = *self.places.get(key)?;
        if self.first != Some(place) {
            self.unlink(place);
            self.link(place);
        }
        Some(self.slots.get(place)?.kept.as_ref()?.1.clone())
    }

    fn insert(&mut self, key: K, value: V, cost: usize) {
        let slot = Slot { kept: Some((key.clone(), value)), cost, newer: 0, older: 0 };
        let place = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.places.insert(key, place);
        self.bytes += cost;
        self.link(place);
    }

    fn remove(&mut self, key: &K) -> Option<(K, V)> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        self.free.push(place);
        let slot = self.slots.get_mut(place)?;
        self.bytes -= slot.cost;
        slot.kept.take()
    }

    /// Takes out the least recently used ones until something of that cost fits, if it can fit at all.
    fn make_room(&mut self, cost: usize, room: usize, gone: &mut Vec<(K, V)>) {
        while cost <= room && self.bytes + cost > room {
            match self.pop_oldest() {
                Some(oldest) => gone.push(oldest),
                None => break,
            }
        }
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        // In a circle, the least recently used is next to the most recently used one.
        let oldest = self.slots.get(self.first?)?.newer;
        let key = self.slots.get(oldest)?.kept.as_ref()?.0.clone();
        self.remove(&key)
    }

    /// Puts a place before the first one.
    fn link(&mut self, place: usize) {
        let (newer, older) = match self.first.and_then(|first| Some((self.slots.get(first)?.newer, first))) {
            Some(between) => between,
            None => (place, place),
        };
        self.set(place, newer, older);
        self.first = Some(place);
    }

    fn unlink(&mut self, place: usize) {
        let Some((newer, older)) = self.slots.get(place).map(|slot| (slot.newer, slot.older)) else { return };
        if let Some(slot) = self.slots.get_mut(newer) {
            slot.older = older;
        }
        if let Some(slot) = self.slots.get_mut(older) {
            slot.newer = newer;
        }
        if self.first == Some(place) {
            self.first = Some(older).filter(|older| *older != place);
        }
    }

    /// Links a place with its two neighbours.
    fn set(&mut self, place: usize, newer: usize, older: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            (slot.newer, slot.older) = (newer, older);
        }
        if let Some(slot) = self.slots.get_mut(newer) {
            slot.older = place;
        }
        if let Some(slot) = self.slots.get_mut(older) {
            slot.newer = place;
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
    fn it_keeps_what_a_plain_list_by_use_would_keep() {
        let cache = Cache::new(10, 1);
        let mut list: Vec<(usize, usize)> = Vec::new();
        let mut state = 1_usize;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (key, cost) = (state >> 33 & 15, state >> 40 & 3);
            match state >> 50 & 3 {
                0 => {
                    cache.forget(|k| *k == key);
                    list.retain(|(k, _)| *k != key);
                }
                1 => {
                    cache.put(key, cost, cost);
                    list.retain(|(k, _)| *k != key);
                    while list.iter().map(|(_, cost)| cost).sum::<usize>() + cost > 10 {
                        list.remove(0);
                    }
                    list.push((key, cost));
                }
                _ => {
                    let place = list.iter().position(|(k, _)| *k == key);
                    assert_eq!(cache.get(&key), place.map(|place| list[place].1));
                    if let Some(place) = place {
                        let one = list.remove(place);
                        list.push(one);
                    }
                }
            }
            let (usage, bytes) = (cache.usage(), list.iter().map(|(_, cost)| *cost as u64).sum());
            assert_eq!((usage.entries, usage.bytes), (list.len() as u64, bytes));
        }
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
