//! The text of all archives.

use super::{Page, Rows, Search, TOOL, library_identity};
use crate::cursor::Position;
use crate::fault::Fault;
use crate::index::TextIndex;
use crate::search::all;
use crate::search::snippet::Shape;
use crate::tools::{PageInfo, limit, offset};
use crate::work::Work;

/// What a cursor of this list says it is of.
const KIND: &str = "across";
/// Pages that one archive gives at most.
const MOST: u64 = 50;

/// The text of all archives.
pub(super) fn cross_file(work: &Work, given: &Search, query: &str) -> Result<Page, Fault> {
    let mut per_file = limit(given.limit, 5, MOST)?;
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
        position.is_of(KIND)?;
        (from, per_file) = (position.o, position.l.clamp(1, MOST));
    }
    // A page has as many rows as a search of one archive, and at least as many as one archive gives.
    let rows = work.holdings.settings.search.limit.max(per_file);
    let as_usize = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let shape = Shape { chars: work.holdings.settings.content.snippet_chars, paragraphs: 2 };
    let found = all::search(work, query, as_usize(per_file), as_usize(from), as_usize(rows), shape)?;
    let failed = found.files.iter().filter(|file| file.error).count();
    let unread = found.files.iter().filter(|file| file.text_index == TextIndex::None && !file.error).count();
    let with_hits = found.files.iter().filter(|file| file.has_hits).count();
    // What can be had page by page is what each archive gives at most.
    let had: u64 = found.files.iter().map(|file| file.total.min(per_file)).sum();
    let had = had.min(all::DEEPEST as u64);
    let next = from + found.rows.len() as u64;
    let done = found.rows.is_empty() || next >= had;
    let position = Position { o: next, l: per_file, q: query.to_owned(), ai: identity, k: KIND.to_owned() };
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
    let mut hints = Vec::new();
    if done && found.total > had {
        let others = found.total - had;
        let wider =
            if per_file < MOST { format!("raise limit (it is {per_file}, up to {MOST}), or ") } else { String::new() };
        hints.push(format!(
            "This is not all: limit is how many pages each archive gives, and {others} that match are left out. \
             For them {wider}search one archive by its zim_file_path."
        ));
    }
    if unread > 0 {
        let whose = if unread == 1 { "1 archive has" } else { &format!("{unread} archives have") };
        hints.push(format!(
            "{whose} no index of the text, so the text was not searched there: mode title finds pages by title; whoever \
             runs this server can make an index with `portcullis zim build-index`."
        ));
    }
    page.meta.hint = (!hints.is_empty()).then(|| hints.join(" "));
    page.results = Rows::Hits(found.rows);
    page.files = Some(found.files);
    Ok(page)
}
