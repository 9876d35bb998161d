//! The content of an entry as something to read from at any position, in place where that can be.
//!
//! Databases for search are large and are read a block at a time. Writers leave them uncompressed, so
//! that they can be used where they lie. One that is compressed all the same is decoded into memory, if
//! it is no larger than [`Limits::blob`](crate::Limits::blob); one that lies across the parts of a split
//! archive is read across them. Whoever reads sees one [`ReadAt`] in each case.

use crate::entry::Entry;
use crate::error::Result;
use crate::read_at::{Memory, ReadAt};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The content of an entry, readable at any position by any thread. It goes on to work when its archive
/// is dropped; cloning is cheap and does not copy.
#[derive(Clone)]
pub struct Content {
    source: Arc<dyn ReadAt>,
    start: u64,
    size: u64,
    in_place: bool,
}

/// Where the content of an entry lies as it is in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectAccess {
    /// The file: the archive, or the part of a split one.
    pub file: PathBuf,
    /// Bytes before it in that file.
    pub offset: u64,
    /// Bytes it has.
    pub length: u64,
}

impl Content {
    /// Whether it is read from where it lies in the archive, so that memory is taken for what is read
    /// and for no more. Otherwise it was decoded into memory.
    pub const fn is_in_place(&self) -> bool {
        self.in_place
    }
}

impl ReadAt for Content {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.size => self.source.read_exact_at(buffer, self.start + offset),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.size => self.source.slice(self.start + offset, length),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("size", &self.size).field("in_place", &self.in_place).finish_non_exhaustive()
    }
}

impl Entry<'_> {
    /// Its content, to be read at any position. [`Error::NoContent`](crate::Error::NoContent) for a
    /// redirect, [`Error::TooLarge`](crate::Error::TooLarge) if it is compressed and larger than
    /// [`Limits::blob`](crate::Limits::blob).
    pub fn content(&self) -> Result<Content> {
        if let Some(place) = self.place()? {
            let (source, size) = (Arc::clone(&self.archive().source), place.end - place.start);
            return Ok(Content { source, start: place.start, size, in_place: true });
        }
        let bytes = self.read()?;
        let size = bytes.len() as u64;
        Ok(Content { source: Arc::new(Memory(bytes)), start: 0, size, in_place: false })
    }

    /// Where its content lies, for a program that opens the file itself. `None` if it is compressed, if
    /// it lies across two parts of a split archive, and if the archive was not opened by a path:
    /// [`content`](Self::content) reads it in all of these cases.
    pub fn direct_access(&self) -> Result<Option<DirectAccess>> {
        let Some(place) = self.place()? else { return Ok(None) };
        let mut before = 0_u64;
        for (file, size) in self.archive().files() {
            let after = before.saturating_add(*size);
            if place.start >= before && place.end <= after {
                let (offset, length) = (place.start - before, place.end - place.start);
                return Ok(Some(DirectAccess { file: file.clone(), offset, length }));
            }
            before = after;
        }
        Ok(None)
    }
}
