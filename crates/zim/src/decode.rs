//! Decoding of compressed clusters, as far as it is wanted.
//!
//! A cluster's compressed length is not stored: a decoder is given bytes until it says that its stream
//! ended. Decoded bytes are asked for by number, and memory grows with what really comes out, never with
//! what the file says it will be.
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
const INPUT: usize = 32 * 1024;
/// Bytes of output that memory is taken for at once.
const OUTPUT: usize = 128 * 1024;
/// The largest window of a Zstandard frame, as a power of two: 128 MiB, what the highest level uses and
/// libzstd itself accepts. Memory of it is touched only as far as content is decoded.
const ZSTD_WINDOW: u32 = 27;
/// KiB that the XZ decoder may take: the dictionary of the highest preset has 64 MiB.
const XZ_MEMORY: u32 = 100 * 1024;

/// A stream in the course of being decoded.
pub(crate) enum Decoder {
    Xz(Box<XzReader<Input>>),
    Zstd(Box<Zstd>),
}

pub(crate) struct Zstd {
    context: DCtx<'static>,
    input: Input,
}

impl Decoder {
    pub(crate) fn xz(input: Input) -> Self {
        Self::Xz(Box::new(XzReader::new_mem_limit(input, false, XZ_MEMORY)))
    }

    pub(crate) fn zstd(input: Input) -> Result<Self> {
        let mut context = DCtx::try_create().ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map_err(zstd_error)?;
        Ok(Self::Zstd(Box::new(Zstd { context, input })))
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

    /// Bytes it holds after it gave `decoded` bytes.
    pub(crate) fn cost(&self, decoded: usize) -> usize {
        match self {
            Self::Xz(_) => XZ_MEMORY as usize * 1024,
            // A window is as large as the frame says, and touched as far as there was content.
            Self::Zstd(zstd) => zstd.context.sizeof().min(decoded + 512 * 1024),
        }
    }
}

impl Zstd {
    fn fill(&mut self, out: &mut Vec<u8>, wanted: usize) -> Result<bool> {
        while out.len() < wanted {
            out.reserve((wanted - out.len()).min(OUTPUT));
            let before = out.len();
            let chunk = self.input.chunk()?;
            let mut from = InBuffer::around(chunk);
            let mut into = OutBuffer::around_pos(out, before);
            let hint = self.context.decompress_stream(&mut into, &mut from).map_err(zstd_error)?;
            let consumed = from.pos();
            let produced = into.pos() > before;
            let ended = chunk.is_empty();
            self.input.consume(consumed);
            if hint == 0 {
                return Ok(true);
            }
            if ended && !produced {
                return damaged("a compressed cluster ends early");
            }
        }
        Ok(false)
    }
}

/// Compressed bytes of one cluster.
pub(crate) struct Input {
    source: Arc<dyn ReadAt>,
    /// Where the next read begins, and where none goes beyond.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Input {
    pub(crate) const fn new(source: Arc<dyn ReadAt>, start: u64, end: u64) -> Self {
        Self { source, next: start, end, buffer: Vec::new(), at: 0 }
    }

    /// What comes next; empty at the end.
    fn chunk(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.buffer.len() && self.next < self.end {
            let length = crate::bytes::len(self.end - self.next).min(INPUT);
            self.buffer.resize(length, 0);
            self.at = 0;
            self.source.read_exact_at(&mut self.buffer, self.next)?;
            self.next += length as u64;
        }
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

fn zstd_error(code: usize) -> Error {
    Error::Damaged(format!("a cluster cannot be decoded: {}", zstd_safe::get_error_name(code)))
}

fn xz_error(error: io::Error) -> Error {
    // What the decoder finds in the bytes is damage, what the medium does is not.
    match error.raw_os_error() {
        Some(_) => Error::Io(error),
        None => Error::Damaged(format!("a cluster cannot be decoded: {error}")),
    }
}
