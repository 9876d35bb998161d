//! `zim_search`: pages by title. Full-text search comes with the reader of its index.
//!
//! Three steps, each weaker than the one before: the title is what was asked for; it begins with it; it has it
//! somewhere. The first two are binary searches in the title listing, which is sorted bytewise, so they are done
//! for a few spellings; the third reads titles one by one, within a number and a time.

use super::{PageInfo, limit, offset};
use crate::arguments::Arguments;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::library::Book;
use crate::text;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const ABOUT: &str = "Finds pages whose title is, begins with or contains the query. Read one with zim_get.";

const TOOL: &str = "zim_search";
/// Rows that one search gives over all pages.
const MAX_ROWS: usize = 1000;
/// Titles that are read one by one.
const MAX_TITLES: u32 = 100_000;
/// Characters of a query.
const MAX_QUERY: usize = 500;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimSearch")]
pub(super) struct Search {
    /// Words of a title.
    query: String,
    /// How to search.
    #[serde(default)]
    mode: Mode,
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    zim_file_path: Option<String>,
    /// Searches all archives.
    #[serde(default)]
    cross_file: bool,
    /// Rows, 1 to 50 (10).
    #[serde(default)]
    limit: Option<i64>,
    /// The row to begin with.
    #[serde(default)]
    offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Mode {
    #[default]
    Title,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchPage")]
pub(super) struct Page {
    query: String,
    mode: Mode,
    results: Vec<Row>,
    total: u64,
    done: bool,
    next_cursor: Option<String>,
    page_info: PageInfo,
    files_searched: u64,
    /// Archives that could not be searched.
    files_failed: Vec<String>,
    /// Why there are none, or not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Clone, Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchRow")]
struct Row {
    path: String,
    title: String,
    /// 1 is the very title.
    score: f64,
    zim_file: String,
    match_type: Match,
    /// The path of the redirect that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_redirect_path: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Match {
    Exact,
    Prefix,
    Contains,
}

impl Match {
    const fn score(self) -> f64 {
        match self {
            Self::Exact => 1.0,
            Self::Prefix => 0.9,
            Self::Contains => 0.5,
        }
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Search>, _call: Call) -> Result<Structured<Page>, Fail> {
    let given = given.0?;
    desk.run(move |work| search(work, &given)).await.map(Structured)
}

fn search(work: &Work, given: &Search) -> Result<Page, Fault> {
    let query = given.query.trim();
    if query.is_empty() || query.chars().count() > MAX_QUERY {
        return Err(Fault::new("invalid_query", format!("query is 1 to {MAX_QUERY} characters of a title.")));
    }
    let mut rows = limit(given.limit, 10, 50)?;
    let mut from = offset(given.offset)?;
    let named = given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty());
    let books: Vec<&Arc<Book>> = match (given.cross_file, named) {
        (true, Some(_)) => {
            return Err(Fault::new(
                "invalid_combination",
                "cross_file searches all archives: leave out zim_file_path.",
            ));
        }
        (true, None) => work.shelf.books.iter().collect(),
        (false, named) => vec![work.shelf.find(named)?],
    };
    let identity = if given.cross_file { String::new() } else { books.iter().map(|b| b.identity()).collect() };
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &identity)?;
        (from, rows) = (position.o, position.l.clamp(1, 50));
    }
    let mut found = Found::default();
    let mut failed = Vec::new();
    for book in &books {
        work.check()?;
        match found.add(work, book, query) {
            Ok(()) => {}
            // One archive that cannot be searched hides no other; asked for by name, it is the answer.
            Err(_) if given.cross_file => failed.push(book.name.clone()),
            Err(fault) => return Err(fault),
        }
    }
    found.rows.sort_by(|a, b| b.score.total_cmp(&a.score));
    let total = found.rows.len() as u64;
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let results: Vec<Row> = found.rows.into_iter().skip(skip).take(usize::try_from(rows).unwrap_or(50)).collect();
    let returned = results.len() as u64;
    let next = from.min(total) + returned;
    let done = next >= total;
    let position = Position { o: next, l: rows, q: query.to_owned(), ai: identity };
    Ok(Page {
        query: query.to_owned(),
        mode: given.mode,
        results,
        total,
        done,
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: PageInfo { offset: from, limit: rows, returned_count: returned, total_is_lower_bound: found.cut },
        files_searched: (books.len() - failed.len()) as u64,
        files_failed: failed,
        reason: if found.cut { Some("scan_truncated") } else { (total == 0).then_some("0_hits") },
    })
}

#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    /// Not everything was looked at.
    cut: bool,
}

impl Found {
    fn add(&mut self, work: &Work, book: &Book, query: &str) -> Result<(), Fault> {
        let archive = book.archive()?;
        let namespace = archive.content_namespace();
        let titles = archive.titles()?;
        let lower = query.to_lowercase();
        let mut seen = HashSet::new();
        // Entries of one archive: what is found twice, by whatever way, stands where it was found first.
        let mut keep = |rows: &mut Vec<Row>, entry: &zim::Entry<'_>, how: Match| {
            let Ok(target) = entry.resolve() else { return };
            if seen.insert(target.index()) {
                rows.push(Row {
                    path: text::public_path(archive, &target),
                    title: entry.title().into_owned(),
                    score: how.score(),
                    zim_file: book.name.clone(),
                    match_type: how,
                    pre_redirect_path: entry.is_redirect().then(|| text::public_path(archive, entry)),
                });
            }
        };
        let before = self.rows.len();
        for spelling in spellings(query) {
            if let Some(entry) = titles.find(namespace, &spelling)? {
                keep(&mut self.rows, &entry, Match::Exact);
            }
        }
        for spelling in spellings(query) {
            for entry in titles.entries(titles.prefixed(namespace, &spelling)?) {
                work.check()?;
                if self.rows.len() - before >= MAX_ROWS {
                    self.cut = true;
                    return Ok(());
                }
                let Ok(entry) = entry else { continue };
                let exact = entry.title().to_lowercase() == lower;
                keep(&mut self.rows, &entry, if exact { Match::Exact } else { Match::Prefix });
            }
        }
        let all = titles.prefixed(namespace, "")?;
        let until = all.end.min(all.start.saturating_add(MAX_TITLES));
        self.cut |= until < all.end;
        for entry in titles.entries(all.start..until) {
            if self.rows.len() - before >= MAX_ROWS || work.is_late() {
                self.cut = true;
                break;
            }
            let Ok(entry) = entry else { continue };
            let title = entry.title().to_lowercase();
            if title.contains(&lower) {
                let how = match () {
                    () if title == lower => Match::Exact,
                    () if title.starts_with(&lower) => Match::Prefix,
                    () => Match::Contains,
                };
                keep(&mut self.rows, &entry, how);
            }
        }
        Ok(())
    }
}

/// The ways in which titles are usually written.
fn spellings(query: &str) -> Vec<String> {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let words: Vec<String> = query.split(' ').map(capital).collect();
    let mut all = Vec::new();
    for spelling in [query.to_owned(), capital(query), query.to_lowercase(), words.join(" "), query.to_uppercase()] {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}
