//! `zim_browse`: the entries of a namespace, in the order of their paths.

use super::{Answer, PageInfo, limit, offset};
use crate::arguments::Arguments;
use crate::article::{beginning, public_path};
use crate::cursor::Position;
use crate::fault::Fault;
use crate::meta::{Answered, Meta};
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zim::{Archive, Entry};

pub(super) const ABOUT: &str = "Lists entries of a namespace: C content, M metadata, W well-known (older archives: \
     A articles, I images). mode page shows how each begins, walk only names them. Next page: next_cursor.";

const TOOL: &str = "zim_browse";
/// Entries that one page passes over in search of rows.
const MAX_SCANNED: u32 = 100_000;
/// Characters of how an entry begins.
const PREVIEW: usize = 200;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimBrowse")]
pub(crate) struct Browse {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    /// A letter such as C, or content, metadata, wellknown.
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) mode: Mode,
    /// next_cursor of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Rows: page 1 to 200 (50), walk 1 to 500 (200).
    #[serde(default)]
    pub(crate) limit: Option<i64>,
    /// The entry to begin with.
    #[serde(default)]
    pub(crate) offset: Option<i64>,
    /// Pictures, styles, scripts and fonts, too.
    #[serde(default)]
    pub(crate) include_assets: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Mode {
    #[default]
    #[serde(alias = "list")]
    Page,
    Walk,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimBrowsePage")]
pub(crate) struct Page {
    zim_file: String,
    pub(crate) namespace: String,
    pub(crate) results: Vec<Row>,
    pub(crate) next_cursor: Option<String>,
    /// Entries of the namespace.
    pub(crate) total: u64,
    pub(crate) done: bool,
    pub(crate) page_info: PageInfo,
    discovery_method: &'static str,
    sampling_based: bool,
    /// An entry could not be read: its row says so, and has no path.
    results_may_be_incomplete: bool,
    /// Entries that were looked at for this page, and the last of them.
    pub(crate) scanned_count: u64,
    scanned_through_id: Option<u64>,
    archive_entry_count: u64,
    namespace_entry_count: u64,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimBrowseRow")]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// How it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preview: Option<String>,
    /// Where a redirect leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_to: Option<String>,
}

impl Answered for Page {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Browse>, call: Call) -> Result<Answer<Page>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| browse(work, &given)).await.map(Answer)
}

pub(crate) fn browse(work: &Work, given: &Browse) -> Result<Page, Fault> {
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    let is_walk = given.mode == Mode::Walk;
    let (default, most) = if is_walk { (200, 500) } else { (50, 200) };
    let mut rows = limit(given.limit, default, most)?;
    let mut from = offset(given.offset)?;
    let mut assets = given.include_assets;
    let letter = letter(&given.namespace)?;
    let name = letter.map_or_else(|| given.namespace.trim().chars().take(20).collect(), |l| char::from(l).to_string());
    let what = format!("{}:{name}", if is_walk { "walk" } else { "page" });
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(&what, &book.identity())?;
        (from, rows) = (position.o, position.l.clamp(1, most));
        assets = position.k == "assets";
    }
    let range = letter.map_or(Ok(0..0), |letter| archive.path_range(letter, ""))?;
    let total = u64::from(range.end - range.start);
    // Only content has assets beside pages.
    let filters = !assets && matches!(letter, Some(b'C' | b'A'));
    let first = range.start.saturating_add(u32::try_from(from.min(total)).unwrap_or(u32::MAX)).min(range.end);
    let mut page = Page {
        zim_file: book.name.clone(),
        discovery_method: if letter.is_none() { "rejected_unknown_namespace" } else { "entry_id_range" },
        archive_entry_count: u64::from(archive.len()),
        namespace_entry_count: total,
        total,
        ..Page::default()
    };
    let mut at = first;
    let mut skipped = 0;
    while at < range.end && (page.results.len() as u64) < rows && at - first < MAX_SCANNED {
        // What was gathered when the time is half over is a page, too.
        if !page.results.is_empty() && work.is_late() {
            page.page_info.budget_truncated = true;
            break;
        }
        work.check()?;
        let entry = archive.entry(at);
        at += 1;
        match entry {
            Ok(entry) if filters && is_asset(&entry) => skipped += 1,
            Ok(entry) => page.results.push(row(&archive, &entry, is_walk)),
            // One that is damaged is a row that says so: the page has no hole.
            Err(error) => {
                page.results_may_be_incomplete = true;
                page.results.push(unreadable(&error));
            }
        }
    }
    let next = from.min(total) + u64::from(at - first);
    page.done = next >= total;
    let kind = if assets { "assets" } else { "" };
    let position = Position { o: next, l: rows, q: what, ai: book.identity(), k: kind.to_owned() };
    page.next_cursor = (!page.done).then(|| position.encode(TOOL));
    page.scanned_count = u64::from(at - first);
    page.scanned_through_id = (at > first).then(|| next - 1);
    page.page_info.offset = from;
    page.page_info.limit = rows;
    page.page_info.returned_count = page.results.len() as u64;
    page.page_info.assets_filtered = filters;
    page.page_info.assets_skipped = skipped;
    page.meta.reason = (total == 0).then_some("bad_namespace");
    if total == 0 {
        let letters: Vec<_> =
            archive.namespaces()?.into_iter().map(|(letter, _)| char::from(letter).to_string()).collect();
        page.meta.hint = Some(format!("This archive has the namespaces {}.", letters.join(", ")));
    }
    page.namespace = name;
    Ok(page.measured())
}

fn row(archive: &Archive, entry: &Entry<'_>, is_walk: bool) -> Row {
    let path = public_path(archive, entry);
    let title = crate::text::title(entry);
    if is_walk {
        return Row { path, title, content_type: None, preview: None, redirect_to: None };
    }
    let target = entry.target().ok().flatten();
    let kind = entry.mime_type().unwrap_or(if target.is_some() { "redirect" } else { "unknown" });
    let preview = if target.is_some() { None } else { beginning(archive, entry, PREVIEW).ok().flatten() };
    Row {
        path,
        title,
        content_type: Some(kind.to_owned()),
        preview,
        redirect_to: target.map(|target| public_path(archive, &target)),
    }
}

fn unreadable(error: &zim::Error) -> Row {
    let kind = if matches!(error, zim::Error::Io(_)) { "the medium failed" } else { "damaged" };
    let content_type = Some(format!("unreadable: {kind}"));
    Row { path: String::new(), title: String::new(), content_type, preview: None, redirect_to: None }
}

/// What pages are made with, not what they say.
pub(crate) fn is_asset(entry: &Entry<'_>) -> bool {
    const ENDINGS: [&str; 30] = [
        "jpg", "jpeg", "png", "gif", "webp", "svg", "ico", "bmp", "css", "js", "mjs", "json", "map", "woff", "woff2",
        "ttf", "otf", "eot", "mp3", "mp4", "ogg", "ogv", "webm", "wav", "pdf", "epub", "zip", "vtt", "wasm", "xml",
    ];
    match entry.mime_type() {
        Some(mime) if crate::article::is_html(mime) || mime == "text/plain" => false,
        Some(_) => true,
        None => entry.path().rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end.to_lowercase().as_str())),
    }
}

/// The namespace; nothing for one that no archive has.
pub(crate) fn letter(said: &str) -> Result<Option<u8>, Fault> {
    let said = said.trim().trim_end_matches('/');
    match (said.to_lowercase().as_str(), said.as_bytes()) {
        ("content", _) => Ok(Some(b'C')),
        ("metadata", _) => Ok(Some(b'M')),
        ("wellknown" | "well-known", _) => Ok(Some(b'W')),
        ("search" | "index", _) => Ok(Some(b'X')),
        ("articles", _) => Ok(Some(b'A')),
        ("images", _) => Ok(Some(b'I')),
        (_, [letter]) if letter.is_ascii_graphic() => Ok(Some(letter.to_ascii_uppercase())),
        ("", _) => {
            Err(Fault::new("bad_namespace", "namespace is one letter: C, M, W, X, or A, I, - in older archives."))
        }
        (said, _) if said.len() > 100 => Err(Fault::new("bad_namespace", "namespace is one letter.")),
        _ => Ok(None),
    }
}
