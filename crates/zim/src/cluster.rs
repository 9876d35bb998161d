//! Clusters: where the content of entries lies, several blobs together (openZIM, "ZIM file format",
//! section "Clusters").
//!
//! One byte of information (compression in the low four bits, 0x10 = offsets of 64 bits), then the
//! payload, compressed or not: offsets of the blobs relative to the payload's start, one more than there
//! are blobs, then the blobs. The first offset says how long the table of offsets is.
//!
//! Of a cluster that is not compressed nothing is held: a blob is three reads, whatever its size. A
//! compressed one is decoded only as far as the blob that is wanted, and that much is held.

use crate::bytes::{len, u32_at, u64_at};
use crate::decode::Packing;
use crate::error::{Error, Result, damaged};
use crate::packed::Packed;
use crate::read_at::ReadAt;
use crate::rooms::Rooms;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Cluster {
    layout: Layout,
    body: Body,
    /// What the cache was last told it costs.
    told_cost: AtomicUsize,
}

enum Body {
    /// Where the payload begins, and where the archive's content ends.
    Plain {
        source: Arc<dyn ReadAt>,
        start: u64,
        end: u64,
    },
    Packed(Packed),
}

/// How a table of offsets is read.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// Whether an offset has 64 bits.
    wide: bool,
    /// Blobs at most: no cluster has more than the archive has entries.
    max_blobs: u32,
}

impl Layout {
    /// Bytes of an offset.
    pub(crate) const fn width(self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    /// Bytes of the table for that many blobs.
    pub(crate) const fn table(self, blobs: u64) -> u64 {
        (blobs + 1) * self.width()
    }

    /// How many blobs there are, by the first offset, with which the bytes begin.
    pub(crate) fn blobs(self, bytes: &[u8]) -> Result<u64> {
        let (first, width) = (self.offset(bytes).unwrap_or_default(), self.width());
        if first < width || !first.is_multiple_of(width) || first / width - 1 > u64::from(self.max_blobs) {
            return damaged("a cluster says that it has an impossible number of blobs");
        }
        Ok(first / width - 1)
    }

    /// Where a blob lies in the payload; `at` shows the payload from a position on.
    pub(crate) fn blob<'b>(self, blobs: u64, blob: u32, at: impl Fn(u64) -> Option<&'b [u8]>) -> Result<Range<u64>> {
        let blob = u64::from(blob);
        if blob >= blobs {
            return damaged("an entry names a blob that its cluster does not have");
        }
        let offset = |index: u64| self.offset(at(index * self.width())?);
        match (offset(blob), offset(blob + 1)) {
            (Some(start), Some(end)) if self.table(blobs) <= start && start <= end => Ok(start..end),
            _ => damaged("the offsets of a cluster are not in order"),
        }
    }

    /// All offsets of a table.
    pub(crate) fn offsets(self, table: &[u8]) -> impl Iterator<Item = u64> {
        table.chunks_exact(len(self.width())).map(move |bytes| self.offset(bytes).unwrap_or_default())
    }

    fn offset(self, bytes: &[u8]) -> Option<u64> {
        if self.wide { u64_at(bytes, 0) } else { u32_at(bytes, 0).map(u64::from) }
    }
}

impl Cluster {
    /// Reads what kind of cluster begins there; it ends before the end of the range, which is that of all content.
    pub(crate) fn open(
        source: &Arc<dyn ReadAt>,
        place: Range<u64>,
        limit: u64,
        max_blobs: u32,
        rooms: &Arc<Rooms>,
    ) -> Result<Self> {
        let Range { start: at, end } = place;
        if at >= end {
            return damaged("a cluster lies outside of the file");
        }
        let mut info = [0];
        source.read_exact_at(&mut info, at)?;
        let [info] = info;
        let start = at + 1;
        let packed = |packing| Body::Packed(Packed::new(source, start..end, packing, limit, rooms));
        let body = match info & 0x0f {
            0 | 1 => Body::Plain { source: Arc::clone(source), start, end },
            2 => return Err(Error::Compression("zlib")),
            3 => return Err(Error::Compression("bzip2")),
            4 => packed(Packing::Xz),
            5 => packed(Packing::Zstd),
            other => return damaged(format!("a cluster has the unknown compression {other}")),
        };
        let layout = Layout { wide: info & 0x10 != 0, max_blobs };
        Ok(Self { layout, body, told_cost: AtomicUsize::new(0) })
    }

    /// How many bytes a blob has.
    pub(crate) fn blob_size(&self, blob: u32) -> Result<u64> {
        let range = self.blob(blob)?;
        Ok(range.end - range.start)
    }

    /// Bytes of a blob: of that many bytes, those that are chosen.
    pub(crate) fn read(&self, blob: u32, choose: impl FnOnce(u64) -> Result<Range<u64>>) -> Result<Vec<u8>> {
        let choose = |whole: Range<u64>| {
            let part = choose(whole.end - whole.start)?;
            let place = |at| whole.start.checked_add(at).filter(|at| *at <= whole.end);
            match (place(part.start), place(part.end)) {
                (Some(start), Some(end)) => Ok(start..end.max(start)),
                _ => damaged("a part of a blob lies outside of it"),
            }
        };
        match &self.body {
            Body::Packed(packed) => packed.read(self.layout, blob, choose),
            Body::Plain { .. } => {
                let range = choose(self.blob(blob)?)?;
                let mut bytes = vec![0; len(range.end - range.start)];
                self.read_plain(&mut bytes, range.start)?;
                Ok(bytes)
            }
        }
    }

    /// Where a blob lies in the file, if it is not compressed.
    pub(crate) fn place(&self, blob: u32) -> Result<Option<Range<u64>>> {
        match self.body {
            Body::Packed(_) => Ok(None),
            Body::Plain { start, .. } => {
                let range = self.blob(blob)?;
                Ok(Some(start + range.start..start + range.end))
            }
        }
    }

    /// What it costs, if that is something else than when it was last asked.
    pub(crate) fn new_cost(&self) -> Option<usize> {
        let held = if let Body::Packed(packed) = &self.body { packed.cost() } else { 0 };
        let cost = size_of::<Self>() + 160 + held;
        (self.told_cost.swap(cost, Ordering::Relaxed) != cost).then_some(cost)
    }

    /// Where a blob lies in the payload. Of one that is not compressed it is known to be there.
    fn blob(&self, blob: u32) -> Result<Range<u64>> {
        let (start, end) = match self.body {
            Body::Packed(ref packed) => return packed.blob(self.layout, blob),
            Body::Plain { start, end, .. } => (start, end),
        };
        let width = len(self.layout.width());
        let mut bytes = [0; 16];
        let (first, pair) = (bytes.get_mut(..width).unwrap_or_default(), u64::from(blob) * self.layout.width());
        self.read_plain(first, 0)?;
        let blobs = self.layout.blobs(&bytes)?;
        if self.layout.table(blobs) > end - start {
            return damaged("a cluster ends early");
        }
        if u64::from(blob) < blobs {
            self.read_plain(bytes.get_mut(..2 * width).unwrap_or_default(), pair)?;
        }
        let range = self.layout.blob(blobs, blob, |at| bytes.get(len(at.checked_sub(pair)?)..))?;
        if start.checked_add(range.end).is_none_or(|last| last > end) {
            return damaged("the offsets of a cluster are not in order");
        }
        Ok(range)
    }

    /// Bytes of the payload as they are in the file.
    fn read_plain(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        match &self.body {
            Body::Plain { source, start, end } if at.saturating_add(buffer.len() as u64) <= end - start => {
                Ok(source.read_exact_at(buffer, start + at)?)
            }
            _ => damaged("a cluster ends early"),
        }
    }
}
