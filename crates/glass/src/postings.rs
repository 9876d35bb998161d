//! Posting lists: the documents that a term is in, with how often (wdf).
//!
//! A list is cut into chunks of about 2000 bytes. The first begins with the term frequency, the
//! collection frequency and the first docid less one; every chunk has '0' or '1' (the last one), how far
//! its last docid is from its first, the first wdf, and then pairs of (gap less one, wdf). Lengths of
//! documents are a list of the same form under a key of its own, with the length as wdf.

use crate::error::{Error, Result, damaged};
use crate::pack::{put_sortable, put_sortable_string, sortable, varint, varint_u32};
use crate::table::{Cursor, Table, Tag};

/// The key of the first chunk of the lengths of documents.
const LENGTHS: &[u8] = b"\0\xe0";

/// How a list of postings is named in the table.
#[derive(Clone, Debug)]
struct Keys {
    first: Box<[u8]>,
    /// What keys of later chunks begin with.
    later: Box<[u8]>,
}

impl Keys {
    fn of_term(term: &[u8]) -> Self {
        let mut first = Vec::with_capacity(term.len() + 1);
        put_sortable_string(&mut first, term);
        let mut later = first.clone();
        later.push(0);
        Self { first: first.into(), later: later.into() }
    }

    /// The docid that the chunk with this key begins with; 0 for the first chunk, `None` for another list.
    fn chunk(&self, key: &[u8]) -> Option<u32> {
        if *key == *self.first {
            return Some(0);
        }
        let mut docid = key.strip_prefix(&*self.later)?;
        let first = sortable(&mut docid)?;
        (docid.is_empty() && first > 0).then_some(first)
    }
}

/// How often a term occurs: in documents, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frequencies {
    pub(crate) documents: u32,
    pub(crate) occurrences: u64,
}

impl Frequencies {
    /// Takes them off the front of a first chunk.
    pub(crate) fn read(tag: &mut &[u8]) -> Option<Self> {
        Some(Self { documents: varint_u32(tag)?, occurrences: varint(tag)? })
    }

    /// No document has the term oftener than this.
    pub(crate) fn most_in_one(&self, most_of_all: u32) -> u32 {
        let others = u64::from(self.documents.saturating_sub(1));
        u32::try_from(self.occurrences.saturating_sub(others)).unwrap_or(u32::MAX).min(most_of_all).max(1)
    }
}

/// Postings that are unpacked at once.
const BATCH: usize = 128;

/// A list of postings and a place in it.
#[derive(Clone)]
pub(crate) struct Postings {
    cursor: Cursor,
    keys: Keys,
    tag: Tag,
    /// Where the next pair begins in the tag.
    at: usize,
    chunk: Chunk,
    /// Some postings of the chunk, unpacked, and which of them the list is at.
    docids: Vec<u32>,
    wdfs: Vec<u32>,
    place: usize,
    docid: u32,
    frequencies: Frequencies,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Chunk {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) is_last: bool,
}

impl Chunk {
    /// Reads what is before the first wdf, for a chunk that begins with this docid.
    pub(crate) fn read(tag: &mut &[u8], first: u32) -> Option<Self> {
        let (&mark, rest) = tag.split_first()?;
        *tag = rest;
        let last = first.checked_add(varint_u32(tag)?)?;
        matches!(mark, b'0' | b'1').then_some(Self { first, last, is_last: mark == b'1' })
    }
}

/// Docids begin at 1 and go up to here; behind the end, a list is at `END`.
pub(crate) const END: u32 = u32::MAX;

impl Postings {
    /// The postings of a term; `None` if no document has it. The list is at its first document.
    pub(crate) fn of_term(table: &Table, term: &[u8]) -> Result<Option<Self>> {
        Self::open(table, Keys::of_term(term))
    }

    /// The lengths of documents.
    pub(crate) fn lengths(table: &Table) -> Result<Option<Self>> {
        Self::open(table, Keys { first: LENGTHS.into(), later: LENGTHS.into() })
    }

    fn open(table: &Table, keys: Keys) -> Result<Option<Self>> {
        let mut cursor = table.cursor();
        if !cursor.seek(&keys.first)? {
            return Ok(None);
        }
        let tag = cursor.tag()?;
        let chunk = Chunk::default();
        let mut list = Self {
            cursor,
            keys,
            tag,
            at: 0,
            chunk,
            docids: Vec::new(),
            wdfs: Vec::new(),
            place: 0,
            docid: 0,
            frequencies: Frequencies::default(),
        };
        list.begin_chunk(0)?;
        Ok(Some(list))
    }

    pub(crate) const fn frequencies(&self) -> Frequencies {
        self.frequencies
    }

    /// The document that the list is at, or [`END`].
    #[inline]
    pub(crate) const fn docid(&self) -> u32 {
        self.docid
    }

    /// How often the term is in that document; 0 behind the end.
    #[inline]
    pub(crate) fn wdf(&self) -> u32 {
        self.wdfs.get(self.place).copied().unwrap_or_default()
    }

    /// Goes to the next document.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<()> {
        self.place += 1;
        match self.docids.get(self.place) {
            Some(docid) => {
                self.docid = *docid;
                Ok(())
            }
            None => self.refill().map(drop),
        }
    }

    /// Goes to the first document that is not before this one. How many postings were gone over, about.
    #[inline]
    pub(crate) fn seek(&mut self, target: u32) -> Result<u32> {
        if target <= self.docid {
            return Ok(0);
        }
        // Most often it is one of the next few.
        for step in 1..4 {
            match self.docids.get(self.place + step) {
                Some(docid) if *docid >= target => {
                    self.place += step;
                    self.docid = *docid;
                    return Ok(step as u32);
                }
                Some(_) => {}
                None => break,
            }
        }
        self.seek_far(target)
    }

    fn seek_far(&mut self, target: u32) -> Result<u32> {
        let mut steps = 1;
        if target > self.chunk.last {
            steps += self.seek_chunk(target)?;
        }
        loop {
            let rest = self.docids.get(self.place..).unwrap_or_default();
            let passed = match rest.last() {
                Some(last) if *last >= target => rest.partition_point(|docid| *docid < target),
                _ => rest.len(),
            };
            steps += passed as u32;
            self.place += passed;
            if let Some(docid) = self.docids.get(self.place) {
                self.docid = *docid;
                return Ok(steps);
            }
            if !self.refill()? || self.docid >= target {
                return Ok(steps);
            }
        }
    }

    /// Goes to the first document that is not before this one and has the term at least that often.
    pub(crate) fn seek_often(&mut self, target: u32, least: u32) -> Result<u32> {
        let mut steps = self.seek(target)?;
        loop {
            let rest = self.wdfs.get(self.place..).unwrap_or_default();
            let passed = rest.iter().position(|wdf| *wdf >= least).unwrap_or(rest.len());
            steps += passed as u32;
            self.place += passed;
            if let Some(docid) = self.docids.get(self.place) {
                self.docid = *docid;
                return Ok(steps);
            }
            if !self.refill()? {
                return Ok(steps);
            }
        }
    }

    /// Unpacks what follows; the list is at its first posting then. Whether there is any.
    fn refill(&mut self) -> Result<bool> {
        let Some(last) = self.docids.last().copied().filter(|_| self.docid != END) else { return Ok(false) };
        if last == self.chunk.last {
            self.next_chunk()?;
            return Ok(self.docid != END);
        }
        self.docids.clear();
        self.wdfs.clear();
        self.unpack(last)?;
        self.place = 0;
        self.docid = self.docids.first().copied().ok_or(BAD_CHUNK)?;
        Ok(true)
    }

    /// Appends pairs behind a document.
    fn unpack(&mut self, mut docid: u32) -> Result<()> {
        let tag: &[u8] = &self.tag;
        let mut rest = tag.get(self.at..).unwrap_or_default();
        while docid < self.chunk.last && self.docids.len() < BATCH {
            let (gap, wdf) = match rest {
                // Almost all are small.
                [gap, wdf, behind @ ..] if (gap | wdf) & 0x80 == 0 => {
                    rest = behind;
                    (u32::from(*gap), u32::from(*wdf))
                }
                _ => match (varint_u32(&mut rest), varint_u32(&mut rest)) {
                    (Some(gap), Some(wdf)) => (gap, wdf),
                    _ => return Err(BAD_CHUNK),
                },
            };
            match docid.checked_add(gap) {
                Some(before) if before < self.chunk.last => docid = before + 1,
                _ => return Err(BAD_CHUNK),
            }
            self.docids.push(docid);
            self.wdfs.push(wdf);
        }
        self.at = tag.len() - rest.len();
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<()> {
        if self.chunk.is_last {
            self.end();
            return Ok(());
        }
        let key = if self.cursor.next()? { self.cursor.key()? } else { &[] };
        match self.keys.chunk(key) {
            Some(first) if first > self.chunk.last => self.begin_chunk(first),
            _ => damaged("a posting list lacks its next chunk"),
        }
    }

    /// Goes to the chunk that has this docid, or to the next one.
    fn seek_chunk(&mut self, target: u32) -> Result<u32> {
        if self.chunk.is_last {
            self.end();
            return Ok(0);
        }
        let mut key = self.keys.later.to_vec();
        put_sortable(&mut key, target);
        self.cursor.seek(&key)?;
        let Some(first) = self.keys.chunk(self.cursor.key()?) else {
            return damaged("a posting list lacks its first chunk");
        };
        if first > self.chunk.last {
            self.begin_chunk(first)?;
        }
        if target > self.chunk.last {
            self.next_chunk()?;
        }
        Ok(8)
    }

    fn begin_chunk(&mut self, first: u32) -> Result<()> {
        self.tag = self.cursor.tag()?;
        let mut rest: &[u8] = &self.tag;
        let mut start = || {
            if first == 0 {
                self.frequencies = Frequencies::read(&mut rest)?;
            }
            let first = if first == 0 { varint_u32(&mut rest)?.checked_add(1)? } else { first };
            let chunk = Chunk::read(&mut rest, first)?;
            Some((chunk, varint_u32(&mut rest)?))
        };
        let Some((chunk, wdf)) = start() else { return Err(BAD_CHUNK) };
        if chunk.last == END {
            return Err(BAD_CHUNK);
        }
        self.at = self.tag.len() - rest.len();
        (self.chunk, self.docid, self.place) = (chunk, chunk.first, 0);
        self.docids.clear();
        self.wdfs.clear();
        self.docids.push(chunk.first);
        self.wdfs.push(wdf);
        self.unpack(chunk.first)
    }

    fn end(&mut self) {
        self.docid = END;
        self.docids.clear();
        self.wdfs.clear();
        self.place = 0;
    }
}

const BAD_CHUNK: Error = Error::Damaged("a chunk of a posting list ends early or is not in order");
