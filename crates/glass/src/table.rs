//! Tables: B-trees of keys and tags. A tag that is too long for one item is cut into components, which
//! are items of their own with the same key, counted from 1.

use crate::block::{Block, Reader};
use crate::error::{Error, Result, damaged};
use crate::header::Root;
use std::cmp::Ordering;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The longest tag that is put together, and the longest that one is unpacked to: chunks have about
/// 2000 bytes, the longest known tag (a list of stop words) some thousands.
const LONGEST: usize = 16 << 20;

/// One table of a database.
#[derive(Clone)]
pub(crate) struct Table {
    reader: Arc<Reader>,
    root: Root,
}

/// What belongs to a key.
#[derive(Clone)]
pub(crate) enum Tag {
    /// In the block that it was found in.
    Within(Block, Range<usize>),
    /// Put together or unpacked.
    Own(Arc<[u8]>),
}

impl Deref for Tag {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Within(block, range) => block.get(range.clone()),
            Self::Own(bytes) => bytes,
        }
    }
}

impl Table {
    pub(crate) const fn new(reader: Arc<Reader>, root: Root) -> Self {
        Self { reader, root }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.root.is_empty
    }

    /// The tag of exactly this key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Tag>> {
        let mut cursor = self.cursor();
        Ok(if cursor.seek(key)? { Some(cursor.tag()?) } else { None })
    }

    /// A cursor that stands nowhere yet.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { table: self.clone(), path: Vec::new() }
    }

    fn block(&self, number: u32, level: u8) -> Result<Block> {
        let block = self.reader.block(number, self.root.block_size)?;
        if block.level() != level || block.len() == 0 {
            return damaged("a block is not what the one above it says");
        }
        Ok(block)
    }
}

/// A place in a table.
#[derive(Clone)]
pub(crate) struct Cursor {
    table: Table,
    /// From the root to a leaf, with the item that was gone down by. Empty: nowhere.
    path: Vec<(Block, usize)>,
}

impl Cursor {
    /// Goes to the first component of the last key that is not after this one. Whether it is this one;
    /// if all keys are after it, the cursor is nowhere.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<bool> {
        if self.is_in_leaf_of(key) {
            return self.seek_in_leaf(key);
        }
        self.path.clear();
        if self.table.root.is_empty {
            return Ok(false);
        }
        let mut number = self.table.root.block;
        for level in (1..=self.table.root.level).rev() {
            let block = self.table.block(number, level)?;
            let index = last_not_after(&block, |block, index| {
                let (at, component, _) = block.branch_item(index)?;
                Some(if index == 0 { Ordering::Less } else { (at, component).cmp(&(key, 1)) })
            })?;
            let Some((_, _, child)) = index.and_then(|index| block.branch_item(index)) else {
                return damaged("a branch has no first item");
            };
            number = child;
            self.path.push((block, index.unwrap_or_default()));
        }
        let leaf = self.table.block(number, 0)?;
        self.path.push((leaf, 0));
        self.seek_in_leaf(key)
    }

    /// Whether the leaf that the cursor is in certainly has the place of this key.
    fn is_in_leaf_of(&self, key: &[u8]) -> bool {
        let Some((leaf, _)) = self.path.last() else { return false };
        let first = leaf.leaf_item(0);
        let last = leaf.len().checked_sub(1).and_then(|last| leaf.leaf_item(last));
        match (first, last) {
            (Some(first), Some(last)) => (first.key, first.component) <= (key, 1) && key < last.key,
            _ => false,
        }
    }

    fn seek_in_leaf(&mut self, key: &[u8]) -> Result<bool> {
        let Some((leaf, at)) = self.path.last_mut() else { return Ok(false) };
        let index = last_not_after(leaf, |leaf, index| {
            let item = leaf.leaf_item(index)?;
            Some((item.key, item.component).cmp(&(key, 1)))
        })?;
        match index {
            Some(index) => *at = index,
            // All items of this leaf are after it: what we want is the last of the leaf before.
            None => {
                if !self.step(false)? {
                    self.path.clear();
                    return Ok(false);
                }
            }
        }
        // A tag that goes over several leaves was entered in its middle.
        let mut before = self.component()?;
        while before > 1 {
            if !self.step(false)? {
                return damaged("a tag has no beginning");
            }
            let component = self.component()?;
            if component >= before {
                return damaged("the components of a tag are not in order");
            }
            before = component;
        }
        Ok(self.key()? == key)
    }

    /// Goes to the next key. Whether there is one.
    pub(crate) fn next(&mut self) -> Result<bool> {
        if self.path.is_empty() {
            return Ok(false);
        }
        loop {
            if !self.step(true)? {
                self.path.clear();
                return Ok(false);
            }
            if self.component()? == 1 {
                return Ok(true);
            }
        }
    }

    /// Goes to the first key that is not before this one. Whether there is one.
    pub(crate) fn seek_from(&mut self, key: &[u8]) -> Result<bool> {
        if self.seek(key)? {
            return Ok(true);
        }
        if self.path.is_empty() {
            return self.first();
        }
        self.next()
    }

    fn first(&mut self) -> Result<bool> {
        if self.table.root.is_empty {
            return Ok(false);
        }
        self.descend(self.table.root.block, self.table.root.level, true)?;
        Ok(true)
    }

    /// The key that the cursor is at; empty if it is nowhere.
    pub(crate) fn key(&self) -> Result<&[u8]> {
        match self.path.last() {
            Some((leaf, index)) => leaf.leaf_item(*index).map(|item| item.key).ok_or(BAD_ITEM),
            None => Ok(&[]),
        }
    }

    fn component(&self) -> Result<u16> {
        let Some((leaf, index)) = self.path.last() else { return Err(BAD_ITEM) };
        leaf.leaf_item(*index).map(|item| item.component).ok_or(BAD_ITEM)
    }

    /// The tag of the key that the cursor is at, which it is still at afterwards.
    pub(crate) fn tag(&self) -> Result<Tag> {
        let Some((leaf, index)) = self.path.last() else { return Err(BAD_ITEM) };
        let item = leaf.leaf_item(*index).ok_or(BAD_ITEM)?;
        if item.is_last && !item.is_compressed {
            return Ok(Tag::Within(leaf.clone(), item.tag));
        }
        let is_compressed = item.is_compressed;
        let mut whole = leaf.get(item.tag).to_vec();
        let mut ended = item.is_last;
        let mut components = 1;
        let mut ahead = self.clone();
        while !ended {
            if whole.len() > LONGEST || !ahead.step(true)? {
                return damaged("a tag has no end");
            }
            components += 1;
            let Some((leaf, index)) = ahead.path.last() else { return Err(BAD_ITEM) };
            let item = leaf.leaf_item(*index).ok_or(BAD_ITEM)?;
            if item.component != components {
                return damaged("the components of a tag are not in order");
            }
            whole.extend(leaf.get(item.tag));
            ended = item.is_last;
        }
        if is_compressed {
            whole = miniz_oxide::inflate::decompress_to_vec_with_limit(&whole, LONGEST)
                .map_err(|_| Error::Damaged("a compressed tag cannot be unpacked"))?;
        }
        Ok(Tag::Own(whole.into()))
    }

    /// The first component of the tag, as it stands there.
    pub(crate) fn tag_head(&self) -> Result<&[u8]> {
        let Some((leaf, index)) = self.path.last() else { return Err(BAD_ITEM) };
        let item = leaf.leaf_item(*index).ok_or(BAD_ITEM)?;
        Ok(leaf.get(item.tag))
    }

    /// Goes one item forward or back, over the borders of leaves. Whether there is one; keys must go in
    /// the same direction, so that a tree that leads back to itself has an end.
    fn step(&mut self, forward: bool) -> Result<bool> {
        let Some((leaf, index)) = self.path.last_mut() else { return Ok(false) };
        if forward && *index + 1 < leaf.len() {
            *index += 1;
            return Ok(true);
        }
        if !forward && *index > 0 {
            *index -= 1;
            return Ok(true);
        }
        let item = leaf.leaf_item(*index).ok_or(BAD_ITEM)?;
        let before = (item.key.to_vec(), item.component);
        let mut depth = self.path.len() - 1;
        let child = loop {
            let Some(above) = depth.checked_sub(1) else { return Ok(false) };
            depth = above;
            let Some((block, index)) = self.path.get_mut(above) else { return Err(BAD_ITEM) };
            let next = if forward { Some(*index + 1) } else { index.checked_sub(1) };
            if let Some(next) = next.filter(|next| *next < block.len()) {
                *index = next;
                break block.branch_item(next).ok_or(BAD_ITEM)?.2;
            }
        };
        self.path.truncate(depth + 1);
        let level = self.table.root.level.checked_sub(depth as u8 + 1).ok_or(BAD_ITEM)?;
        self.descend(child, level, forward)?;
        self.check_leaf()?;
        let now = (self.key()?, self.component()?);
        let before = (before.0.as_slice(), before.1);
        if if forward { now <= before } else { now >= before } {
            return damaged("the keys of a table are not in order");
        }
        Ok(true)
    }

    /// Without this, leaves whose own items are not in order could lead to each other for ever.
    fn check_leaf(&self) -> Result<()> {
        let Some((leaf, _)) = self.path.last() else { return Err(BAD_ITEM) };
        let first = leaf.leaf_item(0).ok_or(BAD_ITEM)?;
        let last = leaf.leaf_item(leaf.len() - 1).ok_or(BAD_ITEM)?;
        if (first.key, first.component) <= (last.key, last.component) {
            return Ok(());
        }
        damaged("the keys of a table are not in order")
    }

    /// Goes down from a block to the first or to the last item below it.
    fn descend(&mut self, mut number: u32, level: u8, to_first: bool) -> Result<()> {
        for level in (0..=level).rev() {
            let block = self.table.block(number, level)?;
            let index = if to_first { 0 } else { block.len() - 1 };
            if level > 0 {
                number = block.branch_item(index).ok_or(BAD_ITEM)?.2;
            }
            self.path.push((block, index));
        }
        Ok(())
    }
}

const BAD_ITEM: Error = Error::Damaged("an item of a block lies outside of it");

/// Binary search: the last item that is not after what is looked for.
fn last_not_after(block: &Block, compare: impl Fn(&Block, usize) -> Option<Ordering>) -> Result<Option<usize>> {
    let (mut low, mut high) = (0, block.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(block, middle).ok_or(BAD_ITEM)? {
            Ordering::Equal => return Ok(Some(middle)),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
        }
    }
    Ok(low.checked_sub(1))
}
