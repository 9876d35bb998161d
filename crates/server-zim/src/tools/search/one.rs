//! The text of one archive.

use super::{Page, Rows, Search, TOOL, shape, titles};
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::meta::Suggestion;
use crate::search::fulltext::{self, Filter, Wanted};
use crate::search::{title, words};
use crate::tools::{PageInfo, limit, offset};
use crate::work::Work;
use std::sync::Arc;

/// The text of one archive.
pub(super) fn one(
    work: &Work,
    given: &Search,
    query: &str,
    named: Option<&str>,
    filter: Filter,
) -> Result<Page, Fault> {
    let book = work.shelf.find(named)?;
    let most = if filter.is_empty() { 1000 } else { 100 };
    let default = work.holdings.settings.search.limit;
    let mut rows = limit(given.limit, default, most)?;
    if !book.archive()?.has_text_index()? {
        return titles::instead(work, given, query, book, (default, most));
    }
    let mut from = offset(given.offset)?;
    let kind =
        format!("{}/{}", filter.namespace.map_or('*', char::from), filter.content_type.as_deref().unwrap_or("*"));
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(query, &book.identity())?;
        position.is_of(&kind)?;
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
        // It was taken away meanwhile.
        return titles::instead(work, given, query, book, (default, most));
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
    let others = work.shelf.books.iter().filter(|other| !other.seems_damaged()).filter(named).take(most);
    suggestions.extend(others.map(|other| Suggestion { kind: "alt_archive", value: other.name.clone() }));
    suggestions
}
