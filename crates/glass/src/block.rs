//! Blocks of the file, and what stands in one.
//!
//! A block: u32 revision, u8 level (0 is a leaf), u16 greatest gap, u16 free bytes, u16 end of the
//! directory; then the directory of u16 offsets of items. All numbers here are big-endian. Offsets and
//! lengths are claims of the file: every access looks whether it lies within the block.

use crate::cache::{Cache, Key, Value, What};
use crate::error::{Error, Result, damaged};
use crate::source::ReadAt;
use std::ops::Range;
use std::sync::Arc;

/// Where the directory begins.
const DIRECTORY: usize = 11;
const COMPRESSED: u16 = 0x8000;
const LAST: u16 = 0x4000;
const FIRST: u16 = 0x2000;

/// Reads the bytes of one database.
pub(crate) struct Reader {
    source: Arc<dyn ReadAt>,
    range: Range<u64>,
    cache: Arc<Cache>,
    id: u64,
}

impl Reader {
    pub(crate) fn new(source: Arc<dyn ReadAt>, range: Range<u64>, cache: Arc<Cache>) -> Self {
        let id = cache.new_id();
        Self { source, range, cache, id }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Bytes that are not kept.
    pub(crate) fn bytes(&self, at: u64, len: u64) -> Result<Box<[u8]>> {
        match at.checked_add(len) {
            Some(end) if end <= self.size() => {}
            _ => return damaged("a block lies outside of it"),
        }
        let len = usize::try_from(len).map_err(|_| Error::Damaged("a block lies outside of it"))?;
        let mut bytes = vec![0; len].into_boxed_slice();
        self.source.read_exact_at(&mut bytes, self.range.start + at)?;
        Ok(bytes)
    }

    /// A block, which is kept.
    pub(crate) fn block(&self, number: u32, size: u32) -> Result<Block> {
        let at = u64::from(number) * u64::from(size);
        if let Some(Value::Block(bytes)) = self.cached(What::Block, at)
            && bytes.len() == size as usize
        {
            return Ok(Block(bytes));
        }
        let bytes: Arc<[u8]> = self.bytes(at, u64::from(size))?.into();
        self.keep(What::Block, at, Value::Block(Arc::clone(&bytes)));
        Ok(Block(bytes))
    }

    pub(crate) fn cached(&self, what: What, at: u64) -> Option<Value> {
        self.cache.get(Key { database: self.id, what, at })
    }

    pub(crate) fn keep(&self, what: What, at: u64, value: Value) {
        self.cache.put(Key { database: self.id, what, at }, value);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cache.forget(self.id);
    }
}

/// A block in memory.
#[derive(Clone)]
pub(crate) struct Block(Arc<[u8]>);

/// An item of a leaf.
pub(crate) struct LeafItem<'a> {
    pub(crate) key: &'a [u8],
    /// Counted from 1.
    pub(crate) component: u16,
    pub(crate) is_last: bool,
    pub(crate) is_compressed: bool,
    pub(crate) tag: Range<usize>,
}

impl Block {
    pub(crate) fn level(&self) -> u8 {
        self.0.get(4).copied().unwrap_or(u8::MAX)
    }

    /// How many items it has. What the directory leads to is looked at when it is used.
    pub(crate) fn len(&self) -> usize {
        let end = self.u16_at(9).map_or(0, usize::from).min(self.0.len());
        end.saturating_sub(DIRECTORY) / 2
    }

    pub(crate) fn leaf_item(&self, index: usize) -> Option<LeafItem<'_>> {
        let at = self.item_at(index)?;
        let flags = self.u16_at(at)?;
        let end = at.checked_add(usize::from(flags & 0x1fff) + 3)?;
        let key_len = usize::from(*self.0.get(at + 2)?);
        let key_end = at + 3 + key_len;
        let key = self.0.get(at + 3..key_end)?;
        let (component, start) = match flags & FIRST {
            0 => (self.u16_at(key_end)?, key_end + 2),
            _ => (1, key_end),
        };
        self.0.get(start..end)?;
        let (is_last, is_compressed) = (flags & LAST != 0, flags & COMPRESSED != 0);
        Some(LeafItem { key, component, is_last, is_compressed, tag: start..end })
    }

    /// The key of an item of a branch, and the block that has what is not before it. The key of the
    /// first is empty: everything that is before the second is there.
    pub(crate) fn branch_item(&self, index: usize) -> Option<(&[u8], u16, u32)> {
        let at = self.item_at(index)?;
        let child = u32::from_be_bytes(*self.0.get(at..)?.first_chunk()?);
        let key_len = usize::from(*self.0.get(at + 4)?);
        let key_end = at + 5 + key_len;
        let key = self.0.get(at + 5..key_end)?;
        let component = if index == 0 { 0 } else { self.u16_at(key_end)? };
        Some((key, component, child))
    }

    #[inline]
    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }

    fn item_at(&self, index: usize) -> Option<usize> {
        let at = usize::from(self.u16_at(DIRECTORY + index * 2)?);
        (at >= DIRECTORY).then_some(at)
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}
