//! What can go wrong with a database or a search.

use std::io;

/// Why a database could not be read, or a search could not be answered. No text of it names a file:
/// whoever opened one knows which.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The medium failed, or the file became shorter after it was opened.
    #[error("the search index cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are not those of a glass database.
    #[error("this is no Xapian glass database")]
    NotGlass,
    /// A database of Xapian's that is of another kind.
    #[error("the search index is a Xapian {0} database, which this version does not read")]
    OtherBackend(&'static str),
    /// A version of the format that is not known.
    #[error("version {0:#06x} of the glass format is not known")]
    Version(u16),
    /// Something in the file contradicts the format.
    #[error("the search index is damaged: {0}")]
    Damaged(&'static str),
    /// The query is longer than is sensible.
    #[error("the query has {bytes} bytes, more than the limit of {limit}")]
    #[allow(missing_docs)]
    QueryTooLong { bytes: usize, limit: usize },
    /// More results than are kept at once were asked for.
    #[error("results beyond the first {0} are not kept; use a narrower query")]
    TooDeep(usize),
    /// The caller's stop check said so.
    #[error("the search was stopped")]
    Stopped,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) const fn damaged<T>(what: &'static str) -> Result<T> {
    Err(Error::Damaged(what))
}
