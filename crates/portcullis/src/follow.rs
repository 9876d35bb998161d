//! Files whose change means that settings are to be read anew.
//!
//! What is compared is their content, twice a second: that sees editors that write another file and
//! rename it, links that Kubernetes swaps, and volumes whose changes the system tells nobody. The
//! files are few and small. A change counts once it stays for one look, so that a file that is being
//! written is not read in its middle.

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// As much of a file as is compared; settings are not larger.
const MOST: u64 = 16 * 1024 * 1024;

/// See the module.
pub(crate) struct Files {
    paths: BTreeSet<PathBuf>,
    known: u64,
}

impl Files {
    /// As they are now.
    pub(crate) async fn of(paths: BTreeSet<PathBuf>) -> Self {
        let known = content(&paths).await;
        Self { paths, known }
    }

    /// Waits until they are something else; for ever, if there are none.
    pub(crate) async fn changed(&mut self) {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        let mut before = self.known;
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = content(&self.paths).await;
            if now != self.known && now == before {
                self.known = now;
                return;
            }
            before = now;
        }
    }
}

async fn content(paths: &BTreeSet<PathBuf>) -> u64 {
    let paths = paths.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut hasher = DefaultHasher::new();
        for path in paths {
            let mut text = Vec::new();
            // A file that is not there is a state like any other.
            let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut text));
            read.ok().hash(&mut hasher);
            text.hash(&mut hasher);
        }
        hasher.finish()
    });
    reading.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_whatever_way_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("settings"), folder.path().join("other"));
        std::fs::write(&file, "1").unwrap();
        let mut files = Files::of([file.clone()].into()).await;
        std::fs::write(&file, "2").unwrap();
        files.changed().await;
        std::fs::write(&other, "3").unwrap();
        std::fs::rename(&other, &file).unwrap();
        files.changed().await;
        std::fs::remove_file(&file).unwrap();
        files.changed().await;
        std::fs::write(&other, "4").unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        files.changed().await;
        std::fs::write(&other, "5").unwrap();
        files.changed().await;
        let unchanged = tokio::time::timeout(Duration::from_secs(5), files.changed()).await;
        assert!(unchanged.is_err());
    }
}
