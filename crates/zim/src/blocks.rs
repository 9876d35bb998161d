//! Small reads of an archive's structure (tables of pointers, directory entries, title listings), a block
//! at a time.
//!
//! A lookup halves a table of pointers, and each step reads a pointer and what it points at. The first
//! steps are the same for all lookups; the last ones lie close together, pointers as well as entries. So
//! blocks that were read are kept, and a lookup costs a few reads instead of two for each step, which is
//! what counts on a network medium. Bytes that are in memory already are taken from there.

use crate::bytes::len;
use crate::caches::{ArchiveId, Caches};
use crate::read_at::ReadAt;
use std::io;
use std::sync::Arc;

/// Bytes of a block: what one read from a disk brings anyway.
const BLOCK: u64 = 4096;
/// Bytes it takes in memory, with its places in the cache's maps.
const COST: usize = 4096 + 160;

/// See the module. For reads of a few bytes: what is longer than a block is not kept.
pub(crate) struct Blocks<'a> {
    pub(crate) source: &'a dyn ReadAt,
    pub(crate) caches: &'a Caches,
    pub(crate) archive: ArchiveId,
}

impl ReadAt for Blocks<'_> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(bytes) = self.source.slice(offset, buffer.len()) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        let end = offset.saturating_add(buffer.len() as u64);
        if !self.caches.blocks.has_room_for(COST) || buffer.len() as u64 > BLOCK || end > self.size() {
            return self.source.read_exact_at(buffer, offset);
        }
        let mut rest = buffer;
        let mut at = offset;
        while !rest.is_empty() {
            let number = at / BLOCK;
            let Some(block) = self.block(number) else {
                // What is wanted may be there, if not all of the block.
                return self.source.read_exact_at(rest, at);
            };
            let bytes = block.get(len(at - number * BLOCK)..).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
            let (now, later) = rest.split_at_mut(bytes.len().min(rest.len()));
            now.copy_from_slice(bytes.get(..now.len()).unwrap_or_default());
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.source.slice(offset, length)
    }
}

impl Blocks<'_> {
    fn block(&self, number: u64) -> Option<Arc<[u8]>> {
        let key = (self.archive, number);
        if let Some(block) = self.caches.blocks.get(&key) {
            return Some(block);
        }
        let start = number * BLOCK;
        let length = len(self.size().checked_sub(start)?.min(BLOCK));
        let mut block: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
        self.source.read_exact_at(Arc::get_mut(&mut block)?, start).ok()?;
        self.caches.blocks.put(key, Arc::clone(&block), COST);
        Some(block)
    }
}
