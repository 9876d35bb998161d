//! Full text in several archives at once, as one ranking.
//!
//! Archives with an index of Xapian's are searched together: how rare a word is and how long a page is are told from
//! all of them, so that each page weighs what it would weigh if they were one archive; and each archive reads the query
//! in its own language. An archive with another engine is asked by itself ([`Opened::Asked`]) and its hits are merged by
//! their weights, which are BM25 too, with the numbers of that archive alone. One archive that fails hides no other.

use crate::book::Book;
use crate::fault::Fault;
use crate::index::{self, TextIndex, Volume};
use crate::search::entry_of;
use crate::search::fulltext::{Row, row};
use crate::search::snippet::Shape;
use crate::work::Work;
use glass::{Database, Highlighter, Total};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Threads that go through the archives of one call.
const THREADS: usize = 4;
/// Hits that can be had in all, page by page.
pub(crate) const DEEPEST: usize = 10_000;

/// How an archive answered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchedFile")]
pub(crate) struct Searched {
    pub(crate) zim_file_path: String,
    pub(crate) name: String,
    pub(crate) has_hits: bool,
    pub(crate) total: u64,
    /// It may have more: the time was over.
    #[serde(skip_serializing_if = "crate::tools::is_false")]
    pub(crate) total_is_lower_bound: bool,
    pub(crate) text_index: TextIndex,
    pub(crate) error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
}

pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    /// Those that have hits first, those that failed last.
    pub(crate) files: Vec<Searched>,
    pub(crate) total: u64,
    pub(crate) is_exact: bool,
    /// Some archives were not asked any more.
    pub(crate) budget_exceeded: bool,
}

/// An archive when all are open.
enum Opened {
    /// The time was over before.
    Late,
    Failed(Fault),
    /// It has an index that is searched together with others.
    Indexed(Arc<Volume>),
    /// It was asked with its own engine; nothing if it has none.
    Asked(Arc<Volume>, Option<index::Found>),
}

impl Opened {
    fn volume(&self) -> Option<&Arc<Volume>> {
        match self {
            Self::Indexed(volume) | Self::Asked(volume, _) => Some(volume),
            Self::Late | Self::Failed(_) => None,
        }
    }
}

/// What came of an archive.
enum Outcome {
    Counted(Total),
    NoIndex,
    Failed(Fault),
}

struct Candidate {
    book: usize,
    hit: index::Hit,
}

/// The best `limit` pages after `offset` others, of which no archive gives more than `per_file`.
pub(crate) fn search(
    work: &Work,
    query: &str,
    per_file: usize,
    offset: usize,
    limit: usize,
    shape: Shape,
) -> Result<Found, Fault> {
    let limited = work.within(work.holdings.settings.search.all_timeout.mul_f64(0.9));
    let books = &work.shelf.books;
    let opened = limited.each(books, |book| open(&limited, book, query, per_file));
    work.check()?;
    let (mut candidates, mut outcomes) = (Vec::new(), HashMap::new());
    let deepest = offset.saturating_add(limit).min(DEEPEST);
    together(work, &limited, &opened, query, per_file, deepest, &mut candidates, &mut outcomes)?;
    for (book, one) in opened.iter().enumerate() {
        match one {
            Opened::Failed(fault) => {
                outcomes.insert(book, Outcome::Failed(fault.clone()));
            }
            Opened::Asked(_, None) => {
                outcomes.insert(book, Outcome::NoIndex);
            }
            Opened::Asked(_, Some(found)) => {
                outcomes.insert(book, Outcome::Counted(Total { at_least: found.total, is_exact: found.is_exact }));
                candidates.extend(found.hits.iter().map(|hit| Candidate { book, hit: hit.clone() }));
            }
            Opened::Late | Opened::Indexed(_) => {}
        }
    }
    candidates.sort_by(|a, b| b.hit.weight.total_cmp(&a.hit.weight));
    let page: Vec<Candidate> = candidates.into_iter().skip(offset).take(limit).collect();
    let rows = rows(work, &opened, &page, query, shape)?;
    let mut files: Vec<Searched> =
        books.iter().enumerate().filter_map(|(index, book)| Some(searched(book, outcomes.get(&index)?))).collect();
    // Those that have something first, those that failed last, each by name.
    files.sort_by_key(|file| (file.error, !file.has_hits));
    let budget_exceeded = files.len() < books.len() || files.iter().any(|file| file.total_is_lower_bound);
    Ok(Found {
        rows,
        total: files.iter().map(|file| file.total).sum(),
        is_exact: !budget_exceeded,
        budget_exceeded,
        files,
    })
}

fn open(work: &Work, book: &Arc<Book>, query: &str, per_file: usize) -> Opened {
    if work.is_over() {
        return Opened::Late;
    }
    let opened = book.archive().and_then(|volume| {
        if volume.texts()?.is_some() {
            return Ok(Opened::Indexed(volume));
        }
        let found = volume.full_text(work, query, 0, per_file)?;
        Ok(Opened::Asked(volume, found))
    });
    opened.unwrap_or_else(|fault| if work.is_over() { Opened::Late } else { Opened::Failed(fault) })
}

/// Searches all that have an index of Xapian's.
#[allow(clippy::too_many_arguments, reason = "it is one step of the search above, with a name")]
fn together(
    work: &Work,
    limited: &Work,
    opened: &[Opened],
    query: &str,
    per_file: usize,
    deepest: usize,
    candidates: &mut Vec<Candidate>,
    outcomes: &mut HashMap<usize, Outcome>,
) -> Result<(), Fault> {
    let mut places: Vec<usize> = Vec::new();
    let mut databases: Vec<&Database> = Vec::new();
    for (book, one) in opened.iter().enumerate() {
        if let Opened::Indexed(volume) = one
            && let Ok(Some(database)) = volume.texts()
        {
            places.push(book);
            databases.push(database);
        }
    }
    if databases.is_empty() {
        return Ok(());
    }
    let search = index::text_search(query).limit(deepest).of_each(per_file).threads(THREADS).until(limited.until);
    let found = match search.run(&databases, &|| work.is_over()) {
        Ok(found) => found,
        Err(error @ (glass::Error::Stopped | glass::Error::QueryTooLong { .. } | glass::Error::TooDeep(_))) => {
            return Err(error.into());
        }
        Err(error) => {
            // All of them: it is told why the first did.
            let fault = Fault::from(error);
            outcomes.extend(places.into_iter().map(|book| (book, Outcome::Failed(fault.clone()))));
            return Ok(());
        }
    };
    for (place, count) in found.of_each.iter().enumerate() {
        if let (Some(book), Some(count)) = (places.get(place), count) {
            outcomes.insert(*book, Outcome::Counted(*count));
        }
    }
    for (place, error) in found.failures {
        if let Some(book) = places.get(place) {
            outcomes.insert(*book, Outcome::Failed(error.into()));
        }
    }
    candidates.extend(found.hits.into_iter().filter_map(|hit| {
        let book = *places.get(hit.database)?;
        Some(Candidate { book, hit: hit.into() })
    }));
    Ok(())
}

fn rows(work: &Work, opened: &[Opened], page: &[Candidate], query: &str, shape: Shape) -> Result<Vec<Row>, Fault> {
    let books = &work.shelf.books;
    let mut highlighters: HashMap<usize, Highlighter<'_>> = HashMap::new();
    for candidate in page {
        if let Some(volume) = opened.get(candidate.book).and_then(Opened::volume) {
            highlighters.entry(candidate.book).or_insert_with(|| volume.highlighter(query));
        }
    }
    let made = work.each(page, |candidate| {
        work.check()?;
        let (Some(book), Some(volume), Some(highlighter)) = (
            books.get(candidate.book),
            opened.get(candidate.book).and_then(Opened::volume),
            highlighters.get(&candidate.book),
        ) else {
            return Ok(None);
        };
        let Some(entry) = entry_of(volume, &candidate.hit) else { return Ok(None) };
        let mut row = row(work, book, volume, &entry, candidate.hit.weight, highlighter, shape)?;
        row.zim_file = Some(book.name.clone());
        Ok(Some(row))
    });
    made.into_iter().filter_map(Result::transpose).collect()
}

fn searched(book: &Book, outcome: &Outcome) -> Searched {
    let mut file = Searched {
        zim_file_path: book.name.clone(),
        name: book.file_name().to_owned(),
        has_hits: false,
        total: 0,
        total_is_lower_bound: false,
        text_index: book.text_index(),
        error: false,
        error_operation: None,
        error_message: None,
    };
    match outcome {
        Outcome::Counted(total) => {
            file.total = total.at_least;
            file.has_hits = total.at_least > 0;
            file.total_is_lower_bound = !total.is_exact;
        }
        Outcome::NoIndex => file.error_operation = Some("no_xapian_index".to_owned()),
        Outcome::Failed(fault) => {
            file.error = true;
            file.error_operation = Some(fault.operation().to_owned());
            file.error_message = Some(fault.message().to_owned());
        }
    }
    file
}
