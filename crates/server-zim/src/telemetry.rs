//! What `zim_query` met, counted by name, and since when: for `zim_health`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

pub(crate) struct Telemetry {
    counters: Mutex<BTreeMap<String, u64>>,
    pub(crate) since: SystemTime,
    pub(crate) began: Instant,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { counters: Mutex::default(), since: SystemTime::now(), began: Instant::now() }
    }
}

impl Telemetry {
    /// One more of this name. Names are ours, so there are few.
    pub(crate) fn count(&self, name: &str) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        match counters.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                counters.insert(name.to_owned(), 1);
            }
        }
    }

    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
