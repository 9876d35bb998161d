//! Block 0: the version of the format, where each table begins, and statistics of the whole database.

use crate::block::Reader;
use crate::error::{Error, Result, damaged};
use crate::pack::{string, varint, varint_u32};

/// How much of the first block is looked at. Root infos with their free lists and the statistics are
/// far shorter.
pub(crate) const SIZE: u64 = 2048;
const MAGIC: &[u8] = b"\x0f\x0dXapian Glass";
/// What other kinds of Xapian databases in one file begin with.
const HONEY: &[u8] = b"\x0f\x0dXapian Honey";
/// The one version of glass that was ever released: 2016-03-14 as a packed date.
const VERSION: u16 = 0x046e;
const TABLES: usize = 6;
const LEVELS: u8 = 10;

/// Where a table begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) block: u32,
    /// Of the root block; 0 is a leaf.
    pub(crate) level: u8,
    pub(crate) block_size: u32,
    /// A table without entries has no block either.
    pub(crate) is_empty: bool,
}

/// Numbers about the whole database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) documents: u32,
    /// No document is shorter.
    pub(crate) shortest: u32,
    /// No term occurs oftener in one document.
    pub(crate) most_occurrences: u32,
    pub(crate) total_length: u64,
}

/// What block 0 says.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) uuid: [u8; 16],
    pub(crate) postings: Root,
    pub(crate) documents: Root,
    pub(crate) positions: Root,
    pub(crate) statistics: Statistics,
}

impl Header {
    pub(crate) fn read(reader: &Reader) -> Result<Self> {
        let bytes = reader.bytes(0, SIZE.min(reader.size()))?;
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(if bytes.starts_with(HONEY) { Error::OtherBackend("honey") } else { Error::NotGlass });
        };
        let Some((version, rest)) = rest.split_first_chunk() else { return damaged("its first block ends early") };
        match u16::from_be_bytes(*version) {
            VERSION => {}
            other => return Err(Error::Version(other)),
        }
        let Some((uuid, mut rest)) = rest.split_first_chunk() else { return damaged("its first block ends early") };
        Self::parse(*uuid, &mut rest)?.ok_or(Error::Damaged("its first block ends early"))
    }

    fn parse(uuid: [u8; 16], rest: &mut &[u8]) -> Result<Option<Self>> {
        let Some(_revision) = varint(rest) else { return Ok(None) };
        // In this order: postings, documents, terms of documents, positions, spelling, synonyms.
        let mut roots = [None; TABLES];
        for root in &mut roots {
            *root = Root::read(rest)?;
        }
        let [Some(postings), Some(documents), _, Some(positions), _, _] = roots else { return Ok(None) };
        let statistics = Statistics::read(rest);
        Ok(statistics.map(|statistics| Self { uuid, postings, documents, positions, statistics }))
    }
}

impl Root {
    fn read(rest: &mut &[u8]) -> Result<Option<Self>> {
        let mut read = || {
            let block = varint_u32(rest)?;
            let flags = varint(rest)?;
            let _entries = varint(rest)?;
            let block_size = varint(rest)?;
            let _least_to_compress = varint(rest)?;
            let _free_list = string(rest)?;
            Some((block, flags, block_size))
        };
        let Some((block, flags, size)) = read() else { return Ok(None) };
        let block_size = match size {
            0 => 8192,
            1..=32 if size.is_power_of_two() => (size as u32) << 11,
            _ => return damaged("the size of its blocks is impossible"),
        };
        match u8::try_from(flags >> 2) {
            Ok(level) if level < LEVELS => Ok(Some(Self { block, level, block_size, is_empty: flags & 1 != 0 })),
            _ => damaged("a table has too many levels"),
        }
    }
}

impl Statistics {
    fn read(rest: &mut &[u8]) -> Option<Self> {
        let documents = varint_u32(rest)?;
        let _last_docid = documents.checked_add(varint_u32(rest)?)?;
        let shortest = varint_u32(rest)?;
        let most_occurrences = varint_u32(rest)?;
        let _longest = varint(rest)?;
        let _oldest_changeset = varint(rest)?;
        let total_length = varint(rest)?;
        Some(Self { documents, shortest, most_occurrences, total_length })
    }

    /// The mean length of documents; never 0, so that it can be divided by.
    pub(crate) fn mean_length(documents: u64, total_length: u64) -> f64 {
        if documents == 0 || total_length == 0 { 1.0 } else { total_length as f64 / documents as f64 }
    }
}
