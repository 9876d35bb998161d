//! What can go wrong with an archive.

use std::io;

/// Why something could not be read. No text of it names a file: whoever opened one knows which.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The medium failed, or the file became shorter after it was opened.
    #[error("the archive cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are not a ZIM header.
    #[error("this is no ZIM archive")]
    NotZim,
    /// A major version other than 5 and 6.
    #[error("version {0} of the ZIM format is not known")]
    Version(u16),
    /// Something in the file contradicts the format.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// Reading it would take more memory than [`Limits`](crate::Limits) allow.
    #[error("{what} has {bytes} bytes, more than the limit of {limit}")]
    #[allow(missing_docs)]
    TooLarge { what: &'static str, bytes: u64, limit: u64 },
    /// A compression that the format had once and that writers dropped long ago.
    #[error("the archive uses {0} compression, which is not supported; a current copy of it will not")]
    Compression(&'static str),
    /// Redirects that lead nowhere within [`Limits::redirects`](crate::Limits::redirects) hops.
    #[error("a redirect leads in a circle, or over more than {0} others")]
    Redirects(usize),
    /// The entry is a redirect (or a legacy marker) and has no content of its own.
    #[error("the entry has no content of its own")]
    NoContent,
    /// The archive has no title listing that can be used.
    #[error("the archive has no title listing")]
    NoTitles,
    /// The archive has no checksum to compare with.
    #[error("the archive has no checksum")]
    NoChecksum,
    /// The callback asked to stop.
    #[error("stopped")]
    Stopped,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) fn damaged<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Damaged(what.into()))
}
