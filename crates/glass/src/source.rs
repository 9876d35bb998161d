//! Where the bytes of a database come from.
//!
//! A database is read at positions by many threads at once, so the seam is a positioned read that needs
//! no `&mut`. A database inside an archive is read in place: [`Database::open`](crate::Database::open)
//! takes the range of bytes that it occupies.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that can be read at any position by any thread.
pub trait ReadAt: Send + Sync {
    /// Fills the buffer with the bytes from `offset` on, or fails with
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.deref().read_exact_at(buffer, offset)
    }
}

/// A file, read with positioned reads: one that is truncated while it is open is an error of that read.
impl ReadAt for File {
    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(self, buffer, offset)?;
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
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.0.as_ref().get(at..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
