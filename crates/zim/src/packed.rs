//! The payload of a compressed cluster, decoded as far as somebody wanted it.
//!
//! One lock for each cluster: whoever comes while it is being decoded waits for what it would have to
//! decode otherwise. The decoder is kept together with what it gave, so that a later blob goes on from
//! there.

use crate::bytes::len;
use crate::cluster::Layout;
use crate::decode::{Decoder, Input, Packing};
use crate::error::{Error, Result, damaged};
use crate::read_at::ReadAt;
use crate::rooms::{ROOM, Rooms};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is decoded at least at once.
const LEAST: usize = 64 * 1024;
/// Compressed bytes of a cluster beyond the limit for decoded ones: for what does not get smaller.
const SLACK: u64 = 1 << 20;

pub(crate) struct Packed {
    source: Arc<dyn ReadAt>,
    /// Where the compressed bytes begin, and where they end at the latest.
    start: u64,
    end: u64,
    packing: Packing,
    /// Decoded bytes at most.
    limit: usize,
    decoded: Mutex<Decoded>,
    rooms: Arc<Rooms>,
}

#[derive(Default)]
struct Decoded {
    data: Vec<u8>,
    decoder: Option<Decoder>,
    /// Whether `data` is all there is.
    ended: bool,
    /// Whether the room of a decoder that does not grow turned out to be too small.
    grows: bool,
    /// How many blobs there are, once the table of offsets was found sound.
    blobs: Option<u64>,
}

impl Packed {
    pub(crate) fn new(
        source: &Arc<dyn ReadAt>,
        places: Range<u64>,
        packing: Packing,
        limit: u64,
        rooms: &Arc<Rooms>,
    ) -> Self {
        let end = places.end.min(places.start.saturating_add(limit).saturating_add(SLACK));
        let (source, decoded, rooms) = (Arc::clone(source), Mutex::default(), Arc::clone(rooms));
        Self { source, start: places.start, end, packing, limit: len(limit), decoded, rooms }
    }

    /// Where a blob lies in the decoded payload, by the table of offsets.
    pub(crate) fn blob(&self, layout: Layout, blob: u32) -> Result<Range<u64>> {
        self.blob_of(&mut self.lock(), layout, blob)
    }

    /// A part of a blob, chosen by whoever knows its place then.
    pub(crate) fn read(
        &self,
        layout: Layout,
        blob: u32,
        choose: impl FnOnce(Range<u64>) -> Result<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let mut decoded = self.lock();
        let range = choose(self.blob_of(&mut decoded, layout, blob)?)?;
        self.ensure(&mut decoded, range.end)?;
        let bytes = decoded.data.get(len(range.start)..len(range.end));
        bytes.map_or_else(|| damaged("a cluster ends early"), |bytes| Ok(bytes.to_vec()))
    }

    /// Bytes of memory that it holds.
    pub(crate) fn cost(&self) -> usize {
        let decoded = self.lock();
        let decoder = decoded.decoder.as_ref().map_or(0, |decoder| decoder.cost(decoded.data.len()));
        decoded.data.capacity() + decoder
    }

    fn lock(&self) -> MutexGuard<'_, Decoded> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blob_of(&self, decoded: &mut Decoded, layout: Layout, blob: u32) -> Result<Range<u64>> {
        let blobs = match decoded.blobs {
            Some(blobs) => blobs,
            None => self.check_table(decoded, layout)?,
        };
        self.ensure(decoded, layout.table(blobs))?;
        layout.blob(blobs, blob, |at| decoded.data.get(len(at)..))
    }

    /// Looks at all offsets, once: the pieces of a table that is not in order overlap.
    fn check_table(&self, decoded: &mut Decoded, layout: Layout) -> Result<u64> {
        self.ensure(decoded, layout.width())?;
        let blobs = layout.blobs(&decoded.data)?;
        let table = layout.table(blobs);
        self.ensure(decoded, table)?;
        let table = decoded.data.get(..len(table)).map_or_else(|| damaged("a cluster ends early"), Ok)?;
        if !layout.offsets(table).is_sorted() {
            return damaged("the offsets of a cluster are not in order");
        }
        decoded.blobs = Some(blobs);
        Ok(blobs)
    }

    /// Decodes until there are `wanted` bytes, or all. A decoder that was not kept begins anew, and then
    /// goes twice as far as before, so that all of them together do no more than twice the work.
    fn ensure(&self, decoded: &mut Decoded, wanted: u64) -> Result<()> {
        if wanted > self.limit as u64 {
            return Err(Error::TooLarge { what: "a decoded cluster", bytes: wanted, limit: self.limit as u64 });
        }
        let wanted = len(wanted);
        while !decoded.ended && decoded.data.len() < wanted {
            let mut target = wanted.max(LEAST).min(self.limit);
            let has_room = |decoder: &Decoder| !decoder.has_fixed_room() || wanted <= decoded.data.capacity();
            let mut decoder = match decoded.decoder.take().filter(has_room) {
                Some(decoder) => decoder,
                None => {
                    target = target.max(decoded.data.len().saturating_mul(2)).min(self.limit);
                    let grows = decoded.grows || wanted > ROOM;
                    // Before the next one is taken.
                    self.rooms.give(std::mem::take(&mut decoded.data));
                    let input = Input::new(Arc::clone(&self.source), self.start, self.end);
                    let decoder = Decoder::new(self.packing, input, grows)?;
                    if decoder.has_fixed_room() {
                        decoded.data = self.rooms.take(self.limit)?;
                    }
                    decoder
                }
            };
            if decoder.has_fixed_room() {
                target = target.min(decoded.data.capacity());
            }
            match decoder.fill(&mut decoded.data, target) {
                Ok(true) => {
                    decoded.ended = true;
                    self.fit(&mut decoded.data);
                }
                Ok(false) => decoded.decoder = Some(decoder).filter(Decoder::worth_keeping),
                // What came before the damage is as good as ever.
                Err(_) if decoded.data.len() >= wanted => {}
                // The damage may be that there was too little room.
                Err(Error::Damaged(_)) if decoder.has_fixed_room() => decoded.grows = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes no more memory than the data needs, unless that is most of a room.
    fn fit(&self, data: &mut Vec<u8>) {
        if data.capacity() != ROOM {
            data.shrink_to_fit();
        } else if data.len() < ROOM / 2 {
            let fitting = data.as_slice().to_vec();
            self.rooms.give(std::mem::replace(data, fitting));
        }
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        let decoded = self.decoded.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.rooms.give(std::mem::take(&mut decoded.data));
    }
}
