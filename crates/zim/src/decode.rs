//! Decoding of compressed clusters, as far as it is wanted.
//!
//! A cluster's compressed length is not stored: a decoder is given bytes until it says that its stream
//! ended. Decoded bytes are asked for by number, and memory is taken for what really comes out, never for
//! what the file says will.
//!
//! A Zstandard frame looks back into what was decoded before. In a buffer that stays where it is
//! ([`ROOM`](crate::rooms::ROOM), enough for the clusters that writers make) that is the output itself; only a larger cluster
//! is decoded with a window of its own, out of which everything is copied once more.
//!
//! Zstandard is decoded by libzstd: every archive of today is full of it, and decoding is most of a
//! read. The pure-Rust decoder, ruzstd, is much slower on the same clusters, which no cache makes
//! up for on a random read. libzstd is fuzzed without pause, gets at most [`ZSTD_WINDOW`]
//! for its window and sees bytes of one cluster only. XZ stands in old archives; its decoder is safe Rust.

use crate::error::{Error, Result, damaged};
use crate::read_at::ReadAt;
use lzma_rust2::XzReader;
use std::io::{self, Read};
use std::sync::Arc;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// Bytes of compressed input that are read at once.
const INPUT: usize = 64 * 1024;
/// Bytes of output that memory is taken for at once where it grows.
const OUTPUT: usize = 128 * 1024;
/// The largest window of a Zstandard frame, as a power of two: 128 MiB, what the highest level uses and
/// libzstd itself accepts. Memory of it is touched only as far as content is decoded.
const ZSTD_WINDOW: u32 = 27;
/// KiB that the XZ decoder may take: the dictionary of the highest preset has 64 MiB.
const XZ_MEMORY: u32 = 100 * 1024;

/// How a cluster is compressed.
#[derive(Clone, Copy)]
pub(crate) enum Packing {
    Xz,
    Zstd,
}

/// A stream in the course of being decoded.
pub(crate) enum Decoder {
    Xz(Box<XzReader<Input>>),
    Zstd(Box<Zstd>),
}

pub(crate) struct Zstd {
    context: DCtx<'static>,
    input: Input,
    /// How many bytes of input the next step takes.
    next: usize,
    /// Whether the output is its window: it must stay where it is.
    fixed: bool,
}

impl Decoder {
    /// A decoder into one buffer. If the buffer does not grow, it stays where it is, and nothing else fills it.
    pub(crate) fn new(packing: Packing, input: Input, grows: bool) -> Result<Self> {
        match packing {
            Packing::Xz => Ok(Self::Xz(Box::new(XzReader::new_mem_limit(input, false, XZ_MEMORY)))),
            Packing::Zstd => {
                let mut context = DCtx::try_create().ok_or_else(out_of_memory)?;
                context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map_err(zstd_error)?;
                context.set_parameter(DParameter::StableOutBuffer(!grows)).map_err(zstd_error)?;
                Ok(Self::Zstd(Box::new(Zstd { context, input, next: 1, fixed: !grows })))
            }
        }
    }

    /// Appends to `out` until it has at least `wanted` bytes or the stream ends. Says whether it ended.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, wanted: usize) -> Result<bool> {
        match self {
            Self::Xz(reader) => {
                let missing = wanted.saturating_sub(out.len());
                let read = reader.by_ref().take(missing as u64).read_to_end(out).map_err(xz_error)?;
                Ok(read < missing)
            }
            Self::Zstd(zstd) => zstd.fill(out, wanted),
        }
    }

    /// Whether it is worth keeping until more is wanted. That of XZ holds a dictionary of up to 64 MiB.
    pub(crate) const fn worth_keeping(&self) -> bool {
        matches!(self, Self::Zstd(_))
    }

    /// Whether one with a buffer that grows may get further than this one.
    pub(crate) fn has_fixed_room(&self) -> bool {
        matches!(self, Self::Zstd(zstd) if zstd.fixed)
    }

    /// Bytes it holds after it gave `decoded` bytes.
    pub(crate) fn cost(&self, decoded: usize) -> usize {
        match self {
            Self::Xz(_) => XZ_MEMORY as usize * 1024,
            // A window is as large as the frame says, and touched as far as there was content.
            Self::Zstd(zstd) => zstd.context.sizeof().min(decoded + 512 * 1024) + zstd.input.buffer.capacity(),
        }
    }
}

impl Zstd {
    /// Block by block, each of at most 128 KiB.
    fn fill(&mut self, out: &mut Vec<u8>, wanted: usize) -> Result<bool> {
        while out.len() < wanted {
            if !self.fixed {
                out.try_reserve((wanted - out.len()).min(OUTPUT)).map_err(|_| out_of_memory())?;
            }
            let before = out.len();
            let block = self.input.peek(self.next)?;
            let ended = block.is_empty();
            let mut from = InBuffer::around(block);
            let mut into = OutBuffer::around_pos(out, before);
            let hint = self.context.decompress_stream(&mut into, &mut from).map_err(zstd_error)?;
            let (consumed, produced) = (from.pos(), into.pos() > before);
            self.input.consume(consumed);
            if hint == 0 {
                return Ok(true);
            }
            if ended && !produced {
                return damaged("a compressed cluster ends early");
            }
            self.next = hint;
        }
        Ok(false)
    }
}

/// Compressed bytes of one cluster.
pub(crate) struct Input {
    source: Arc<dyn ReadAt>,
    /// Where the next byte is, and where none is read from on.
    at: u64,
    end: u64,
    /// Bytes from `at` on, after those that were consumed. Unused if the source has them in memory.
    buffer: Vec<u8>,
    consumed: usize,
}

impl Input {
    pub(crate) const fn new(source: Arc<dyn ReadAt>, start: u64, end: u64) -> Self {
        Self { source, at: start, end, buffer: Vec::new(), consumed: 0 }
    }

    /// The next `wanted` bytes, or as many as there are.
    fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let left = crate::bytes::len(self.end.saturating_sub(self.at));
        let wanted = wanted.min(left);
        if self.source.slice(self.at, wanted).is_none() {
            self.buffer_up_to(wanted, left)?;
            let there = self.buffer.get(self.consumed..).unwrap_or_default();
            return Ok(there.get(..wanted).unwrap_or(there));
        }
        Ok(self.source.slice(self.at, wanted).unwrap_or_default())
    }

    fn buffer_up_to(&mut self, wanted: usize, left: usize) -> io::Result<()> {
        if self.buffer.len() - self.consumed >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let have = self.buffer.len();
        let from = self.at + have as u64;
        // More than is needed, to read seldom; what is behind the cluster may be unreadable.
        let lengths = [wanted.max(INPUT).min(left), wanted];
        let mut result = Ok(());
        for length in lengths {
            self.buffer.resize(length, 0);
            result = self.source.read_exact_at(self.buffer.get_mut(have..).unwrap_or_default(), from);
            if result.is_ok() {
                return Ok(());
            }
        }
        self.buffer.truncate(have);
        result
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.consumed = (self.consumed + bytes).min(self.buffer.len());
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Marked, because the decoder's own errors are of the same type.
        let mut chunk = self.peek(into.len()).map_err(|error| io::Error::new(error.kind(), Medium(error)))?;
        let read = chunk.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// What the medium said, on its way through a decoder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Medium(io::Error);

fn out_of_memory() -> Error {
    Error::Io(io::ErrorKind::OutOfMemory.into())
}

fn zstd_error(code: usize) -> Error {
    Error::Damaged(format!("a cluster cannot be decoded: {}", zstd_safe::get_error_name(code)))
}

fn xz_error(error: io::Error) -> Error {
    match error.downcast::<Medium>() {
        Ok(Medium(error)) => Error::Io(error),
        Err(error) => Error::Damaged(format!("a cluster cannot be decoded: {error}")),
    }
}
