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

mod pieces;

pub use pieces::{Compression, Pieces, cluster, packed};

use pieces::small;
use std::collections::BTreeMap;

/// An archive under construction.
#[derive(Clone)]
pub struct Writer {
    version: (u16, u16),
    compression: Compression,
    wide: bool,
    title_table: bool,
    listing: bool,
    listing_v0: bool,
    packs_listings: bool,
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
    Listing { front: bool },
}

/// Where the listing of front articles is.
const V1: &str = "listing/titleOrdered/v1";
/// Where the listing of all entries is.
const V0: &str = "listing/titleOrdered/v0";

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
            listing_v0: false,
            packs_listings: false,
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

    /// Adds the entry `titleOrdered/v0`, which lists all entries.
    #[must_use]
    pub const fn all_titles(mut self, listing: bool) -> Self {
        self.listing_v0 = listing;
        self
    }

    /// Compresses the listings like everything else, which no writer should do.
    #[must_use]
    pub const fn packs_listings(mut self, packs: bool) -> Self {
        self.packs_listings = packs;
        self
    }

    /// Another minor version, and so perhaps another scheme of namespaces.
    #[must_use]
    pub const fn version(mut self, major: u16, minor: u16) -> Self {
        self.version = (major, minor);
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
    pub fn build(self) -> Vec<u8> {
        self.pieces().build()
    }

    /// What the archive is made of, so that something can be done to it.
    pub fn pieces(mut self) -> Pieces {
        let listings = [(self.listing, V1, true), (self.listing_v0, V0, false)];
        for (_, path, front) in listings.into_iter().filter(|(wanted, ..)| *wanted) {
            let listing = Planned { title: Vec::new(), front: false, what: What::Listing { front } };
            self.entries.insert((b'X', path.into()), listing);
        }
        let titles = self.by_title();
        let bytes = |front: bool| {
            let listed = titles.iter().filter(move |title| title.1 || !front);
            listed.flat_map(|title| title.0.to_le_bytes()).collect::<Vec<u8>>()
        };
        let (mimes, clusters, dirents) = self.lay_out(&bytes(true), &bytes(false));
        let main = self.main.as_ref().map_or(u32::MAX, |key| self.index(key));
        let titles = self.title_table.then(|| bytes(false));
        Pieces { version: self.version, mimes, dirents, clusters, titles, main }
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

    fn lay_out(&self, front_titles: &[u8], all_titles: &[u8]) -> (Vec<String>, Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut mimes: Vec<String> = Vec::new();
        let mut clusters: Vec<(Compression, Vec<&[u8]>)> = Vec::new();
        let mut dirents = Vec::new();
        for ((namespace, path), entry) in &self.entries {
            let mut dirent = Vec::new();
            let (mime, content, compression) = match &entry.what {
                What::Redirect(target, to) => {
                    dirent.extend([0xff, 0xff, 0, *namespace, 0, 0, 0, 0]);
                    let target = (*target, to.clone());
                    let known = self.entries.contains_key(&target);
                    let key = if known { target } else { (*namespace, path.clone()) };
                    dirent.extend(self.index(&key).to_le_bytes());
                    dirents.push(named(dirent, path, &entry.title));
                    continue;
                }
                What::Item { mime, content } => (mime.as_str(), content.as_slice(), self.compression),
                What::Listing { front } => {
                    let compression = if self.packs_listings { self.compression } else { Compression::None };
                    let content = if *front { front_titles } else { all_titles };
                    ("application/octet-stream+zimlisting", content, compression)
                }
            };
            let place = mimes.iter().position(|m| m == mime).unwrap_or_else(|| {
                mimes.push(mime.to_owned());
                mimes.len() - 1
            });
            let full = |blobs: &[&[u8]]| blobs.iter().map(|b| b.len()).sum::<usize>() >= self.cluster_bytes;
            if clusters.last().is_none_or(|(kind, blobs)| *kind != compression || full(blobs)) {
                clusters.push((compression, Vec::new()));
            }
            let cluster = small(clusters.len() - 1);
            let blob = clusters.last_mut().map_or(0, |(_, blobs)| {
                blobs.push(content);
                small(blobs.len() - 1)
            });
            let [low, high, ..] = small(place).to_le_bytes();
            dirent.extend([low, high, 0, *namespace, 0, 0, 0, 0]);
            dirent.extend(cluster.to_le_bytes());
            dirent.extend(blob.to_le_bytes());
            dirents.push(named(dirent, path, &entry.title));
        }
        let clusters = clusters.iter().map(|(kind, blobs)| cluster(*kind, self.wide, blobs)).collect();
        (mimes, clusters, dirents)
    }
}

/// Ends a directory entry with its names.
fn named(mut dirent: Vec<u8>, path: &[u8], title: &[u8]) -> Vec<u8> {
    for name in [path, title] {
        dirent.extend(name);
        dirent.push(0);
    }
    dirent
}
