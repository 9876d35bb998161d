//! Entries: what is at a path (openZIM, "ZIM file format", sections "Directory entries", "Redirect entry").

use crate::archive::Archive;
use crate::dirent::{Dirent, Kind};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// An entry of an archive: content, or a redirect to another entry.
#[derive(Clone)]
pub struct Entry<'a> {
    archive: &'a Archive,
    index: u32,
    pub(crate) dirent: Arc<Dirent>,
}

impl<'a> Entry<'a> {
    pub(crate) const fn new(archive: &'a Archive, index: u32, dirent: Arc<Dirent>) -> Self {
        Self { archive, index, dirent }
    }

    pub(crate) const fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// Its place in the order of paths.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Its namespace, such as `C` (content), `M` (metadata), `W` (well-known), `X` (indexes).
    pub fn namespace(&self) -> u8 {
        self.dirent.namespace
    }

    /// Its path within the namespace. Paths are UTF-8; bytes of a damaged one that are not are replaced.
    pub fn path(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.dirent.path)
    }

    /// The path as it stands in the file.
    pub fn path_bytes(&self) -> &[u8] {
        &self.dirent.path
    }

    /// The path with the namespace: `C/Foo`.
    pub fn full_path(&self) -> String {
        format!("{}/{}", char::from(self.namespace()), self.path())
    }

    /// Its title; the path if it has none of its own.
    pub fn title(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.dirent.title())
    }

    /// Whether it is another name of an entry.
    pub fn is_redirect(&self) -> bool {
        matches!(self.dirent.kind, Kind::Redirect(_))
    }

    /// The MIME type; `None` for a redirect, and if the archive's list does not have it.
    pub fn mime_type(&self) -> Option<&'a str> {
        match self.dirent.kind {
            Kind::Item { mime, .. } => self.archive.mime(mime),
            Kind::Redirect(_) | Kind::Marker => None,
        }
    }

    /// What a redirect names, which may be another redirect; `None` if it is none.
    pub fn target(&self) -> Result<Option<Self>> {
        match self.dirent.kind {
            Kind::Redirect(index) => self.archive.entry(index).map(Some),
            Kind::Item { .. } | Kind::Marker => Ok(None),
        }
    }

    /// The entry that has the content: itself, or where redirects end.
    pub fn resolve(&self) -> Result<Self> {
        let hops = self.archive.options.limits.redirects;
        let mut entry = self.clone();
        for _ in 0..=hops {
            match entry.target()? {
                None => return Ok(entry),
                Some(target) => entry = target,
            }
        }
        Err(Error::Redirects(hops))
    }

    /// Which cluster its content is in: who reads many entries in this order decodes each cluster once. `None` if it
    /// has no content.
    pub fn cluster(&self) -> Option<u32> {
        self.dirent.kind.place().ok().map(|(cluster, _)| cluster)
    }

    /// How many bytes its content has. [`Error::NoContent`] for a redirect: [`resolve`](Self::resolve) it.
    pub fn size(&self) -> Result<u64> {
        let (cluster, blob) = self.dirent.kind.place()?;
        self.archive.with_cluster(cluster, |cluster| cluster.blob_size(blob))
    }

    /// Its content, if it is no larger than [`Limits::blob`](crate::Limits::blob).
    /// [`Error::NoContent`] for a redirect.
    pub fn read(&self) -> Result<Vec<u8>> {
        self.read_some(|size| 0..size)
    }

    /// A part of its content, which lies within it.
    pub fn read_part(&self, part: Range<u64>) -> Result<Vec<u8>> {
        self.read_some(|_| part)
    }

    fn read_some(&self, choose: impl FnOnce(u64) -> Range<u64>) -> Result<Vec<u8>> {
        let limit = self.archive.options.limits.blob;
        let choose = |size| {
            let part = choose(size);
            let bytes = part.end.saturating_sub(part.start);
            if bytes > limit { Err(Error::TooLarge { what: "an entry", bytes, limit }) } else { Ok(part) }
        };
        let (cluster, blob) = self.dirent.kind.place()?;
        self.archive.with_cluster(cluster, |cluster| cluster.read(blob, choose))
    }

    /// Where its content lies in the archive, if it is not compressed: databases and listings are used
    /// in place. `None` if it is compressed.
    pub fn place(&self) -> Result<Option<Range<u64>>> {
        let (cluster, blob) = self.dirent.kind.place()?;
        self.archive.with_cluster(cluster, |cluster| cluster.place(blob))
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("index", &self.index)
            .field("path", &self.full_path())
            .field("title", &self.title())
            .finish_non_exhaustive()
    }
}
