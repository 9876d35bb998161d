//! Searches: what callers ask and what they get.

use crate::collect::{Best, Candidate};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::geo::{Circle, Place};
use crate::node::Node;
use crate::normalise::normalise;
use crate::parse;
use crate::plan::{Part, Plan};
use crate::postings::{END, Postings};
use crate::query::Query;
use crate::suggest::suggestion;
use crate::values::Values;
use crate::vocabulary::Vocabulary;
use crate::weight::Scheme;
use crate::work::{Run, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a query.
const LONGEST: usize = 4096;
/// How many results can be had in all, page by page.
const DEEPEST: usize = 10_000;
/// Sums of weights in other orders differ by less than this part of them.
const SLACK: f64 = 1e-12;

/// A search in one or several databases, which make one ranking.
///
/// ```no_run
/// # let database: glass::Database = todo!();
/// let matches = glass::Search::full_text("running water").limit(10).run(&[&database], &|| false)?;
/// println!("{} documents", matches.total.at_least);
/// for hit in &matches.hits {
///     println!("{:3} % {}", hit.percent, hit.path);
/// }
/// # Ok::<(), glass::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Search {
    text: String,
    is_suggestion: bool,
    offset: usize,
    limit: usize,
    work: u64,
    circle: Option<Circle>,
    is_lenient: bool,
    threads: usize,
}

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Matches {
    /// How many documents match.
    pub total: Total,
    /// The page that was asked for, the best first.
    pub hits: Vec<Hit>,
    /// Whether all documents were gone through: `false` if the limit on work was reached before.
    pub is_complete: bool,
    /// Databases that could not be searched, by their index, and why. What was found in others is here.
    pub failures: Vec<(usize, Error)>,
}

/// A number of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// There are that many.
    pub at_least: u64,
    /// There are no more.
    pub is_exact: bool,
}

/// A document that matches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The index of its database in what was given to [`Search::run`].
    pub database: usize,
    /// Its number in that database.
    pub docid: u32,
    /// What it was ranked by. Of use for comparison within one search.
    pub weight: f64,
    /// The weight as a part of what a document with all terms would have that is otherwise like the best.
    pub percent: u8,
    /// The path in the archive, with its namespace: `C/Foo`.
    pub path: String,
    /// The title, if the index has it.
    pub title: Option<String>,
    /// How many words it has, if the index says so.
    pub word_count: Option<u64>,
    /// For a suggestion that is a redirect: the path that it leads to.
    pub target_path: Option<String>,
}

impl Search {
    /// All of the words, in any form, anywhere in the text.
    pub fn full_text(query: impl Into<String>) -> Self {
        Self::new(query.into(), false)
    }

    /// Titles that have all of the words, the last of which may be unfinished. For databases of titles.
    pub fn suggestions(query: impl Into<String>) -> Self {
        Self::new(query.into(), true)
    }

    const fn new(text: String, is_suggestion: bool) -> Self {
        Self {
            text,
            is_suggestion,
            offset: 0,
            limit: 10,
            work: 200_000_000,
            circle: None,
            is_lenient: false,
            threads: 1,
        }
    }

    /// How many of the best are passed over. 0 if it is not called.
    #[must_use]
    pub const fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// How many results there may be. 10 if it is not called.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// How many postings may be looked at, about; then what was found is the answer. 200 million, which
    /// takes a second or so, if it is not called.
    #[must_use]
    pub const fn work_limit(mut self, postings: u64) -> Self {
        self.work = postings;
        self
    }

    /// Only documents that are so near to a place. With an empty query, the nearest are the best.
    #[must_use]
    pub const fn near(mut self, centre: Place, metres: f64) -> Self {
        self.circle = Some(Circle { centre, radius: metres });
        self
    }

    /// Leaves out stop words wherever anything else is wanted. libzim keeps some, such as those of `the-who
    /// cat`, and then finds nothing in an index without stop words.
    #[must_use]
    pub const fn lenient(mut self) -> Self {
        self.is_lenient = true;
        self
    }

    /// How many threads go through several databases. 1, the caller's own, if it is not called.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Searches. `stop` is asked every few thousand postings, and ends the search by saying `true`.
    ///
    /// The query is read for each database in its own language and with its own stop words.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::QueryTooLong`] and [`Error::TooDeep`] before anything is done; and if
    /// every database failed, why the first did.
    pub fn run(&self, databases: &[&Database], stop: &(dyn Fn() -> bool + Sync)) -> Result<Matches> {
        if self.text.len() > LONGEST {
            return Err(Error::QueryTooLong { bytes: self.text.len(), limit: LONGEST });
        }
        if self.offset.saturating_add(self.limit) > DEEPEST {
            return Err(Error::TooDeep(DEEPEST));
        }
        let mut work = Work::new(stop, self.work);
        let mut failures: Vec<(usize, Error)> = Vec::new();
        loop {
            let sound: Vec<(usize, &Database)> = databases.iter().copied().enumerate().collect();
            let sound = sound.into_iter().filter(|(index, _)| failures.iter().all(|(failed, _)| failed != index));
            let pass = Pass { search: self, count: databases.len(), work: &mut work };
            let mut failed = Vec::new();
            match pass.run(sound.collect(), &mut failed) {
                Err(error) => return Err(error),
                Ok(matches) if failed.is_empty() => return self.answer(matches, databases, failures),
                Ok(_) => failures.append(&mut failed),
            }
            failures.sort_by_key(|(index, _)| *index);
            if failures.len() == databases.len() {
                return Err(failures.swap_remove(0).1);
            }
        }
    }

    pub(crate) const fn is_for_titles(&self) -> bool {
        self.is_suggestion
    }

    /// The query as it is understood for a database, in Xapian's notation. For tests and curiosity.
    #[doc(hidden)]
    pub fn explain(&self, database: &Database) -> Result<String> {
        Ok(format!("Query({})", self.query(database)?))
    }

    pub(crate) fn query(&self, database: &Database) -> Result<Query> {
        let text = normalise(&self.text);
        let settings = database.settings()?;
        if self.is_suggestion {
            let stem = |word: &str| settings.stem(word);
            return Ok(suggestion(&text, settings.stemmer.has_stems().then_some(&stem)));
        }
        let vocabulary = Vocabulary::new(database, settings);
        let query = parse::full_text(&text, &vocabulary, self.is_lenient);
        vocabulary.finish().map(|()| query)
    }

    fn answer(&self, found: Found, databases: &[&Database], failures: Vec<(usize, Error)>) -> Result<Matches> {
        let Found { best, total, is_complete, leaves } = found;
        let candidates: Vec<Candidate> = best.into_candidates().collect();
        let factor = candidates.first().filter(|best| best.weight > 0.0).map_or(0.0, |best| {
            let matched = f64::from(best.matched) / f64::from(leaves.max(1));
            100.0 * matched / best.weight
        });
        let mut hits = Vec::new();
        let mut failures = failures;
        for candidate in candidates.into_iter().skip(self.offset).take(self.limit) {
            let (index, docid) = candidate.place;
            let Some(database) = databases.get(index) else { continue };
            let percent = (candidate.weight * factor + 100.0 * f64::EPSILON).clamp(0.0, 100.0) as u8;
            match hit(database, docid) {
                Ok(hit) => hits.push(Hit { database: index, weight: candidate.weight, percent, ..hit }),
                Err(error) if databases.len() == 1 => return Err(error),
                Err(error) if failures.iter().all(|(failed, _)| *failed != index) => failures.push((index, error)),
                Err(_) => {}
            }
        }
        Ok(Matches { total, hits, is_complete, failures })
    }
}

/// What is stored of a document.
fn hit(database: &Database, docid: u32) -> Result<Hit> {
    let slots = database.settings()?.slots;
    let text = |slot: Option<u32>| -> Result<Option<String>> {
        let Some(slot) = slot else { return Ok(None) };
        Ok(database.value(docid, slot)?.map(|value| String::from_utf8_lossy(&value).into_owned()))
    };
    let path = database.document_data(docid)?.ok_or(Error::Damaged("a document has no path"))?;
    Ok(Hit {
        database: 0,
        docid,
        weight: 0.0,
        percent: 0,
        path: String::from_utf8_lossy(&path).into_owned(),
        title: text(slots.title)?,
        word_count: text(slots.word_count)?.and_then(|count| count.trim().parse().ok()),
        target_path: text(slots.target_path)?,
    })
}

struct Found {
    best: Best,
    total: Total,
    is_complete: bool,
    leaves: u32,
}

/// One attempt, with the databases that did not fail so far.
struct Pass<'s, 'w, 'a> {
    search: &'s Search,
    /// How many databases there are in all.
    count: usize,
    work: &'w mut Work<'a>,
}

impl Pass<'_, '_, '_> {
    fn run(mut self, databases: Vec<(usize, &Database)>, failed: &mut Vec<(usize, Error)>) -> Result<Found> {
        let mut best = Best::new(self.search.offset + self.search.limit);
        let mut total = Total { at_least: 0, is_exact: true };
        let mut leaves = 0;
        match self.go(databases, failed, &mut best, &mut total, &mut leaves) {
            Err(Error::Stopped) if self.work.is_exhausted => total.is_exact = false,
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if self.search.is_suggestion {
            total.at_least = best.distinct;
        }
        Ok(Found { best, total, is_complete: !self.work.is_exhausted, leaves })
    }

    fn go(
        &mut self,
        databases: Vec<(usize, &Database)>,
        failed: &mut Vec<(usize, Error)>,
        best: &mut Best,
        total: &mut Total,
        leaves: &mut u32,
    ) -> Result<()> {
        let (mut indexes, mut parts) = (Vec::new(), Vec::new());
        for (index, database) in databases {
            match self.part(database) {
                Ok(part) => {
                    *leaves = (*leaves).max(part.query.leaves());
                    indexes.push(index);
                    parts.push(part);
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => failed.push((index, error)),
            }
        }
        let scheme = if self.search.is_suggestion { Scheme::SUGGESTIONS } else { Scheme::FULL_TEXT };
        let plan = Plan::new(scheme, &parts)?;
        let jobs: Vec<(usize, &Part<'_>)> = indexes.into_iter().zip(&parts).collect();
        let threads = self.search.threads.clamp(1, jobs.len().max(1));
        if threads == 1 {
            return jobs.into_iter().try_for_each(|(index, part)| {
                let done = self.search_one(index, part, &plan, best, total);
                note(done, index, failed)
            });
        }
        let (search, count, queue) = (self.search, self.count, AtomicUsize::new(0));
        let (plan, jobs, queue, work) = (&plan, &jobs, &queue, &*self.work);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let mut work = work.share(threads);
                    scope.spawn(move || {
                        let (mut best, mut failed) = (Best::new(search.offset + search.limit), Vec::new());
                        let mut total = Total { at_least: 0, is_exact: true };
                        let mut pass = Pass { search, count, work: &mut work };
                        let mut outcome = Ok(());
                        while let Some((index, part)) = jobs.get(queue.fetch_add(1, Ordering::Relaxed)) {
                            let done = pass.search_one(*index, part, plan, &mut best, &mut total);
                            outcome = note(done, *index, &mut failed);
                            if outcome.is_err() {
                                break;
                            }
                        }
                        (best, total, failed, outcome, work.is_exhausted)
                    })
                })
                .collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
        });
        let mut outcome = Ok(());
        for (theirs, their_total, mut their_failed, their_outcome, is_exhausted) in outcomes {
            best.merge(theirs);
            total.at_least += their_total.at_least;
            total.is_exact &= their_total.is_exact;
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

    fn search_one(
        &mut self,
        index: usize,
        part: &Part<'_>,
        plan: &Plan,
        best: &mut Best,
        total: &mut Total,
    ) -> Result<()> {
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
            Root::Node(Node::Leaf(_)) if places.is_none() && !self.search.is_suggestion => root.count(),
            _ => None,
        };
        let is_counted = known.is_none() && !self.search.is_suggestion;
        // What certainly matches is counted without being weighed.
        let is_certain = is_counted && places.is_none() && root.is_certain();
        total.at_least += u64::from(known.unwrap_or_default());
        let mut keys = self.search.is_suggestion.then(|| Keys::new(database));
        let mut run = Run::new(self.work, database.lengths());
        let mut next = 1;
        loop {
            let least = best.least();
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
