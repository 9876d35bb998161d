//! The archives that are served: which there are, what they are called, and how the library is.
//!
//! What is known is an immutable shelf behind `arc-swap`. A call takes the shelf of its beginning and keeps
//! it to its end, so an archive that is replaced meanwhile stays readable for who reads it. Folders are
//! looked at again when what is known is older than [`Settings::rescan`], by one thread at a time; others go
//! on with what is known.

use crate::fault::Fault;
use crate::nearest::nearest;
use crate::scan::{self, Found, Stamp};
use crate::settings::Settings;
use arc_swap::ArcSwapOption;
use mcp::State;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;
use zim::{Archive, Caches, Limits, Memory, Options};

/// Bytes of a decoded cluster: as many as there are threads can be in memory at once. Writers make clusters of
/// 2 MiB; a larger one has one large entry, which is no page.
const MAX_CLUSTER: u64 = 64 << 20;
/// How many names an error message lists.
const NAMED: usize = 10;

pub(crate) struct Library {
    pub(crate) settings: Settings,
    caches: Arc<Caches>,
    shelf: ArcSwapOption<Shelf>,
    /// When the folders were last looked at. Held while they are.
    scanned: Mutex<Option<Instant>>,
}

/// The archives at one time.
pub(crate) struct Shelf {
    pub(crate) books: Vec<Arc<Book>>,
    pub(crate) state: State,
    pub(crate) reason: String,
}

/// An archive.
pub(crate) struct Book {
    /// What callers call it: its path under the configured folder. Unique.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Where it lies; `None` in memory.
    path: Option<PathBuf>,
    stamp: Option<Stamp>,
    archive: Result<Archive, String>,
}

impl Book {
    /// The archive, unless it is damaged.
    pub(crate) fn archive(&self) -> Result<&Archive, Fault> {
        self.archive.as_ref().map_err(|reason| {
            let message = format!("The archive {:?} cannot be used: {reason}. Use another one.", self.name);
            Fault::new("archive_damaged", message)
        })
    }

    /// Why it cannot be used.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.archive.as_ref().err().map(String::as_str)
    }

    /// Tells one content from another: for cursors.
    pub(crate) fn identity(&self) -> String {
        let uuid = self.archive.as_ref().map(Archive::uuid).unwrap_or_default();
        uuid.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

impl Library {
    pub(crate) fn new(settings: Settings) -> Self {
        let caches = Arc::new(Caches::new(settings.cache, settings.cache / 8));
        Self { settings, caches, shelf: ArcSwapOption::empty(), scanned: Mutex::new(None) }
    }

    /// What is known now, without looking.
    pub(crate) fn known(&self) -> Option<Arc<Shelf>> {
        self.shelf.load_full()
    }

    /// The archives, looked for again if it is time. Blocks.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        let known = self.known();
        let mut scanned = match (self.scanned.try_lock(), known) {
            (Ok(scanned), _) => scanned,
            // Somebody looks already.
            (Err(TryLockError::WouldBlock), Some(known)) => return known,
            (Err(TryLockError::WouldBlock), None) => self.lock(),
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
        };
        let known = self.known();
        match (known, *scanned) {
            (Some(known), Some(when)) if when.elapsed() < self.settings.rescan => known,
            (known, _) => {
                let shelf = Arc::new(self.look(known.as_deref()));
                self.shelf.store(Some(Arc::clone(&shelf)));
                *scanned = Some(Instant::now());
                shelf
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.scanned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, before: Option<&Shelf>) -> Shelf {
        let (found, unreadable) = scan::scan(&self.settings);
        let old: HashMap<_, _> =
            before.iter().flat_map(|s| &s.books).filter_map(|b| Some((b.path.as_ref()?, b))).collect();
        let mut names = HashMap::new();
        let mut books = Vec::new();
        for (name, bytes) in &self.settings.memory {
            let kept = before.and_then(|s| s.books.iter().find(|b| b.path.is_none() && b.name == *name));
            names.insert(name.clone(), 1);
            books.push(kept.map_or_else(|| Arc::new(self.in_memory(name, bytes)), Arc::clone));
        }
        for found in &found {
            let name = unique(&mut names, found);
            let kept = old.get(&found.path).filter(|b| b.stamp.as_ref() == Some(&found.stamp) && b.name == name);
            books.push(match kept {
                // One that could not be read is tried again: the medium may be back.
                Some(book) if book.damage().is_none() => Arc::clone(book),
                _ => Arc::new(self.open(found, name, old.get(&found.path).copied())),
            });
        }
        books.sort_by(|a, b| a.name.cmp(&b.name));
        report(before, &books);
        let (state, reason) = self.judge(&books, unreadable);
        Shelf { books, state, reason }
    }

    fn options(&self) -> Options {
        let limits = Limits::default().bytes(self.settings.entry_bytes.max(1 << 20), MAX_CLUSTER);
        Options::new().caches(&self.caches).limits(limits)
    }

    fn in_memory(&self, name: &str, bytes: &'static [u8]) -> Book {
        let archive = self.options().open_source(Memory(bytes)).map_err(|e| e.to_string());
        Book { name: name.to_owned(), bytes: bytes.len() as u64, path: None, stamp: None, archive }
    }

    fn open(&self, found: &Found, name: String, before: Option<&Arc<Book>>) -> Book {
        let archive = scan::open(found, self.options()).map_err(|error| {
            if before.is_none_or(|book| book.damage().is_none()) {
                tracing::warn!(archive = name, %error, "an archive cannot be used");
            }
            // What the system says of a file is for the log.
            if matches!(error, zim::Error::Io(_)) { "the file cannot be read".to_owned() } else { error.to_string() }
        });
        let (path, stamp) = (Some(found.path.clone()), Some(found.stamp.clone()));
        Book { name, bytes: found.stamp.bytes(), path, stamp, archive }
    }

    /// How the library is, in words without paths.
    fn judge(&self, books: &[Arc<Book>], unreadable: usize) -> (State, String) {
        let paths = self.settings.paths.len();
        let damaged = books.iter().filter(|b| b.damage().is_some()).count();
        if paths == 0 && self.settings.memory.is_empty() {
            return (State::Down, "no folder of archives is configured".to_owned());
        }
        if unreadable > 0 {
            let reason = format!("{unreadable} of {paths} configured paths cannot be read");
            let all = unreadable == paths && self.settings.memory.is_empty();
            return (if all { State::Down } else { State::Degraded }, reason);
        }
        if damaged > 0 {
            return (State::Degraded, format!("{damaged} of {} archives cannot be used", books.len()));
        }
        (State::Healthy, String::new())
    }
}

impl Shelf {
    /// The archive that a caller means: by its name, its file name, that without `.zim`, or its path. None is
    /// needed if there is one only. What a caller says is compared with what was found and never becomes a path.
    pub(crate) fn find(&self, said: Option<&str>) -> Result<&Arc<Book>, Fault> {
        let Some(said) = said.map(str::trim).filter(|said| !said.is_empty()) else {
            return match self.books.as_slice() {
                [only] => Ok(only),
                [] => Err(Fault::new(
                    "no_archives_available",
                    "There is no archive. Put a .zim file into a served folder.",
                )),
                _ => Err(Fault::new("missing_archive", format!("Name an archive as zim_file_path: {}.", self.names()))),
            };
        };
        let exact = self.books.iter().find(|book| book.name == said);
        if let Some(book) =
            exact.or_else(|| self.books.iter().find(|b| b.path.as_ref().is_some_and(|p| p.as_os_str() == said)))
        {
            return Ok(book);
        }
        let is_meant = |book: &&Arc<Book>| {
            let file = book.file_name();
            let stem = |text: &str| {
                text.strip_suffix(".zimaa").or_else(|| text.strip_suffix(".zim")).unwrap_or(text).to_owned()
            };
            file == said || stem(file) == said || stem(&book.name) == said || stem(said) == stem(&book.name)
        };
        let meant: Vec<_> = self.books.iter().filter(is_meant).collect();
        match meant.as_slice() {
            [one] => Ok(one),
            [] => Err(self.unknown(said)),
            several => {
                let names: Vec<_> = several.iter().map(|b| format!("{:?}", b.name)).take(NAMED).collect();
                Err(Fault::new("ambiguous_archive", format!("Several archives go by this name: {}.", names.join(", "))))
            }
        }
    }

    fn unknown(&self, said: &str) -> Fault {
        let near = nearest(said, self.books.iter().flat_map(|b| [b.name.as_str(), b.file_name()]));
        let hint =
            near.map_or_else(|| format!("There are: {}.", self.names()), |near| format!("Did you mean {near:?}?"));
        Fault::new("file_not_found", format!("There is no such archive. {hint}"))
    }

    fn names(&self) -> String {
        let mut names: Vec<_> = self.books.iter().take(NAMED).map(|b| format!("{:?}", b.name)).collect();
        if self.books.len() > NAMED {
            names.push(format!("and {} more, see zim_metadata", self.books.len() - NAMED));
        }
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// The path under the folder; if two folders have the same, with the folder's own name before it.
fn unique(names: &mut HashMap<String, u32>, found: &Found) -> String {
    let relative = found.relative.to_string_lossy().replace('\\', "/");
    let folder = found.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut name = if names.contains_key(&relative) { format!("{folder}/{relative}") } else { relative };
    while let Some(count) = names.get_mut(&name) {
        *count += 1;
        name = format!("{name}~{count}");
    }
    names.insert(name.clone(), 1);
    name
}

/// One log line for each change.
fn report(before: Option<&Shelf>, now: &[Arc<Book>]) {
    let Some(before) = before else {
        tracing::info!(archives = now.len(), "looked for archives");
        return;
    };
    let old: HashMap<&str, &Arc<Book>> = before.books.iter().map(|b| (b.name.as_str(), b)).collect();
    for book in now {
        match old.get(book.name.as_str()) {
            None => tracing::info!(archive = book.name, "an archive was added"),
            Some(old) if old.stamp != book.stamp => tracing::info!(archive = book.name, "an archive was replaced"),
            Some(_) => {}
        }
    }
    for name in old.keys().filter(|name| now.iter().all(|b| b.name != **name)) {
        tracing::info!(archive = name, "an archive was removed");
    }
}
