//! A file as memory, without copies.

#![allow(unsafe_code, reason = "the one place of this crate: see MappedFile::new")]

use crate::error::Result;
use crate::read_at::ReadAt;
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;

/// A file that is mapped into memory.
///
/// For media that are local and trusted. Nothing is copied, and reads that follow each other cost no
/// system call. The price: if the file is truncated while it is mapped, or its medium fails, the next
/// read of a page that is gone ends the **process** with SIGBUS (on Windows an exception), which no
/// program can turn into an error of that read. [`FileSource`](crate::FileSource) has no such case, so
/// it is the default.
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Opens a file and maps it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(&File::open(path)?)
    }

    /// Maps an open file, which may be closed afterwards.
    pub fn new(file: &File) -> Result<Self> {
        // SAFETY: `Mmap::map` is unsafe because others may change the file while it is mapped. Who may
        // write to an archive that is served is the operator's to decide, and the type's documentation
        // says what is asked of the file. What this crate does keeps a change from being more than
        // wrong bytes: the map is read-only and shown as plain bytes, for which every value is valid;
        // nothing is concluded from one read for another one (sizes are compared with the length of the
        // map, which does not change, each time; strings are checked, copied, and used as the copy); and
        // all bytes of an archive are taken for hostile anyway. A truncated file gives a signal, not
        // memory that belongs to something else.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { map })
    }
}

impl ReadAt for MappedFile {
    fn size(&self) -> u64 {
        self.map.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        buffer.copy_from_slice(self.slice(offset, buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.map.get(usize::try_from(offset).ok()?..)?.get(..length)
    }
}
