//! An open database.

use crate::block::Reader;
use crate::cache::Cache;
use crate::error::Result;
use crate::header::{Header, Statistics};
use crate::lengths::Lengths;
use crate::pack::{put_sortable, put_sortable_string};
use crate::positions::Positions;
use crate::postings::{Frequencies, Postings};
use crate::settings::Settings;
use crate::source::ReadAt;
use crate::table::{Cursor, Table};
use crate::values::Values;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// An open glass database. All threads can use it at once; put it into an [`Arc`] to share it.
pub struct Database {
    reader: Arc<Reader>,
    uuid: [u8; 16],
    statistics: Statistics,
    postings: Table,
    documents: Table,
    positions: Table,
    settings: OnceLock<Settings>,
}

impl Database {
    /// Opens the database that occupies these bytes of a source. Reads one block; what else is needed is
    /// read when it is, and kept in the cache.
    ///
    /// ```no_run
    /// # use std::{fs::File, sync::Arc};
    /// let file = File::open("wikipedia.zim")?;
    /// let (start, end) = (81_920, 40_960_000); // where X/fulltext/xapian lies
    /// let database = glass::Database::open(Arc::new(file), start..end, &Arc::default())?;
    /// println!("{} documents", database.documents());
    /// # Ok::<(), glass::Error>(())
    /// ```
    pub fn open(source: Arc<dyn ReadAt>, range: Range<u64>, cache: &Arc<Cache>) -> Result<Self> {
        let reader = Arc::new(Reader::new(source, range, Arc::clone(cache)));
        let header = Header::read(&reader)?;
        let table = |root| Table::new(Arc::clone(&reader), root);
        Ok(Self {
            uuid: header.uuid,
            statistics: header.statistics,
            postings: table(header.postings),
            documents: table(header.documents),
            positions: table(header.positions),
            settings: OnceLock::new(),
            reader,
        })
    }

    /// How many documents it has.
    pub const fn documents(&self) -> u32 {
        self.statistics.documents
    }

    /// Names the database: other contents, other uuid.
    pub const fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Metadata by its key, such as `language`, `stopwords`, `valuesmap`.
    pub fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut full = b"\0\xc0".to_vec();
        full.extend(key.as_bytes());
        Ok(self.postings.get(&full)?.map(|tag| tag.to_vec()))
    }

    /// In how many documents a term is. Terms are what the indexer made of words: stems, for the most part.
    pub fn term_frequency(&self, term: &str) -> Result<u32> {
        Ok(self.frequencies(term.as_bytes())?.documents)
    }

    /// What is stored for a document: in ZIM archives the path with its namespace, `C/Foo`.
    pub fn document_data(&self, docid: u32) -> Result<Option<Vec<u8>>> {
        let mut key = Vec::with_capacity(4);
        put_sortable(&mut key, docid);
        Ok(self.documents.get(&key)?.map(|tag| tag.to_vec()))
    }

    /// The value of a document in a slot; `None` if it has none.
    pub fn value(&self, docid: u32, slot: u32) -> Result<Option<Vec<u8>>> {
        let mut values = self.values(slot);
        let value = values.get(docid)?;
        Ok((!value.is_empty()).then(|| value.to_vec()))
    }

    /// What the indexer noted about itself, read once.
    pub(crate) fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = Settings::read(self)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    pub(crate) const fn statistics(&self) -> Statistics {
        self.statistics
    }

    pub(crate) fn frequencies(&self, term: &[u8]) -> Result<Frequencies> {
        Ok(self.term_postings(term)?.map(|list| list.frequencies()).unwrap_or_default())
    }

    pub(crate) fn term_postings(&self, term: &[u8]) -> Result<Option<Postings>> {
        if term.is_empty() { Ok(None) } else { Postings::of_term(&self.postings, term) }
    }

    pub(crate) fn lengths(&self) -> Lengths {
        Lengths::new(Arc::clone(&self.reader), self.postings.clone())
    }

    pub(crate) fn values(&self, slot: u32) -> Values {
        Values::new(&self.postings, slot)
    }

    /// Every document, as if it had a term.
    pub(crate) fn all_documents(&self) -> Result<Option<Postings>> {
        Postings::lengths(&self.postings)
    }

    pub(crate) const fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    pub(crate) fn term_positions(&self, term: &[u8]) -> Positions {
        Positions::new(&self.positions, term)
    }

    /// A cursor at the first key of the posting table that is not before this term.
    pub(crate) fn terms_from(&self, term: &[u8]) -> Result<(Cursor, bool)> {
        let mut key = Vec::with_capacity(term.len());
        put_sortable_string(&mut key, term);
        let mut cursor = self.postings.cursor();
        let found = cursor.seek_from(&key)?;
        Ok((cursor, found))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("documents", &self.documents()).finish_non_exhaustive()
    }
}

/// Databases are shared by threads: this does not compile if they cannot be.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Database>();
    shared::<Cache>();
};
