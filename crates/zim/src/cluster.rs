//! Clusters: where the content of entries lies, several blobs together (openZIM, "ZIM file format",
//! section "Clusters").
//!
//! One byte of information (compression in the low four bits, 0x10 = offsets of 64 bits), then the
//! payload, compressed or not: offsets of the blobs relative to the payload's start, one more than there
//! are blobs, then the blobs. The first offset says how long the table of offsets is.
//!
//! Of a cluster that is not compressed nothing is held: a blob is two reads, whatever its size. A
//! compressed one is decoded only as far as the blob that is wanted, and that much is held.

use crate::bytes::{len, u32_at, u64_at};
use crate::decode::{Decoder, Input};
use crate::error::{Error, Result, damaged};
use crate::read_at::ReadAt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is decoded at least at once.
const LEAST: usize = 64 * 1024;
/// Compressed bytes of a cluster beyond the limit for decoded ones: for what does not get smaller.
const SLACK: u64 = 1 << 20;

pub(crate) struct Cluster {
    source: Arc<dyn ReadAt>,
    /// Where the payload starts, and where the archive's content ends.
    payload: u64,
    end: u64,
    /// Bytes of an offset.
    width: usize,
    /// Blobs at most: no cluster has more than the archive has entries.
    max_blobs: u64,
    body: Body,
    /// What the cache was last told it costs.
    told_cost: AtomicUsize,
}

enum Body {
    Plain,
    Packed { packing: Packing, limit: usize, decoded: Mutex<Decoded> },
}

#[derive(Clone, Copy)]
enum Packing {
    Xz,
    Zstd,
}

#[derive(Default)]
struct Decoded {
    data: Vec<u8>,
    decoder: Option<Decoder>,
    /// Whether `data` is all there is.
    ended: bool,
    /// Whether the table of offsets was looked at and found sound.
    is_sound: bool,
}

impl Cluster {
    /// Reads what kind of cluster begins at `at`.
    pub(crate) fn open(source: &Arc<dyn ReadAt>, at: u64, end: u64, limit: u64, max_blobs: u32) -> Result<Self> {
        if at >= end {
            return damaged("a cluster lies outside of the file");
        }
        let mut info = [0];
        source.read_exact_at(&mut info, at)?;
        let [info] = info;
        let packed = |packing| Body::Packed { packing, limit: len(limit), decoded: Mutex::default() };
        let body = match info & 0x0f {
            0 | 1 => Body::Plain,
            2 => return Err(Error::Compression("zlib")),
            3 => return Err(Error::Compression("bzip2")),
            4 => packed(Packing::Xz),
            5 => packed(Packing::Zstd),
            other => return damaged(format!("a cluster has the unknown compression {other}")),
        };
        let width = if info & 0x10 == 0 { 4 } else { 8 };
        let source = Arc::clone(source);
        Ok(Self {
            source,
            payload: at + 1,
            end,
            width,
            max_blobs: max_blobs.into(),
            body,
            told_cost: AtomicUsize::new(0),
        })
    }

    /// How many bytes a blob has.
    pub(crate) fn blob_size(&self, blob: u32) -> Result<u64> {
        let range = self.blob(blob)?;
        Ok(range.end - range.start)
    }

    /// Bytes of a blob. `part` is relative to it and lies within it.
    pub(crate) fn read(&self, blob: u32, part: Range<u64>) -> Result<Vec<u8>> {
        let whole = self.blob(blob)?;
        let place = |at| whole.start.checked_add(at).filter(|at| *at <= whole.end);
        let (Some(start), Some(end)) = (place(part.start), place(part.end)) else {
            return damaged("a part of a blob lies outside of it");
        };
        self.bytes(start..end.max(start))
    }

    /// Where a blob lies in the file, if it is not compressed.
    pub(crate) fn place(&self, blob: u32) -> Result<Option<Range<u64>>> {
        match self.body {
            Body::Packed { .. } => Ok(None),
            Body::Plain => {
                let range = self.blob(blob)?;
                Ok(Some(self.payload + range.start..self.payload + range.end))
            }
        }
    }

    /// What it costs, if that is something else than when it was last asked.
    pub(crate) fn new_cost(&self) -> Option<usize> {
        let cost = self.cost();
        (self.told_cost.swap(cost, Ordering::Relaxed) != cost).then_some(cost)
    }

    /// Bytes of memory it holds.
    fn cost(&self) -> usize {
        let held = match &self.body {
            Body::Plain => 0,
            Body::Packed { decoded, .. } => {
                let decoded = lock(decoded);
                let length = decoded.data.len();
                decoded.data.capacity() + decoded.decoder.as_ref().map_or(0, |decoder| decoder.cost(length))
            }
        };
        size_of::<Self>() + 160 + held
    }

    /// Where a blob lies in the payload. Checked against what can be there, not whether it is.
    fn blob(&self, blob: u32) -> Result<Range<u64>> {
        let blobs = self.blobs()?;
        if u64::from(blob) >= blobs {
            return damaged("an entry names a blob that its cluster does not have");
        }
        let at = u64::from(blob) * self.width as u64;
        let pair = self.bytes(at..at + 2 * self.width as u64)?;
        let table = (blobs + 1) * self.width as u64;
        match (self.offset(&pair, 0), self.offset(&pair, self.width)) {
            (Some(start), Some(end)) if table <= start && start <= end && self.can_have(end) => Ok(start..end),
            _ => damaged("the offsets of a cluster are not in order"),
        }
    }

    /// How many blobs there are, by the first offset.
    fn blobs(&self) -> Result<u64> {
        let width = self.width as u64;
        let first = self.bytes(0..width)?;
        let first = self.offset(&first, 0).unwrap_or_default();
        if first < width || !first.is_multiple_of(width) || first / width - 1 > self.max_blobs {
            return damaged("a cluster says that it has an impossible number of blobs");
        }
        Ok(first / width - 1)
    }

    fn can_have(&self, end: u64) -> bool {
        match &self.body {
            Body::Plain => self.payload.checked_add(end).is_some_and(|end| end <= self.end),
            Body::Packed { .. } => true,
        }
    }

    fn offset(&self, bytes: &[u8], at: usize) -> Option<u64> {
        if self.width == 4 { u32_at(bytes, at).map(u64::from) } else { u64_at(bytes, at) }
    }

    /// Bytes of the payload.
    fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>> {
        match &self.body {
            Body::Plain => {
                if !self.can_have(range.end) {
                    return damaged("a cluster ends early");
                }
                let mut bytes = vec![0; len(range.end - range.start)];
                self.source.read_exact_at(&mut bytes, self.payload + range.start)?;
                Ok(bytes)
            }
            Body::Packed { packing, limit, decoded } => {
                if range.end > *limit as u64 {
                    let (bytes, limit) = (range.end, *limit as u64);
                    return Err(Error::TooLarge { what: "a decoded cluster", bytes, limit });
                }
                let mut decoded = lock(decoded);
                self.ensure(&mut decoded, *packing, *limit, len(range.end))?;
                self.check_table(&mut decoded, *packing, *limit)?;
                let bytes = decoded.data.get(len(range.start)..len(range.end));
                bytes.map_or_else(|| damaged("a cluster ends early"), |bytes| Ok(bytes.to_vec()))
            }
        }
    }

    /// Decodes until there are `wanted` bytes. A decoder that was not kept begins anew, and then goes
    /// twice as far as before, so that all of them together do no more than twice the work.
    fn ensure(&self, decoded: &mut Decoded, packing: Packing, limit: usize, wanted: usize) -> Result<()> {
        if decoded.ended || decoded.data.len() >= wanted {
            return Ok(());
        }
        let mut target = wanted.max(LEAST).min(limit);
        let mut decoder = match decoded.decoder.take() {
            Some(decoder) => decoder,
            None => {
                target = target.max(decoded.data.len().saturating_mul(2)).min(limit);
                decoded.data = Vec::new();
                let end = self.end.min(self.payload.saturating_add(limit as u64).saturating_add(SLACK));
                let input = Input::new(Arc::clone(&self.source), self.payload, end);
                match packing {
                    Packing::Xz => Decoder::xz(input),
                    Packing::Zstd => Decoder::zstd(input)?,
                }
            }
        };
        match decoder.fill(&mut decoded.data, target) {
            Ok(ended) => {
                decoded.ended = ended;
                if !ended && decoder.worth_keeping() {
                    decoded.decoder = Some(decoder);
                }
                if ended {
                    decoded.data.shrink_to_fit();
                }
                Ok(())
            }
            // What came before the damage is as good as ever.
            Err(_) if decoded.data.len() >= wanted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Looks at all offsets, once: the pieces of a table that is not in order overlap.
    fn check_table(&self, decoded: &mut Decoded, packing: Packing, limit: usize) -> Result<()> {
        if decoded.is_sound {
            return Ok(());
        }
        let first = self.offset(&decoded.data, 0).unwrap_or_default();
        let most = (self.max_blobs + 1) * self.width as u64;
        if first < self.width as u64 || !first.is_multiple_of(self.width as u64) || first > most || first > limit as u64
        {
            return damaged("a cluster says that it has an impossible number of blobs");
        }
        self.ensure(decoded, packing, limit, len(first))?;
        let table = decoded.data.get(..len(first)).unwrap_or_default();
        let offsets = table.chunks_exact(self.width).map(|bytes| self.offset(bytes, 0).unwrap_or_default());
        if table.len() < len(first) || !offsets.is_sorted() {
            return damaged("the offsets of a cluster are not in order");
        }
        decoded.is_sound = true;
        Ok(())
    }
}

fn lock(decoded: &Mutex<Decoded>) -> MutexGuard<'_, Decoded> {
    decoded.lock().unwrap_or_else(PoisonError::into_inner)
}
