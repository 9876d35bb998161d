//! Makes the link graph of an archive.

use super::{INDEX, SCHEMA, VERSION, beside};
use crate::article::{is_html, public_path};
use crate::html;
use crate::links::Base;
use crate::tools::metadata::uuid;
use rusqlite::{Connection, Transaction};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use zim::Archive;

/// Bytes of a page that are read for its links.
const MAX_BYTES: u64 = 16 << 20;

/// What was made.
#[derive(Debug)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// Pages that link or are linked to.
    pub nodes: u64,
    /// Links from one page to another.
    pub edges: u64,
    /// Pages that could not be read.
    pub unreadable: u64,
}

/// Reads all pages of an archive and writes which link to which, to `output` or beside the archive. `progress` is told
/// how many of how many entries were read.
///
/// # Errors
/// In words: there is a graph already and `force` is false, or something cannot be read or written.
pub fn build(
    archive: &Path,
    output: Option<&Path>,
    force: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Built, String> {
    let path = output.map_or_else(|| beside(archive), Path::to_owned);
    if path.exists() && !force {
        return Err(format!("{} is there already; use --force to make it anew", path.display()));
    }
    let place = archive.display();
    let opened = Archive::open(archive).map_err(|error| format!("{place}: {error}"))?;
    // Written beside its place and moved there whole: nobody reads half of it.
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let _ = std::fs::remove_file(&part);
    let written = write(&opened, &part, &mut progress);
    let (nodes, edges, unreadable) = match written {
        Ok(counts) => counts,
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            return Err(format!("{place}: {error}"));
        }
    };
    std::fs::rename(&part, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Built { path, nodes, edges, unreadable })
}

type Counts = (u64, u64, u64);

fn write(archive: &Archive, part: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Counts, String> {
    let text = |error: rusqlite::Error| error.to_string();
    let mut graph = Connection::open(part).map_err(text)?;
    // A file that is thrown away if anything fails needs no journal.
    graph.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(text)?;
    graph.execute_batch(SCHEMA).map_err(text)?;
    let transaction = graph.transaction().map_err(text)?;
    let mut gathering = Gathering { transaction: &transaction, nodes: HashMap::new(), edges: 0 };
    let mut unreadable = 0;
    let namespace = archive.content_namespace();
    let range = archive.path_range(namespace, "").map_err(|error| error.to_string())?;
    let total = u64::from(range.end - range.start);
    for (done, index) in range.enumerate() {
        progress(done as u64, total);
        // A page that is damaged harms no other.
        match targets(archive, index) {
            Ok(Some((source, targets))) => gathering.add(&source, targets).map_err(text)?,
            Ok(None) => {}
            Err(_) => unreadable += 1,
        }
    }
    progress(total, total);
    let (nodes, edges) = (gathering.nodes.len() as u64, gathering.edges);
    transaction.commit().map_err(text)?;
    graph.execute_batch(INDEX).map_err(text)?;
    graph
        .execute_batch(
            "UPDATE nodes SET inbound_degree = (SELECT count(*) FROM edges WHERE edges.target_id = nodes.id);",
        )
        .map_err(text)?;
    let meta = [
        ("schema_version", VERSION.to_owned()),
        ("archive_uuid", uuid(archive.uuid())),
        ("node_count", nodes.to_string()),
        ("edge_count", edges.to_string()),
    ];
    for (key, value) in meta {
        graph.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [key, &value]).map_err(text)?;
    }
    graph.close().map_err(|(_, error)| error.to_string())?;
    Ok((nodes, edges, unreadable))
}

/// A page, and the pages it links to, each once, with the text of the first link.
type Targets = (String, Vec<(String, String)>);

fn targets(archive: &Archive, index: u32) -> zim::Result<Option<Targets>> {
    let entry = archive.entry(index)?;
    if entry.is_redirect() || !entry.mime_type().is_some_and(is_html) || entry.size()? > MAX_BYTES {
        return Ok(None);
    }
    let source = public_path(archive, &entry);
    let bytes = entry.read()?;
    let article = html::read(&String::from_utf8_lossy(&bytes), &Base::new(&source));
    let mut seen = HashSet::new();
    let mut targets = Vec::new();
    for link in article.links {
        let Some(path) = link.path else { continue };
        // Redirects are other names of the page that is meant.
        let Ok(Some(target)) = archive.entry_by_path(&path) else { continue };
        let Ok(target) = target.resolve() else { continue };
        if target.index() != index && seen.insert(target.index()) && !crate::tools::is_asset(&target) {
            targets.push((public_path(archive, &target), link.text.chars().take(200).collect()));
        }
    }
    Ok(Some((source, targets)))
}

struct Gathering<'a> {
    transaction: &'a Transaction<'a>,
    nodes: HashMap<String, i64>,
    edges: u64,
}

impl Gathering<'_> {
    fn add(&mut self, source: &str, targets: Vec<(String, String)>) -> rusqlite::Result<()> {
        let source = self.node(source)?;
        for (path, text) in targets {
            let target = self.node(&path)?;
            let insert = "INSERT INTO edges (target_id, source_id, anchor_text) VALUES (?1, ?2, ?3)";
            self.transaction.prepare_cached(insert)?.execute((target, source, text))?;
            self.edges += 1;
        }
        Ok(())
    }

    fn node(&mut self, path: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.nodes.get(path) {
            return Ok(*id);
        }
        let id = i64::try_from(self.nodes.len()).unwrap_or(i64::MAX);
        self.transaction.prepare_cached("INSERT INTO nodes (id, path) VALUES (?1, ?2)")?.execute((id, path))?;
        self.nodes.insert(path.to_owned(), id);
        Ok(id)
    }
}
