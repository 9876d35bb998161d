//! Makes the side index of an archive.

use super::folder::{FORMAT, Folder, Making, Manifest, identity};
use super::terms::{self, Flow, Terms};
use crate::article::{is_html, public_path};
use crate::html;
use crate::links::Base;
use glass::Analyser;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::Field;
use tantivy::{Index, IndexWriter, TantivyDocument};
use zim::{Archive, Caches, Entry, Limits, Options};

/// Bytes of terms that are gathered before they are written as a part of the index.
const GATHERED: usize = 64 << 20;
/// Bytes of text that wait to become terms.
const WAITING: usize = 16 << 20;
/// Bytes of a page that are read.
const MAX_BYTES: u64 = 16 << 20;
/// Bytes of a decoded cluster.
const MAX_CLUSTER: u64 = 64 << 20;
/// Bytes of decoded clusters that are kept: entries are read cluster by cluster.
const CLUSTERS: usize = 24 << 20;
/// Entries that are put into the order of their clusters at once.
const WINDOW: u32 = 1 << 20;
/// Bytes of text that become terms at once.
const PIECE: usize = 64 << 10;
/// How often a title counts at most.
const TITLES: usize = 100;

/// An index that was made.
#[derive(Debug)]
pub struct BuiltIndex {
    /// Its folder.
    pub folder: PathBuf,
    /// Pages in it.
    pub documents: u64,
    /// Pages that could not be read.
    pub unreadable: u64,
    /// Its size on disk.
    pub bytes: u64,
}

/// Why no index was made.
#[derive(Debug, PartialEq, Eq)]
pub enum NotBuilt {
    /// The archive brings an index of its text along.
    HasOwn,
    /// There is one already.
    Present,
    /// One is being made in this cache folder, by this or another process.
    Busy,
    /// It was told to stop.
    Stopped,
    /// In words.
    Failed(String),
}

impl std::fmt::Display for NotBuilt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HasOwn => "it brings an index of its text along",
            Self::Present => "it has an index already; --force makes it anew",
            Self::Busy => "another index is being made in this cache folder; try again when it is done",
            Self::Stopped => "it was stopped",
            Self::Failed(reason) => reason,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> NotBuilt {
    NotBuilt::Failed(error.to_string())
}

/// Makes the full-text index of an archive that has none, in the cache folder. `progress` is told how many of how many
/// entries were read. Memory is bounded, however large the archive is.
///
/// # Errors
/// See [`NotBuilt`]. What was begun is taken away.
pub fn build_index(
    archive: &Path,
    cache: &Path,
    force: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BuiltIndex, NotBuilt> {
    let opened = options().open(archive).map_err(failed)?;
    build(&opened, archive, &Folder::in_cache(cache), force, progress, &|| false)
}

/// How an archive is opened that is read from end to end, so that nobody else's caches are emptied.
pub(super) fn options() -> Options {
    Options::new()
        .caches(&Arc::new(Caches::new(CLUSTERS, CLUSTERS / 8)))
        .limits(Limits::default().bytes(MAX_BYTES, MAX_CLUSTER))
}

/// The same, until `stop` says so.
pub(super) fn build(
    archive: &Archive,
    path: &Path,
    folder: &Folder,
    force: bool,
    progress: &mut dyn FnMut(u64, u64),
    stop: &dyn Fn() -> bool,
) -> Result<BuiltIndex, NotBuilt> {
    let id = identity(archive);
    if archive.has_fulltext_index().unwrap_or(false) {
        return Err(NotBuilt::HasOwn);
    }
    if !force && folder.has(&id) {
        return Err(NotBuilt::Present);
    }
    let making = folder.lock().map_err(failed)?.ok_or(NotBuilt::Busy)?;
    // Somebody may have made it while we waited for nothing.
    if !force && folder.has(&id) {
        return Err(NotBuilt::Present);
    }
    let part = folder.fresh(&making, &id).map_err(failed)?;
    let built = fill(archive, path, folder, &making, &part, progress, stop);
    if built.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    built
}

fn fill(
    archive: &Archive,
    path: &Path,
    folder: &Folder,
    making: &Making,
    part: &Path,
    progress: &mut dyn FnMut(u64, u64),
    stop: &dyn Fn() -> bool,
) -> Result<BuiltIndex, NotBuilt> {
    let language = archive.metadata_text("Language").ok().flatten().unwrap_or_default();
    let flow = Arc::new(Flow::new(WAITING));
    let analyser = Arc::new(Analyser::of_language(&language));
    let index = Index::create_in_dir(part, terms::schema()).map_err(failed)?;
    index.tokenizers().register(terms::TOKENIZER, Terms { analyser, flow: Arc::clone(&flow) });
    let field = |name| index.schema().get_field(name).map_err(failed);
    let (text, entry) = (field(terms::TEXT)?, field(terms::ENTRY)?);
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(GATHERED)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options).map_err(failed)?;
    let mut filling = Filling { archive, writer, text, entry, flow, documents: 0, unreadable: 0, stop };
    filling.all(progress)?;
    let Filling { mut writer, documents, unreadable, .. } = filling;
    writer.commit().map_err(failed)?;
    writer.wait_merging_threads().map_err(failed)?;
    drop(index);
    if stop() {
        return Err(NotBuilt::Stopped);
    }
    let manifest = Manifest {
        format: FORMAT,
        identity: identity(archive),
        archive: std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        language,
        documents,
        files: BTreeMap::new(),
    };
    let (folder, bytes) = folder.finish(making, part, manifest).map_err(failed)?;
    Ok(BuiltIndex { folder, documents, unreadable, bytes })
}

struct Filling<'a> {
    archive: &'a Archive,
    writer: IndexWriter,
    text: Field,
    entry: Field,
    flow: Arc<Flow>,
    documents: u64,
    unreadable: u64,
    stop: &'a dyn Fn() -> bool,
}

impl Filling<'_> {
    fn all(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), NotBuilt> {
        let range = self.archive.path_range(self.archive.content_namespace(), "").map_err(failed)?;
        let total = u64::from(range.end - range.start);
        let mut start = range.start;
        while start < range.end {
            let window = start..range.end.min(start.saturating_add(WINDOW));
            let pages = self.pages(window.clone())?;
            let (before, all) = (u64::from(start - range.start), u64::from(window.end - window.start));
            let count = pages.len() as u64;
            for (done, (_, index)) in pages.into_iter().enumerate() {
                progress(before + (done as u64 * all).checked_div(count).unwrap_or(0), total);
                self.go_on()?;
                // A page that is damaged harms no other.
                match self.archive.entry(index).and_then(|entry| text(self.archive, &entry)) {
                    Ok((title, text)) => self.add(index, &title, &text)?,
                    Err(_) => self.unreadable += 1,
                }
            }
            start = window.end;
        }
        progress(total, total);
        Ok(())
    }

    /// The pages among these entries, in the order in which they lie in the file.
    fn pages(&mut self, window: Range<u32>) -> Result<Vec<(u32, u32)>, NotBuilt> {
        let mut pages = Vec::new();
        for index in window {
            self.go_on()?;
            match self.archive.entry(index) {
                Ok(entry) => {
                    if let (true, Some(cluster)) = (is_page(&entry), entry.cluster()) {
                        pages.push((cluster, index));
                    }
                }
                Err(_) => self.unreadable += 1,
            }
        }
        pages.sort_unstable();
        Ok(pages)
    }

    fn go_on(&self) -> Result<(), NotBuilt> {
        if (self.stop)() { Err(NotBuilt::Stopped) } else { Ok(()) }
    }

    /// The title counts as often as libzim's writer has it count: once, and once more for each 500 bytes of text.
    fn add(&mut self, index: u32, title: &str, text: &str) -> Result<(), NotBuilt> {
        let titles = (text.len() / 500 + 1).min(TITLES);
        let mut page = TantivyDocument::default();
        page.add_u64(self.entry, u64::from(index));
        for _ in 0..titles {
            page.add_text(self.text, title);
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(border(rest));
            page.add_text(self.text, piece);
            rest = after;
        }
        self.flow.enter(title.len() * titles + text.len(), self.stop);
        self.writer.add_document(page).map_err(failed)?;
        self.documents += 1;
        Ok(())
    }
}

/// Where a piece of a long text ends: behind a line, or a word, if there is such a place.
fn border(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let piece = (0..=PIECE).rev().find_map(|end| text.get(..end)).unwrap_or(text);
    let end = piece.rfind('\n').or_else(|| piece.rfind(' ')).map_or(piece.len(), |at| at + 1);
    end.max(1)
}

fn is_page(entry: &Entry<'_>) -> bool {
    entry.mime_type().is_some_and(|mime| is_html(mime) || mime.starts_with("text/plain"))
}

/// Title and text.
fn text(archive: &Archive, entry: &Entry<'_>) -> zim::Result<(String, String)> {
    let bytes = entry.read()?;
    let source = String::from_utf8_lossy(&bytes);
    let text = if entry.mime_type().is_some_and(is_html) {
        let article = html::read(&source, &Base::new(&public_path(archive, entry)));
        html::without_links(&article, 0..article.markdown.len())
    } else {
        source.into_owned()
    };
    Ok((entry.title().into_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use zim::writer::Writer;

    #[test]
    fn an_index_that_is_told_to_stop_leaves_nothing_behind_wherever_it_is() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("r.zim");
        let page = |writer: Writer, n: usize| writer.page(&format!("p{n}"), &format!("P {n}"), "<p>A river</p>");
        std::fs::write(&path, (0..12).fold(Writer::new(), page).build()).unwrap();
        let archive = options().open(&path).unwrap();
        let place = Folder::in_cache(cache.path());
        let asked = Cell::new(0);
        let mut stopped = 0;
        for most in (0..).step_by(3) {
            asked.set(0);
            let stop = || asked.replace(asked.get() + 1) >= most;
            match build(&archive, &path, &place, false, &mut |_, _| {}, &stop) {
                Err(NotBuilt::Stopped) => stopped += 1,
                built => {
                    assert_eq!(built.unwrap().documents, 12);
                    break;
                }
            }
            let left = std::fs::read_dir(cache.path().join("fulltext")).unwrap().flatten();
            let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != "lock").collect();
            assert!(left.is_empty() && !place.has(&identity(&archive)), "{most}: {left:?}");
        }
        assert!(stopped >= 5, "{stopped}");
        assert!(place.has(&identity(&archive)));
    }

    #[test]
    fn long_text_is_cut_between_lines_or_words_and_loses_nothing() {
        let lines = "word and word\n".repeat(20_000);
        let words = "wörd ".repeat(30_000);
        let solid = "ö".repeat(PIECE);
        for text in [lines, words, solid, String::new()] {
            let (mut rest, mut whole) = (text.as_str(), String::new());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(border(rest));
                assert!(!piece.is_empty() && piece.len() <= PIECE);
                whole.push_str(piece);
                rest = after;
            }
            assert_eq!(whole, text);
        }
    }
}
