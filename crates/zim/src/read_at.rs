//! Where the bytes of an archive come from.
//!
//! An archive is read at positions, by many threads at once, so the seam is a positioned read that
//! needs no `&mut`. Files are read with `pread` unless somebody asks for a memory map
//! ([`MappedFile`](crate::MappedFile)): a file that is truncated while it is open, or lies on a medium
//! that fails, is then an error of that read, where a map would end the process.

use crate::error::Result;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Bytes that can be read at any position by any thread.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are. Does not change.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from `offset` on, or fails with
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The bytes themselves, if they are there already and in one piece, so that nothing needs to be
    /// copied. `None` says nothing about whether they can be read.
    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let _ = (offset, length);
        None
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn size(&self) -> u64 {
        self.deref().size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.deref().read_exact_at(buffer, offset)
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.deref().slice(offset, length)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Box<R> {
    fn size(&self) -> u64 {
        self.deref().size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.deref().read_exact_at(buffer, offset)
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.deref().slice(offset, length)
    }
}

/// A file, read with positioned reads. Its size is that of when it was opened.
pub struct FileSource {
    file: File,
    size: u64,
}

impl FileSource {
    /// Opens a file for reading.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(File::open(path)?)
    }

    /// Takes an open file.
    pub fn new(file: File) -> Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl ReadAt for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.split_at_mut(read).1;
            offset += read as u64;
        }
        Ok(())
    }
}

/// Bytes in memory: `&'static [u8]`, `Vec<u8>`, `Arc<[u8]>`, …
pub struct Memory<B>(pub B);

impl<B: AsRef<[u8]> + Send + Sync> ReadAt for Memory<B> {
    fn size(&self) -> u64 {
        self.0.as_ref().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        buffer.copy_from_slice(self.slice(offset, buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.0.as_ref().get(usize::try_from(offset).ok()?..)?.get(..length)
    }
}

/// A part of another source: an archive that is embedded in a larger file.
pub struct Section<R> {
    whole: R,
    start: u64,
    size: u64,
}

impl<R: ReadAt> Section<R> {
    /// `size` bytes from `start` on. Fails if the whole is shorter.
    pub fn new(whole: R, start: u64, size: u64) -> Result<Self> {
        match start.checked_add(size) {
            Some(end) if end <= whole.size() => Ok(Self { whole, start, size }),
            _ => crate::error::damaged("the section lies outside of its file"),
        }
    }
}

impl<R: ReadAt> ReadAt for Section<R> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.size => self.whole.read_exact_at(buffer, self.start + offset),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.size => self.whole.slice(self.start + offset, length),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_shows_its_own_bytes_only() {
        let section = Section::new(Memory(b"0123456789".as_slice()), 3, 4).unwrap();
        let mut buffer = [0; 4];
        section.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"3456");
        assert!(section.read_exact_at(&mut buffer, 1).is_err());
        assert!(section.read_exact_at(&mut buffer, u64::MAX).is_err());
        assert!(Section::new(Memory(b"0123".as_slice()), 2, 3).is_err());
        assert!(Section::new(Memory(b"0123".as_slice()), 2, u64::MAX).is_err());
    }
}
