//! Which pages link to a page: a database that lies beside the archive, `<archive>.linkgraph.sqlite`, in
//! openzim-mcp's schema of version 3, so that one that was made by it works too.
//!
//! `meta(key, value)` says of which archive (`archive_uuid`) and in which schema (`schema_version`) it is; `nodes` are
//! pages with how many others link to them; `edges` are links, at most one from one page to another, with the text of
//! the first. Paths are those that `zim_get` takes.
//!
//! Whoever can put a file into a folder of archives can put such a database there, and a database is a program: views,
//! triggers and computed columns run when it is read. One that has them is no link graph; and whatever it has, reading
//! it ends with the call it is read for, and takes no more memory than its bounds allow (SQLite, "Defense Against The
//! Dark Arts").

mod build;

use crate::book::Book;
use crate::fault::Fault;
use crate::tools::metadata::uuid;
use crate::work::Work;
pub use build::{Built, build};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
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

/// Bytes of a value, and so of a path or of the text of a link.
const MAX_VALUE: i32 = 64 << 10;
/// Bytes that SQLite may have in memory, in all databases together.
const MAX_MEMORY: i64 = 256 << 20;
/// Steps of a query after which it is looked whether somebody still waits.
const STEPS: i32 = 1000;

/// Whether there is one for this archive as it is.
pub(crate) fn has_graph(work: &Work, book: &Book) -> Result<bool, Fault> {
    let graph = open(work, book);
    work.check()?;
    Ok(graph.is_ok())
}

/// The graph, if it is one of this archive.
fn open(work: &Work, book: &Book) -> Result<Connection, Fault> {
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let path = book.path().map(beside).filter(is_file).ok_or_else(|| missing(book))?;
    let own = uuid(book.about()?.uuid);
    match checked(work, &path) {
        Ok(Some((graph, archive))) if archive == own => Ok(graph),
        Ok(_) => Err(missing(book)),
        Err(error) => Err(unreadable(work, book, &error)),
    }
}

/// The database at a path and the archive that it says it is of, if it is a link graph in shape.
fn checked(work: &Work, path: &Path) -> rusqlite::Result<Option<(Connection, String)>> {
    // The file is read only, and by nobody else: it is written whole and moved into its place. That it does not change
    // says, too, that no journal beside it is looked for.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_URI;
    let name = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    let mut graph = Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)?;
    graph.progress_handler(STEPS, Some(work.bell()))?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_VALUE),
        (Limit::SQLITE_LIMIT_COLUMN, 32),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 32),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        graph.set_limit(limit, most)?;
    }
    graph.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    graph.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    graph.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    graph.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // A limit that is there already and lower stays. The pragma answers with a row.
    graph.pragma_update_and_check(None, "hard_heap_limit", MAX_MEMORY, |_| Ok(()))?;
    graph.pragma_update(None, "cell_size_check", true)?;
    if !is_graph(&graph)? {
        return Ok(None);
    }
    let meta =
        |key: &str| graph.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, String>(0));
    if meta("schema_version")? != VERSION {
        return Ok(None);
    }
    let archive = meta("archive_uuid")?;
    Ok(Some((graph, archive)))
}

/// The three tables are plain tables with plain columns, and there is nothing that would be run.
fn is_graph(graph: &Connection) -> rusqlite::Result<bool> {
    const RUNS: &str = "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')";
    // A virtual table has no page of its own.
    const TABLES: &str = "SELECT count(*) FROM sqlite_master
        WHERE type = 'table' AND name IN ('meta', 'nodes', 'edges') AND rootpage > 0";
    const COMPUTED: &str = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE hidden <> 0";
    let count = |sql: &str| graph.query_row(sql, [], |row| row.get::<_, i64>(0));
    if count(RUNS)? != 0 || count(TABLES)? != 3 {
        return Ok(false);
    }
    for table in ["meta", "nodes", "edges"] {
        if graph.query_row(COMPUTED, [table], |row| row.get::<_, i64>(0))? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The pages that link to this one, those that are linked to most first, and how many there are.
pub(crate) fn inbound(
    work: &Work,
    book: &Book,
    path: &str,
    offset: u64,
    limit: u64,
) -> Result<(Vec<Inbound>, u64), Fault> {
    let graph = open(work, book)?;
    read(&graph, path, offset, limit).map_err(|error| unreadable(work, book, &error))
}

/// It cannot be read, or there was no time to read it.
fn unreadable(work: &Work, book: &Book, error: &rusqlite::Error) -> Fault {
    if let Err(over) = work.check() {
        return over;
    }
    tracing::warn!(archive = book.name, %error, "a link graph cannot be read");
    missing(book)
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
