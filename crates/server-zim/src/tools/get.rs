//! `zim_get`: entries as text, as outlines, or as bytes.

mod batch;
mod binary;
mod views;

use super::{Answer, Content};
use crate::arguments::Arguments;
use crate::article::public_path;
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::html::Compact;
use crate::meta::{Answered, Meta};
use crate::retrieve;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zim::{Archive, Entry};

pub(super) const ABOUT: &str = "Reads entries. entry_path: one entry as Markdown; view: summary, toc or structure \
     instead of the full text. entry_paths: up to 50. main_page: the front page. binary: base64. Long text comes in \
     pages: pass _meta.more_at_offset as content_offset, or next_cursor as cursor.";

pub(super) const TOOL: &str = "zim_get";
/// Characters that a page of text can be asked to have.
const MAX_CHARS: u64 = 1_000_000;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimGet")]
pub(crate) struct Get {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    /// Path of the entry, as lists and links give it.
    #[serde(default)]
    pub(crate) entry_path: Option<String>,
    /// Paths of several entries.
    #[serde(default)]
    pub(crate) entry_paths: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) view: View,
    /// The bytes as base64.
    #[serde(default)]
    pub(crate) binary: bool,
    /// The front page instead.
    #[serde(default)]
    pub(crate) main_page: bool,
    /// Characters of a page (100000); bytes with binary.
    #[serde(default)]
    pub(crate) max_content_length: Option<i64>,
    /// The character to begin with.
    #[serde(default)]
    pub(crate) content_offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Long tables are named, infoboxes become lines.
    #[serde(default)]
    pub(crate) compact: bool,
    /// tiny, small, medium, large or a number of characters; with compact.
    #[serde(default)]
    pub(crate) compact_budget: Option<super::Budget>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum View {
    #[default]
    Full,
    Summary,
    Toc,
    Structure,
}

/// Which members there are depends on what was asked for.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimEntry")]
pub(crate) struct Got {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zim_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// The path that was asked for, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requested_path: Option<String>,
    /// What found it: exact, or how the path had to be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) matched_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_offset: Option<u64>,
    /// Characters of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_chars: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
    #[serde(flatten)]
    views: views::Views,
    #[serde(flatten)]
    binary: binary::Binary,
    #[serde(flatten)]
    batch: batch::Batch,
    /// Why there is no content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

impl Answered for Got {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Get>, call: Call) -> Result<Answer<Got>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| get(work, &given)).await.map(Answer)
}

/// What a call costs: each entry of a batch is one.
pub(super) fn cost(arguments: Option<&mcp::Raw>) -> u32 {
    let Some(arguments) = arguments else { return 1 };
    if arguments.get("binary").is_some_and(|flag| flag.bytes().as_ref() == b"true") {
        return 3;
    }
    let entries = arguments.get("entry_paths").and_then(|paths| paths.read::<Vec<serde::de::IgnoredAny>>().ok());
    entries.map_or(1, |entries| u32::try_from(entries.len()).unwrap_or(u32::MAX).clamp(1, 50))
}

pub(crate) fn get(work: &Work, given: &Get) -> Result<Got, Fault> {
    check(given)?;
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    if let Some(paths) = given.entry_paths.as_ref().filter(|paths| !paths.is_empty()) {
        return batch::get(work, book, &archive, paths, given);
    }
    let wanted = wanted(work, book, &archive, given)?;
    if given.binary {
        return binary::get(book, &archive, &wanted, given);
    }
    match given.view {
        View::Full => full(work, book, &archive, &wanted, given),
        view => views::get(work, book, &archive, &wanted, view),
    }
}

/// Which arguments go together.
fn check(given: &Get) -> Result<(), Fault> {
    let fault = |message: &str| Err(Fault::new("invalid_path_combination", message));
    let several = given.entry_paths.as_ref().is_some_and(|paths| !paths.is_empty());
    let one = given.entry_path.as_ref().is_some_and(|path| !path.is_empty());
    match (one, several, given.main_page) {
        (true, true, _) => return fault("Give entry_path or entry_paths, not both."),
        (true, _, true) | (_, true, true) => {
            return fault("main_page takes no paths: leave out entry_path and entry_paths.");
        }
        (false, false, false) if given.cursor.is_none() => {
            return fault("Give one of entry_path, entry_paths, or main_page: true.");
        }
        _ => {}
    }
    let reads_text = given.view == View::Full && !given.binary;
    if several && (given.view != View::Full || given.binary) {
        return fault("entry_paths gives the full text only: leave out view and binary, or ask for one entry.");
    }
    if given.binary && given.view != View::Full {
        return fault("binary has no views: leave out view.");
    }
    let pages = given.content_offset.unwrap_or(0) != 0 || given.cursor.is_some();
    if pages && (several || !reads_text) {
        return fault("content_offset and cursor page through the full text of one entry.");
    }
    Ok(())
}

/// An entry that was asked for, and how it was found.
struct Wanted<'a> {
    entry: Entry<'a>,
    requested: String,
    step: &'static str,
    position: Option<Position>,
}

fn wanted<'a>(work: &Work, book: &Book, archive: &'a Archive, given: &Get) -> Result<Wanted<'a>, Fault> {
    let mut path = given.entry_path.clone().filter(|path| !path.is_empty());
    let mut position = None;
    if let Some(cursor) = &given.cursor {
        let told = Position::decode(cursor, TOOL)?;
        let told_path = path.as_deref().unwrap_or(&told.q).to_owned();
        told.belongs_to(&told_path, &book.identity())?;
        path = Some(told_path);
        position = Some(told);
    }
    let Some(path) = path.filter(|_| !given.main_page || given.cursor.is_some()) else {
        let (entry, step) = main_page(archive)?;
        return Ok(Wanted { requested: public_path(archive, &entry), entry, step, position });
    };
    if path.chars().count() > 2000 {
        return Err(Fault::new("invalid_path", "entry_path has at most 2000 characters."));
    }
    work.check()?;
    let found = retrieve::find(work, archive, &path)?.ok_or_else(|| retrieve::not_found(work, archive, &path))?;
    Ok(Wanted { entry: found.entry.resolve()?, requested: path, step: found.step, position })
}

fn main_page(archive: &Archive) -> Result<(Entry<'_>, &'static str), Fault> {
    if let Some(page) = archive.main_page()?
        && let Ok(page) = page.resolve()
    {
        return Ok((page, "main_page"));
    }
    // Where there is none by name, these are what one would try.
    for path in ["mainPage", "Main_Page", "index", "index.html", "index.htm"] {
        if let Some(page) = archive.entry_by_path(path)? {
            return Ok((page.resolve()?, "main_page_by_name"));
        }
    }
    Err(Fault::new("entry_not_found", "This archive has no main page. Use zim_browse."))
}

impl Got {
    /// What is told of an entry in every view.
    fn of(book: &Book, archive: &Archive, wanted: &Wanted<'_>) -> Self {
        let path = public_path(archive, &wanted.entry);
        Self {
            zim_file: Some(book.name.clone()),
            title: Some(crate::text::title(&wanted.entry)),
            content_type: Some(wanted.entry.mime_type().unwrap_or("unknown").to_owned()),
            requested_path: (wanted.requested != path).then(|| wanted.requested.clone()),
            matched_by: Some(wanted.step),
            path: Some(path),
            ..Self::default()
        }
    }
}

fn full(work: &Work, book: &Book, archive: &Archive, wanted: &Wanted<'_>, given: &Get) -> Result<Got, Fault> {
    let mut offset = u64::try_from(given.content_offset.unwrap_or(0))
        .map_err(|_| Fault::new("invalid_content_offset", "content_offset is 0 or more."))?;
    let settings = &work.holdings.settings.content;
    let mut limit = match given.max_content_length.map(u64::try_from) {
        None => settings.max_chars as u64,
        Some(Ok(length)) if (1..=MAX_CHARS).contains(&length) => length,
        Some(_) => {
            let message = format!("max_content_length is a number from 1 to {MAX_CHARS}.");
            return Err(Fault::new("invalid_max_content_length", message));
        }
    };
    let mut compact = given.compact;
    if let Some(budget) = given.compact_budget.as_ref().filter(|_| compact) {
        limit = limit.min(budget.chars() as u64);
    }
    if let Some(position) = &wanted.position {
        offset = position.o;
        limit = position.l.clamp(1, MAX_CHARS);
        compact |= position.k == "compact";
    }
    let mut got = Got::of(book, archive, wanted);
    let Some(article) = work.article(book, archive, &wanted.entry)? else {
        got.content = Some(String::new());
        let (size, mime) = (wanted.entry.size()?, wanted.entry.mime_type().unwrap_or("an unknown type"));
        got.message = Some(format!("This is no text: {size} bytes of {mime}. Use binary: true."));
        return Ok(got.measured());
    };
    let whole = if compact {
        article.compact(0..article.markdown.len(), &settings.compact(true))
    } else {
        article.markdown.clone()
    };
    let Content { text, total, next } = Content::page(&whole, offset, limit)?;
    got.content = Some(text);
    got.content_offset = Some(offset);
    got.total_chars = Some(total);
    got.meta.truncated = next.is_some();
    got.meta.more_at_offset = next;
    got.meta.total_chars = next.map(|_| total);
    let kind = if compact { "compact" } else { "" };
    let position = |o| Position { o, l: limit, q: wanted.requested.clone(), ai: book.identity(), k: kind.to_owned() };
    got.next_cursor = next.map(|next| position(next).encode(TOOL));
    Ok(got.measured())
}

impl crate::settings::Content {
    /// The compact form as it is set.
    pub(crate) const fn compact(&self, links: bool) -> Compact {
        Compact { table_rows: self.table_rows, table_chars: self.table_chars, facts: self.facts, links }
    }
}
