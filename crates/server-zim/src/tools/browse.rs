//! `zim_browse`: the entries of a namespace, page by page, in the order of their paths.

use super::{PageInfo, limit, offset};
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

pub(super) const ABOUT: &str = "Lists entries of a namespace: C content, M metadata, W well-known (older archives: \
     A articles, I images). Pages by next_cursor or offset.";

const TOOL: &str = "zim_browse";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimBrowse")]
pub(super) struct Browse {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    zim_file_path: Option<String>,
    /// A letter such as C, or content, metadata, wellknown.
    namespace: String,
    /// Rows, 1 to 200 (50).
    #[serde(default)]
    limit: Option<i64>,
    /// The row to begin with.
    #[serde(default)]
    offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimBrowsePage")]
pub(super) struct Page {
    zim_file: String,
    namespace: String,
    results: Vec<Row>,
    total: u64,
    done: bool,
    next_cursor: Option<String>,
    page_info: PageInfo,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimBrowseRow")]
struct Row {
    path: String,
    title: String,
    content_type: String,
    /// Where a redirect leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_to: Option<String>,
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Browse>, _call: Call) -> Result<Structured<Page>, Fail> {
    let given = given.0?;
    desk.run(move |work| browse(work, &given)).await.map(Structured)
}

fn browse(work: &Work, given: &Browse) -> Result<Page, Fault> {
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    let namespace = letter(&given.namespace)?;
    let name = char::from(namespace).to_string();
    let mut rows = limit(given.limit, 50, 200)?;
    let mut from = offset(given.offset)?;
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(&name, &book.identity())?;
        (from, rows) = (position.o, position.l.clamp(1, 200));
    }
    let range = archive.path_range(namespace, "")?;
    let total = u64::from(range.end - range.start);
    let first = range.start.saturating_add(u32::try_from(from.min(total)).unwrap_or(u32::MAX)).min(range.end);
    let last = first.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX)).min(range.end);
    let mut results = Vec::new();
    for index in first..last {
        work.check()?;
        // One that is damaged is a row that says so: the page has no hole, and the next one begins where it should.
        results.push(match archive.entry(index) {
            Err(error) => Row {
                path: String::new(),
                title: String::new(),
                content_type: format!("unreadable: {}", error_kind(&error)),
                redirect_to: None,
            },
            Ok(entry) => {
                let target = entry.target().ok().flatten();
                Row {
                    path: text::public_path(archive, &entry),
                    title: entry.title().into_owned(),
                    content_type: entry
                        .mime_type()
                        .unwrap_or(if target.is_some() { "redirect" } else { "unknown" })
                        .to_owned(),
                    redirect_to: target.map(|target| text::public_path(archive, &target)),
                }
            }
        });
    }
    let returned = results.len() as u64;
    let next = from.min(total) + returned;
    let done = next >= total;
    let position = Position { o: next, l: rows, q: name.clone(), ai: book.identity() };
    Ok(Page {
        zim_file: book.name.clone(),
        namespace: name,
        results,
        total,
        done,
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: PageInfo { offset: from, limit: rows, returned_count: returned, total_is_lower_bound: false },
        reason: (total == 0).then_some("bad_namespace"),
    })
}

const fn error_kind(error: &zim::Error) -> &'static str {
    match error {
        zim::Error::Io(_) => "the medium failed",
        _ => "damaged",
    }
}

fn letter(said: &str) -> Result<u8, Fault> {
    let said = said.trim().trim_end_matches('/');
    match (said.to_lowercase().as_str(), said.as_bytes()) {
        ("content", _) => Ok(b'C'),
        ("metadata", _) => Ok(b'M'),
        ("wellknown" | "well-known", _) => Ok(b'W'),
        ("search" | "index", _) => Ok(b'X'),
        (_, [letter]) if letter.is_ascii_graphic() => Ok(letter.to_ascii_uppercase()),
        _ => Err(Fault::new("bad_namespace", "namespace is one letter: C, M, W, X, or A, I, - in older archives.")),
    }
}
