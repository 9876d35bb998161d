//! What the server is told.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a ZIM server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Folders whose archives are served, with their subfolders, and single archives.
    pub paths: Vec<PathBuf>,
    /// Archives in memory, by file name: the sample of the demo.
    pub memory: Vec<(String, &'static [u8])>,
    /// How old what is known of the folders may be before they are looked at again.
    pub rescan: Duration,
    /// How long a call may take.
    pub deadline: Duration,
    /// How many calls read from disk at once. Others wait.
    pub threads: usize,
    /// Bytes of decoded clusters that are kept for all archives together.
    pub cache: usize,
    /// Characters of an entry that one answer has at most.
    pub content_chars: usize,
    /// Bytes of an entry that are turned into text at most.
    pub entry_bytes: u64,
    /// How many archives are served at most.
    pub archives: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            memory: Vec::new(),
            rescan: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            threads: 8,
            cache: 32 << 20,
            content_chars: 100_000,
            entry_bytes: 16 << 20,
            archives: 1000,
        }
    }
}

impl Settings {
    /// Serves the archives at these paths.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), ..Self::default() }
    }

    /// Serves the sample archive, without any file.
    pub fn demo() -> Self {
        Self { memory: vec![("portcullis.zim".to_owned(), crate::demo_archive())], ..Self::default() }
    }
}
