//! `zim_get`: one entry as text.

use super::is_false;
use crate::arguments::Arguments;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::text;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const ABOUT: &str = "Reads one entry of an archive as text (HTML as Markdown). Long entries come in \
     pages: pass next_cursor, or next_content_offset as content_offset.";

const TOOL: &str = "zim_get";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimGet")]
pub(super) struct Get {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    zim_file_path: Option<String>,
    /// Path of the entry, as lists and links give it.
    #[serde(default)]
    entry_path: Option<String>,
    /// Reads the main page instead.
    #[serde(default)]
    main_page: bool,
    /// Characters of a page.
    #[serde(default)]
    max_content_length: Option<i64>,
    /// The character to begin with.
    #[serde(default)]
    content_offset: Option<i64>,
    /// next_cursor of the page before, instead of everything but the archive.
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimEntry")]
pub(super) struct Entry {
    zim_file: String,
    path: String,
    title: String,
    content_type: String,
    /// The path that was asked for, if a redirect led from it to this entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_path: Option<String>,
    content: String,
    /// Why there is no content.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    content_offset: u64,
    /// Characters of the whole entry as text.
    total_chars: u64,
    truncated: bool,
    next_content_offset: Option<u64>,
    next_cursor: Option<String>,
    /// Bytes of the entry in the archive.
    size: u64,
    #[serde(skip_serializing_if = "is_false")]
    is_main_page: bool,
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Get>, _call: Call) -> Result<Structured<Entry>, Fail> {
    let given = given.0?;
    desk.run(move |work| get(work, given)).await.map(Structured)
}

fn get(work: &Work, given: Get) -> Result<Entry, Fault> {
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    let most = work.holdings.settings.content_chars as u64;
    let mut length = match given.max_content_length.map(u64::try_from) {
        None => most,
        Some(Ok(length)) if (1..=most).contains(&length) => length,
        Some(_) => {
            let message = format!("max_content_length is a number from 1 to {most}.");
            return Err(Fault::new("invalid_max_content_length", message));
        }
    };
    let mut offset = u64::try_from(given.content_offset.unwrap_or(0))
        .map_err(|_| Fault::new("invalid_content_offset", "content_offset is 0 or more."))?;
    let mut wanted = given.entry_path.filter(|path| !path.is_empty());
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        let path = wanted.as_deref().unwrap_or(&position.q).to_owned();
        position.belongs_to(&path, &book.identity())?;
        offset = position.o;
        length = position.l.clamp(1, most);
        wanted = Some(path);
    }
    let (entry, requested) = match (&wanted, given.main_page) {
        (Some(path), false) => (text::find(archive, path)?.ok_or_else(|| not_found(path))?, path.clone()),
        (None, true) => {
            let page = archive.main_page()?;
            let none = || Fault::new("entry_not_found", "This archive has no main page. Use zim_browse.");
            let page = page.ok_or_else(none)?;
            let path = text::public_path(archive, &page.resolve()?);
            (page, path)
        }
        _ => {
            let message = "Give either entry_path, or main_page: true.";
            return Err(Fault::new("invalid_path_combination", message));
        }
    };
    let entry = entry.resolve()?;
    let path = text::public_path(archive, &entry);
    let content_type = entry.mime_type().unwrap_or("unknown").to_owned();
    let size = entry.size()?;
    let whole = text::of(archive, &entry, work.holdings.settings.entry_bytes)?;
    work.check()?;
    let message = whole.is_none().then(|| format!("This is no text: {size} bytes of {content_type}."));
    let whole = whole.unwrap_or_default();
    let total = whole.chars().count() as u64;
    if offset > total {
        let message = format!("content_offset is beyond the end: this entry has {total} characters.");
        return Err(Fault::new("invalid_content_offset", message).with("total_chars", total));
    }
    let as_usize = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let content = text::piece(&whole, as_usize(offset), as_usize(length)).to_owned();
    let next = offset + content.chars().count() as u64;
    let next = (next < total).then_some(next);
    let position = |o| Position { o, l: length, q: requested.clone(), ai: book.identity() };
    Ok(Entry {
        zim_file: book.name.clone(),
        title: entry.title().into_owned(),
        content_type,
        content,
        message,
        content_offset: offset,
        total_chars: total,
        truncated: next.is_some(),
        next_content_offset: next,
        next_cursor: next.map(|next| position(next).encode(TOOL)),
        size,
        is_main_page: given.main_page,
        requested_path: (requested != path).then_some(requested),
        path,
    })
}

fn not_found(path: &str) -> Fault {
    let shown: String = path.chars().take(200).collect();
    let message = format!("There is no entry {shown:?}. Find its path with zim_search or zim_browse.");
    Fault::new("entry_not_found", message)
}
