//! A folder to build from, as the tar stream that the engine takes, without what `.dockerignore` names.
//!
//! The folder is read on a blocking thread and sent as it is read. Links are sent as links: what they lead to
//! outside of the folder does not go along, also if something is exchanged for a link meanwhile. So each folder is
//! opened from the handle of the one around it.

mod ignore;

pub use ignore::ignore_matches;

use crate::disk;
use crate::fault::Fault;
use bytes::Bytes;
use futures_core::Stream;
use ignore::Ignore;
use rustix::fs::{AtFlags, Dir, FileType, Stat, readlinkat, statat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as Polled, Poll, ready};
use tokio::sync::mpsc;

/// What is built from.
pub(crate) struct Context {
    folder: OwnedFd,
    /// Within the folder, with `/`.
    pub(crate) dockerfile: String,
    ignore: Ignore,
    most_bytes: u64,
}

impl Context {
    /// Checks that the folder, whose path has no links, is one and the Dockerfile is in it, and reads what stays out.
    /// Reads the disk.
    pub(crate) fn open(folder: PathBuf, dockerfile: &str, most_bytes: u64) -> Result<Self, Fault> {
        let shown = folder.display();
        if !folder.is_dir() {
            return Err(Fault::new(format!("path: there is no folder {shown}.")));
        }
        let file = folder.join(dockerfile);
        let real = file.canonicalize();
        let real = real.map_err(|_| Fault::new(format!("dockerfile: there is no {dockerfile:?} in {shown}.")))?;
        let inside = real.strip_prefix(&folder).map_err(|_| {
            Fault::refused(format!(
                "dockerfile: {dockerfile:?} leads out of {shown}; it must lie in the folder that is built from."
            ))
        })?;
        if !real.is_file() {
            return Err(Fault::new(format!("dockerfile: {dockerfile:?} is no file.")));
        }
        let opened = disk::folder(&folder).and_then(|at| disk::folder_in(at, "."));
        let opened = opened.map_err(|e| Fault::new(format!("path: {shown} cannot be read: {e}.")))?;
        let dockerfile = inside.to_string_lossy().into_owned();
        let ignore = Ignore::read(&ignored(opened.as_fd(), &dockerfile).map_err(|(name, error)| {
            Fault::new(format!("path: {} cannot be read: {error}.", folder.join(name).display()))
        })?);
        Ok(Self { folder: opened, dockerfile, ignore, most_bytes })
    }

    /// Sends it. Ends early if nobody reads.
    pub(crate) fn send(self, to: mpsc::Sender<Result<Bytes, io::Error>>) {
        let pipe = Pipe { to: to.clone(), buffer: Vec::with_capacity(CHUNK), left: self.most_bytes };
        if let Err(error) = self.pack(pipe) {
            // Nobody reads any more, or this tells the reader why it ends.
            let _ = to.blocking_send(Err(error));
        }
    }

    fn pack(&self, pipe: Pipe) -> io::Result<()> {
        let mut builder = tar::Builder::new(pipe);
        self.pack_folder(&mut builder, self.folder.as_fd(), &mut Vec::new(), 0)?;
        builder.into_inner()?.flush()
    }

    fn pack_folder(
        &self,
        builder: &mut tar::Builder<Pipe>,
        folder: BorrowedFd<'_>,
        at: &mut Vec<String>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other("the folders are nested too deeply"));
        }
        for name in names(folder).map_err(|error| unread(&at.join("/"), error))? {
            at.push(name.clone());
            let parts: Vec<_> = at.iter().map(String::as_str).collect();
            let inner = parts.join("/");
            // The engine needs these two whatever is said.
            let needed = inner == self.dockerfile || inner == ".dockerignore";
            let out = self.ignore.excludes(&parts) && !needed;
            let stat = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unread(&inner, error))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_dir() {
                let dockerfile_inside = self.dockerfile.starts_with(&format!("{inner}/"));
                let goes_on = !out || self.ignore.has_exceptions() || dockerfile_inside;
                let below = goes_on.then(|| disk::folder_in(folder, &name)).transpose();
                let below = below.map_err(|error| unread(&inner, error))?;
                if let Some(below) = below.as_ref().filter(|_| !out) {
                    let metadata = File::from(below.try_clone()?).metadata()?;
                    let mut header = tar::Header::new_gnu();
                    header.set_metadata(&metadata);
                    builder.append_data(&mut header, format!("{inner}/"), io::empty())?;
                }
                if let Some(below) = below {
                    self.pack_folder(builder, below.as_fd(), at, depth + 1)?;
                }
            } else if !out && kind.is_file() {
                let file = disk::file_in(folder, &name).map_err(|error| unread(&inner, error))?;
                let metadata = file.metadata()?;
                let mut header = tar::Header::new_gnu();
                header.set_metadata(&metadata);
                // Its header has promised this length, whatever becomes of it meanwhile.
                let promised = file.chain(io::repeat(0)).take(metadata.len());
                builder.append_data(&mut header, &inner, promised)?;
            } else if !out && kind.is_symlink() {
                let target = readlinkat(folder, &name, Vec::new()).map_err(|error| unread(&inner, error))?;
                builder.append_link(&mut link(&stat), &inner, OsStr::from_bytes(target.as_bytes()))?;
            }
            at.pop();
        }
        Ok(())
    }
}

/// What the Dockerfile's own `.dockerignore` says, or the folder's. Else which of them cannot be read.
fn ignored(folder: BorrowedFd<'_>, dockerfile: &str) -> Result<String, (String, io::Error)> {
    for name in [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()] {
        match disk::text_in(folder, &name) {
            Ok(Some(text)) => return Ok(text),
            Ok(None) => {}
            Err(error) => return Err((name, error)),
        }
    }
    Ok(String::new())
}

/// Says which file or folder within the context it is.
fn unread(inner: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(
        error.kind(),
        format!("{:?} in it cannot be read: {error}", if inner.is_empty() { "." } else { inner }),
    )
}

/// What is in a folder, in the same order each time, so that the engine's cache is hit.
fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let Ok(name) = entry?.file_name().to_owned().into_string() else { continue };
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[allow(clippy::useless_conversion, reason = "the types are not the same on each system")]
fn link(stat: &Stat) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(u32::from(stat.st_mode) & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header
}

const DEEPEST: usize = 100;
const CHUNK: usize = 256 << 10;

/// The folder as it is sent, as a stream that knows why it ended early.
pub(crate) struct Pieces {
    from: mpsc::Receiver<Result<Bytes, io::Error>>,
    broken: Broken,
}

/// Why the folder could not be sent, once that is so.
#[derive(Clone, Default)]
pub(crate) struct Broken(Arc<OnceLock<String>>);

impl Pieces {
    pub(crate) fn new(from: mpsc::Receiver<Result<Bytes, io::Error>>) -> (Self, Broken) {
        let broken = Broken::default();
        (Self { from, broken: broken.clone() }, broken)
    }
}

impl Broken {
    /// What really failed: whoever sends the pieces only knows that they ended, and blames the engine.
    pub(crate) fn instead_of(&self, fault: Fault) -> Fault {
        self.0.get().map_or(fault, |why| Fault::new(format!("path: the folder could not be sent: {why}.")))
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Polled<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.from.poll_recv(cx));
        if let Some(Err(error)) = &piece {
            // Only the first reason is one.
            let _ = self.broken.0.set(error.to_string());
        }
        Poll::Ready(piece)
    }
}

/// What is written goes to an async reader in pieces.
struct Pipe {
    to: mpsc::Sender<Result<Bytes, io::Error>>,
    buffer: Vec<u8>,
    left: u64,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            io::Error::other("the folder is larger than the settings allow; name what is not needed in .dockerignore")
        })?;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK)));
        self.to.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn packed(folder: &Path, dockerfile: &str) -> BTreeSet<String> {
        names_in(Context::open(folder.canonicalize().unwrap(), dockerfile, 1 << 20).unwrap())
    }

    fn names_in(context: Context) -> BTreeSet<String> {
        let (to, mut from) = mpsc::channel(4);
        let sending = std::thread::spawn(move || context.send(to));
        let mut bytes = Vec::new();
        while let Some(piece) = from.blocking_recv() {
            bytes.extend_from_slice(&piece.unwrap());
        }
        sending.join().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().to_string_lossy().trim_end_matches('/').to_owned())
            .collect()
    }

    #[test]
    fn a_folder_is_packed_without_what_is_ignored_and_without_what_links_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["src", "node_modules", "docker"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for name in ["src/a.rs", "src/a.log", "node_modules/x", "docker/Dockerfile", "b.txt"] {
            std::fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", at("leak")).unwrap();
        std::fs::write(at(".dockerignore"), "node_modules\n**/*.log\ndocker\n").unwrap();
        let names = packed(folder.path(), "docker/Dockerfile");
        let expected = [".dockerignore", "b.txt", "docker/Dockerfile", "leak", "src", "src/a.rs"];
        assert_eq!(names, expected.iter().map(|n| (*n).to_owned()).collect());
    }

    #[test]
    fn a_folder_that_was_exchanged_for_a_link_after_it_was_opened_is_not_left() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("ctx")).unwrap();
        std::fs::write(base.join("ctx/Dockerfile"), "FROM x").unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let context = Context::open(base.join("ctx"), "Dockerfile", 1 << 20).unwrap();
        std::fs::rename(base.join("ctx"), base.join("moved")).unwrap();
        std::os::unix::fs::symlink(outside.path(), base.join("ctx")).unwrap();
        std::fs::create_dir(base.join("moved/a")).unwrap();
        assert_eq!(names_in(context), ["Dockerfile", "a"].iter().map(|n| (*n).to_owned()).collect());
        assert!(Context::open(base.join("ctx"), "secret", 1).is_err(), "it is a link now");
    }

    #[test]
    fn a_dockerignore_is_a_small_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::write(base.join("Dockerfile"), "FROM x").unwrap();
        let fails = |name: &str| {
            let file = base.join(name);
            let Err(Fault::Said(why)) = Context::open(base.clone(), "Dockerfile", 1 << 20) else { panic!("{name}") };
            assert!(why.starts_with(&format!("path: {} cannot be read: it is", file.display())), "{why}");
            std::fs::remove_file(file).unwrap();
        };
        std::os::unix::fs::symlink("/dev/zero", base.join(".dockerignore")).unwrap();
        fails(".dockerignore");
        std::fs::write(base.join(".dockerignore"), vec![b'x'; (1 << 20) + 1]).unwrap();
        fails(".dockerignore");
        std::fs::create_dir(base.join("Dockerfile.dockerignore")).unwrap();
        assert!(Context::open(base.clone(), "Dockerfile", 1 << 20).is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_told_as_that_and_not_as_the_engines_failure() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::write(base.join("Dockerfile"), "FROM x").unwrap();
        let told = |most: u64| {
            let context = Context::open(base.clone(), "Dockerfile", most).unwrap();
            async move {
                let (to, from) = mpsc::channel(4);
                let (mut pieces, broken) = Pieces::new(from);
                let sending = tokio::task::spawn_blocking(move || context.send(to));
                while std::future::poll_fn(|cx| Pin::new(&mut pieces).poll_next(cx)).await.is_some() {}
                sending.await.unwrap();
                match broken.instead_of(Fault::new("the engine does not answer")) {
                    Fault::Said(why) => why,
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(told(1 << 20).await, "the engine does not answer");
        let why = told(10).await;
        assert!(why.starts_with("path: the folder could not be sent: the folder is larger"), "{why}");
        // It was a file, when it was listed.
        assert!(
            unread("src/a", rustix::io::Errno::ACCESS).to_string().contains("\"src/a\" in it cannot be read: Perm")
        );
    }

    #[test]
    fn a_dockerfile_lies_in_the_folder_and_a_folder_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::write(base.join("Dockerfile"), "FROM x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", base.join("Evil")).unwrap();
        for wrong in ["../Dockerfile", "Evil", "/etc/passwd", "missing", "."] {
            assert!(Context::open(base.clone(), wrong, 1).is_err(), "{wrong}");
        }
        std::fs::write(base.join("large"), vec![0; 1 << 20]).unwrap();
        let context = Context::open(base, "Dockerfile", 4096).unwrap();
        let (to, mut from) = mpsc::channel(16);
        let sending = std::thread::spawn(move || context.send(to));
        let mut last = None;
        while let Some(piece) = from.blocking_recv() {
            last = Some(piece);
        }
        sending.join().unwrap();
        assert!(last.unwrap().unwrap_err().to_string().contains(".dockerignore"));
    }
}
