//! Directory entries (openZIM, "ZIM file format", section "Directory entries"): what an entry is called
//! and where its content is. Their length is not known before they are read: two strings end with NUL.

use crate::bytes::{u16_at, u32_at};
use crate::error::{Error, Result, damaged};
use crate::read_at::ReadAt;

/// What is read at first. Nearly all dirents are shorter.
const FIRST_READ: usize = 256;
/// Bytes of a dirent at most. The format has no limit; the longest path in use is some thousand bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dirent {
    pub(crate) namespace: u8,
    pub(crate) path: Box<[u8]>,
    /// Empty if it is the path.
    pub(crate) title: Box<[u8]>,
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Content: a blob of a cluster.
    Item { mime: u16, cluster: u32, blob: u32 },
    /// Another name of the entry with this index.
    Redirect(u32),
    /// A marker of very old writers, without content: link target or deleted.
    Marker,
}

impl Dirent {
    /// Reads the dirent at a position; nothing of it lies at or after `end`.
    pub(crate) fn read(source: &dyn ReadAt, at: u64, end: u64) -> Result<Self> {
        let there = crate::bytes::len(end.saturating_sub(at)).min(MAX_BYTES);
        let mut first = [0; FIRST_READ];
        let first = first.get_mut(..FIRST_READ.min(there)).unwrap_or_default();
        let mut longer = Vec::new();
        let mut bytes: &mut [u8] = first;
        loop {
            source.read_exact_at(bytes, at)?;
            if let Some(dirent) = Self::parse(bytes) {
                return Ok(dirent);
            }
            let length = (bytes.len() * 8).min(there);
            if length <= bytes.len() {
                return damaged("a directory entry has no end");
            }
            longer.resize(length, 0);
            bytes = &mut longer;
        }
    }

    /// `None` if it does not end within the bytes.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mime = u16_at(bytes, 0)?;
        let namespace = *bytes.get(3)?;
        let (kind, names) = match mime {
            0xffff => (Kind::Redirect(u32_at(bytes, 8)?), 12),
            0xfffe | 0xfffd => (Kind::Marker, 8),
            _ => (Kind::Item { mime, cluster: u32_at(bytes, 8)?, blob: u32_at(bytes, 12)? }, 16),
        };
        let mut strings = bytes.get(names..)?.split(|b| *b == 0);
        let (path, title) = (strings.next()?, strings.next()?);
        // A third piece shows that the title's NUL was there.
        strings.next()?;
        Some(Self { namespace, path: path.into(), title: title.into(), kind })
    }

    /// The title; the path if it has none of its own.
    pub(crate) fn title(&self) -> &[u8] {
        if self.title.is_empty() { &self.path } else { &self.title }
    }

    /// By what the table of paths is sorted.
    pub(crate) fn path_key(&self) -> (u8, &[u8]) {
        (self.namespace, &self.path)
    }

    /// By what title listings are sorted.
    pub(crate) fn title_key(&self) -> (u8, &[u8]) {
        (self.namespace, self.title())
    }

    /// Bytes it takes in memory.
    pub(crate) fn cost(&self) -> usize {
        // With its Arc and its places in the cache's maps.
        size_of::<Self>() + self.path.len() + self.title.len() + 160
    }
}

impl Kind {
    /// Where the content is.
    pub(crate) const fn place(self) -> Result<(u32, u32)> {
        match self {
            Self::Item { cluster, blob, .. } => Ok((cluster, blob)),
            Self::Redirect(_) | Self::Marker => Err(Error::NoContent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_at::Memory;

    fn item(path: &str, title: &str) -> Vec<u8> {
        let mut bytes = vec![3, 0, 0, b'C', 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        bytes.extend(path.bytes().chain([0]).chain(title.bytes()).chain([0]));
        bytes
    }

    #[test]
    fn a_dirent_of_any_length_up_to_the_limit_is_read() {
        for length in [0, 1, 200, 255, 256, 257, 5000, 60_000] {
            let path = "x".repeat(length);
            let bytes = item(&path, "T");
            let size = bytes.len() as u64;
            let dirent = Dirent::read(&Memory(bytes), 0, size).unwrap();
            assert_eq!((dirent.path.len(), dirent.title()), (length, b"T".as_slice()));
            assert_eq!(dirent.kind, Kind::Item { mime: 3, cluster: 1, blob: 2 });
        }
    }

    #[test]
    fn one_without_an_end_is_damage_and_never_more_than_the_limit_is_read() {
        let bytes = item(&"x".repeat(1 << 20), "");
        let size = bytes.len() as u64;
        assert!(matches!(Dirent::read(&Memory(bytes), 0, size), Err(Error::Damaged(_))));
        let cut = item("path", "title");
        for end in 0..cut.len() as u64 {
            assert!(Dirent::read(&Memory(cut.clone()), 0, end).is_err());
        }
    }

    #[test]
    fn a_title_that_is_not_there_is_the_path() {
        let bytes = item("Some/path", "");
        assert_eq!(Dirent::parse(&bytes).unwrap().title(), b"Some/path");
    }
}
