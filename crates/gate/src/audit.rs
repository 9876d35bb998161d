//! What happened: one JSON object a line, each carrying the hash of the line before.
//!
//! `prev` is the SHA-256 of the previous line without its line feed, over restarts and rotation;
//! the very first line of a chain has 64 zeros. `seq` counts lines. A line is handed over from
//! `Drop`, so that no dropped or panicking call loses it, into a place that was reserved before the
//! call began: what cannot be recorded does not happen. One thread of its own writes.

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};

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

/// One line. Members that say nothing are left out.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub(crate) struct Line {
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    pub boot: String,
    pub instance: String,
    pub seq: u64,
    pub prev: String,
    /// One call; it may have several exchanges. Counts within `boot`, like `exchange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<u64>,
    /// One exchange with the caller.
    pub exchange: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub era: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    pub front: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<serde_json::Value>,
    /// `allow` or `deny`.
    pub decision: &'static str,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Size of the result.
    pub bytes: u64,
    pub duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Line {
    /// A line about something that begins now.
    pub(crate) fn now(front: &'static str, exchange: u64) -> Self {
        Self {
            time: SystemTime::now(),
            boot: String::new(),
            instance: String::new(),
            seq: 0,
            prev: String::new(),
            call_id: None,
            exchange,
            era: None,
            principal: None,
            address: None,
            front,
            server: None,
            method: None,
            target: None,
            arguments_sha256: None,
            arguments: None,
            decision: "",
            outcome: "",
            error: None,
            bytes: 0,
            duration_ms: 0.0,
            trace_id: None,
        }
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_micros(*time))
}

/// Takes lines to the writer.
#[derive(Clone, Debug)]
pub struct Audit {
    queue: Option<mpsc::Sender<Entry>>,
    sync: bool,
    pub(crate) arguments: bool,
}

/// A place for one line, see [`Audit::reserve`].
#[derive(Debug)]
pub(crate) struct Slot(Option<mpsc::OwnedPermit<Entry>>);

#[derive(Debug)]
enum Entry {
    Line(Box<Line>, Option<oneshot::Sender<()>>),
    Flush(oneshot::Sender<()>),
}

/// How long lines are gathered before they are written together, unless each is waited for.
const GATHER: Duration = Duration::from_millis(3);
/// How many lines wait for the writer.
const WAITING: usize = 8192;

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
        Self { queue: None, sync: false, arguments: false }
    }

    /// Opens the file and starts its writer, which ends when the last handle is dropped.
    pub fn open(settings: &AuditSettings) -> Result<Self, AuditError> {
        let failed = |source| AuditError { file: settings.file.clone(), source };
        let writer = Writer::open(settings.clone()).map_err(failed)?;
        let (queue, entries) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("audit".into()).spawn(move || writer.run(entries)).map_err(failed)?;
        Ok(Self { queue: Some(queue), sync: settings.sync, arguments: settings.arguments })
    }

    /// Waits for a place for one line. `None` if the writer is gone.
    pub(crate) async fn reserve(&self) -> Option<Slot> {
        match &self.queue {
            None => Some(Slot(None)),
            Some(queue) => queue.clone().reserve_owned().await.ok().map(|permit| Slot(Some(permit))),
        }
    }

    /// A place for a line that cannot wait for one.
    pub(crate) fn try_reserve(&self) -> Option<Slot> {
        match &self.queue {
            None => Some(Slot(None)),
            Some(queue) => queue.clone().try_reserve_owned().ok().map(|permit| Slot(Some(permit))),
        }
    }

    /// Whether lines are written at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Waits until everything handed over so far is on disk.
    pub async fn flush(&self) {
        if let Some(queue) = &self.queue {
            let (done, flushed) = oneshot::channel();
            if queue.send(Entry::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        }
    }

    pub(crate) const fn syncs(&self) -> bool {
        self.sync
    }
}

impl Slot {
    /// Hands over the line; the receiver is told when it is on disk.
    pub(crate) fn send(self, line: Line) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        if let Some(permit) = self.0 {
            permit.send(Entry::Line(Box::new(line), Some(done)));
        }
        written
    }
}

struct Writer {
    settings: AuditSettings,
    file: File,
    size: u64,
    opened: Instant,
    seq: u64,
    prev: String,
    boot: String,
    instance: String,
}

const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Writer {
    fn open(settings: AuditSettings) -> io::Result<Self> {
        let mut file = open_private(&settings.file)?;
        let (last, size) = mend_tail(&mut file)?;
        let mut seq = 0;
        let mut prev = GENESIS.to_owned();
        if let Some(last) = last {
            prev = hash(&last);
            seq = serde_json::from_slice::<Link>(&last).map_or(0, |l| l.seq + 1);
        }
        let boot = mcp::seal::random::<8>().map_err(io::Error::other)?;
        let instance = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let instance = if instance.is_empty() { "portcullis".to_owned() } else { instance };
        Ok(Self { settings, file, size, opened: Instant::now(), seq, prev, boot: hex(&boot), instance })
    }

    fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        const BATCH: usize = 2048;
        let mut batch = Vec::with_capacity(BATCH);
        let mut failing = false;
        while entries.blocking_recv_many(&mut batch, BATCH) > 0 {
            if !self.settings.sync && !batch.iter().any(|entry| matches!(entry, Entry::Flush(_))) {
                // Whoever hands a line over must not pay for waking us each time.
                std::thread::sleep(GATHER);
                while batch.len() < BATCH
                    && let Ok(entry) = entries.try_recv()
                {
                    batch.push(entry);
                }
            }
            let mut text = Vec::new();
            let mut waiting = Vec::new();
            for entry in batch.drain(..) {
                match entry {
                    Entry::Line(line, done) => {
                        self.push(&mut text, *line);
                        waiting.extend(done);
                    }
                    Entry::Flush(done) => waiting.push(done),
                }
            }
            match self.write(&text) {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(file = %self.settings.file.display(), %error, "the audit cannot be written");
                }
                Err(_) => {}
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
        let _ = self.file.sync_data();
    }

    fn push(&mut self, text: &mut Vec<u8>, mut line: Line) {
        line.seq = self.seq;
        line.prev.clone_from(&self.prev);
        line.boot.clone_from(&self.boot);
        line.instance.clone_from(&self.instance);
        let json = serde_json::to_vec(&line).unwrap_or_default();
        self.prev = hash(&json);
        self.seq += 1;
        text.extend_from_slice(&json);
        text.push(b'\n');
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let old = self.settings.max_age.is_some_and(|age| self.opened.elapsed() >= age);
        if self.size > 0 && (self.size + text.len() as u64 > self.settings.max_bytes || old) {
            self.rotate()?;
        }
        self.file.write_all(text)?;
        self.size += text.len() as u64;
        if self.settings.sync {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut aside = self.settings.file.clone().into_os_string();
        let stamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string().replace([':', '-'], "");
        aside.push(format!(".{stamp}-{}", self.seq));
        std::fs::rename(&self.settings.file, aside)?;
        self.file = open_private(&self.settings.file)?;
        self.size = 0;
        self.opened = Instant::now();
        let mut rotated = rotated_files(&self.settings.file)?;
        let surplus = rotated.len().saturating_sub(self.settings.keep);
        for file in rotated.drain(..surplus) {
            std::fs::remove_file(file)?;
        }
        Ok(())
    }
}

/// Opens a file that only its owner may read.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The files that were put aside, oldest first.
fn rotated_files(file: &Path) -> io::Result<Vec<PathBuf>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&name)))
        .collect();
    found.sort();
    Ok(found)
}

/// Reads the last whole line and cuts off what a killed process left behind it.
fn mend_tail(file: &mut File) -> io::Result<(Option<Vec<u8>>, u64)> {
    const WINDOW: u64 = 1024 * 1024;
    let size = file.metadata()?.len();
    let start = size.saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    io::Read::read_to_end(file, &mut tail)?;
    let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if whole < tail.len() {
        tracing::warn!(bytes = tail.len() - whole, "the audit ended in a torn line, which is cut off");
        file.set_len(start + whole as u64)?;
    }
    let lines = tail.get(..whole.saturating_sub(1)).unwrap_or_default();
    let last = lines.rsplit(|b| *b == b'\n').next().filter(|l| !l.is_empty()).map(<[u8]>::to_vec);
    Ok((last, start + whole as u64))
}

/// The parts of a line that make the chain.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

/// What [`verify`] found in order.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Verified {
    pub lines: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    /// `prev` of the first line: the end of the file before.
    pub continues: Option<String>,
    /// The hash of the last line: `prev` of what comes next.
    pub head: String,
    /// Bytes of a line that was being written when the process was killed.
    pub torn_bytes: u64,
}

/// Why an audit file is not what was written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BadAudit {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("line {line} is no audit line")]
    NoLine { line: u64 },
    #[error(
        "line {line} does not follow the line before it: something was changed, added or taken out at or before it"
    )]
    Broken { line: u64 },
}

/// Checks the chain of one file.
pub fn verify(file: &Path) -> Result<Verified, BadAudit> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut found =
        Verified { lines: 0, first_seq: 0, last_seq: 0, continues: None, head: GENESIS.to_owned(), torn_bytes: 0 };
    let mut text = Vec::new();
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            return Ok(found);
        }
        let line = found.lines + 1;
        if text.pop() != Some(b'\n') {
            found.torn_bytes = text.len() as u64 + 1;
            return Ok(found);
        }
        let link: Link = serde_json::from_slice(&text).map_err(|_| BadAudit::NoLine { line })?;
        if found.lines == 0 {
            found.first_seq = link.seq;
            let fresh = link.prev == GENESIS;
            if fresh != (link.seq == 0) {
                return Err(BadAudit::Broken { line });
            }
            found.continues = (!fresh).then_some(link.prev);
        } else if link.prev != found.head || link.seq != found.last_seq + 1 {
            return Err(BadAudit::Broken { line });
        }
        found.last_seq = link.seq;
        found.lines = line;
        found.head = hash(&text);
    }
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
            drop(slot.send(Line { outcome: "ok", ..Line::now("http", 1) }));
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
}
