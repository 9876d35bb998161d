//! `zim_metadata`: the list of archives, or what one of them is.

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
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const ABOUT: &str = "Without zim_file_path: lists the archives. With it: title, language, counts, \
     namespaces and indexes of one archive.";

const TOOL: &str = "zim_metadata";
/// Characters of a piece of metadata that are shown.
const MAX_VALUE: usize = 800;
/// Pieces of metadata that are shown.
const MAX_NAMES: usize = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimMetadata")]
pub(super) struct Asked {
    /// The archive's name.
    #[serde(default)]
    zim_file_path: Option<String>,
    /// Lists archives whose names have this in them.
    #[serde(default)]
    name_filter: Option<String>,
    /// Archives, 1 to 200 (50).
    #[serde(default)]
    limit: Option<i64>,
    /// The archive to begin with.
    #[serde(default)]
    offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// Either a list of archives, or one of them.
#[derive(Serialize, JsonSchema, Default)]
#[schemars(rename = "ZimMetadataResult")]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_info: Option<PageInfo>,

    #[serde(skip_serializing_if = "Option::is_none")]
    zim_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<Namespace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_capabilities: Option<Indexes>,
    /// Entries by MIME type, as the writer counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    counter_breakdown: Option<BTreeMap<String, u64>>,
    /// Path of the main page.
    #[serde(skip_serializing_if = "Option::is_none")]
    main_page: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimArchive")]
struct Row {
    /// What to pass as zim_file_path.
    name: String,
    title: Option<String>,
    description: Option<String>,
    language: Option<String>,
    /// Entries, redirects and indexes among them.
    entries: Option<u32>,
    size_bytes: u64,
    /// ok or damaged.
    status: &'static str,
    /// Why it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimNamespace")]
struct Namespace {
    letter: String,
    total: u32,
    description: &'static str,
    is_authoritative: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimIdentity")]
struct Identity {
    uuid: String,
    is_multipart: bool,
    format_version: String,
    size_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimIndexes")]
struct Indexes {
    has_fulltext_index: bool,
    has_title_index: bool,
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Asked>, _call: Call) -> Result<Structured<Answer>, Fail> {
    let given = given.0?;
    desk.run(move |work| answer(work, &given)).await.map(Structured)
}

fn answer(work: &Work, given: &Asked) -> Result<Answer, Fault> {
    match given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty()) {
        Some(path) => one(work, work.shelf.find(Some(path))?),
        None => list(work, given),
    }
}

fn list(work: &Work, given: &Asked) -> Result<Answer, Fault> {
    let filter = given.name_filter.as_deref().unwrap_or_default().to_lowercase();
    let mut rows = limit(given.limit, 50, 200)?;
    let mut from = offset(given.offset)?;
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(&filter, "")?;
        (from, rows) = (position.o, position.l.clamp(1, 200));
    }
    let meant: Vec<_> = work.shelf.books.iter().filter(|book| book.name.to_lowercase().contains(&filter)).collect();
    let total = meant.len() as u64;
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let mut results = Vec::new();
    for book in meant.into_iter().skip(skip).take(usize::try_from(rows).unwrap_or(usize::MAX)) {
        work.check()?;
        results.push(row(book));
    }
    let returned = results.len() as u64;
    let next = from.min(total) + returned;
    let done = next >= total;
    let position = Position { o: next, l: rows, q: filter, ai: String::new() };
    Ok(Answer {
        results: Some(results),
        total: Some(total),
        done: Some(done),
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: Some(PageInfo { offset: from, limit: rows, returned_count: returned, total_is_lower_bound: false }),
        ..Answer::default()
    })
}

fn row(book: &Book) -> Row {
    let archive = book.archive().ok();
    let text = |name| archive.and_then(|a| a.metadata_text(name).ok().flatten()).map(|text| shortened(&text));
    Row {
        name: book.name.clone(),
        title: text("Title"),
        description: text("Description"),
        language: text("Language"),
        entries: archive.map(zim::Archive::len),
        size_bytes: book.bytes,
        status: if archive.is_some() { "ok" } else { "damaged" },
        reason: book.damage().map(str::to_owned),
    }
}

fn one(work: &Work, book: &Book) -> Result<Answer, Fault> {
    let archive = book.archive()?;
    let mut metadata = BTreeMap::new();
    for name in archive.metadata_names()?.into_iter().filter(|name| !name.starts_with("Illustration_")) {
        work.check()?;
        if metadata.len() >= MAX_NAMES {
            break;
        }
        // One that cannot be read hides no other.
        if let Ok(Some(value)) = archive.metadata_text(&name) {
            metadata.insert(shortened(&name), shortened(&value));
        }
    }
    let namespaces = archive.namespaces()?.into_iter().map(|(letter, range)| Namespace {
        letter: char::from(letter).to_string(),
        total: range.end - range.start,
        description: described(letter),
        is_authoritative: true,
    });
    let (major, minor) = archive.version();
    let main_page = archive.main_page().ok().flatten().and_then(|page| page.resolve().ok());
    Ok(Answer {
        zim_file: Some(book.name.clone()),
        metadata: Some(metadata),
        namespaces: Some(namespaces.collect()),
        archive_identity: Some(Identity {
            uuid: uuid(archive.uuid()),
            is_multipart: archive.parts() > 1,
            format_version: format!("{major}.{minor}"),
            size_bytes: book.bytes,
        }),
        index_capabilities: Some(Indexes {
            has_fulltext_index: archive.has_fulltext_index()?,
            has_title_index: archive.has_title_index()?,
        }),
        counter_breakdown: Some(archive.counter().unwrap_or_default().into_iter().take(MAX_NAMES).collect()),
        main_page: main_page.map(|page| text::public_path(archive, &page)),
        ..Answer::default()
    })
}

fn shortened(value: &str) -> String {
    let total = value.chars().count();
    if total <= MAX_VALUE {
        return value.to_owned();
    }
    format!("{}… [truncated, {total} chars total]", text::piece(value, 0, MAX_VALUE))
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let groups: Vec<_> = groups.into_iter().filter_map(|(from, to)| hex.get(from..to)).collect();
    groups.join("-")
}

const fn described(letter: u8) -> &'static str {
    match letter {
        b'C' => "content",
        b'M' => "metadata",
        b'W' => "well-known entries",
        b'X' => "indexes",
        b'A' => "articles",
        b'I' | b'J' => "images",
        b'-' => "layout",
        _ => "other",
    }
}
