//! `zim_metadata`: the list of archives, or what one of them is.

use super::{Answer as Whole, PageInfo, limit, offset};
use crate::arguments::Arguments;
use crate::article::public_path;
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::index::TextIndex;
use crate::links::Base;
use crate::meta::{Answered, Meta};
use crate::text;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
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
/// Entries of a namespace that are named.
const SAMPLES: u32 = 5;

#[derive(Clone, Default, Deserialize, JsonSchema)]
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
    #[serde(rename = "_meta")]
    meta: Meta,
}

impl Answered for Answer {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimArchive")]
struct Row {
    /// What to pass as zim_file_path.
    name: String,
    /// On the machine's own client only.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
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
    sample_entries: Vec<Sample>,
    sampled_count: u32,
    probed_count: u32,
    estimated_total: u32,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimSample")]
struct Sample {
    path: String,
    title: String,
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
    /// Of its own.
    has_fulltext_index: bool,
    has_title_index: bool,
    /// What full text is found by.
    text_index: TextIndex,
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Asked>, call: Call) -> Result<Whole<Answer>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| answer(work, &given)).await.map(Whole)
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
        results.push(row(work, book));
    }
    let returned = results.len() as u64;
    let next = from.min(total) + returned;
    let done = next >= total;
    let position = Position { o: next, l: rows, q: filter, ..Position::default() };
    Ok(Answer {
        results: Some(results),
        total: Some(total),
        done: Some(done),
        next_cursor: (!done).then(|| position.encode(TOOL)),
        page_info: Some(PageInfo { offset: from, limit: rows, returned_count: returned, ..PageInfo::default() }),
        ..Answer::default()
    }
    .measured())
}

/// One archive, as the list has it.
pub(crate) fn listed(work: &Work, book: &Book) -> impl Serialize {
    row(work, book)
}

/// What an archive is.
pub(crate) fn describe(work: &Work, name: &str) -> Result<impl Serialize, Fault> {
    one(work, work.shelf.find(Some(name))?)
}

fn row(work: &Work, book: &Book) -> Row {
    let archive = book.archive().ok();
    let text = |name| archive.as_ref().and_then(|a| a.metadata_text(name).ok().flatten()).map(|text| shortened(&text));
    let shown = work.holdings.settings.shows_paths.then(|| book.path()).flatten();
    Row {
        name: book.name.clone(),
        path: shown.map(|path| path.display().to_string()),
        title: text("Title"),
        description: text("Description"),
        language: text("Language"),
        entries: archive.as_ref().map(|archive| archive.len()),
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
            // Old writers put HTML into descriptions.
            let value = if value.trim_start().starts_with('<') {
                crate::html::read(&value, &Base::default()).markdown
            } else {
                value
            };
            metadata.insert(shortened(&name), shortened(&value));
        }
    }
    let mut namespaces = Vec::new();
    for (letter, range) in archive.namespaces()? {
        work.check()?;
        let total = range.end - range.start;
        // Spread evenly, so the same ones each time.
        let step = total.div_ceil(SAMPLES).max(1);
        let samples =
            (0..total).step_by(usize::try_from(step).unwrap_or(1)).take(usize::try_from(SAMPLES).unwrap_or(5));
        let samples = samples.filter_map(|at| archive.entry(range.start + at).ok());
        let sample_entries: Vec<_> =
            samples.map(|e| Sample { path: public_path(&archive, &e), title: text::title(&e) }).collect();
        let sampled_count = u32::try_from(sample_entries.len()).unwrap_or(SAMPLES);
        namespaces.push(Namespace {
            letter: char::from(letter).to_string(),
            total,
            description: described(letter),
            is_authoritative: true,
            sample_entries,
            sampled_count,
            probed_count: 0,
            estimated_total: total,
        });
    }
    let preset = &book.about()?.preset;
    let (major, minor) = archive.version();
    let main_page = archive.main_page().ok().flatten().and_then(|page| page.resolve().ok());
    Ok(Answer {
        zim_file: Some(book.name.clone()),
        metadata: Some(metadata),
        namespaces: Some(namespaces),
        archive_identity: Some(Identity {
            uuid: uuid(archive.uuid()),
            is_multipart: archive.parts() > 1,
            format_version: format!("{major}.{minor}"),
            size_bytes: book.bytes,
        }),
        index_capabilities: Some(Indexes {
            has_fulltext_index: archive.has_fulltext_index()?,
            has_title_index: archive.has_title_index()?,
            text_index: book.text_index(),
        }),
        counter_breakdown: Some(archive.counter().unwrap_or_default().into_iter().take(MAX_NAMES).collect()),
        main_page: main_page.map(|page| public_path(&archive, &page)),
        meta: Meta {
            detected_type: Some(preset.kind),
            detection_confidence: Some(preset.confidence),
            ..Meta::default()
        },
        ..Answer::default()
    }
    .measured())
}

fn shortened(value: &str) -> String {
    let value = &redact::clean(value);
    let total = value.chars().count();
    if total <= MAX_VALUE {
        return value.clone().into_owned();
    }
    format!("{}… [truncated, {total} chars total]", text::piece(value, 0, MAX_VALUE))
}

pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let groups: Vec<_> = groups.into_iter().filter_map(|(from, to)| hex.get(from..to)).collect();
    groups.join("-")
}

pub(crate) const fn described(letter: u8) -> &'static str {
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
