//! `zim_health`: how the server is, or whether one archive is whole.

use super::Answer;
use crate::arguments::Arguments;
use crate::book::Book;
use crate::fault::Fault;
use crate::index::TextIndex;
use crate::library::Library;
use crate::linkgraph;
use crate::meta::{Answered, Meta};
use crate::text;
use crate::time::rfc3339;
use crate::work::{Desk, Work};
use mcp::builtin::Fail;
use mcp::{Call, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

pub(super) const ABOUT: &str = "How the server and its archives are. With zim_file_path: whether that archive is \
     whole (reads all of it), and which indexes it has.";

/// Archives that are listed.
const LISTED: usize = 200;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimHealth")]
pub(crate) struct Asked {
    /// The archive to check.
    #[serde(default)]
    zim_file_path: Option<String>,
}

/// The server, or one archive.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimHealthReport")]
pub(crate) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_archives: Option<Vec<Loaded>>,
    /// All of them: zim_metadata lists them page by page.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_archives_total: Option<usize>,
    #[serde(flatten)]
    archive: Option<Checked>,
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimLoaded")]
pub(crate) struct Loaded {
    pub(crate) name: String,
    /// On the machine's own client only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    pub(crate) size: String,
    pub(crate) size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<String>,
    /// Null if it was not opened yet.
    pub(crate) readable: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimChecked")]
struct Checked {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    name: String,
    /// Whether the checksum is right; null if that cannot be told, and message says why.
    is_valid: Option<bool>,
    has_checksum: bool,
    checksum: Option<String>,
    has_fulltext_index: bool,
    has_title_index: bool,
    /// What full text is found by.
    text_index: TextIndex,
    uuid: String,
    is_multipart: bool,
    has_link_graph: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Answered for Report {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Asked>, call: Call) -> Result<Answer<Report>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| report(work, &given)).await.map(Answer)
}

fn report(work: &Work, given: &Asked) -> Result<Report, Fault> {
    if let Some(path) = given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty()) {
        let book = work.shelf.find(Some(path))?;
        let archive = Some(check(work, book)?);
        return Ok(Report { archive, ..Report::default() }.measured());
    }
    let listed = work.shelf.books.iter().take(LISTED).map(|book| loaded(&work.holdings, book));
    let report = Report {
        health: Some(health(work)),
        configuration: Some(configuration(work)),
        loaded_archives: Some(listed.collect()),
        loaded_archives_total: Some(work.shelf.books.len()),
        ..Report::default()
    };
    Ok(report.measured())
}

pub(crate) fn loaded(library: &Library, book: &Book) -> Loaded {
    let shown = library.settings.shows_paths.then(|| book.path()).flatten();
    Loaded {
        name: book.name.clone(),
        path: shown.map(|path| path.display().to_string()),
        directory: shown.and_then(|path| path.parent()).map(|path| path.display().to_string()),
        size: text::size(book.bytes),
        size_bytes: book.bytes,
        modified: book.modified().map(rfc3339),
        readable: book.is_readable(),
    }
}

fn health(work: &Work) -> Value {
    let settings = &work.holdings.settings;
    let (state, reason) = work.holdings.state();
    let mut status = match state {
        State::Healthy => "healthy",
        State::Starting | State::Degraded => "warning",
        State::Down | State::Disabled => "error",
    };
    let books = &work.shelf.books;
    let accessible = settings.paths.len().saturating_sub(work.shelf.unreadable);
    let (mut warnings, mut advice) = problems(work);
    // As for the state: of a large library only what is used is opened.
    let looks = books.len() <= settings.open_archives;
    let damaged = books.iter().filter(|book| if looks { book.is_damaged() } else { book.seems_damaged() }).count();
    if damaged > 0 {
        warnings.push(format!("{damaged} of {} archives cannot be used", books.len()));
        advice.push("See zim_metadata for which archives, and download them again.".to_owned());
    }
    if books.is_empty() {
        warnings.push("there is no archive".to_owned());
        advice.push("Put a .zim file into a served folder, or serve another folder.".to_owned());
    }
    if !reason.is_empty() && warnings.is_empty() {
        warnings.push(reason);
    }
    if warnings.is_empty() {
        advice.push("Server is running optimally".to_owned());
    } else if status == "healthy" {
        status = "warning";
    }
    let process = settings.shows_paths.then(std::process::id);
    json!({
        "timestamp": rfc3339(SystemTime::now()),
        "status": status,
        "server_name": settings.server_name,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_info": {
            "process_id": process,
            "started_at": rfc3339(work.telemetry.since),
            "uptime_seconds": work.telemetry.began.elapsed().as_millis() as f64 / 1000.0,
        },
        "configuration": {
            "allowed_directories": settings.paths.len(),
            "cache_enabled": settings.answers.enabled,
        },
        "cache_performance": caches(work),
        "side_indexes": work.holdings.background.report(),
        "health_checks": {
            "directories_accessible": accessible,
            "zim_files_found": books.len(),
            "permissions_ok": work.shelf.unreadable == 0,
            "zim_files_damaged": damaged,
            "zim_files_not_opened_yet": books.iter().filter(|book| book.is_readable().is_none()).count(),
        },
        "recommendations": advice,
        "warnings": warnings,
        "simple_tools_telemetry": work.telemetry.counters(),
    })
}

/// What is wrong with how the server is set up, and what to do about it; without paths.
fn problems(work: &Work) -> (Vec<String>, Vec<String>) {
    let (library, settings) = (&work.holdings, &work.holdings.settings);
    let mut found: Vec<(String, &str)> = Vec::new();
    if settings.paths.is_empty() && settings.memory.is_empty() {
        found.push(("no folder of archives is configured".to_owned(), "Name a folder of archives to serve."));
    }
    if work.shelf.unreadable > 0 {
        found.push((
            format!("{} of {} configured paths cannot be read", work.shelf.unreadable, settings.paths.len()),
            "See the log for which paths: they have to be there, and the user of the server has to be allowed to read them.",
        ));
    }
    if settings.builds_indexes && !library.background.is_on() {
        found.push((
            "full-text indexes are to be made, and there is no folder for them".to_owned(),
            "Configure a cache folder.",
        ));
    }
    if settings.keeps_answers && settings.answers.enabled && !settings.paths.is_empty() && !library.keeps_answers() {
        found.push((
            "pages are to be kept over a restart, and cannot be".to_owned(),
            "Configure a cache folder that the server can write to; the log says what failed.",
        ));
    }
    if library.opener.has_wrong_presets() {
        found.push((
            "something in the file of presets has no effect".to_owned(),
            "See the beginning of the log for what is not understood.",
        ));
    }
    found.into_iter().map(|(problem, advice)| (problem, advice.to_owned())).unzip()
}

/// The peer's fields are those of the articles; what lies below them stands beside.
fn caches(work: &Work) -> Value {
    let settings = &work.holdings.settings;
    let articles = work.holdings.articles.usage();
    let of = |usage: zim::Usage| {
        json!({
            "size": usage.entries, "size_bytes": usage.bytes, "max_bytes": usage.limit,
            "hits": usage.hits, "misses": usage.misses,
        })
    };
    let asked = articles.hits + articles.misses;
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = if asked == 0 { 0.0 } else { articles.hits as f64 / asked as f64 };
    json!({
        "enabled": settings.answers.enabled,
        "size": articles.entries,
        "max_size": settings.answers.entries,
        "size_bytes": articles.bytes,
        "max_bytes": settings.articles,
        "ttl_seconds": settings.answers.age.as_secs(),
        "hits": articles.hits,
        "misses": articles.misses,
        "hit_rate": rate,
        "background_cleanup": false,
        "persistence_enabled": work.holdings.keeps_answers(),
        "clusters": of(work.holdings.opener.caches.clusters()),
        "dirents": of(work.holdings.opener.caches.dirents()),
        "archives_opened": work.holdings.opener.opened(),
    })
}

fn configuration(work: &Work) -> Value {
    let settings = &work.holdings.settings;
    let (state, _) = work.holdings.state();
    let (warnings, recommendations) = problems(work);
    let status = match state {
        State::Down | State::Disabled => "error",
        _ if warnings.is_empty() => "ok",
        _ => "warning",
    };
    let paths: Vec<_> = settings.paths.iter().map(|path| path.display().to_string()).collect();
    json!({
        "configuration": {
            "server_name": settings.server_name,
            "tool_mode": if settings.simple { "simple" } else { "advanced" },
            "allowed_directories": if settings.shows_paths { json!(paths) } else { json!(paths.len()) },
            "content": {
                "max_content_length": settings.content.max_chars,
                "snippet_length": settings.content.snippet_chars,
                "default_search_limit": settings.search.limit,
            },
            "watch_interval_seconds": settings.rescan.as_secs(),
            "subscriptions_enabled": settings.subscriptions,
        },
        "diagnostics": {
            "validation_status": status, "warnings": warnings, "recommendations": recommendations,
        },
        "timestamp": rfc3339(SystemTime::now()),
    })
}

fn check(work: &Work, book: &Book) -> Result<Checked, Fault> {
    let archive = book.archive()?;
    let about = book.about()?;
    let mut message = None;
    let is_valid = match book.verified.get() {
        Some(known) => Some(*known),
        None if !archive.has_checksum() => {
            message = Some("The archive has no checksum: whether it is whole cannot be told.".to_owned());
            None
        }
        None => {
            // A part of the time is left for the answer.
            let read = |_, _| if work.is_late() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            match archive.verify(read) {
                Ok(valid) => Some(*book.verified.get_or_init(|| valid)),
                Err(zim::Error::Stopped) => {
                    work.check()?;
                    message = Some("The archive is too large to be read in the time of one call.".to_owned());
                    None
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(Checked {
        path: work.holdings.settings.shows_paths.then(|| book.path()).flatten().map(|path| path.display().to_string()),
        name: book.name.clone(),
        is_valid,
        has_checksum: archive.has_checksum(),
        checksum: archive.checksum()?.map(|sum| sum.iter().map(|byte| format!("{byte:02x}")).collect()),
        has_fulltext_index: about.has_fulltext,
        has_title_index: about.has_titles,
        text_index: book.text_index(),
        uuid: super::metadata::uuid(about.uuid),
        is_multipart: about.parts > 1,
        has_link_graph: linkgraph::has_graph(work, book)?,
        message,
    })
}
