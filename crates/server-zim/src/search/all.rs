//! Full text in several archives at once: each is asked on a thread of its own, and what they found becomes one
//! ranking.
//!
//! Weights of different archives are those of BM25 with the numbers of each archive: they are of one kind, and a
//! word that is rare in an archive counts for more there. One archive that fails hides no other.

use crate::book::Book;
use crate::fault::Fault;
use crate::index::TextIndex;
use crate::search::fulltext::{Row, row};
use crate::search::snippet::Shape;
use crate::search::{entry_of, words};
use crate::work::Work;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that one call takes.
const THREADS: usize = 4;

/// How an archive answered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchedFile")]
pub(crate) struct Searched {
    pub(crate) zim_file_path: String,
    pub(crate) name: String,
    pub(crate) has_hits: bool,
    pub(crate) total: u64,
    pub(crate) text_index: TextIndex,
    pub(crate) error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
}

pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) files: Vec<Searched>,
    pub(crate) total: u64,
    pub(crate) is_exact: bool,
    /// Some archives were not asked any more.
    pub(crate) budget_exceeded: bool,
}

struct Candidate {
    book: usize,
    path: String,
    weight: f64,
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
    let next = AtomicUsize::new(0);
    let gathered: Mutex<Vec<(usize, Asked)>> = Mutex::default();
    std::thread::scope(|scope| {
        let ask = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(book) = books.get(index) else { return };
                if limited.is_over() {
                    return;
                }
                let found = ask(&limited, book, query, per_file);
                gathered.lock().unwrap_or_else(PoisonError::into_inner).push((index, found));
            }
        };
        for _ in 1..THREADS.min(books.len()) {
            scope.spawn(ask);
        }
        ask();
    });
    work.check()?;
    let mut gathered = gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    gathered.sort_by_key(|(index, _)| *index);
    let budget_exceeded = gathered.len() < books.len();
    let (mut files, mut candidates) = (Vec::new(), Vec::new());
    let (mut total, mut is_exact) = (0, !budget_exceeded);
    for (index, found) in gathered {
        let Some(book) = books.get(index) else { continue };
        let mut file = Searched {
            zim_file_path: book.name.clone(),
            name: book.file_name().to_owned(),
            has_hits: false,
            total: 0,
            text_index: book.text_index(),
            error: false,
            error_operation: None,
            error_message: None,
        };
        match found {
            Ok(Some(found)) => {
                file.total = found.total;
                file.has_hits = !found.hits.is_empty();
                total += found.total;
                is_exact &= found.is_exact;
                let hits = found.hits.into_iter();
                candidates.extend(hits.map(|hit| Candidate { book: index, path: hit.path, weight: hit.weight }));
            }
            Ok(None) => {
                file.error_operation = Some("no_xapian_index".to_owned());
            }
            Err(fault) => {
                file.error = true;
                file.error_operation = Some(fault.operation().to_owned());
                file.error_message = Some(fault.message().to_owned());
            }
        }
        files.push(file);
    }
    candidates.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.book.cmp(&b.book)));
    let words = words(query);
    let mut rows = Vec::new();
    for candidate in candidates.into_iter().skip(offset).take(limit) {
        work.check()?;
        let Some(book) = books.get(candidate.book) else { continue };
        let Ok(volume) = book.archive() else { continue };
        let hit = crate::index::Hit { path: candidate.path, weight: candidate.weight };
        let Some(entry) = entry_of(&volume, &hit) else { continue };
        let mut row = row(work, book, &volume, &entry, hit.weight, &words, shape)?;
        row.zim_file = Some(book.name.clone());
        rows.push(row);
    }
    Ok(Found { rows, files, total, is_exact, budget_exceeded })
}

/// What an archive found; nothing if it has no index.
type Asked = Result<Option<crate::index::Found>, Fault>;

fn ask(work: &Work, book: &Arc<Book>, query: &str, limit: usize) -> Asked {
    book.archive()?.full_text(work, query, 0, limit)
}
