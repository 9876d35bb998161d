//! Titles: of one archive or of all, and while somebody types.

use super::one::elsewhere;
use super::{Page, Rows, Search, Suggested, TOOL, library_identity};
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::meta::{Meta, Suggestion};
use crate::search::title;
use crate::tools::{PageInfo, limit, offset};
use crate::work::Work;
use std::sync::Arc;

/// What a cursor of this list says it is of.
const KIND: &str = "titles";

/// Pages by title, of one archive or of all.
pub(super) fn titles(
    work: &Work,
    given: &Search,
    query: &str,
    cross: bool,
    named: Option<&str>,
) -> Result<Page, Fault> {
    let books: Vec<&Arc<Book>> = match (cross, named) {
        (true, _) => work.shelf.books.iter().collect(),
        (false, named) => vec![work.shelf.find(named)?],
    };
    of_books(work, given, query, &books, cross, (10, 50))
}

/// The text of an archive that has no index of its text is searched by title. `rows` of a page: if nothing is said,
/// and at most.
pub(super) fn instead(
    work: &Work,
    given: &Search,
    query: &str,
    book: &Arc<Book>,
    rows: (u64, u64),
) -> Result<Page, Fault> {
    let mut page = of_books(work, given, query, &[book], false, rows)?;
    let mut filters = given.namespace.iter().chain(&given.content_type);
    let filters = if filters.any(|filter| !filter.trim().is_empty()) {
        " namespace and content_type do not filter them."
    } else {
        ""
    };
    let advice = work.holdings.background.advice(book);
    page.meta.reason = Some("no_xapian_index");
    page.meta.hint =
        Some(format!("This archive has no index of its text: these are pages by title.{filters} {advice}"));
    Ok(page)
}

fn of_books(
    work: &Work,
    given: &Search,
    query: &str,
    books: &[&Arc<Book>],
    cross: bool,
    (default, most): (u64, u64),
) -> Result<Page, Fault> {
    let mut rows = limit(given.limit, default, most)?;
    let mut from = offset(given.offset)?;
    let identity = if cross { library_identity(work) } else { books.iter().map(|b| b.identity()).collect() };
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &identity)?;
        position.is_of(KIND)?;
        (from, rows) = (position.o, position.l.clamp(1, most));
    }
    let mut found = title::Found::default();
    let mut failed = 0;
    let wanted = usize::try_from(from.saturating_add(rows)).unwrap_or(usize::MAX).saturating_add(1);
    for book in books {
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
    let position = Position { o: next, l: rows, q: query.to_owned(), ai: identity, k: KIND.to_owned() };
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
        && let ([book], false) = (books, cross)
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

pub(super) fn suggest(work: &Work, given: &Search, typed: &str, named: Option<&str>) -> Result<Page, Fault> {
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
