//! The indexes for search: those that an archive brings along, and the one that was made for it.

use crate::book::Opener;
use crate::fault::Fault;
use crate::side::{DEEPEST, Folder, SideIndex, Unanswered, identity};
use crate::work::Work;
use glass::{Cache, Database, Highlighter, Search};
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zim::{Archive, Content, ReadAt};

/// Postings that one search looks at, about.
const POSTINGS: u64 = 200_000_000;

/// An open archive with its indexes, which are opened when they are needed.
pub(crate) struct Volume {
    archive: Archive,
    cache: Arc<Cache>,
    texts: OnceLock<Option<Database>>,
    titles: OnceLock<Option<Database>>,
    side: Mutex<Option<Arc<SideIndex>>>,
    folder: Option<Folder>,
    /// The log knows that the side index is damaged.
    is_told: AtomicBool,
}

/// Where the full text of an archive is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ZimTextIndex")]
pub(crate) enum TextIndex {
    /// In the index that it brings along.
    Xapian,
    /// In one that was made for it.
    Side,
    None,
}

impl Volume {
    pub(crate) fn new(archive: Archive, opener: &Opener) -> Self {
        Self {
            archive,
            cache: Arc::clone(&opener.indexes),
            texts: OnceLock::new(),
            titles: OnceLock::new(),
            side: Mutex::default(),
            folder: opener.side.clone(),
            is_told: AtomicBool::new(false),
        }
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
        let Some(database) = self.texts()? else {
            return self.side_text(work, query, offset, limit);
        };
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

    /// Full text of the index that was made for the archive.
    fn side_text(&self, work: &Work, query: &str, offset: usize, limit: usize) -> Result<Option<Found>, Fault> {
        let Some(index) = self.side_index() else { return Ok(None) };
        if offset.saturating_add(limit) > DEEPEST {
            return Err(glass::Error::TooDeep(DEEPEST).into());
        }
        // The library trusts its files. What is wrong with them harms this search only.
        let search = || index.search(query, offset, limit, &|| work.is_over());
        let answered = catch_unwind(AssertUnwindSafe(search))
            .unwrap_or_else(|_| Err(Unanswered::Failed("the search panicked".to_owned())));
        let ranked = match answered {
            Ok(ranked) => ranked,
            Err(Unanswered::Stopped) => return Err(glass::Error::Stopped.into()),
            Err(Unanswered::Failed(reason)) => {
                self.tell(&reason);
                return Err(Fault::new(
                    "index_damaged",
                    "The full-text index that was made for this archive is damaged. Whoever runs this server makes it \
                     anew with `portcullis zim build-index --force`. Use mode title or zim_browse.",
                ));
            }
        };
        let path = |entry| self.archive.entry(entry).map(|entry| entry.full_path()).unwrap_or_default();
        let hits = ranked.best.into_iter().map(|(entry, weight)| Hit { path: path(entry), weight });
        Ok(Some(Found { hits: hits.collect(), total: ranked.total, is_exact: true }))
    }

    /// Whether its text can be searched.
    pub(crate) fn has_text_index(&self) -> Result<bool, Fault> {
        Ok(self.texts()?.is_some() || self.has_side_index())
    }

    /// Whether there is an index that was made for the archive.
    pub(crate) fn has_side_index(&self) -> bool {
        self.side_index().is_some()
    }

    /// The index that was made for the archive. It is looked for each time until there is one: it may come any time.
    fn side_index(&self) -> Option<Arc<SideIndex>> {
        let folder = self.folder.as_ref()?;
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        if side.is_none() {
            let open = || SideIndex::open(folder, &identity(&self.archive));
            match catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err("opening it panicked".to_owned())) {
                Ok(found) => *side = found.map(Arc::new),
                Err(reason) => self.tell(&reason),
            }
        }
        side.clone()
    }

    fn tell(&self, reason: &str) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason,
                "a full-text index in the cache folder is damaged and not used; `portcullis zim build-index` makes it anew"
            );
        }
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
