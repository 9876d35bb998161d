//! Which pages link to a page: a database that lies beside the archive, `<archive>.linkgraph.sqlite`, in
//! openzim-mcp's schema of version 3, so that one that was made by it works too.
//!
//! `meta(key, value)` says of which archive (`archive_uuid`) and in which schema (`schema_version`) it is; `nodes` are
//! pages with how many others link to them; `edges` are links, at most one from one page to another, with the text of
//! the first. Paths are those that `zim_get` takes.

mod build;

use crate::book::Book;
use crate::fault::Fault;
use crate::tools::metadata::uuid;
pub use build::{Built, build};
use rusqlite::{Connection, OpenFlags, named_params};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const VERSION: &str = "3";
const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) STRICT;
CREATE TABLE nodes (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, inbound_degree INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE edges (target_id INTEGER NOT NULL, source_id INTEGER NOT NULL, anchor_text TEXT NOT NULL DEFAULT '') STRICT;
";
const INDEX: &str = "CREATE INDEX edges_by_target ON edges(target_id);";

/// A page that links to another one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inbound {
    pub(crate) path: String,
    pub(crate) text: Option<String>,
    /// How many pages link to this page.
    pub(crate) degree: u64,
}

/// Where the graph of an archive lies.
fn beside(archive: &Path) -> PathBuf {
    let mut name = OsString::from(archive);
    name.push(".linkgraph.sqlite");
    PathBuf::from(name)
}

/// Whether there is one for this archive as it is.
pub(crate) fn has_graph(book: &Book) -> bool {
    open(book).is_ok()
}

/// The graph, if it is one of this archive.
fn open(book: &Book) -> Result<Connection, Fault> {
    let path = book.path().map(beside).filter(|path| path.is_file()).ok_or_else(|| missing(book))?;
    // The file is read only, and by nobody else: it is written whole and moved into its place.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let graph = Connection::open_with_flags(path, flags).map_err(|_| missing(book))?;
    let meta =
        |key: &str| graph.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, String>(0)).ok();
    let own = uuid(book.about()?.uuid);
    if meta("schema_version").as_deref() != Some(VERSION) || meta("archive_uuid").as_deref() != Some(&own) {
        return Err(missing(book));
    }
    Ok(graph)
}

/// The pages that link to this one, those that are linked to most first, and how many there are.
pub(crate) fn inbound(book: &Book, path: &str, offset: u64, limit: u64) -> Result<(Vec<Inbound>, u64), Fault> {
    let graph = open(book)?;
    read(&graph, path, offset, limit).map_err(|error| {
        tracing::warn!(archive = book.name, %error, "a link graph cannot be read");
        missing(book)
    })
}

fn read(graph: &Connection, path: &str, offset: u64, limit: u64) -> rusqlite::Result<(Vec<Inbound>, u64)> {
    const COUNT: &str = "SELECT count(*) FROM edges e JOIN nodes t ON t.id = e.target_id WHERE t.path = ?1";
    const ROWS: &str = "SELECT n.path, n.inbound_degree, e.anchor_text
        FROM edges e JOIN nodes t ON t.id = e.target_id JOIN nodes n ON n.id = e.source_id
        WHERE t.path = :path ORDER BY n.inbound_degree DESC, n.path LIMIT :limit OFFSET :offset";
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let total = graph.query_row(COUNT, [path], |row| row.get(0)).map(count)?;
    let mut statement = graph.prepare(ROWS)?;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let rows = statement.query_map(
        named_params! { ":path": path, ":limit": number(limit), ":offset": number(offset) },
        |row| {
            let text: String = row.get(2)?;
            let text = Some(text).filter(|text| !text.is_empty());
            Ok(Inbound { path: row.get(0)?, degree: count(row.get(1)?), text })
        },
    )?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, total))
}

fn missing(book: &Book) -> Fault {
    let message = format!(
        "Inbound links are read from a link graph, and there is none for {:?} as it is now. Whoever runs this server \
         makes it with `portcullis zim build-link-graph`. Meanwhile direction=related shows what the page itself names.",
        book.name
    );
    Fault::new("inbound_sidecar_unavailable", message)
}
