//! Title listings: entries in the order of their titles (openZIM, "ZIM file format", sections "Title
//! pointer list" and "Title listing").
//!
//! There are three, all of them lists of 32-bit entry indexes sorted by (namespace, title), bytewise:
//! `X/listing/titleOrdered/v1` has the front articles only and is what a reader wants; `…/v0` and the
//! table that the header names have all entries. The table of the header is deprecated and stale in some
//! files. A listing that cannot be read harms what is looked up in it, and nothing else.

use crate::archive::{Archive, partition};
use crate::bytes::{len, u32_at};
use crate::dirent::Dirent;
use crate::entry::Entry;
use crate::error::{Error, Result, damaged};
use crate::read_at::ReadAt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a compressed listing that are read into memory: 4 million entries. Writers do not compress
/// listings, so that they can be used where they lie.
const MAX_COMPRESSED: u64 = 16 << 20;

/// Where a listing is.
pub(crate) struct Listing {
    kind: TitleKind,
    entries: u32,
    place: Place,
}

enum Place {
    File(u64),
    Memory(Vec<u8>),
}

/// What a listing lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitleKind {
    /// Pages that a reader would look for: no images, no style sheets.
    FrontArticles,
    /// Everything, of all namespaces.
    AllEntries,
}

/// The entries of an archive by title.
#[derive(Clone, Copy)]
pub struct Titles<'a> {
    archive: &'a Archive,
    listing: &'a Listing,
}

impl Archive {
    /// The best title listing it has. [`Error::NoTitles`] if it has none that can be used.
    pub fn titles(&self) -> Result<Titles<'_>> {
        let listing = match self.listing.get() {
            Some(listing) => listing,
            None => {
                let found = Listing::find(self)?;
                self.listing.get_or_init(|| found)
            }
        };
        let listing = listing.as_ref().ok_or(Error::NoTitles)?;
        Ok(Titles { archive: self, listing })
    }
}

impl Listing {
    fn find(archive: &Archive) -> Result<Option<Self>> {
        let versions = [("v1", TitleKind::FrontArticles), ("v0", TitleKind::AllEntries)];
        for (version, kind) in versions {
            let Some(entry) = archive.find(b'X', format!("listing/titleOrdered/{version}"))? else { continue };
            match Self::open(&entry, kind) {
                Ok(listing) => return Ok(Some(listing)),
                // Damaged, so the next best. Whether the medium fails may be different next time.
                Err(Error::Io(error)) => return Err(Error::Io(error)),
                Err(_) => {}
            }
        }
        let table = |at| Self { kind: TitleKind::AllEntries, entries: archive.len(), place: Place::File(at) };
        Ok(archive.header.titles_at.map(table))
    }

    fn open(entry: &Entry<'_>, kind: TitleKind) -> Result<Self> {
        let entry = entry.resolve()?;
        let size = entry.size()?;
        let place = match entry.place()? {
            Some(place) => Place::File(place.start),
            None if size <= MAX_COMPRESSED => Place::Memory(entry.read()?),
            None => return Err(Error::TooLarge { what: "a title listing", bytes: size, limit: MAX_COMPRESSED }),
        };
        match u32::try_from(size / 4) {
            Ok(entries) if size % 4 == 0 => Ok(Self { kind, entries, place }),
            _ => damaged("a title listing has an impossible size"),
        }
    }
}

impl<'a> Titles<'a> {
    /// What is listed.
    pub const fn kind(&self) -> TitleKind {
        self.listing.kind
    }

    /// How many entries are listed.
    pub const fn len(&self) -> u32 {
        self.listing.entries
    }

    /// Whether nothing is listed.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at a place of the listing.
    pub fn entry(&self, place: u32) -> Result<Entry<'a>> {
        self.archive.entry(self.index(place)?)
    }

    /// The entries at these places.
    pub fn entries(self, places: Range<u32>) -> impl Iterator<Item = Result<Entry<'a>>> {
        (places.start..places.end.min(self.len())).map(move |place| self.entry(place))
    }

    /// Places of the entries of a namespace whose titles begin with a prefix, byte by byte.
    pub fn prefixed(&self, namespace: u8, prefix: impl AsRef<[u8]>) -> Result<Range<u32>> {
        let prefix = prefix.as_ref();
        let start = self.first_not(|dirent| dirent.title_key() < (namespace, prefix))?;
        let end = self.first_not(|dirent| {
            dirent.title_key() < (namespace, prefix)
                || (dirent.namespace == namespace && dirent.title().starts_with(prefix))
        })?;
        Ok(start..end.max(start))
    }

    /// The first entry of a namespace with exactly this title.
    pub fn find(&self, namespace: u8, title: &str) -> Result<Option<Entry<'a>>> {
        let key = (namespace, title.as_bytes());
        let place = self.first_not(|dirent| dirent.title_key() < key)?;
        if place >= self.len() {
            return Ok(None);
        }
        let entry = self.entry(place)?;
        Ok((entry.dirent.title_key() == key).then_some(entry))
    }

    fn index(&self, place: u32) -> Result<u32> {
        if place >= self.len() {
            return damaged("a title listing ends early");
        }
        let at = u64::from(place) * 4;
        let index = match &self.listing.place {
            Place::Memory(bytes) => u32_at(bytes, len(at)),
            Place::File(start) => {
                let mut bytes = [0; 4];
                self.archive.blocks().read_exact_at(&mut bytes, start + at)?;
                u32_at(&bytes, 0)
            }
        };
        index.map_or_else(|| damaged("a title listing ends early"), Ok)
    }

    fn first_not(&self, mut before: impl FnMut(&Dirent) -> bool) -> Result<u32> {
        partition(self.len(), |place, _| {
            let dirent: Arc<Dirent> = self.archive.dirent(self.index(place)?)?;
            Ok(before(&dirent))
        })
    }
}
