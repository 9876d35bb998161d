//! Searches: what callers ask and what they get.

use crate::collect::Candidate;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::geo::{Circle, Place};
use crate::normalise::normalise;
use crate::parse;
use crate::pass::{Found, Pass};
use crate::query::Query;
use crate::suggest::suggestion;
use crate::vocabulary::Vocabulary;
use crate::work::Work;
use std::time::Instant;

/// Bytes of a query.
const LONGEST: usize = 4096;
/// How many results can be had in all, page by page.
const DEEPEST: usize = 10_000;

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
    of_each: Option<usize>,
    work: u64,
    until: Option<Instant>,
    pub(crate) circle: Option<Circle>,
    is_lenient: bool,
    pub(crate) threads: usize,
}

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Matches {
    /// How many documents match.
    pub total: Total,
    /// The page that was asked for, the best first.
    pub hits: Vec<Hit>,
    /// How many of them each database has, in the order of what was given to [`Search::run`]: `None` if it failed, or
    /// was not come to before the limit on work was reached.
    pub of_each: Vec<Option<Total>>,
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
            of_each: None,
            work: 200_000_000,
            until: None,
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

    /// How many results there may be of one database, so that a large one leaves room for others. As many as there
    /// may be at all, if it is not called.
    #[must_use]
    pub const fn of_each(mut self, most: usize) -> Self {
        self.of_each = Some(most);
        self
    }

    /// When the search ends: what was found until then is the answer.
    #[must_use]
    pub const fn until(mut self, time: Instant) -> Self {
        self.until = Some(time);
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
        let mut work = Work::new(stop, self.work, self.until);
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

    /// How many documents are kept, of one database and of all.
    pub(crate) fn room(&self) -> (usize, usize) {
        let all = self.offset + self.limit;
        (self.of_each.unwrap_or(all).min(all), all)
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
        let Found { best, counts, is_complete, leaves } = found;
        let mut total = Total { at_least: 0, is_exact: is_complete };
        let mut of_each = vec![None; databases.len()];
        for (index, count) in counts {
            total.at_least += count.at_least;
            total.is_exact &= count.is_exact;
            if let Some(place) = of_each.get_mut(index) {
                *place = Some(count);
            }
        }
        if self.is_suggestion {
            total.at_least = best.distinct;
        }
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
        Ok(Matches { total, hits, of_each, is_complete, failures })
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
