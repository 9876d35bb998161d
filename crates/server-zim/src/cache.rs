//! A cache that is bounded in bytes and in number: what was used least recently goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module. `V` is cheap to clone, such as an `Arc`.
pub(crate) struct Cache<K, V> {
    kept: Mutex<Kept<K, V>>,
    bounds: Bounds,
}

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) entries: usize,
    pub(crate) age: Duration,
}

struct Kept<K, V> {
    values: HashMap<K, Value<V>>,
    /// From the least to the most recently used.
    order: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
    hits: u64,
    misses: u64,
}

struct Value<V> {
    value: V,
    cost: usize,
    used: u64,
    since: Instant,
}

/// How a cache is doing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let kept = Kept { values: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0, hits: 0, misses: 0 };
        Self { kept: Mutex::new(kept), bounds }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut kept = self.lock();
        let Kept { values, order, clock, .. } = &mut *kept;
        let found = match values.get_mut(key) {
            Some(value) if value.since.elapsed() <= self.bounds.age => {
                order.remove(&value.used);
                *clock += 1;
                value.used = *clock;
                order.insert(*clock, key.clone());
                Some(value.value.clone())
            }
            Some(_) => {
                kept.remove(key);
                None
            }
            None => None,
        };
        if found.is_some() {
            kept.hits += 1;
        } else {
            kept.misses += 1;
        }
        found
    }

    /// Keeps it, unless it alone is more than half of all there may be.
    pub(crate) fn put(&self, key: K, value: V, cost: usize) {
        self.put_of(key, value, cost, Instant::now());
    }

    /// The same of something that is older.
    pub(crate) fn put_of(&self, key: K, value: V, cost: usize, since: Instant) {
        if self.bounds.entries == 0 || cost > self.bounds.bytes / 2 {
            return;
        }
        let mut kept = self.lock();
        kept.remove(&key);
        kept.clock += 1;
        let used = kept.clock;
        kept.bytes += cost;
        kept.order.insert(used, key.clone());
        kept.values.insert(key, Value { value, cost, used, since });
        while kept.bytes > self.bounds.bytes || kept.values.len() > self.bounds.entries {
            let Some((_, oldest)) = kept.order.pop_first() else { break };
            kept.remove(&oldest);
        }
    }

    /// What is kept and not too old, and since when; what was used last comes first.
    pub(crate) fn snapshot(&self) -> Vec<(K, V, Instant)> {
        let kept = self.lock();
        let newest = kept.order.values().rev().filter_map(|key| Some((key.clone(), kept.values.get(key)?)));
        let fresh = newest.filter(|(_, value)| value.since.elapsed() <= self.bounds.age);
        fresh.map(|(key, value)| (key, value.value.clone(), value.since)).collect()
    }

    pub(crate) fn usage(&self) -> Usage {
        let kept = self.lock();
        Usage { entries: kept.values.len(), bytes: kept.bytes, hits: kept.hits, misses: kept.misses }
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(value) = self.values.remove(key) {
            self.order.remove(&value.used);
            self.bytes -= value.cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let bounds = Bounds { bytes: 80, entries: 100, age: Duration::from_secs(60) };
        let cache = Cache::new(bounds);
        for key in 0..8 {
            cache.put(key, key, 10);
        }
        assert_eq!(cache.get(&0), Some(0));
        cache.put(8, 8, 10);
        assert_eq!((cache.get(&0), cache.get(&1)), (Some(0), None));
        cache.put(9, 9, 41);
        assert_eq!(cache.get(&9), None);
        let usage = cache.usage();
        assert_eq!((usage.entries, usage.bytes, usage.hits, usage.misses), (8, 80, 2, 2));
        let few = Cache::new(Bounds { entries: 2, ..bounds });
        (0..5).for_each(|key| few.put(key, key, 1));
        assert_eq!((few.get(&2), few.get(&3), few.get(&4)), (None, Some(3), Some(4)));
        let brief = Cache::new(Bounds { age: Duration::ZERO, ..bounds });
        brief.put(1, 1, 1);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!((brief.get(&1), brief.usage().bytes), (None, 0));
    }
}
