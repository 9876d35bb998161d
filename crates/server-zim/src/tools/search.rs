//! `zim_search`: pages by their text, by title, while somebody types; in one archive or in all.

use super::{Answer, PageInfo, limit, offset};
use crate::arguments::Arguments;
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::meta::{Answered, Meta, Suggestion};
use crate::search::fulltext::{self, Filter, Wanted};
use crate::search::snippet::Shape;
use crate::search::{all, title, words};
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const ABOUT: &str = "Finds pages. mode fulltext: all of the words, with snippets; title: pages called so, \
     mistakes in typing mended; suggest: completions of what is typed. cross_file searches all archives. namespace and \
     content_type filter full text. Read a result's path with zim_get.";

const TOOL: &str = "zim_search";
/// Characters of a query.
const MAX_QUERY: usize = 4096;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimSearch")]
pub(crate) struct Search {
    /// Words to find.
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) mode: Mode,
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    /// All archives, one ranking.
    #[serde(default)]
    pub(crate) cross_file: bool,
    /// Only this namespace, such as C.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Only this MIME type, such as text/html.
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    /// Rows: fulltext 1 to 1000 (10), cross_file 1 to 50 of each archive (5), else 1 to 50 (10).
    #[serde(default)]
    pub(crate) limit: Option<i64>,
    /// The row to begin with.
    #[serde(default)]
    pub(crate) offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Mode {
    #[default]
    Fulltext,
    Title,
    Suggest,
    /// fulltext with cross_file.
    CrossFile,
    /// fulltext with filters.
    Filtered,
}

/// Which members there are depends on the mode.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchPage")]
pub(crate) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_query: Option<String>,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    zim_file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type_filter: Option<String>,
    pub(crate) results: Rows,
    pub(crate) next_cursor: Option<String>,
    pub(crate) total: u64,
    pub(crate) done: bool,
    pub(crate) page_info: PageInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_path_hit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuzzy_path_hit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files_searched: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_available: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_with_hits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_searched_successfully: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_failed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_exceeded: Option<bool>,
    /// How each archive answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<all::Searched>>,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ZimSearchRows")]
pub(crate) enum Rows {
    Hits(Vec<fulltext::Row>),
    Titles(Vec<title::Row>),
    Suggestions(Vec<Suggested>),
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimSuggested")]
pub(crate) struct Suggested {
    pub(crate) text: String,
    pub(crate) path: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Default for Rows {
    fn default() -> Self {
        Self::Hits(Vec::new())
    }
}

impl Answered for Page {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Search>, _call: Call) -> Result<Answer<Page>, Fail> {
    let given = given.0?;
    desk.run(move |work| search(work, &given)).await.map(Answer)
}

pub(crate) fn search(work: &Work, given: &Search) -> Result<Page, Fault> {
    let query = given.query.trim();
    if query.chars().count() > MAX_QUERY {
        return Err(Fault::new("invalid_query", format!("query has at most {MAX_QUERY} characters.")));
    }
    let named = given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty());
    let cross = given.cross_file || given.mode == Mode::CrossFile;
    let filter = filter(given)?;
    check(given, cross, named.is_some(), &filter)?;
    if query.is_empty() {
        let mut page = Page { query: Some(String::new()), done: true, mode: given.mode, ..Page::default() };
        page.meta.reason = Some("bad_query");
        page.meta.hint = Some("query is empty: give words to find.".to_owned());
        return Ok(page.measured());
    }
    let mut page = match (given.mode, cross) {
        (Mode::Title, _) => titles(work, given, query, cross, named)?,
        (Mode::Suggest, _) => suggest(work, given, query, named)?,
        (_, true) => cross_file(work, given, query)?,
        _ => one(work, given, query, named, filter)?,
    };
    page.mode = given.mode;
    Ok(page.measured())
}

fn filter(given: &Search) -> Result<Filter, Fault> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let namespace = match said(&given.namespace) {
        None => None,
        // One that no archive has filters everything.
        Some(name) => Some(super::browse::letter(&name)?.unwrap_or(0)),
    };
    let content_type = said(&given.content_type).map(|text| text.trim().to_lowercase());
    if content_type.as_ref().is_some_and(|text| text.len() > 100) {
        return Err(Fault::new("invalid_argument", "content_type has at most 100 characters."));
    }
    Ok(Filter { namespace, content_type })
}

fn check(given: &Search, cross: bool, named: bool, filter: &Filter) -> Result<(), Fault> {
    let fault = |message: &str| Err(Fault::new("invalid_combination", message));
    let is_text = !matches!(given.mode, Mode::Title | Mode::Suggest);
    if cross && named {
        return fault("cross_file searches all archives: leave out zim_file_path.");
    }
    if cross && given.mode == Mode::Suggest {
        return fault("suggest completes titles of one archive: leave out cross_file.");
    }
    if !filter.is_empty() && (!is_text || cross) {
        return fault("namespace and content_type filter the full text of one archive.");
    }
    if given.mode == Mode::Filtered && filter.is_empty() {
        return fault("filtered needs namespace or content_type.");
    }
    if given.mode == Mode::Suggest && (given.offset.unwrap_or(0) != 0 || given.cursor.is_some()) {
        return fault("suggest has no pages: raise limit (to 50), or type more.");
    }
    Ok(())
}

/// The text of one archive.
fn one(work: &Work, given: &Search, query: &str, named: Option<&str>, filter: Filter) -> Result<Page, Fault> {
    let book = work.shelf.find(named)?;
    let most = if filter.is_empty() { 1000 } else { 100 };
    let mut rows = limit(given.limit, work.holdings.settings.search.limit, most)?;
    let mut from = offset(given.offset)?;
    let kind =
        format!("{}/{}", filter.namespace.map_or('*', char::from), filter.content_type.as_deref().unwrap_or("*"));
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &book.identity())?;
        if position.k != kind {
            let message = "This cursor belongs to other filters. Begin without a cursor.";
            return Err(Fault::new("cursor_context_mismatch", message));
        }
        (from, rows) = (position.o, position.l.clamp(1, most));
    }
    let wanted = Wanted { query, offset: from, limit: rows, filter: filter.clone(), shape: shape(work, book) };
    let found = fulltext::search(work, book, &wanted)?;
    let mut page = Page {
        query: Some(query.to_owned()),
        zim_file_path: Some(book.name.clone()),
        namespace_filter: filter.namespace.map(|letter| char::from(letter).to_string()),
        content_type_filter: filter.content_type,
        ..Page::default()
    };
    if found.no_index {
        return by_title_instead(work, book, query, rows, page);
    }
    let returned = found.rows.len() as u64;
    page.total = found.total;
    page.done = found.next.is_none();
    let position = |o| Position { o, l: rows, q: query.to_owned(), ai: book.identity(), k: kind };
    page.next_cursor = found.next.map(|next| position(next).encode(TOOL));
    page.page_info = PageInfo {
        offset: from,
        limit: rows,
        returned_count: returned,
        total_is_lower_bound: !found.is_exact,
        budget_truncated: found.cut,
        ..PageInfo::default()
    };
    if found.total == 0 {
        page.meta.reason = Some("0_hits");
        page.meta.suggestions = elsewhere(work, book, query);
    } else if found.is_weak {
        page.meta.reason = Some("low_relevance");
    }
    page.meta.text_index = Some(book.text_index());
    page.results = Rows::Hits(found.rows);
    Ok(page)
}

/// An archive without an index of its text is searched by title.
fn by_title_instead(work: &Work, book: &Book, query: &str, rows: u64, mut page: Page) -> Result<Page, Fault> {
    let mut found = title::Found::default();
    found.add(work, book, query, usize::try_from(rows).unwrap_or(50))?;
    found.sort();
    let hits: Vec<_> = found.rows.into_iter().take(usize::try_from(rows).unwrap_or(50)).collect();
    page.total = hits.len() as u64;
    page.done = true;
    page.page_info =
        PageInfo { limit: rows, returned_count: page.total, total_is_lower_bound: found.cut, ..PageInfo::default() };
    page.meta.reason = Some("no_xapian_index");
    let advice = work.holdings.background.advice(book);
    page.meta.hint = Some(format!("This archive has no index of its text: these are pages by title. {advice}"));
    page.results = Rows::Titles(hits);
    Ok(page)
}

/// Other spellings, and archives whose names have a word of the query.
pub(crate) fn elsewhere(work: &Work, book: &Book, query: &str) -> Vec<Suggestion> {
    let most = work.holdings.settings.search.suggestions;
    let spelled = title::alternatives(work, book, query, most).into_iter();
    let mut suggestions: Vec<_> = spelled.map(|value| Suggestion { kind: "alt_spelling", value }).collect();
    let words = words(query);
    let named = |other: &&Arc<Book>| {
        let name = other.name.to_lowercase();
        other.name != book.name && words.iter().any(|word| word.chars().count() >= 3 && name.contains(word.as_str()))
    };
    let others = work.shelf.books.iter().filter(named).take(most);
    suggestions.extend(others.map(|other| Suggestion { kind: "alt_archive", value: other.name.clone() }));
    suggestions
}

pub(crate) fn shape(work: &Work, book: &Book) -> Shape {
    let style = book.about().map(|about| about.preset.style.clone()).unwrap_or_default();
    let chars = style.snippet_chars.unwrap_or(work.holdings.settings.content.snippet_chars);
    Shape { chars, paragraphs: style.paragraphs.unwrap_or(2) }
}

/// The text of all archives.
fn cross_file(work: &Work, given: &Search, query: &str) -> Result<Page, Fault> {
    let mut per_file = limit(given.limit, 5, 50)?;
    let mut from = offset(given.offset)?;
    if work.shelf.books.is_empty() {
        return Err(work
            .shelf
            .find(None)
            .err()
            .unwrap_or_else(|| Fault::new("no_archives_available", "There is no archive.")));
    }
    // The archives of a library change; a cursor is one of this query and these archives.
    let identity = library_identity(work);
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &identity)?;
        (from, per_file) = (position.o, position.l.clamp(1, 50));
    }
    // A page has as many rows as a search of one archive, and at least as many as one archive gives.
    let rows = work.holdings.settings.search.limit.max(per_file);
    let as_usize = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let shape = Shape { chars: work.holdings.settings.content.snippet_chars, paragraphs: 2 };
    let found = all::search(work, query, as_usize(per_file), as_usize(from), as_usize(rows), shape)?;
    let failed = found.files.iter().filter(|file| file.error).count();
    let with_hits = found.files.iter().filter(|file| file.has_hits).count();
    // What can be had page by page is what each archive gives at most.
    let had: u64 = found.files.iter().map(|file| file.total.min(per_file)).sum();
    let next = from + found.rows.len() as u64;
    let done = found.rows.is_empty() || next >= had;
    let position = Position { o: next, l: per_file, q: query.to_owned(), ai: identity, k: String::new() };
    let mut page = Page {
        query: Some(query.to_owned()),
        total: found.total,
        done,
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: PageInfo {
            offset: from,
            limit: rows,
            returned_count: found.rows.len() as u64,
            total_is_lower_bound: !found.is_exact,
            ..PageInfo::default()
        },
        files_searched: Some(found.files.len()),
        files_available: Some(work.shelf.books.len()),
        files_with_hits: Some(with_hits),
        files_searched_successfully: Some(found.files.len() - failed),
        files_failed: Some(failed),
        budget_exceeded: Some(found.budget_exceeded),
        ..Page::default()
    };
    page.meta.reason = match () {
        () if found.budget_exceeded => Some("search_all_budget_exceeded"),
        () if found.total == 0 => Some("0_hits"),
        () => None,
    };
    page.results = Rows::Hits(found.rows);
    page.files = Some(found.files);
    Ok(page)
}

/// Tells one set of archives from another.
fn library_identity(work: &Work) -> String {
    let newest = work.shelf.books.iter().map(|book| book.id).max().unwrap_or(0);
    format!("all-{}-{newest}", work.shelf.books.len())
}

fn titles(work: &Work, given: &Search, query: &str, cross: bool, named: Option<&str>) -> Result<Page, Fault> {
    let mut rows = limit(given.limit, 10, 50)?;
    let mut from = offset(given.offset)?;
    let books: Vec<&Arc<Book>> = match (cross, named) {
        (true, _) => work.shelf.books.iter().collect(),
        (false, named) => vec![work.shelf.find(named)?],
    };
    let identity = if cross { library_identity(work) } else { books.iter().map(|b| b.identity()).collect() };
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &identity)?;
        (from, rows) = (position.o, position.l.clamp(1, 50));
    }
    let mut found = title::Found::default();
    let mut failed = 0;
    let wanted = usize::try_from(from.saturating_add(rows)).unwrap_or(usize::MAX).saturating_add(1);
    for book in &books {
        work.check()?;
        match found.add(work, book, query, wanted) {
            Ok(()) => {}
            // One archive that cannot be searched hides no other; asked for by name, it is the answer.
            Err(_) if cross => failed += 1,
            Err(fault) => return Err(fault),
        }
    }
    found.sort();
    let total = found.rows.len() as u64;
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let results: Vec<_> = found.rows.into_iter().skip(skip).take(usize::try_from(rows).unwrap_or(50)).collect();
    let returned = results.len() as u64;
    let next = from.min(total) + returned;
    let done = next >= total;
    let position = Position { o: next, l: rows, q: query.to_owned(), ai: identity, k: String::new() };
    let reason = match () {
        () if total == 0 => Some("0_hits"),
        () if found.cut && returned == 0 => Some("scan_truncated"),
        () => None,
    };
    let mut meta = Meta { reason, ..Meta::default() };
    if found.mended {
        let spelled = results.iter().map(|row| Suggestion { kind: "alt_spelling", value: row.title.clone() });
        meta.suggestions = spelled.take(work.holdings.settings.search.suggestions).collect();
    }
    if total == 0
        && let ([book], false) = (books.as_slice(), cross)
    {
        meta.suggestions = elsewhere(work, book, query);
    }
    Ok(Page {
        query: Some(query.to_owned()),
        zim_file_path: books.first().filter(|_| !cross).map(|book| book.name.clone()),
        results: Rows::Titles(results),
        total,
        done,
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: PageInfo {
            offset: from,
            limit: rows,
            returned_count: returned,
            total_is_lower_bound: found.cut,
            ..PageInfo::default()
        },
        fast_path_hit: Some(found.exact),
        fuzzy_path_hit: Some(found.mended),
        files_searched: Some(books.len() - failed),
        files_failed: cross.then_some(failed),
        meta,
        ..Page::default()
    })
}

fn suggest(work: &Work, given: &Search, typed: &str, named: Option<&str>) -> Result<Page, Fault> {
    let rows = limit(given.limit, 10, 50)?;
    let book = work.shelf.find(named)?;
    let (found, more) = title::suggestions(work, book, typed, usize::try_from(rows).unwrap_or(10))?;
    let lower = typed.to_lowercase();
    let results: Vec<_> = found
        .into_iter()
        .map(|row| {
            let title = row.title.to_lowercase();
            let kind = match () {
                () if title.starts_with(&lower) => "title_start_match",
                () if title.contains(&lower) => "title_contains_match",
                () => "title_suggest_match",
            };
            Suggested { text: row.title, path: row.path, kind }
        })
        .collect();
    let total = results.len() as u64;
    let mut page = Page {
        partial_query: Some(typed.to_owned()),
        zim_file_path: Some(book.name.clone()),
        total,
        done: !more,
        page_info: PageInfo { limit: rows, returned_count: total, total_is_lower_bound: more, ..PageInfo::default() },
        ..Page::default()
    };
    page.meta.reason = (total == 0).then_some("0_hits");
    page.meta.hint = more.then(|| "There are more: raise limit (to 50), or type more.".to_owned());
    page.results = Rows::Suggestions(results);
    Ok(page)
}
