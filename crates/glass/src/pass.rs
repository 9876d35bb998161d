//! One attempt at a search, with the databases that did not fail so far: statistics of all of them first, then each is
//! gone through, by one thread or several.

use crate::collect::{Best, Candidate};
use crate::database::Database;
use crate::error::{Error, Result, damaged};
use crate::node::Node;
use crate::plan::{Part, Plan};
use crate::postings::{END, Postings};
use crate::query::Query;
use crate::search::{Search, Total};
use crate::values::Values;
use crate::weight::Scheme;
use crate::work::{Run, Work};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sums of weights in other orders differ by less than this part of them.
const SLACK: f64 = 1e-12;

/// What a pass found.
pub(crate) struct Found {
    pub(crate) best: Best,
    /// How many documents match in the databases that were come to.
    pub(crate) counts: Vec<(usize, Total)>,
    pub(crate) is_complete: bool,
    /// How many terms the query has.
    pub(crate) leaves: u32,
}

impl Found {
    fn new(search: &Search) -> Self {
        Self { best: Best::new(search.room().1), counts: Vec::new(), is_complete: true, leaves: 0 }
    }

    /// Takes in what another thread found in other databases.
    fn merge(&mut self, other: Self) {
        self.best.merge(other.best);
        self.counts.extend(other.counts);
        self.is_complete &= other.is_complete;
    }
}

/// See the module.
pub(crate) struct Pass<'s, 'w, 'a> {
    pub(crate) search: &'s Search,
    /// How many databases there are in all.
    pub(crate) count: usize,
    pub(crate) work: &'w mut Work<'a>,
}

/// A mistake of ours in one database of several is that database's error: it harms no other, and no result goes
/// missing unsaid. Of one database alone a panic is what it is.
fn guarded<T>(count: usize, search: impl FnOnce() -> Result<T>) -> Result<T> {
    if count == 1 {
        return search();
    }
    catch_unwind(AssertUnwindSafe(search)).unwrap_or_else(|_| damaged("the search in it panicked"))
}

impl Pass<'_, '_, '_> {
    pub(crate) fn run(mut self, databases: Vec<(usize, &Database)>, failed: &mut Vec<(usize, Error)>) -> Result<Found> {
        let mut found = Found::new(self.search);
        match self.go(databases, failed, &mut found) {
            Err(Error::Stopped) if self.work.is_exhausted => found.is_complete = false,
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Ok(found)
    }

    fn go(
        &mut self,
        databases: Vec<(usize, &Database)>,
        failed: &mut Vec<(usize, Error)>,
        found: &mut Found,
    ) -> Result<()> {
        let mut jobs = Vec::new();
        for (index, database) in databases {
            match guarded(self.count, || self.part(database)) {
                Ok(part) => {
                    found.leaves = found.leaves.max(part.query.leaves());
                    jobs.push((index, part));
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => failed.push((index, error)),
            }
        }
        let scheme = if self.search.is_for_titles() { Scheme::SUGGESTIONS } else { Scheme::FULL_TEXT };
        let plan = &Plan::new(scheme, jobs.iter().map(|(_, part)| part))?;
        let threads = self.search.threads.clamp(1, jobs.len().max(1));
        if threads == 1 {
            return jobs.iter().try_for_each(|(index, part)| {
                let done = guarded(self.count, || self.search_one(*index, part, plan, found));
                note(done, *index, failed)
            });
        }
        let (search, count, jobs, next) = (self.search, self.count, &jobs, &AtomicUsize::new(0));
        let work = &*self.work;
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let mut work = work.share(threads);
                    scope.spawn(move || {
                        let (mut found, mut failed) = (Found::new(search), Vec::new());
                        let mut pass = Pass { search, count, work: &mut work };
                        let mut outcome = Ok(());
                        while let Some((index, part)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let done = guarded(count, || pass.search_one(*index, part, plan, &mut found));
                            outcome = note(done, *index, &mut failed);
                            if outcome.is_err() {
                                break;
                            }
                        }
                        (found, failed, outcome, work.is_exhausted)
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let mut outcome = Ok(());
        for (theirs, mut their_failed, their_outcome, is_exhausted) in outcomes {
            found.merge(theirs);
            failed.append(&mut their_failed);
            self.work.is_exhausted |= is_exhausted;
            outcome = outcome.and(their_outcome);
        }
        outcome
    }

    fn part<'a>(&mut self, database: &'a Database) -> Result<Part<'a>> {
        let mut part = Part::new(database, self.search.query(database)?);
        part.expand(self.work)?;
        Ok(part)
    }

    /// What was found is taken in even if the time is over in the midst of it.
    fn search_one(&mut self, index: usize, part: &Part<'_>, plan: &Plan, found: &mut Found) -> Result<()> {
        let (mut own, floor) = (Best::new(self.search.room().0), found.best.least());
        let mut total = Total { at_least: 0, is_exact: true };
        let done = self.gather(index, part, plan, floor, &mut own, &mut total);
        if done.is_err() {
            total.is_exact = false;
        }
        found.best.merge(own);
        found.counts.push((index, total));
        done
    }

    /// The best of one database, and how many match. What weighs less than `floor` is of no use.
    fn gather(
        &mut self,
        index: usize,
        part: &Part<'_>,
        plan: &Plan,
        floor: f64,
        best: &mut Best,
        total: &mut Total,
    ) -> Result<()> {
        self.work.look()?;
        let database = part.database;
        let slots = database.settings()?.slots;
        let mut places = self.search.circle.map(|circle| (circle, slots.position.map(|slot| database.values(slot))));
        let root = match (&part.query, &places) {
            (Query::Nothing, Some(_)) => Root::everything(database)?,
            _ => plan.tree(part)?.map(Root::Node),
        };
        let Some(mut root) = root else { return Ok(()) };
        // What is counted must be gone through. One term says itself how many documents it is in.
        let known = match &root {
            Root::Node(Node::Leaf(_)) if places.is_none() && !self.search.is_for_titles() => root.count(),
            _ => None,
        };
        let is_counted = known.is_none() && !self.search.is_for_titles();
        // What certainly matches is counted without being weighed.
        let is_certain = is_counted && places.is_none() && root.is_certain();
        total.at_least += u64::from(known.unwrap_or_default());
        let mut keys = self.search.is_for_titles().then(|| Keys::new(database));
        let mut run = Run::new(self.work, database.lengths());
        let mut next = 1;
        loop {
            let least = best.least().max(floor);
            let least = least - least.abs() * SLACK;
            let seek = if is_counted { f64::NEG_INFINITY } else { least };
            if known.is_none() && seek > f64::NEG_INFINITY {
                total.is_exact = false;
            }
            let docid = root.seek(next, seek, &mut run)?;
            if docid == END {
                return Ok(());
            }
            next = docid + 1;
            run.matched = 0;
            total.at_least += u64::from(is_certain);
            let Some(mut weight) = root.weigh(if is_certain { least } else { seek }, &mut run)? else { continue };
            if let Some((circle, values)) = &mut places {
                let Some(values) = values else { return Ok(()) };
                let Some(near) = circle.weigh(docid, values)? else { continue };
                if matches!(root, Root::Everything(_)) {
                    weight = near;
                }
            }
            total.at_least += u64::from(known.is_none() && !is_certain);
            if weight < least {
                continue;
            }
            let mut candidate = Candidate {
                weight,
                title: Arc::default(),
                docid: u64::from(docid - 1) * self.count as u64 + index as u64 + 1,
                place: (index, docid),
                collapse: Arc::default(),
                matched: run.matched,
            };
            if let Some(keys) = &mut keys {
                keys.fill(&mut candidate)?;
            }
            best.offer(candidate);
        }
    }
}

/// A database that failed is noted, and others go on; being stopped ends all.
fn note(done: Result<()>, index: usize, failed: &mut Vec<(usize, Error)>) -> Result<()> {
    match done {
        Err(Error::Stopped) => Err(Error::Stopped),
        Err(error) => {
            failed.push((index, error));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// What suggestions are sorted and made distinct by.
struct Keys {
    title: Values,
    target: Values,
}

impl Keys {
    fn new(database: &Database) -> Self {
        // libzim sorts by slot 0 and collapses on slot 1, whatever the map of values says.
        Self { title: database.values(0), target: database.values(1) }
    }

    /// Writes them into a candidate.
    fn fill(&mut self, candidate: &mut Candidate) -> Result<()> {
        let (_, docid) = candidate.place;
        candidate.title = self.title.get(docid)?.into();
        candidate.collapse = self.target.get(docid)?.into();
        Ok(())
    }
}

/// What is gone through: what matches a query, or all documents.
enum Root {
    Node(Node),
    Everything(Postings),
}

impl Root {
    fn everything(database: &Database) -> Result<Option<Self>> {
        Ok(database.all_documents()?.map(Self::Everything))
    }

    fn is_certain(&self) -> bool {
        match self {
            Self::Node(node) => node.is_certain(),
            Self::Everything(_) => false,
        }
    }

    fn count(&self) -> Option<u32> {
        match self {
            Self::Node(node) => Some(node.estimate()),
            Self::Everything(_) => None,
        }
    }

    fn seek(&mut self, target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        match self {
            Self::Node(node) => node.seek(target, least, run),
            Self::Everything(list) => {
                let steps = list.seek(target)?;
                run.work.spend(u64::from(steps))?;
                Ok(list.docid())
            }
        }
    }

    fn weigh(&mut self, least: f64, run: &mut Run<'_, '_>) -> Result<Option<f64>> {
        match self {
            Self::Node(node) => node.weigh(least, run),
            Self::Everything(_) => Ok(Some(0.0)),
        }
    }
}
