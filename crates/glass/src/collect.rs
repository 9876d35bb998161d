//! The best documents so far.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A document that may be among the results. Greater is better.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) weight: f64,
    /// What decides between equal weights; the lesser is better.
    pub(crate) title: Arc<[u8]>,
    /// Over all databases; the lesser is better.
    pub(crate) docid: u64,
    /// Which database, and its own docid.
    pub(crate) place: (usize, u32),
    /// Of those that have the same one, the best is kept; empty: none.
    pub(crate) collapse: Arc<[u8]>,
    pub(crate) matched: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_weight = self.weight.total_cmp(&other.weight);
        by_weight.then_with(|| other.title.cmp(&self.title)).then_with(|| other.docid.cmp(&self.docid))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// Keeps so many of the best.
pub(crate) struct Best {
    room: usize,
    kept: BTreeSet<Candidate>,
    /// The weight and docid of what is kept for a key, with what else it takes to find it.
    by_key: HashMap<Arc<[u8]>, Candidate>,
    /// Keys that were seen, so that what is counted is what could be shown.
    keys: HashSet<Arc<[u8]>>,
    /// Documents that were offered and had no key, or one that had not been seen.
    pub(crate) distinct: u64,
}

/// Keys that are remembered to count by.
const KEYS: usize = 100_000;

impl Best {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, kept: BTreeSet::new(), by_key: HashMap::new(), keys: HashSet::new(), distinct: 0 }
    }

    /// What weighs less is of no use.
    pub(crate) fn least(&self) -> f64 {
        match self.kept.first() {
            Some(worst) if self.kept.len() >= self.room => worst.weight,
            _ => f64::NEG_INFINITY,
        }
    }

    pub(crate) fn offer(&mut self, candidate: Candidate) {
        let has_key = !candidate.collapse.is_empty();
        let mut is_new = || self.keys.len() < KEYS && self.keys.insert(Arc::clone(&candidate.collapse));
        if !has_key || is_new() {
            self.distinct += 1;
        }
        if self.room == 0
            || (self.kept.len() >= self.room && self.kept.first().is_some_and(|worst| candidate <= *worst))
        {
            return;
        }
        if has_key {
            match self.by_key.get(&candidate.collapse) {
                Some(same) if *same >= candidate => return,
                Some(same) => {
                    self.kept.remove(same);
                }
                None => {}
            }
            self.by_key.insert(Arc::clone(&candidate.collapse), candidate.clone());
        }
        self.kept.insert(candidate);
        while self.kept.len() > self.room {
            let gone = self.kept.pop_first();
            if let Some(gone) = gone.filter(|gone| !gone.collapse.is_empty()) {
                self.by_key.remove(&gone.collapse);
            }
        }
    }

    /// Takes in what another one collected, of other documents.
    pub(crate) fn merge(&mut self, mut other: Self) {
        let seen = self.keys.len();
        let theirs = other.keys.len();
        self.keys.extend(other.keys.drain());
        let in_both = (seen + theirs).saturating_sub(self.keys.len()) as u64;
        let distinct = (self.distinct + other.distinct).saturating_sub(in_both);
        other.into_candidates().for_each(|candidate| self.offer(candidate));
        self.distinct = distinct;
    }

    /// The best first.
    pub(crate) fn into_candidates(self) -> impl Iterator<Item = Candidate> {
        self.kept.into_iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_best_are_kept_one_of_each_key(
            offered in prop::collection::vec((0..9_u8, 0..4_u8, 0..6_u8), 0..60), room in 0..12_usize,
        ) {
            let all: Vec<Candidate> = offered.iter().enumerate().map(|(n, (weight, title, key))| Candidate {
                weight: f64::from(*weight),
                title: [*title].into(),
                docid: n as u64,
                place: (0, n as u32),
                collapse: if *key == 0 { [].into() } else { [*key].into() },
                matched: 0,
            }).collect();
            let (mut best, mut other) = (Best::new(room), Best::new(room));
            let (some, others) = all.split_at(all.len() / 3);
            some.iter().for_each(|candidate| best.offer(candidate.clone()));
            others.iter().for_each(|candidate| other.offer(candidate.clone()));
            best.merge(other);
            let mut expected = all;
            expected.sort_by(|a, b| b.cmp(a));
            let mut seen = HashSet::new();
            expected.retain(|candidate| candidate.collapse.is_empty() || seen.insert(candidate.collapse.clone()));
            prop_assert_eq!(best.distinct, expected.len() as u64);
            expected.truncate(room);
            let docids = |list: Vec<Candidate>| list.iter().map(|candidate| candidate.docid).collect::<Vec<_>>();
            prop_assert_eq!(docids(best.into_candidates().collect()), docids(expected));
        }
    }
}
