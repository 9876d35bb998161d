//! The archives that are served: which there are, what they are called, and how the library is.
//!
//! What is known is an immutable shelf behind `arc-swap`. A call takes the shelf of its beginning and keeps
//! it to its end, so an archive that is replaced meanwhile stays readable for who reads it. Folders are
//! looked at again when what is known is older than [`Settings::rescan`], by one thread at a time; others go
//! on with what is known.

use crate::article::Articles;
use crate::book::{Book, Opener};
use crate::fault::Fault;
use crate::kept;
use crate::nearest::nearest;
use crate::query::Misspellings;
use crate::scan::{self, Found, Passed, Scanned};
use crate::settings::Settings;
use crate::side::background::Background;
use arc_swap::ArcSwapOption;
use mcp::State;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Instant;

/// How many names an error message lists.
const NAMED: usize = 10;

pub(crate) struct Library {
    pub(crate) settings: Settings,
    pub(crate) opener: Arc<Opener>,
    pub(crate) articles: Articles,
    pub(crate) background: Arc<Background>,
    /// Words that are mended in questions.
    pub(crate) misspellings: Misspellings,
    /// Where articles are kept over a restart, if they are.
    kept: Option<PathBuf>,
    /// How often an article was kept or found when they were last written.
    saved: Mutex<Option<u64>>,
    /// Writing them failed the last time.
    is_unkept: AtomicBool,
    shelf: ArcSwapOption<Shelf>,
    /// Something changed in the folders since they were last looked at.
    pub(crate) stale: Arc<AtomicBool>,
    /// When the folders were last looked at. Held while they are.
    scanned: Mutex<Option<Instant>>,
    told: OnceLock<Told>,
}

/// Who is told of changes.
type Told = Box<dyn Fn(&[Changed]) + Send + Sync>;

/// The archives at one time.
pub(crate) struct Shelf {
    pub(crate) books: Vec<Arc<Book>>,
    /// What is not served, though it looks as if it should be. The log knows it.
    passed: Vec<Passed>,
    /// How many of the configured paths cannot be read.
    pub(crate) unreadable: usize,
    /// Folders in which archives may come.
    pub(crate) folders: Vec<PathBuf>,
    /// Archives are found by their paths too. Where paths are not shown, nobody learns by trying which there are.
    knows_paths: bool,
}

/// What became of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) name: String,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Added,
    Replaced,
    Removed,
}

impl Library {
    pub(crate) fn new(settings: Settings) -> Self {
        let opener = Arc::new(Opener::new(&settings));
        let articles = Articles::new(&settings);
        let background = Arc::new(Background::new(opener.side.clone(), settings.builds_indexes));
        let misspellings = Misspellings::of(&settings.rewrite);
        let keeps = settings.keeps_answers && settings.answers.enabled && !settings.paths.is_empty();
        let kept = settings.cache_folder.as_ref().filter(|_| keeps).map(|cache| kept::file(cache, &settings.paths));
        let (shelf, scanned) = (ArcSwapOption::empty(), Mutex::new(None));
        Self {
            settings,
            opener,
            articles,
            background,
            misspellings,
            kept,
            saved: Mutex::default(),
            is_unkept: AtomicBool::new(false),
            shelf,
            scanned,
            stale: Arc::default(),
            told: OnceLock::new(),
        }
    }

    /// Reads the articles that were kept before a restart. Blocks.
    pub(crate) fn restore(&self) {
        let Some(path) = &self.kept else { return };
        match kept::load(path, self.settings.answers.age, self.settings.articles as u64) {
            Ok(restored) => {
                let pages: usize = restored.values().map(Vec::len).sum();
                if pages > 0 {
                    tracing::info!(pages, "pages that were read before the restart were kept");
                }
                self.articles.restore(restored);
            }
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "what was kept before the restart is not used");
            }
        }
    }

    /// Writes down the articles that are to be kept, if there are others than before. Blocks.
    pub(crate) fn save(&self) {
        let (Some(path), Some(shelf)) = (&self.kept, self.known()) else { return };
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = self.articles.usage();
        let now = Some(usage.hits + usage.misses);
        if *saved == now || usage.entries == 0 {
            return;
        }
        *saved = now;
        let written = kept::save(path, &self.articles, &shelf.books, self.settings.articles as u64);
        self.is_unkept.store(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(pages) => tracing::debug!(pages, "pages that were read are kept for the next start"),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "pages that were read cannot be kept for the next start");
            }
        }
    }

    /// Whether articles outlive the process.
    pub(crate) fn keeps_answers(&self) -> bool {
        self.kept.is_some() && !self.is_unkept.load(Ordering::Relaxed)
    }

    /// Says who is told of changes from now on.
    pub(crate) fn tell(&self, told: impl Fn(&[Changed]) + Send + Sync + 'static) {
        let _ = self.told.set(Box::new(told));
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
        let is_fresh = |when: Instant| when.elapsed() < self.settings.rescan && !self.stale.load(Ordering::Acquire);
        match (self.known(), *scanned) {
            (Some(known), Some(when)) if is_fresh(when) => known,
            _ => self.look_now(&mut scanned),
        }
    }

    /// The archives as they are now. Blocks.
    pub(crate) fn fresh(&self) -> Arc<Shelf> {
        self.look_now(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.scanned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_now(&self, scanned: &mut Option<Instant>) -> Arc<Shelf> {
        // What changes from here on is looked at next time.
        self.stale.store(false, Ordering::Release);
        let before = self.known();
        let shelf = Arc::new(self.look(before.as_deref()));
        self.shelf.store(Some(Arc::clone(&shelf)));
        *scanned = Some(Instant::now());
        let changed = changes(before.as_deref(), &shelf.books);
        if let (Some(told), false) = (self.told.get(), changed.is_empty()) {
            told(&changed);
        }
        shelf
    }

    fn look(&self, before: Option<&Shelf>) -> Shelf {
        let Scanned { found, passed, unreadable, empty, folders } = scan::scan(&self.settings);
        // Once, and not at each look at the folders.
        let was_told = |passed: &Passed| before.is_some_and(|before| before.passed.contains(passed));
        passed.iter().filter(|passed| !was_told(passed)).for_each(Passed::tell);
        for path in empty.iter().filter(|_| before.is_none()) {
            tracing::warn!(path = %path.display(), "there are no archives (.zim) here yet; they are seen when they come");
        }
        let old: HashMap<_, _> = before.iter().flat_map(|s| &s.books).filter_map(|b| Some((b.path()?, b))).collect();
        let mut names = HashMap::new();
        let mut books = Vec::new();
        for (name, bytes) in &self.settings.memory {
            let kept = before.and_then(|s| s.books.iter().find(|b| b.path().is_none() && b.name == *name));
            names.insert(name.clone(), 1);
            books.push(kept.map_or_else(|| Arc::new(Book::in_memory(name, bytes, &self.opener)), Arc::clone));
        }
        for found in found {
            let name = unique(&mut names, &found);
            let kept = old.get(found.path.as_path()).filter(|b| b.is_still(&found) && b.name == name);
            books.push(match kept {
                // One that could not be read is tried again: the medium may be back.
                Some(book) if book.damage().is_none() => Arc::clone(book),
                kept => {
                    Arc::new(Book::new(name, found, &self.opener, kept.is_some_and(|book| book.damage().is_some())))
                }
            });
        }
        books.sort_by(|a, b| a.name.cmp(&b.name));
        Shelf { books, passed, unreadable, folders, knows_paths: self.settings.shows_paths }
    }

    /// How the library is, in words without paths. Opens what was never opened, unless there are more archives than may
    /// be open at once: of a large library only what is used is opened. Blocks.
    pub(crate) fn state(&self) -> (State, String) {
        let Some(shelf) = self.known() else { return (State::Starting, "looking for archives".to_owned()) };
        let paths = self.settings.paths.len();
        if paths == 0 && self.settings.memory.is_empty() {
            return (State::Down, "no folder of archives is configured".to_owned());
        }
        if shelf.unreadable > 0 {
            let reason = format!("{} of {paths} configured paths cannot be read", shelf.unreadable);
            let all = shelf.unreadable == paths && self.settings.memory.is_empty();
            return (if all { State::Down } else { State::Degraded }, reason);
        }
        let looks = shelf.books.len() <= self.settings.open_archives;
        let damaged = |book: &&Arc<Book>| if looks { book.is_damaged() } else { book.damage().is_some() };
        let damaged = shelf.books.iter().filter(damaged).count();
        if damaged > 0 {
            return (State::Degraded, format!("{damaged} of {} archives cannot be used", shelf.books.len()));
        }
        (State::Healthy, String::new())
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.background.stop();
    }
}

impl Shelf {
    /// The archives in the order in which callers are offered them: those that are known to be damaged last.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &Arc<Book>> {
        let is_damaged = |book: &&Arc<Book>| book.seems_damaged();
        let sound = self.books.iter().filter(move |book| !is_damaged(book));
        sound.chain(self.books.iter().filter(is_damaged))
    }

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
        let is_there = |book: &&Arc<Book>| book.path().is_some_and(|path| path.as_os_str() == said);
        if let Some(book) = exact.or_else(|| self.books.iter().find(is_there).filter(|_| self.knows_paths)) {
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
        let mut names: Vec<_> = self.offered().take(NAMED).map(|b| format!("{:?}", b.name)).collect();
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

/// What is different now, with one log line for each archive.
fn changes(before: Option<&Shelf>, now: &[Arc<Book>]) -> Vec<Changed> {
    let Some(before) = before else {
        tracing::info!(archives = now.len(), "looked for archives");
        return Vec::new();
    };
    let mut changed = Vec::new();
    let mut note = |name: &str, how: How| changed.push(Changed { name: name.to_owned(), how });
    let old: HashMap<&str, &Arc<Book>> = before.books.iter().map(|b| (b.name.as_str(), b)).collect();
    for book in now {
        match old.get(book.name.as_str()) {
            None => {
                tracing::info!(archive = book.name, "an archive was added");
                note(&book.name, How::Added);
            }
            Some(old) if !old.is_same(book) => {
                tracing::info!(archive = book.name, "an archive was replaced");
                note(&book.name, How::Replaced);
            }
            Some(_) => {}
        }
    }
    let names: std::collections::HashSet<&str> = now.iter().map(|book| book.name.as_str()).collect();
    for name in old.keys().filter(|name| !names.contains(*name)) {
        tracing::info!(archive = name, "an archive was removed");
        note(name, How::Removed);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    /// Lines of the log, as this thread writes them.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Lines {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, about: &Metadata<'_>) -> bool {
            *about.level() <= tracing::Level::WARN
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            struct Line(String);
            impl Visit for Line {
                fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                    self.0.push_str(&format!("{field}={value:?} "));
                }
            }
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }

        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_served_is_told_once_and_again_if_it_comes_back() {
        let (served, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, target) = (served.path().join("linked.zim"), other.path().join("there.zim"));
        for path in [&target, &served.path().join("own.zim"), &other.path().join("notes.txt")] {
            std::fs::write(path, crate::demo_archive()).unwrap();
        }
        std::os::unix::fs::symlink(&target, &link).unwrap();
        std::os::unix::fs::symlink(other.path().join("notes.txt"), served.path().join("notes.txt")).unwrap();
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let mut settings = Settings::of([served.path().to_owned(), served.path().join("gone")]);
            let library = Library::new(settings.clone());
            assert_eq!(library.fresh().books.len(), 1);
            let told = lines.take();
            let about = |what: &str| told.iter().filter(|line| line.contains(what)).count();
            assert_eq!((told.len(), about("linked.zim"), about("gone")), (2, 1, 1), "{told:?}");
            assert!(told.iter().any(|line| line.contains("there.zim") && line.contains("not followed")), "{told:?}");
            library.fresh();
            assert_eq!(lines.take(), Vec::<String>::new(), "it is told once");
            std::fs::remove_file(&link).unwrap();
            library.fresh();
            std::os::unix::fs::symlink(&target, &link).unwrap();
            library.fresh();
            assert_eq!(lines.take().len(), 1);
            // What lies in another folder that is served is found there, and is nothing to tell.
            settings.paths = vec![served.path().to_owned(), other.path().to_owned()];
            assert_eq!(Library::new(settings.clone()).fresh().books.len(), 2);
            assert_eq!(lines.take(), Vec::<String>::new());
            settings.archives = 1;
            assert_eq!(Library::new(settings).fresh().books.len(), 1);
            assert!(lines.take().iter().any(|line| line.contains("more archives than are served")));
        });
    }
}
