//! Side indexes that the server makes while it serves: one at a time, on a thread that others go before, and none when
//! it ends.

use super::build::{self, NotBuilt};
use super::folder::Folder;
use crate::book::Book;
use crate::library::Library;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long it is waited before archives are looked through again.
const PAUSE: Duration = Duration::from_secs(2);
/// How far apart lines about progress are.
const LINES: Duration = Duration::from_secs(15);

/// What is being made, and what could not be.
pub(crate) struct Background {
    /// Where indexes lie; nowhere if there is no cache folder.
    folder: Option<Folder>,
    /// Whether the server makes indexes.
    is_on: bool,
    stop: AtomicBool,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    building: Option<Building>,
    waiting: usize,
    /// By the number of the book, so that an archive that is replaced is tried again.
    failed: HashMap<u64, String>,
}

struct Building {
    book: u64,
    name: String,
    done: u64,
    total: u64,
}

impl Building {
    fn percent(&self) -> u64 {
        (self.done * 100).checked_div(self.total).unwrap_or(0)
    }
}

impl Background {
    pub(crate) fn new(folder: Option<Folder>, is_on: bool) -> Self {
        let is_on = is_on && folder.is_some();
        Self { folder, is_on, stop: AtomicBool::new(false), now: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// No more is made, and what is being made is given up.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// For `zim_health`. Why one failed stands in the log: it may name paths.
    pub(crate) fn report(&self) -> Value {
        let now = self.lock();
        let building = now.building.as_ref().map(|building| {
            json!({
                "archive": building.name, "done": building.done, "total": building.total, "percent": building.percent(),
            })
        });
        let mut failed: Vec<&String> = now.failed.values().collect();
        failed.sort();
        json!({
            "has_cache_folder": self.folder.is_some(),
            "built_in_background": self.is_on,
            "building": building,
            "waiting": now.waiting,
            "failed": failed,
        })
    }

    /// What to tell who wants full text of an archive that has no index.
    pub(crate) fn advice(&self, book: &Book) -> String {
        let now = self.lock();
        match &now.building {
            Some(building) if building.book == book.id => {
                format!("An index of its text is being made: {} % are done.", building.percent())
            }
            _ if now.failed.contains_key(&book.id) => {
                "An index of its text could not be made; the log of the server says why.".to_owned()
            }
            _ if self.is_on && book.path().is_some() => "An index of its text will be made in a while.".to_owned(),
            _ => "Whoever runs this server makes one with `portcullis zim build-index`.".to_owned(),
        }
    }

    /// The next archive that needs an index. Opens what was never opened. Blocks.
    fn next(&self, library: &Library) -> Option<Arc<Book>> {
        let folder = self.folder.as_ref()?;
        let shelf = library.known()?;
        let mut wanted = shelf.books.iter().filter(|book| {
            !self.is_stopped()
                && book.path().is_some()
                && !self.lock().failed.contains_key(&book.id)
                && book.about().is_ok_and(|about| !about.has_fulltext && !folder.has(&about.identity))
        });
        let next = wanted.next().map(Arc::clone);
        let waiting = wanted.count();
        self.lock().waiting = waiting;
        next
    }

    /// Makes the index of an archive. Whether there was anything to do. Blocks, for a long time.
    fn make(&self, book: &Book) -> bool {
        let (Some(folder), Some(path)) = (&self.folder, book.path()) else { return false };
        let begun = Instant::now();
        let opened = book.open_alone(build::options()).map_err(|fault| NotBuilt::Failed(fault.message().to_owned()));
        let building = Building { book: book.id, name: book.name.clone(), done: 0, total: 0 };
        self.lock().building = Some(building);
        let mut told = None;
        let mut progress = |done: u64, total: u64| {
            let mut now = self.lock();
            let Some(building) = now.building.as_mut() else { return };
            (building.done, building.total) = (done, total);
            let percent = building.percent();
            drop(now);
            if told.is_none_or(|when: Instant| when.elapsed() >= LINES) {
                told = Some(Instant::now());
                tracing::info!(archive = book.name, "a full-text index is being made: {percent} %");
            }
        };
        let built = opened
            .and_then(|archive| build::build(&archive, path, folder, false, &mut progress, &|| self.is_stopped()));
        self.lock().building = None;
        match built {
            Ok(built) => {
                tracing::info!(
                    archive = book.name,
                    pages = built.documents,
                    unreadable = built.unreadable,
                    bytes = built.bytes,
                    seconds = begun.elapsed().as_secs(),
                    "a full-text index was made"
                );
                true
            }
            Err(NotBuilt::Present | NotBuilt::HasOwn) => true,
            Err(NotBuilt::Busy | NotBuilt::Stopped) => false,
            Err(NotBuilt::Failed(reason)) => {
                tracing::warn!(archive = book.name, reason, "a full-text index could not be made");
                self.lock().failed.insert(book.id, book.name.clone());
                true
            }
        }
    }
}

/// Makes indexes until the library is gone.
pub(crate) async fn keep(library: Weak<Library>) {
    loop {
        let Some(holdings) = library.upgrade() else { return };
        let background = Arc::clone(&holdings.background);
        if background.is_stopped() {
            return;
        }
        let looked = tokio::task::spawn_blocking(move || holdings.background.next(&holdings)).await;
        let is_busy = match looked {
            Ok(Some(book)) => make(background, book).await,
            Ok(None) => false,
            Err(error) => {
                tracing::error!(%error, "looking for archives without a full-text index failed");
                false
            }
        };
        if !is_busy {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// On a thread of its own: it takes long, and calls go before it.
async fn make(background: Arc<Background>, book: Arc<Book>) -> bool {
    let (done, made) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("zim-index".to_owned());
    let spawned = thread.spawn(move || {
        // Threads that this one begins are the same.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(10);
        let _ = done.send(background.make(&book));
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for making a full-text index");
        return false;
    }
    // A thread that panicked sends nothing.
    made.await.unwrap_or(false)
}
