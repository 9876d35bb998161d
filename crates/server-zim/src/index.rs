//! The indexes for search that an archive brings along.

use crate::fault::Fault;
use crate::work::Work;
use glass::{Cache, Database, Highlighter, Search};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use zim::{Archive, Content, ReadAt};

/// Postings that one search looks at, about.
const POSTINGS: u64 = 200_000_000;

/// An open archive with its indexes, which are opened when they are needed.
pub(crate) struct Volume {
    archive: Archive,
    cache: Arc<Cache>,
    texts: OnceLock<Option<Database>>,
    titles: OnceLock<Option<Database>>,
}

impl Volume {
    pub(crate) fn new(archive: Archive, cache: &Arc<Cache>) -> Self {
        Self { archive, cache: Arc::clone(cache), texts: OnceLock::new(), titles: OnceLock::new() }
    }
}

impl Deref for Volume {
    type Target = Archive;

    fn deref(&self) -> &Archive {
        &self.archive
    }
}

/// A page of what a search found.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    pub(crate) total: u64,
    pub(crate) is_exact: bool,
}

/// An entry that was found.
#[derive(Clone)]
pub(crate) struct Hit {
    /// With its namespace.
    pub(crate) path: String,
    pub(crate) weight: f64,
}

impl Volume {
    /// Full text; nothing if there is no such index.
    pub(crate) fn full_text(
        &self,
        work: &Work,
        query: &str,
        offset: usize,
        limit: usize,
    ) -> Result<Option<Found>, Fault> {
        let Some(database) = self.texts()? else { return Ok(None) };
        run(work, &text_search(query).offset(offset).limit(limit), database).map(Some)
    }

    /// The index of its text, if it brought one of Xapian's along.
    pub(crate) fn texts(&self) -> Result<Option<&Database>, Fault> {
        self.database(&self.texts, || self.archive.fulltext_index())
    }

    /// What finds the words of a query in its pages, in all of their forms.
    pub(crate) fn highlighter(&self, query: &str) -> Highlighter<'_> {
        if let Ok(Some(database)) = self.texts()
            && let Ok(highlighter) = Highlighter::new(&text_search(query), database)
        {
            return highlighter;
        }
        let languages = self.archive.metadata_text("Language").ok().flatten().unwrap_or_default();
        Highlighter::of_language(query, languages.split(',').next().unwrap_or_default().trim())
    }

    /// Titles that have these words, the last of which may be unfinished; nothing if there is no such index.
    pub(crate) fn suggest(&self, work: &Work, query: &str, limit: usize) -> Result<Option<Found>, Fault> {
        let open = || self.archive.title_index();
        let Some(database) = self.database(&self.titles, open)? else { return Ok(None) };
        let search = Search::suggestions(query).limit(limit).work_limit(POSTINGS);
        run(work, &search, database).map(Some)
    }

    fn database<'a>(
        &'a self,
        kept: &'a OnceLock<Option<Database>>,
        find: impl Fn() -> zim::Result<Option<zim::Entry<'a>>>,
    ) -> Result<Option<&'a Database>, Fault> {
        if let Some(database) = kept.get() {
            return Ok(database.as_ref());
        }
        let opened = match find()? {
            None => None,
            Some(entry) => {
                let content = entry.content()?;
                let size = content.size();
                Some(Database::open(Arc::new(Index(content)), 0..size, &self.cache)?)
            }
        };
        Ok(kept.get_or_init(|| opened).as_ref())
    }
}

/// A search for text as it is done in all archives.
pub(crate) fn text_search(query: &str) -> Search {
    Search::full_text(query).work_limit(POSTINGS)
}

impl From<glass::Hit> for Hit {
    fn from(hit: glass::Hit) -> Self {
        Self { path: hit.path, weight: hit.weight }
    }
}

fn run(work: &Work, search: &Search, database: &Database) -> Result<Found, Fault> {
    let matches = search.run(&[database], &|| work.is_over())?;
    Ok(Found {
        hits: matches.hits.into_iter().map(Hit::from).collect(),
        total: matches.total.at_least,
        is_exact: matches.total.is_exact && matches.is_complete,
    })
}

/// An index as something to read from.
struct Index(Content);

impl glass::ReadAt for Index {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

impl From<glass::Error> for Fault {
    fn from(error: glass::Error) -> Self {
        match error {
            glass::Error::Io(error) => {
                tracing::warn!(%error, "an index cannot be read");
                Self::new("archive_unavailable", "The index cannot be read now. Try again, or use another archive.")
            }
            glass::Error::Stopped => Self::new("timeout", "This took too long and was given up. Use rarer words."),
            error @ (glass::Error::QueryTooLong { .. } | glass::Error::TooDeep(_)) => {
                Self::new("invalid_query", format!("This cannot be searched: {error}."))
            }
            error => Self::new(
                "index_damaged",
                format!("This archive cannot be searched: {error}. Use mode title or zim_browse."),
            ),
        }
    }
}
