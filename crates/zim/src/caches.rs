//! The caches of one or many archives.

use crate::cache::{Cache, Usage};
use crate::cluster::Cluster;
use crate::dirent::Dirent;
use crate::rooms::Rooms;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names an archive within the process: caches outlive archives, and numbers are not used again.
pub(crate) type ArchiveId = u64;

/// Caches of directory entries and of decoded clusters, each bounded in bytes. Archives that are opened
/// with the same caches share them, so the memory of a library does not depend on how large it is.
pub struct Caches {
    pub(crate) clusters: Cache<(ArchiveId, u32), Arc<Cluster>>,
    pub(crate) dirents: Cache<(ArchiveId, u32), Arc<Dirent>>,
    pub(crate) blocks: Cache<(ArchiveId, u64), Arc<[u8]>>,
    pub(crate) rooms: Arc<Rooms>,
    next_id: AtomicU64,
}

impl Caches {
    /// Caches that hold so many bytes of decoded clusters and of directory entries; a third of the latter
    /// is for blocks of the tables that lead to them. Content that is not compressed is not kept: the
    /// system keeps it already.
    pub fn new(clusters: usize, dirents: usize) -> Self {
        // One shard for clusters: a lookup takes far less time than whatever is done with what it finds,
        // and a shard has to have room for the largest cluster.
        let blocks = dirents / 3;
        Self {
            clusters: Cache::new(clusters, 1),
            dirents: Cache::new(dirents - blocks, 16),
            blocks: Cache::new(blocks, 4),
            rooms: Arc::default(),
            next_id: AtomicU64::new(0),
        }
    }

    /// How the cache of clusters is doing.
    pub fn clusters(&self) -> Usage {
        self.clusters.usage()
    }

    /// How the cache of directory entries is doing.
    pub fn dirents(&self) -> Usage {
        self.dirents.usage()
    }

    /// How the cache of blocks is doing, out of which tables and directory entries are read.
    pub fn blocks(&self) -> Usage {
        self.blocks.usage()
    }

    pub(crate) fn new_id(&self) -> ArchiveId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// An archive is gone.
    pub(crate) fn forget(&self, id: ArchiveId) {
        self.clusters.forget(|(archive, _)| *archive == id);
        self.dirents.forget(|(archive, _)| *archive == id);
        self.blocks.forget(|(archive, _)| *archive == id);
    }
}

impl Default for Caches {
    /// 32 MiB of clusters, 4 MiB of directory entries.
    fn default() -> Self {
        Self::new(32 << 20, 4 << 20)
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches").field("clusters", &self.clusters()).field("dirents", &self.dirents()).finish()
    }
}
