//! The lengths of documents, unpacked in pages of 1024 docids that are kept in the cache: a ranking asks
//! for the length of every document that it weighs, in ascending order.

use crate::block::Reader;
use crate::cache::{Value, What};
use crate::error::Result;
use crate::postings::{END, Postings};
use crate::table::Table;
use std::sync::Arc;

const PAGE: u32 = 1024;

/// Looks up lengths, and has the last page at hand.
pub(crate) struct Lengths {
    reader: Arc<Reader>,
    table: Table,
    list: Option<Postings>,
    page: Option<(u32, Arc<[u32]>)>,
}

impl Lengths {
    pub(crate) const fn new(reader: Arc<Reader>, table: Table) -> Self {
        Self { reader, table, list: None, page: None }
    }

    /// The length of a document; 0 if there is no such document.
    #[inline]
    pub(crate) fn get(&mut self, docid: u32) -> Result<u32> {
        let number = docid / PAGE;
        match &self.page {
            Some((at, page)) if *at == number => Ok(page.get((docid % PAGE) as usize).copied().unwrap_or(0)),
            _ => self.turn_to(number, docid),
        }
    }

    fn turn_to(&mut self, number: u32, docid: u32) -> Result<u32> {
        let page = match self.reader.cached(What::Lengths, u64::from(number)) {
            Some(Value::Lengths(page)) => page,
            _ => self.unpack(number)?,
        };
        let length = page.get((docid % PAGE) as usize).copied().unwrap_or(0);
        self.page = Some((number, page));
        Ok(length)
    }

    fn unpack(&mut self, number: u32) -> Result<Arc<[u32]>> {
        let mut lengths = vec![0; PAGE as usize];
        let start = number * PAGE;
        // Lists go forward only.
        if self.list.as_ref().is_none_or(|list| list.docid() > start.max(1)) {
            self.list = Postings::lengths(&self.table)?;
        }
        if let Some(list) = &mut self.list {
            list.seek(start)?;
            while list.docid() != END && list.docid() / PAGE == number {
                if let Some(length) = lengths.get_mut((list.docid() % PAGE) as usize) {
                    *length = list.wdf();
                }
                list.next()?;
            }
        }
        let lengths: Arc<[u32]> = lengths.into();
        self.reader.keep(What::Lengths, u64::from(number), Value::Lengths(Arc::clone(&lengths)));
        Ok(lengths)
    }
}
