//! Values: what a document has in a numbered slot. They lie in chunks of many documents: the first
//! value, then pairs of (gap less one, value).

use crate::error::{Error, Result};
use crate::pack::{put_sortable, put_varint, sortable, string, varint_u32};
use crate::table::{Cursor, Table, Tag};

/// One slot, and a place in it; quick where documents are asked for in ascending order.
pub(crate) struct Values {
    cursor: Cursor,
    prefix: Box<[u8]>,
    tag: Option<Tag>,
    at: usize,
    docid: u32,
    value: Vec<u8>,
}

const BAD: Error = Error::Damaged("a chunk of values ends early");

impl Values {
    pub(crate) fn new(table: &Table, slot: u32) -> Self {
        let mut prefix = b"\0\xd8".to_vec();
        put_varint(&mut prefix, u64::from(slot));
        Self { cursor: table.cursor(), prefix: prefix.into(), tag: None, at: 0, docid: 0, value: Vec::new() }
    }

    /// The value of a document; empty if it has none.
    pub(crate) fn get(&mut self, docid: u32) -> Result<&[u8]> {
        if self.tag.is_none() || docid < self.docid || !self.forward(docid)? {
            self.find_chunk(docid)?;
            self.forward(docid)?;
        }
        Ok(if self.tag.is_some() && self.docid == docid { &self.value } else { &[] })
    }

    /// Goes on in this chunk, up to the document. Whether its place was not behind the end.
    fn forward(&mut self, docid: u32) -> Result<bool> {
        let Some(tag) = &self.tag else { return Ok(true) };
        let mut rest = tag.get(self.at..).unwrap_or_default();
        let mut found = None;
        let mut at = self.docid;
        while at < docid {
            if rest.is_empty() {
                return Ok(false);
            }
            let gap = varint_u32(&mut rest).ok_or(BAD)?;
            at = at.checked_add(gap).and_then(|at| at.checked_add(1)).ok_or(BAD)?;
            found = Some(string(&mut rest).ok_or(BAD)?);
        }
        if let Some(value) = found {
            self.value.clear();
            self.value.extend(value);
            self.docid = at;
            self.at = tag.len() - rest.len();
        }
        Ok(true)
    }

    fn find_chunk(&mut self, docid: u32) -> Result<()> {
        self.tag = None;
        let mut key = self.prefix.to_vec();
        put_sortable(&mut key, docid);
        self.cursor.seek(&key)?;
        let Some(mut first) = self.cursor.key()?.strip_prefix(&*self.prefix) else { return Ok(()) };
        self.docid = sortable(&mut first).ok_or(BAD)?;
        let tag = self.cursor.tag()?;
        let mut rest: &[u8] = &tag;
        let value = string(&mut rest).ok_or(BAD)?;
        self.value.clear();
        self.value.extend(value);
        self.at = tag.len() - rest.len();
        self.tag = Some(tag);
        Ok(())
    }
}
