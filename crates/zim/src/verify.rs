//! The checksum: the last 16 bytes are the MD5 of all before them (openZIM, "ZIM file format", section
//! "Header"). It guards against media and transfers that fail, not against people.

use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::header::CHECKSUM_SIZE;
use md5::{Digest, Md5};
use std::ops::ControlFlow;

/// Bytes that are read at once.
const STEP: usize = 1 << 20;

impl Archive {
    /// Whether the archive ends with a checksum.
    pub const fn has_checksum(&self) -> bool {
        self.header.checksum_at.is_some()
    }

    /// The checksum as it was written; `None` if there is none.
    pub fn checksum(&self) -> Result<Option<[u8; CHECKSUM_SIZE as usize]>> {
        let Some(at) = self.header.checksum_at else { return Ok(None) };
        let mut written = [0; CHECKSUM_SIZE as usize];
        self.source.read_exact_at(&mut written, at)?;
        Ok(Some(written))
    }

    /// Reads all bytes and compares their checksum: `true` if they are as they were written.
    ///
    /// `progress` is called after each mebibyte with how many bytes were read and how many there are;
    /// [`ControlFlow::Break`] ends it with [`Error::Stopped`].
    pub fn verify(&self, mut progress: impl FnMut(u64, u64) -> ControlFlow<()>) -> Result<bool> {
        let total = self.header.checksum_at.ok_or(Error::NoChecksum)?;
        let mut digest = Md5::new();
        let mut buffer = vec![0; STEP];
        let mut done = 0;
        while done < total {
            let length = crate::bytes::len(total - done).min(STEP);
            let chunk = buffer.get_mut(..length).unwrap_or_default();
            self.source.read_exact_at(chunk, done)?;
            digest.update(chunk);
            done += length as u64;
            if progress(done, total).is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(self.checksum()?.is_some_and(|written| digest.finalize().as_slice() == written))
    }
}
