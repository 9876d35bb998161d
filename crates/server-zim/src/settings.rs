//! What the server is told.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a ZIM server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Folders whose archives are served, with their subfolders, and single archives.
    pub paths: Vec<PathBuf>,
    /// Archives in memory, by file name: the sample of the demo.
    pub memory: Vec<(String, &'static [u8])>,
    /// What the server calls itself.
    pub server_name: String,
    /// Only `zim_query` is offered: for models that are confused by many tools.
    pub simple: bool,
    /// Results have schemas and structured content beside the text.
    pub output_schemas: bool,
    /// Paths of this machine are shown to callers: only where the caller is its owner, on stdio.
    pub shows_paths: bool,
    /// How old what is known of the folders may be before they are looked at again.
    pub rescan: Duration,
    /// Whether changes of resources are told.
    pub subscriptions: bool,
    /// How long a call may take.
    pub deadline: Duration,
    /// How many calls read from disk at once. Others wait.
    pub threads: usize,
    /// Bytes of decoded clusters that are kept for all archives together.
    pub cache: usize,
    /// Bytes of search indexes that are kept for all archives together.
    pub index_cache: usize,
    /// Bytes of articles that are kept as text.
    pub articles: usize,
    /// How many archives are served at most; further ones that are found are passed over.
    pub archives: usize,
    /// How many archives are open at once beside those that calls read.
    pub open_archives: usize,
    /// Bytes of an entry that are turned into text at most.
    pub entry_bytes: u64,
    /// How text is shown.
    pub content: Content,
    /// How search behaves.
    pub search: Search,
    /// How answers are put together from several pages.
    pub synthesize: Synthesize,
    /// Whether questions are mended before they are read, and by which list of misspellings: lines of
    /// `wrong=right`, or a JSON object.
    pub rewrite: Rewrite,
    /// A file that says how archives of a kind, or single ones, are shown: see `preset.rs`.
    pub presets: Option<PathBuf>,
    /// Whether `zim_query` ends with a line about its size.
    pub footer: bool,
    /// How articles are kept.
    pub answers: Answers,
    /// Where full-text indexes that archives do not bring along lie, and what is kept over a restart. Nothing is, and
    /// such indexes are not looked for, without it.
    pub cache_folder: Option<PathBuf>,
    /// Articles are kept over a restart, in the cache folder: no more bytes than [`Settings::articles`] says, and
    /// no longer than [`Answers::age`].
    pub keeps_answers: bool,
    /// Archives without a full-text index get one in the cache folder, in the background.
    pub builds_indexes: bool,
}

/// How text is shown.
#[derive(Clone, Debug)]
pub struct Content {
    /// Characters of an entry that one answer has unless told otherwise.
    pub max_chars: usize,
    /// Characters of a snippet.
    pub snippet_chars: usize,
    /// Rows of the longest table that the compact form shows; of a longer one it says that it is there.
    pub table_rows: usize,
    /// Characters of the largest table that the compact form shows.
    pub table_chars: usize,
    /// Lines of a box of facts that the compact form shows.
    pub facts: usize,
}

/// How search behaves.
#[derive(Clone, Debug)]
pub struct Search {
    /// Rows of a full-text search unless told otherwise.
    pub limit: u64,
    /// Other spellings that are offered when nothing is found.
    pub suggestions: usize,
    /// Letters a title must have for mistakes in it to be mended.
    pub fuzzy_min: usize,
    /// What a title that was mended is worth.
    pub fuzzy_score: f64,
    /// How long a search of all archives may take.
    pub all_timeout: Duration,
}

/// How answers are put together from several pages.
#[derive(Clone, Debug)]
pub struct Synthesize {
    /// Pages that are cited at most.
    pub top: usize,
    /// Pages that one archive is asked for.
    pub per_archive: usize,
    /// Characters of all pieces together.
    pub chars: usize,
    /// Which part of the words of a heading, from 0 to 1, has to be in the question for its section to be what is meant.
    pub affinity: f64,
    /// What a piece of such a section is worth, as a multiple of what it is worth elsewhere.
    pub boost: f64,
    /// Pages at most of each archive but the one that has the best page.
    pub secondary: usize,
    /// Words of the question that such pages have in their path or title at least.
    pub overlap: usize,
}

/// How questions are mended.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Whether they are.
    pub enabled: bool,
    /// A file of words that are often written wrong, in the place of ours.
    pub misspellings: Option<PathBuf>,
    /// A file of words, with spaces between them, that stay as they are written.
    pub exclusions: Option<PathBuf>,
}

/// How many articles are kept as text, and for how long. How many bytes that is, is [`Settings::articles`].
#[derive(Clone, Debug)]
pub struct Answers {
    /// Whether they are.
    pub enabled: bool,
    /// How many articles at most.
    pub entries: usize,
    /// After which time an article is read anew.
    pub age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            memory: Vec::new(),
            server_name: "portcullis-zim".to_owned(),
            simple: false,
            output_schemas: true,
            shows_paths: false,
            rescan: Duration::from_secs(5),
            subscriptions: true,
            deadline: Duration::from_secs(20),
            threads: 8,
            cache: 16 << 20,
            index_cache: 8 << 20,
            articles: 8 << 20,
            archives: 1000,
            open_archives: 64,
            entry_bytes: 16 << 20,
            content: Content { max_chars: 100_000, snippet_chars: 3000, table_rows: 8, table_chars: 600, facts: 30 },
            search: Search {
                limit: 10,
                suggestions: 5,
                fuzzy_min: 4,
                fuzzy_score: 0.85,
                all_timeout: Duration::from_secs(20),
            },
            synthesize: Synthesize {
                top: 5,
                per_archive: 10,
                chars: 4800,
                affinity: 0.25,
                boost: 1.5,
                secondary: 2,
                overlap: 1,
            },
            rewrite: Rewrite { enabled: true, misspellings: None, exclusions: None },
            presets: None,
            footer: true,
            answers: Answers { enabled: true, entries: 10_000, age: Duration::from_secs(3600) },
            cache_folder: None,
            keeps_answers: false,
            builds_indexes: false,
        }
    }
}

impl Settings {
    /// Serves the archives at these paths.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), ..Self::default() }
    }

    /// Serves the sample archive, without any file.
    pub fn demo() -> Self {
        Self { memory: vec![("portcullis.zim".to_owned(), crate::demo_archive())], ..Self::default() }
    }
}
