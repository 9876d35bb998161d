//! The thread that writes: numbers and chains the lines, puts files aside.

use crate::audit::{AuditSettings, Handed, Queue, Waiting, hash, hex};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub(super) struct Writer {
    settings: AuditSettings,
    queue: Arc<Queue>,
    file: File,
    size: u64,
    opened: Instant,
    seq: u64,
    prev: String,
    /// `boot` and `instance`, as they stand in each line.
    process: String,
}

pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How long lines are gathered before they are written together, unless each is waited for.
const GATHER: Duration = Duration::from_millis(3);
/// How often what cannot be written is tried again when the process ends.
const TRIES_AT_THE_END: u32 = 3;
/// Buffers that had to be larger are given back.
const KEPT: usize = 4 * 1024 * 1024;

/// The part of a line that is needed to go on behind it.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Writer {
    pub(super) fn open(settings: AuditSettings, queue: Arc<Queue>) -> io::Result<Self> {
        let mut file = open_private(&settings.file)?;
        let (last, size) = mend_tail(&mut file)?;
        let mut seq = 0;
        let mut prev = GENESIS.to_owned();
        if let Some(last) = last {
            prev = hash(&last);
            let numbered = serde_json::from_slice::<Numbered>(&last);
            let numbered = numbered.map_err(|_| io::Error::other("its last line is no audit line; put it aside"))?;
            seq = numbered.seq + 1;
        }
        let boot = hex(&mcp::seal::random::<8>().map_err(io::Error::other)?);
        let instance = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let instance = if instance.is_empty() { "portcullis".to_owned() } else { instance };
        let process = format!("\"boot\":\"{boot}\",\"instance\":{}", serde_json::Value::from(instance));
        Ok(Self { settings, queue, file, size, opened: Instant::now(), seq, prev, process })
    }

    pub(super) fn run(mut self) {
        let mut taken = Waiting::default();
        let mut text = Vec::new();
        while self.take(&mut taken) {
            text.clear();
            let mut start = 0;
            for line in &taken.lines {
                let members = taken.text.get(start..line.end).unwrap_or_default();
                self.push(&mut text, line.time, members);
                start = line.end;
            }
            self.write_patiently(&text);
            self.queue.places.add_permits(taken.lines.len());
            let written = taken.lines.drain(..).filter_map(|Handed { written, .. }| written);
            for done in written.chain(taken.flushes.drain(..)) {
                let _ = done.send(());
            }
            taken.text.clear();
            taken.text.shrink_to(KEPT);
            text.shrink_to(KEPT);
        }
        let _ = self.file.sync_data();
    }

    /// Waits for something to write and takes all of it; false at the end.
    fn take(&self, into: &mut Waiting) -> bool {
        let mut waiting = self.queue.waiting();
        while waiting.is_empty() {
            if waiting.ended {
                return false;
            }
            waiting = self.queue.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if !self.settings.sync && waiting.flushes.is_empty() && !waiting.ended {
            // Whoever hands a line over must not pay for waking us each time.
            drop(waiting);
            std::thread::sleep(GATHER);
            waiting = self.queue.waiting();
        }
        let ended = waiting.ended;
        std::mem::swap(&mut *waiting, into);
        waiting.ended = ended;
        true
    }

    fn push(&mut self, text: &mut Vec<u8>, time: SystemTime, members: &[u8]) {
        let start = text.len();
        let (seq, prev, process) = (self.seq, &self.prev, &self.process);
        // Writing to a vector cannot fail.
        let _ = write!(text, "{{\"time\":\"{}\",{process},", humantime::format_rfc3339_micros(time));
        let _ = write!(text, "\"seq\":{seq},\"prev\":\"{prev}\"");
        text.extend_from_slice(members);
        text.push(b'}');
        self.prev = hash(text.get(start..).unwrap_or_default());
        self.seq += 1;
        text.push(b'\n');
    }

    /// Nothing else goes on before it is written: calls wait for places, and nobody is told that a line
    /// is on disk. Only at the end what cannot be written is given up.
    fn write_patiently(&mut self, text: &[u8]) {
        let mut pause = Duration::from_millis(50);
        let mut tries = 0;
        while let Err(error) = self.write(text) {
            let file = self.settings.file.display();
            if tries == 0 {
                tracing::error!(%file, %error, "the audit cannot be written; calls wait");
            }
            tries += 1;
            if tries > TRIES_AT_THE_END && self.queue.waiting().ended {
                tracing::error!(%file, %error, "the end of the audit is lost");
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        if tries > 0 {
            tracing::info!(file = %self.settings.file.display(), "the audit is written again");
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let old = self.settings.max_age.is_some_and(|age| self.opened.elapsed() >= age);
        if self.size > 0 && (self.size + text.len() as u64 > self.settings.max_bytes || old) {
            self.rotate()?;
        }
        let written = self.file.write_all(text);
        let written = written.and_then(|()| if self.settings.sync { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.size += text.len() as u64,
            // What was written of it is not to stand there twice.
            Err(_) => self.file.set_len(self.size)?,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut aside = self.settings.file.clone().into_os_string();
        let stamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string().replace([':', '-'], "");
        aside.push(format!(".{stamp}-{}", self.seq));
        match std::fs::rename(&self.settings.file, aside) {
            // Somebody else has put it aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
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
pub(super) fn rotated_files(file: &Path) -> io::Result<Vec<PathBuf>> {
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
    let size = file.metadata()?.len();
    let mut window = 64 * 1024;
    let (start, tail, whole) = loop {
        let start = size.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        io::Read::read_to_end(file, &mut tail)?;
        let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        // All of the last whole line is in it, if a line ends before.
        let before = tail.get(..whole.saturating_sub(1)).unwrap_or_default();
        if start == 0 || before.contains(&b'\n') {
            break (start, tail, whole);
        }
        window *= 4;
    };
    if whole < tail.len() {
        tracing::warn!(bytes = tail.len() - whole, "the audit ended in a torn line, which is cut off");
        file.set_len(start + whole as u64)?;
    }
    let lines = tail.get(..whole.saturating_sub(1)).unwrap_or_default();
    let last = lines.rsplit(|b| *b == b'\n').next().filter(|l| !l.is_empty()).map(<[u8]>::to_vec);
    Ok((last, start + whole as u64))
}

/// However it ends, nobody waits for it any more.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.places.close();
        let left = std::mem::take(&mut *self.queue.waiting());
        drop(left);
    }
}
