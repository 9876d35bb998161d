//! The test suite of openZIM, if it lies beside the checkout as `shared/data/zim/testing-suite`, or where
//! `PORTCULLIS_SHARED` says.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part, and is a test")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder with the suite and the expected outcomes; says so if it is not there.
pub(crate) fn suite() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
            let said = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
            let beside = here.ancestors().map(|folder| folder.join("shared"));
            let mut folders = said.into_iter().chain(beside).map(|shared| shared.join("data/zim"));
            let found = folders.find(|folder| folder.join("testing-suite").is_dir());
            if found.is_none() {
                eprintln!("left out: the openZIM test suite is not beside this checkout");
            }
            found
        })
        .as_deref()
}

/// The contents of `small.zim` in its three variants.
pub(crate) fn small_files() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let Some(folder) = suite() else { return Vec::new() };
        let kinds = ["withns", "nons", "noTitleListingV0"];
        kinds
            .iter()
            .map(|kind| std::fs::read(folder.join("testing-suite").join(kind).join("small.zim")).unwrap())
            .collect()
    })
}
