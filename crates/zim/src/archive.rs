//! An open archive: what the header says, and entries by index and by path.
//!
//! Opening reads the header, the list of MIME types and a few directory entries, whatever the size. The
//! checksum is not looked at: that reads the whole file ([`Archive::verify`]).

use crate::blocks::Blocks;
use crate::bytes::u64_at;
use crate::caches::{ArchiveId, Caches};
use crate::cluster::Cluster;
use crate::dirent::Dirent;
use crate::entry::Entry;
use crate::error::{Error, Result, damaged};
use crate::header::{Header, SIZE};
use crate::limits::Limits;
use crate::read_at::ReadAt;
use crate::titles::Listing;
use crate::{mime, split};
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// How the files of an archive are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Media {
    /// Positioned reads: right for files from anywhere, on any medium. One that is truncated while it is
    /// read, or a network that fails, is an error of that read ([`Error::Io`]), and what is asked again
    /// later is read again. The default, because nobody's file may end a process that serves others, and
    /// because little is gained without: decoding is most of a read.
    #[default]
    Read,
    /// A memory map, for local media on which nobody truncates files that are in use: see
    /// [`MappedFile`](crate::MappedFile). Replacing an archive by renaming another one to its name is fine.
    Mapped,
}

/// How an archive is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) caches: Arc<Caches>,
    pub(crate) limits: Limits,
    media: Media,
}

impl Options {
    /// Caches of its own, and the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shares caches with other archives.
    #[must_use]
    pub fn caches(mut self, caches: &Arc<Caches>) -> Self {
        self.caches = Arc::clone(caches);
        self
    }

    /// Other limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another way to read the files that [`open`](Self::open) opens.
    #[must_use]
    pub const fn media(mut self, media: Media) -> Self {
        self.media = media;
        self
    }

    /// Opens the archive at a path. Split archives are opened by their first part (`x.zimaa`) or by the
    /// name that they would have as a whole (`x.zim`).
    pub fn open(self, path: impl AsRef<Path>) -> Result<Archive> {
        let (source, files) = split::open(path.as_ref(), self.media)?;
        self.build(source, files)
    }

    /// Opens an archive that lies in these open files, one after the other: for who has to know which files are
    /// read. The paths name them in [`DirectAccess`](crate::DirectAccess).
    pub fn open_files(self, files: impl IntoIterator<Item = (PathBuf, File)>) -> Result<Archive> {
        let (source, files) = split::sources(files, self.media)?;
        self.build(source, files)
    }

    /// Opens an archive that is something else than a file by itself: memory, a
    /// [`Section`](crate::Section) of a larger file.
    pub fn open_source(self, source: impl ReadAt + 'static) -> Result<Archive> {
        self.build(Arc::new(source), Vec::new())
    }

    fn build(self, source: Arc<dyn ReadAt>, files: Vec<split::PartFile>) -> Result<Archive> {
        let size = source.size();
        let mut bytes = vec![0; crate::bytes::len(size.min(SIZE))];
        source.read_exact_at(&mut bytes, 0)?;
        let header = Header::read(&bytes, size)?;
        let mimes = mime::read(&*source, &header)?;
        let id = self.caches.new_id();
        let archive = Archive { source, header, mimes, files, id, options: self, listing: OnceLock::new() };
        archive.check_order()?;
        Ok(archive)
    }
}

/// An open archive. All threads can use it at once; put it into an [`Arc`] to share it.
pub struct Archive {
    pub(crate) source: Arc<dyn ReadAt>,
    pub(crate) header: Header,
    mimes: Vec<Box<str>>,
    /// Empty if it was not opened by a path.
    files: Vec<split::PartFile>,
    id: ArchiveId,
    pub(crate) options: Options,
    /// The title listing, once it was looked for.
    pub(crate) listing: OnceLock<Option<Listing>>,
}

impl Archive {
    /// Opens an archive with default [`Options`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Major and minor version of the format.
    pub const fn version(&self) -> (u16, u16) {
        (self.header.major, self.header.minor)
    }

    /// Names the archive: other contents, other uuid.
    pub const fn uuid(&self) -> [u8; 16] {
        self.header.uuid
    }

    /// Bytes of the whole archive.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// How many files it is split into; 1 if it is not.
    pub fn parts(&self) -> usize {
        self.files.len().max(1)
    }

    pub(crate) fn files(&self) -> &[split::PartFile] {
        &self.files
    }

    /// Whether all content is in namespace `C` and paths are told without it: the scheme of today. In
    /// the old one, articles are in `A`, images in `I`, and paths begin with the namespace.
    pub const fn has_new_namespaces(&self) -> bool {
        self.header.new_namespaces()
    }

    /// The namespace of articles: `C`, or `A` in the old scheme.
    pub const fn content_namespace(&self) -> u8 {
        if self.has_new_namespaces() { b'C' } else { b'A' }
    }

    /// How many entries there are, redirects, metadata and indexes among them.
    pub const fn len(&self) -> u32 {
        self.header.entries
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The MIME types that entries have.
    pub fn mime_types(&self) -> impl Iterator<Item = &str> {
        self.mimes.iter().map(AsRef::as_ref)
    }

    pub(crate) fn mime(&self, index: u16) -> Option<&str> {
        self.mimes.get(usize::from(index)).map(AsRef::as_ref)
    }

    /// The entry with this index, in the order of paths.
    pub fn entry(&self, index: u32) -> Result<Entry<'_>> {
        Ok(Entry::new(self, index, self.dirent(index)?))
    }

    /// Entries by their indexes, in the order of namespaces and paths.
    pub fn entries(&self, indexes: Range<u32>) -> impl Iterator<Item = Result<Entry<'_>>> {
        (indexes.start..indexes.end.min(self.len())).map(|index| self.entry(index))
    }

    /// The entry at exactly this path of this namespace.
    pub fn find(&self, namespace: u8, path: impl AsRef<[u8]>) -> Result<Option<Entry<'_>>> {
        let key = (namespace, path.as_ref());
        let index = self.first_not(|dirent| dirent.path_key() < key)?;
        if index >= self.len() {
            return Ok(None);
        }
        let entry = self.entry(index)?;
        Ok((entry.dirent.path_key() == key).then_some(entry))
    }

    /// The entry that a path means as readers write it.
    ///
    /// In the new scheme that is content at the path; failing this, a path such as `A/Foo` is taken to
    /// be an old bookmark of `Foo`. In the old scheme it is a path with its namespace; failing this, one
    /// without.
    pub fn entry_by_path(&self, path: &str) -> Result<Option<Entry<'_>>> {
        let split = match path.as_bytes() {
            [namespace, b'/', rest @ ..] => Some((*namespace, rest)),
            _ => None,
        };
        if self.has_new_namespaces() {
            if let Some(found) = self.find(b'C', path)? {
                return Ok(Some(found));
            }
            return split.map_or(Ok(None), |(_, rest)| self.find(b'C', rest));
        }
        if let Some((namespace, rest)) = split
            && let Some(found) = self.find(namespace, rest)?
        {
            return Ok(Some(found));
        }
        for namespace in *b"AIJ-" {
            if let Some(found) = self.find(namespace, path)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The indexes of all entries of a namespace whose paths begin with a prefix.
    pub fn path_range(&self, namespace: u8, prefix: impl AsRef<[u8]>) -> Result<Range<u32>> {
        let prefix = prefix.as_ref();
        let start = self.first_not(|dirent| dirent.path_key() < (namespace, prefix))?;
        let end = self.first_not(|dirent| {
            dirent.path_key() < (namespace, prefix)
                || (dirent.namespace == namespace && dirent.path.starts_with(prefix))
        })?;
        Ok(start..end.max(start))
    }

    /// The namespaces that have entries, and the indexes of these.
    pub fn namespaces(&self) -> Result<Vec<(u8, Range<u32>)>> {
        let mut found = Vec::new();
        let mut start = 0;
        while start < self.len() {
            let namespace = self.dirent(start)?.namespace;
            let end = self.first_not(|dirent| dirent.namespace <= namespace)?;
            // Entries that are not in order must not keep us here.
            let end = end.max(start + 1);
            found.push((namespace, start..end));
            start = end;
            if found.len() > 256 {
                return damaged("its entries are not in the order of namespaces");
            }
        }
        Ok(found)
    }

    /// The page to begin with: `W/mainPage`, or what the header names.
    pub fn main_page(&self) -> Result<Option<Entry<'_>>> {
        if self.has_new_namespaces()
            && let Some(entry) = self.find(b'W', "mainPage")?
        {
            return Ok(Some(entry));
        }
        self.header.main_page.map(|index| self.entry(index)).transpose()
    }

    pub(crate) fn dirent(&self, index: u32) -> Result<Arc<Dirent>> {
        let key = (self.id, index);
        if let Some(dirent) = self.options.caches.dirents.get(&key) {
            return Ok(dirent);
        }
        let dirent = Arc::new(self.read_dirent(index)?);
        self.options.caches.dirents.put(key, Arc::clone(&dirent), dirent.cost());
        Ok(dirent)
    }

    fn read_dirent(&self, index: u32) -> Result<Dirent> {
        if index >= self.len() {
            return damaged("it names an entry that it does not have");
        }
        let at = self.pointer(self.header.paths_at, index)?;
        if !(SIZE..self.header.end).contains(&at) {
            return damaged("a directory entry lies outside of the file");
        }
        Dirent::read(&self.blocks(), at, self.header.end)
    }

    /// One step of a search that still has `width` entries before it. The first ten are the same for many searches, and
    /// are kept. The others lie together, a few blocks apart at most: they are read from blocks, which takes less time
    /// than keeping them, and do not push out what all searches need.
    fn step<T>(&self, index: u32, width: u32, act: impl FnOnce(&Dirent) -> T) -> Result<T> {
        const NEAR: u32 = 32;
        const KEPT: u32 = 1024;
        if width > NEAR.max(self.len() / KEPT) {
            return Ok(act(&*self.dirent(index)?));
        }
        match self.options.caches.dirents.get(&(self.id, index)) {
            Some(dirent) => Ok(act(&dirent)),
            None => Ok(act(&self.read_dirent(index)?)),
        }
    }

    /// Does something with a cluster, and tells the cache what it costs since.
    pub(crate) fn with_cluster<T>(&self, index: u32, act: impl FnOnce(&Cluster) -> Result<T>) -> Result<T> {
        let key = (self.id, index);
        let clusters = &self.options.caches.clusters;
        let cluster = match clusters.get(&key) {
            Some(cluster) => cluster,
            None => {
                // Before it is decoded: who comes meanwhile waits for that instead of doing it again.
                let cluster = Arc::new(self.open_cluster(index)?);
                let cost = cluster.new_cost().unwrap_or_default();
                clusters.get_or_put(key, cluster, cost)
            }
        };
        let result = act(&cluster);
        if let Some(cost) = cluster.new_cost() {
            clusters.put(key, cluster, cost);
        }
        result
    }

    fn open_cluster(&self, index: u32) -> Result<Cluster> {
        if index >= self.header.clusters {
            return damaged("an entry names a cluster that there is not");
        }
        let at = self.pointer(self.header.clusters_at, index)?;
        if at < SIZE {
            return damaged("a cluster lies outside of the file");
        }
        let rooms = &self.options.caches.rooms;
        Cluster::open(&self.source, at..self.header.end, self.options.limits.cluster, self.len(), rooms)
    }

    /// For small reads of its structure.
    pub(crate) fn blocks(&self) -> Blocks<'_> {
        Blocks { source: &*self.source, caches: &self.options.caches, archive: self.id }
    }

    fn pointer(&self, table: u64, index: u32) -> Result<u64> {
        let mut bytes = [0; 8];
        self.blocks().read_exact_at(&mut bytes, table + u64::from(index) * 8)?;
        u64_at(&bytes, 0).map_or_else(|| damaged("a table ends early"), Ok)
    }

    /// The first entry, in the order of paths, for which this is false.
    fn first_not(&self, mut before: impl FnMut(&Dirent) -> bool) -> Result<u32> {
        partition(self.len(), |index, width| self.step(index, width, &mut before))
    }

    /// Looks whether a few entries can be read and are in order: in an archive where they are not, what
    /// is there would not be found.
    fn check_order(&self) -> Result<()> {
        const STEPS: u32 = 14;
        let Some(last) = self.len().checked_sub(1) else { return Ok(()) };
        let mut indexes = vec![0, 1.min(last), last.saturating_sub(1), last];
        indexes.extend((1..STEPS).map(|step| last / STEPS * step));
        indexes.sort_unstable();
        indexes.dedup();
        let mut before: Option<Arc<Dirent>> = None;
        for index in indexes {
            let dirent = self.dirent(index)?;
            if before.is_some_and(|before| before.path_key() >= dirent.path_key()) {
                return damaged("its entries are not in the order of their paths");
            }
            before = Some(dirent);
        }
        Ok(())
    }
}

/// Binary search by something that can fail: the first of `0..len` that is not `before`, which is also
/// told how many there still are to search in.
pub(crate) fn partition(len: u32, mut before: impl FnMut(u32, u32) -> Result<bool>) -> Result<u32> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle, high - low)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.options.caches.forget(self.id);
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        f.debug_struct("Archive")
            .field("version", &(header.major, header.minor))
            .field("entries", &header.entries)
            .field("clusters", &header.clusters)
            .finish_non_exhaustive()
    }
}

/// Archives are shared by threads: this does not compile if they cannot be.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Archive>();
    shared::<Error>();
};
