//! Reads ZIM archives: the format of [openZIM](https://wiki.openzim.org/wiki/ZIM_file_format), in which
//! Wikipedia and many others can be had as one file.
//!
//! ```no_run
//! let archive = zim::Archive::open("wikipedia.zim")?;
//! if let Some(entry) = archive.entry_by_path("Rust_(programming_language)")? {
//!     let page = entry.resolve()?;
//!     println!("{}: {} bytes of {:?}", page.title(), page.size()?, page.mime_type());
//!     let html = page.read()?;
//! }
//! for entry in archive.titles()?.entries(0..10) {
//!     println!("{}", entry?.title());
//! }
//! # Ok::<(), zim::Error>(())
//! ```
//!
//! Versions 5 and 6, old and new namespaces, clusters that are not compressed or with XZ or Zstandard,
//! split archives, archives within other files, of any size. Databases for full-text search are found, and
//! [`Content`] reads them where they lie; searching in them is somebody else's work.
//!
//! # Files that were not made by friends
//!
//! A file is outside data: every number in it is a claim. Positions are compared with the size of the
//! file and sizes with [`Limits`] before anything is done with them; memory grows with what really comes
//! out of a decoder; searches in tables that are not in order end. A damaged file gives errors, never a
//! panic, and a damaged part of it harms what lies there and nothing else.
//!
//! Files are read with positioned reads, so that one which is truncated in the meantime, or a medium that
//! fails, is an error of that read too. [`Media::Mapped`] trades that for a little speed.
//!
//! # From the bottom up
//!
//! [`ReadAt`] is where bytes come from: [`FileSource`], [`MappedFile`], [`Parts`], [`Section`], [`Memory`]. [`Archive`]
//! reads directory entries and clusters from it, and keeps the dear ones in [`Caches`], which many
//! archives can share. [`Entry`] is what is at a path, [`Titles`] the entries by title.

mod archive;
mod blocks;
mod bytes;
mod cache;
mod caches;
mod cluster;
mod content;
mod decode;
mod dirent;
mod entry;
mod error;
mod header;
mod limits;
mod map;
mod metadata;
mod mime;
mod packed;
mod read_at;
mod rooms;
mod split;
mod titles;
mod verify;
#[cfg(feature = "writer")]
pub mod writer;

pub use archive::{Archive, Media, Options};
pub use cache::Usage;
pub use caches::Caches;
pub use content::{Content, DirectAccess};
pub use entry::Entry;
pub use error::{Error, Result};
pub use limits::Limits;
pub use map::MappedFile;
pub use metadata::Illustration;
pub use read_at::{FileSource, Memory, ReadAt, Section};
pub use split::{Parts, is_first_part, parts_of};
pub use titles::{TitleKind, Titles};
