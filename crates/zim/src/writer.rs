//! Makes small archives, for tests: of readers, and of what damage does to them. Everything is held in
//! memory, there is no index for full-text search, and nothing is done to be quick.
//!
//! ```
//! use zim::writer::{Compression, Writer};
//!
//! let bytes = Writer::new()
//!     .compression(Compression::Zstd)
//!     .page("Home", "Welcome", "<p>Hello</p>")
//!     .redirect(b'C', "Start", "Start here", (b'C', "Home"))
//!     .metadata("Title", "A test")
//!     .main_page("Home")
//!     .build();
//! let archive = zim::Options::new().open_source(zim::Memory(bytes))?;
//! assert_eq!(archive.main_page()?.unwrap().resolve()?.read()?, b"<p>Hello</p>");
//! # Ok::<(), zim::Error>(())
//! ```

use lzma_rust2::{XzOptions, XzWriter};
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::io::Write;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compression {
    None,
    Xz,
    Zstd,
}

/// An archive under construction.
#[derive(Clone)]
pub struct Writer {
    version: (u16, u16),
    compression: Compression,
    wide: bool,
    title_table: bool,
    listing: bool,
    cluster_bytes: usize,
    main: Option<(u8, Vec<u8>)>,
    entries: BTreeMap<(u8, Vec<u8>), Planned>,
}

#[derive(Clone)]
struct Planned {
    title: Vec<u8>,
    front: bool,
    what: What,
}

#[derive(Clone)]
enum What {
    Item { mime: String, content: Vec<u8> },
    Redirect(u8, Vec<u8>),
}

const LISTING: (u8, &[u8]) = (b'X', b"listing/titleOrdered/v1");

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An archive as writers of today make them: version 6.3, new namespaces, one title listing.
    pub const fn new() -> Self {
        Self {
            version: (6, 3),
            compression: Compression::Zstd,
            wide: false,
            title_table: false,
            listing: true,
            cluster_bytes: 64 * 1024,
            main: None,
            entries: BTreeMap::new(),
        }
    }

    /// An archive as they were once: version 5.0, old namespaces, a table of titles.
    pub fn old() -> Self {
        Self { version: (5, 0), compression: Compression::Xz, title_table: true, listing: false, ..Self::new() }
    }

    /// How content is compressed.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Offsets of 64 bits in clusters.
    #[must_use]
    pub const fn extended(mut self, extended: bool) -> Self {
        self.wide = extended;
        self
    }

    /// Which title listings there are: the table of the header, and the entry `titleOrdered/v1`.
    #[must_use]
    pub const fn titles(mut self, table: bool, listing: bool) -> Self {
        self.title_table = table;
        self.listing = listing;
        self
    }

    /// From how many bytes on a cluster is complete.
    #[must_use]
    pub const fn cluster_bytes(mut self, bytes: usize) -> Self {
        self.cluster_bytes = bytes;
        self
    }

    /// Adds content.
    #[must_use]
    pub fn item(mut self, at: (u8, &str), title: &str, mime: &str, content: impl Into<Vec<u8>>) -> Self {
        let what = What::Item { mime: mime.to_owned(), content: content.into() };
        self.entries.insert((at.0, at.1.into()), Planned { title: title.into(), front: false, what });
        self
    }

    /// Adds a page that the title listing has: HTML in the namespace of articles.
    #[must_use]
    pub fn page(self, path: &str, title: &str, html: &str) -> Self {
        let namespace = if self.version.1 >= 1 { b'C' } else { b'A' };
        let mut writer = self.item((namespace, path), title, "text/html", html);
        if let Some(page) = writer.entries.get_mut(&(namespace, path.into())) {
            page.front = true;
        }
        writer
    }

    /// Adds a redirect, which the title listing has. One whose target is not there leads to itself.
    #[must_use]
    pub fn redirect(mut self, namespace: u8, path: &str, title: &str, target: (u8, &str)) -> Self {
        let what = What::Redirect(target.0, target.1.into());
        self.entries.insert((namespace, path.into()), Planned { title: title.into(), front: true, what });
        self
    }

    /// Adds metadata.
    #[must_use]
    pub fn metadata(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.item((b'M', name), "", "text/plain", value)
    }

    /// Says which page is the main one.
    #[must_use]
    pub fn main_page(mut self, path: &str) -> Self {
        if self.version.1 >= 1 {
            self = self.redirect(b'W', "mainPage", "", (b'C', path));
            if let Some(entry) = self.entries.get_mut(&(b'W', b"mainPage".to_vec())) {
                entry.front = false;
            }
            self.main = Some((b'W', b"mainPage".to_vec()));
        } else {
            self.main = Some((b'A', path.into()));
        }
        self
    }

    /// The bytes of the archive.
    pub fn build(mut self) -> Vec<u8> {
        if self.listing {
            let what = What::Item { mime: "application/octet-stream+zimlisting".to_owned(), content: Vec::new() };
            let key = (LISTING.0, LISTING.1.to_vec());
            self.entries.insert(key, Planned { title: Vec::new(), front: false, what });
        }
        let titles = self.by_title();
        let listing: Vec<u8> = titles.iter().filter(|t| t.1).flat_map(|t| t.0.to_le_bytes()).collect();
        let (mimes, clusters, dirents) = self.lay_out(&listing);

        let mut mime_list = Vec::new();
        for mime in &mimes {
            mime_list.extend(mime.bytes().chain([0]));
        }
        mime_list.push(0);
        let paths_at = 80 + mime_list.len() as u64;
        let titles_at = paths_at + 8 * dirents.len() as u64;
        let clusters_at = titles_at + if self.title_table { 4 * titles.len() as u64 } else { 0 };
        let dirents_at = clusters_at + 8 * clusters.len() as u64;
        let content_at = dirents_at + dirents.iter().map(|d| d.len() as u64).sum::<u64>();
        let checksum_at = content_at + clusters.iter().map(|c| c.len() as u64).sum::<u64>();

        let main = self.main.as_ref().map_or(u32::MAX, |key| self.index(key));
        let mut out = Vec::new();
        out.extend(0x044d_495a_u32.to_le_bytes());
        out.extend(self.version.0.to_le_bytes());
        out.extend(self.version.1.to_le_bytes());
        let digest = Md5::digest(dirents.concat());
        out.extend(digest.as_slice());
        out.extend(small(dirents.len()).to_le_bytes());
        out.extend(small(clusters.len()).to_le_bytes());
        out.extend(paths_at.to_le_bytes());
        out.extend(if self.title_table { titles_at } else { u64::MAX }.to_le_bytes());
        out.extend(clusters_at.to_le_bytes());
        out.extend(80_u64.to_le_bytes());
        out.extend(main.to_le_bytes());
        out.extend(u32::MAX.to_le_bytes());
        out.extend(checksum_at.to_le_bytes());
        out.extend(mime_list);
        out.extend(pointers(dirents_at, &dirents));
        if self.title_table {
            out.extend(titles.iter().flat_map(|t| t.0.to_le_bytes()));
        }
        out.extend(pointers(content_at, &clusters));
        out.extend(dirents.concat());
        out.extend(clusters.concat());
        let sum = Md5::digest(&out);
        out.extend(sum.as_slice());
        out
    }

    fn index(&self, key: &(u8, Vec<u8>)) -> u32 {
        small(self.entries.range(..key.clone()).count())
    }

    /// Indexes in the order of titles, and whether they are front articles.
    fn by_title(&self) -> Vec<(u32, bool)> {
        let mut titles: Vec<_> = self.entries.iter().enumerate().collect();
        titles.sort_by_key(|(_, ((namespace, path), entry))| {
            (*namespace, if entry.title.is_empty() { path.clone() } else { entry.title.clone() })
        });
        titles.into_iter().map(|(index, (_, entry))| (small(index), entry.front)).collect()
    }

    fn lay_out(&self, listing: &[u8]) -> (Vec<String>, Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut mimes: Vec<String> = Vec::new();
        let mut clusters: Vec<(Compression, Vec<&[u8]>)> = Vec::new();
        let mut dirents = Vec::new();
        for ((namespace, path), entry) in &self.entries {
            let mut dirent = Vec::new();
            match &entry.what {
                What::Redirect(target, to) => {
                    dirent.extend([0xff, 0xff, 0, *namespace, 0, 0, 0, 0]);
                    let target = (*target, to.clone());
                    let known = self.entries.contains_key(&target);
                    let key = if known { target } else { (*namespace, path.clone()) };
                    dirent.extend(self.index(&key).to_le_bytes());
                }
                What::Item { mime, content } => {
                    let is_listing = (*namespace, path.as_slice()) == LISTING;
                    let content = if is_listing { listing } else { content };
                    let compression = if is_listing { Compression::None } else { self.compression };
                    let place = mimes.iter().position(|m| m == mime).unwrap_or_else(|| {
                        mimes.push(mime.clone());
                        mimes.len() - 1
                    });
                    let full = |blobs: &[&[u8]]| blobs.iter().map(|b| b.len()).sum::<usize>() >= self.cluster_bytes;
                    if clusters.last().is_none_or(|(kind, blobs)| *kind != compression || full(blobs)) {
                        clusters.push((compression, Vec::new()));
                    }
                    let cluster = small(clusters.len() - 1);
                    let blobs = clusters.last_mut().map(|(_, blobs)| blobs);
                    let blob = blobs.map_or(0, |blobs| {
                        blobs.push(content);
                        small(blobs.len() - 1)
                    });
                    let [low, high, ..] = small(place).to_le_bytes();
                    dirent.extend([low, high, 0, *namespace, 0, 0, 0, 0]);
                    dirent.extend(cluster.to_le_bytes());
                    dirent.extend(blob.to_le_bytes());
                }
            }
            dirent.extend(path.iter().chain([0].iter()).chain(&entry.title).chain([0].iter()));
            dirents.push(dirent);
        }
        let clusters = clusters.iter().map(|(kind, blobs)| cluster(*kind, self.wide, blobs)).collect();
        (mimes, clusters, dirents)
    }
}

/// The bytes of a cluster with these blobs.
pub fn cluster(compression: Compression, extended: bool, blobs: &[&[u8]]) -> Vec<u8> {
    let width = if extended { 8 } else { 4 };
    let mut at = (blobs.len() as u64 + 1) * width;
    let mut payload = Vec::new();
    for size in blobs.iter().map(|b| b.len() as u64).chain([0]) {
        let offset = at.to_le_bytes();
        payload.extend(offset.iter().take(if extended { 8 } else { 4 }));
        at += size;
    }
    payload.extend(blobs.concat());
    packed(compression, extended, &payload)
}

/// The bytes of a cluster with this payload, which may be nonsense.
pub fn packed(compression: Compression, extended: bool, payload: &[u8]) -> Vec<u8> {
    let flag = if extended { 0x10 } else { 0 };
    match compression {
        Compression::None => [&[1 | flag], payload].concat(),
        Compression::Xz => {
            // Writing to memory does not fail.
            let written = XzWriter::new(vec![4 | flag], XzOptions::with_preset(1)).and_then(|mut writer| {
                writer.write_all(payload)?;
                writer.finish()
            });
            written.unwrap_or_default()
        }
        Compression::Zstd => {
            let mut bytes = Vec::with_capacity(zstd_safe::compress_bound(payload.len()));
            let _ = zstd_safe::compress(&mut bytes, payload, 3);
            [&[5 | flag], bytes.as_slice()].concat()
        }
    }
}

fn pointers(mut at: u64, things: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::new();
    for thing in things {
        table.extend(at.to_le_bytes());
        at += thing.len() as u64;
    }
    table
}

/// Counts of what is small: test archives.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
