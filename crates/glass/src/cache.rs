//! A cache of blocks and of unpacked document lengths, bounded in bytes and shared by many databases.
//!
//! It is cut into shards so that threads seldom wait for each other; a lock is held for a lookup, never
//! while something is read. What was not used since the hand of the clock came by goes first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 8;
/// What the bookkeeping of an entry costs, about.
const OVERHEAD: usize = 96;

/// Names what is kept: a database, and a place in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) database: u64,
    pub(crate) what: What,
    pub(crate) at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum What {
    Block = 0,
    Lengths = 1,
}

/// What is kept.
#[derive(Clone)]
pub(crate) enum Value {
    Block(Arc<[u8]>),
    Lengths(Arc<[u32]>),
}

impl Value {
    fn cost(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Block(bytes) => bytes.len(),
                Self::Lengths(lengths) => lengths.len() * 4,
            }
    }
}

/// Keeps what was read of databases, in no more than a number of bytes. Share one between all of them.
pub struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    /// Bytes a shard holds at most.
    room: usize,
    next_id: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Shard {
    places: HashMap<Key, usize, BuildHasherDefault<Mix>>,
    kept: Vec<Kept>,
    hand: usize,
    bytes: usize,
}

struct Kept {
    key: Key,
    value: Value,
    used: bool,
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
}

impl Cache {
    /// A cache of at most that many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            shards: Default::default(),
            room: bytes / SHARDS,
            next_id: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How it is doing.
    pub fn usage(&self) -> Usage {
        Usage {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.shards.iter().map(|shard| lock(shard).bytes as u64).sum(),
            limit: (self.room * SHARDS) as u64,
        }
    }

    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, key: Key) -> Option<Value> {
        let mut guard = self.shard(key)?;
        let shard = &mut *guard;
        let found = shard.places.get(&key).and_then(|&place| shard.kept.get_mut(place)).map(|kept| {
            kept.used = true;
            kept.value.clone()
        });
        drop(guard);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn put(&self, key: Key, value: Value) {
        let cost = value.cost();
        let Some(mut shard) = self.shard(key) else { return };
        if cost > self.room || shard.places.contains_key(&key) {
            return;
        }
        while shard.bytes + cost > self.room {
            shard.drop_one();
        }
        let place = shard.kept.len();
        shard.places.insert(key, place);
        shard.kept.push(Kept { key, value, used: false });
        shard.bytes += cost;
    }

    /// Forgets what belongs to a database.
    pub(crate) fn forget(&self, database: u64) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let mut place = 0;
            while let Some(kept) = shard.kept.get(place) {
                if kept.key.database == database {
                    shard.remove(place);
                } else {
                    place += 1;
                }
            }
        }
    }

    fn shard(&self, key: Key) -> Option<MutexGuard<'_, Shard>> {
        let mixed = (key.at ^ key.database.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
        self.shards.get(mixed as usize % SHARDS).map(lock)
    }
}

/// 16 MiB.
impl Default for Cache {
    fn default() -> Self {
        Self::new(16 << 20)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.usage().fmt(f)
    }
}

impl Shard {
    fn drop_one(&mut self) {
        // Two rounds at most: the first takes all marks away.
        for _ in 0..=self.kept.len() * 2 {
            self.hand = if self.hand + 1 < self.kept.len() { self.hand + 1 } else { 0 };
            match self.kept.get_mut(self.hand) {
                Some(kept) if kept.used => kept.used = false,
                Some(_) => return self.remove(self.hand),
                None => break,
            }
        }
        self.places.clear();
        self.kept.clear();
        self.bytes = 0;
    }

    fn remove(&mut self, place: usize) {
        if place >= self.kept.len() {
            return;
        }
        let gone = self.kept.swap_remove(place);
        self.bytes -= gone.value.cost();
        self.places.remove(&gone.key);
        if let Some(moved) = self.kept.get(place) {
            self.places.insert(moved.key, place);
        }
    }
}

/// A quick hash of integers. A file that makes them collide slows down a bounded table.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at: u64) -> Key {
        Key { database: at % 3, what: What::Block, at }
    }

    #[test]
    fn it_never_holds_more_than_its_bytes_and_forgets_a_database() {
        let cache = Cache::new(80_000);
        for at in 0..10_000_u64 {
            cache.put(key(at % 257), Value::Block(vec![0; (at % 900) as usize].into()));
            cache.get(key(at % 7));
            assert!(cache.usage().bytes <= 80_000);
        }
        assert!(cache.usage().bytes > 40_000 && cache.usage().hits > 0);
        cache.forget(0);
        assert!(cache.get(key(0)).is_none() && cache.get(key(3)).is_none());
        cache.forget(1);
        cache.forget(2);
        assert_eq!(cache.usage().bytes, 0);
    }

    #[test]
    fn what_is_used_stays() {
        let cache = Cache::new(8 * 2_000);
        let hot = key(1);
        cache.put(hot, Value::Block(vec![0; 100].into()));
        for at in 2..2_000 {
            assert!(cache.get(hot).is_some(), "{at}");
            cache.put(key(at), Value::Block(vec![0; 100].into()));
        }
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let cache = Cache::new(800);
        cache.put(key(1), Value::Block(vec![0; 500].into()));
        assert_eq!((cache.get(key(1)).is_none(), cache.usage().bytes), (true, 0));
    }
}
