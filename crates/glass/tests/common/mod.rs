//! Databases of archives that lie beside the checkout in `shared/data/zim`, if they do.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "each test uses a part, and is a test")]

use glass::{Cache, Database};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of the recorded answers or archives; says so if it is not there.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folders = named.into_iter().chain(here.ancestors().map(|folder| folder.join("shared")));
    let found = folders.map(|folder| folder.join("data/zim").join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("left out: {name} is not in ../shared/data/zim");
    }
    found
}

/// Where the two indexes of an archive lie: full text, titles.
pub(crate) fn places(archive: &Path) -> [Option<std::ops::Range<u64>>; 2] {
    let archive = zim::Archive::open(archive).unwrap();
    ["fulltext/xapian", "title/xapian"].map(|path| archive.find(b'X', path).unwrap().and_then(|e| e.place().unwrap()))
}

/// The two indexes of an archive.
pub(crate) fn databases(archive: &Path, cache: &Arc<Cache>) -> [Database; 2] {
    let file = Arc::new(File::open(archive).unwrap());
    places(archive).map(|range| Database::open(file.clone(), range.unwrap(), cache).unwrap())
}
