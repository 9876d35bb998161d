//! What happened: one JSON object a line, each carrying the hash of the line before.
//!
//! `prev` is the SHA-256 of the previous line without its line feed, over restarts and rotation;
//! the very first line of a chain has 64 zeros. `seq` counts lines. A line is handed over from
//! `Drop`, so that no dropped or panicking call loses it, into a place that was reserved before the
//! call began: what cannot be recorded does not happen. One thread of its own writes.
//!
//! Lines are handed over as text, appended to one buffer that the writer takes away as a whole: a
//! line costs its caller one copy, and memory of one thread is not given back by another.

mod line;
mod verify;
mod writer;

pub(crate) use line::{Line, beginning};
use sha2::{Digest, Sha256};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
pub use verify::{BadAudit, Verified, verify};
use writer::Writer;

/// Where and how the audit is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file that lines are appended to.
    pub file: PathBuf,
    /// Whether a line is on disk before the answer leaves.
    pub sync: bool,
    /// The file is put aside when it is larger.
    pub max_bytes: u64,
    /// The file is put aside when it is older.
    pub max_age: Option<Duration>,
    /// How many files that were put aside are kept.
    pub keep: usize,
    /// Whether arguments are recorded themselves, secrets in them hidden, or only their hash.
    pub arguments: bool,
}

/// Takes lines to the writer.
#[derive(Clone)]
pub struct Audit {
    queue: Option<Arc<Handle>>,
    pub(crate) arguments: bool,
}

/// A place for one line, see [`Audit::reserve`].
pub(crate) struct Slot(Option<(Arc<Handle>, OwnedSemaphorePermit)>);

/// When the last of these is gone, the writer ends.
struct Handle {
    queue: Arc<Queue>,
    sync: bool,
}

/// What waits for the writer.
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// One for each line that may wait.
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    /// All lines, one after the other.
    text: Vec<u8>,
    lines: Vec<Handed>,
    /// Told when everything before is on disk.
    flushes: Vec<oneshot::Sender<()>>,
    /// Nothing comes any more.
    ended: bool,
}

/// Where a line ends in the text, and who waits for it.
struct Handed {
    time: SystemTime,
    end: usize,
    written: Option<oneshot::Sender<()>>,
}

/// How many lines wait for the writer.
const MOST_WAITING: usize = 8192;

/// The audit cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("audit file {}: {source}", .file.display())]
pub struct AuditError {
    file: PathBuf,
    source: io::Error,
}

impl Audit {
    /// No audit.
    pub const fn off() -> Self {
        Self { queue: None, arguments: false }
    }

    /// Opens the file and starts its writer, which ends when the last handle is dropped.
    pub fn open(settings: &AuditSettings) -> Result<Self, AuditError> {
        let failed = |source| AuditError { file: settings.file.clone(), source };
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            places: Arc::new(Semaphore::new(MOST_WAITING)),
        });
        let writer = Writer::open(settings.clone(), Arc::clone(&queue)).map_err(failed)?;
        std::thread::Builder::new().name("audit".into()).spawn(move || writer.run()).map_err(failed)?;
        let handle = Handle { queue, sync: settings.sync };
        Ok(Self { queue: Some(Arc::new(handle)), arguments: settings.arguments })
    }

    /// Waits for a place for one line. `None` if the writer is gone.
    pub(crate) async fn reserve(&self) -> Option<Slot> {
        let Some(handle) = &self.queue else { return Some(Slot(None)) };
        let place = Arc::clone(&handle.queue.places).acquire_owned().await.ok()?;
        Some(Slot(Some((Arc::clone(handle), place))))
    }

    /// A place for a line that cannot wait for one.
    pub(crate) fn try_reserve(&self) -> Option<Slot> {
        let Some(handle) = &self.queue else { return Some(Slot(None)) };
        let place = Arc::clone(&handle.queue.places).try_acquire_owned().ok()?;
        Some(Slot(Some((Arc::clone(handle), place))))
    }

    /// Whether lines are written at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Waits until everything handed over so far is on disk.
    pub async fn flush(&self) {
        let Some(handle) = &self.queue else { return };
        let (done, flushed) = oneshot::channel();
        if handle.queue.hand_over(|waiting| waiting.flushes.push(done)) {
            let _ = flushed.await;
        }
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_on() { "Audit(on)" } else { "Audit(off)" })
    }
}

impl Slot {
    /// Hands over the line. If lines are to be on disk before answers leave, the receiver is told
    /// when it is.
    pub(crate) fn send(self, line: &Line) -> Option<oneshot::Receiver<()>> {
        let (handle, place) = self.0?;
        let (done, written) = if handle.sync { Some(oneshot::channel()) } else { None }.unzip();
        // The writer gives it back.
        place.forget();
        handle.queue.hand_over(|waiting| {
            waiting.text.extend_from_slice(line.text());
            waiting.lines.push(Handed { time: line.time, end: waiting.text.len(), written: done });
        });
        written
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the writer something to do; false if it is gone.
    fn hand_over(&self, put: impl FnOnce(&mut Waiting)) -> bool {
        let first = {
            let mut waiting = self.waiting();
            if self.places.is_closed() {
                return false;
            }
            let first = waiting.is_empty();
            put(&mut waiting);
            first
        };
        // While something waits, the writer was told.
        if first {
            self.arrived.notify_one();
        }
        true
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.flushes.is_empty()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.waiting().ended = true;
        self.queue.arrived.notify_one();
    }
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| digits(*byte)).map(char::from));
    text
}

/// A byte as two hexadecimal digits.
const fn digits(byte: u8) -> [u8; 2] {
    const fn digit(n: u8) -> u8 {
        if n < 10 { b'0' + n } else { b'a' + n - 10 }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::writer::rotated_files;
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::Path;

    fn settings(folder: &Path) -> AuditSettings {
        AuditSettings {
            file: folder.join("audit.jsonl"),
            sync: false,
            max_bytes: 1 << 20,
            max_age: None,
            keep: 3,
            arguments: false,
        }
    }

    async fn write(settings: &AuditSettings, lines: usize) {
        let audit = Audit::open(settings).unwrap();
        for _ in 0..lines {
            let slot = audit.reserve().await.unwrap();
            let mut line = Line::now("http", None, 1, None, None, None);
            line.end(false, "ok", None, 0, Duration::ZERO, None);
            drop(slot.send(&line));
        }
        audit.flush().await;
    }

    #[tokio::test]
    async fn the_chain_goes_on_over_restarts_and_torn_lines() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        write(&settings, 3).await;
        OpenOptions::new().append(true).open(&settings.file).unwrap().write_all(b"{\"time\":\"2026").unwrap();
        let torn = verify(&settings.file).unwrap();
        assert_eq!((torn.lines, torn.torn_bytes > 0), (3, true));
        write(&settings, 2).await;
        let whole = verify(&settings.file).unwrap();
        assert_eq!((whole.lines, whole.first_seq, whole.last_seq, whole.torn_bytes), (5, 0, 4, 0));
    }

    #[tokio::test]
    async fn a_line_changed_added_or_taken_out_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        write(&settings, 4).await;
        let text = std::fs::read_to_string(&settings.file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("\"ok\"", "\"no\"", 1);
        let shorter = [lines[0], lines[2], lines[3], ""].join("\n");
        let twice = [lines[0], lines[1], lines[1], ""].join("\n");
        let headless = [lines[1], lines[2], ""].join("\n");
        for (bad, at) in [(changed, 2), (shorter, 2), (twice, 3)] {
            std::fs::write(&settings.file, bad).unwrap();
            assert!(matches!(verify(&settings.file), Err(BadAudit::Broken { line }) if line == at));
        }
        std::fs::write(&settings.file, headless).unwrap();
        assert!(verify(&settings.file).unwrap().continues.is_some(), "what is missing before is named");
        std::fs::write(&settings.file, "x\n").unwrap();
        assert!(matches!(verify(&settings.file), Err(BadAudit::NoLine { line: 1 })));
    }

    #[tokio::test]
    async fn files_are_put_aside_by_size_and_the_chain_leads_through_them() {
        let folder = tempfile::tempdir().unwrap();
        let settings = AuditSettings { max_bytes: 400, ..settings(folder.path()) };
        for _ in 0..6 {
            write(&settings, 1).await;
        }
        let aside = rotated_files(&settings.file).unwrap();
        assert!(!aside.is_empty() && aside.len() <= 3);
        let mut head = None;
        for file in aside.iter().chain([&settings.file]) {
            let part = verify(file).unwrap();
            if head.is_some() {
                assert_eq!(part.continues, head);
            }
            head = Some(part.head);
        }
    }

    #[tokio::test]
    async fn a_file_that_somebody_else_put_aside_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let settings = AuditSettings { max_bytes: 400, keep: 100, ..settings(folder.path()) };
        let audit = Audit::open(&settings).unwrap();
        let moved = folder.path().join("moved");
        for n in 0..6 {
            let mut line = Line::now("http", None, n, None, None, None);
            line.end(false, "ok", None, 0, Duration::ZERO, None);
            drop(audit.reserve().await.unwrap().send(&line));
            audit.flush().await;
            if n == 1 {
                std::fs::rename(&settings.file, &moved).unwrap();
            }
        }
        let mut files = rotated_files(&settings.file).unwrap();
        files.extend([moved, settings.file.clone()]);
        let lines: u64 = files.iter().map(|file| verify(file).unwrap().lines).sum();
        assert_eq!(lines, 6);
    }
}
