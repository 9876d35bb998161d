//! A folder to build from, as the tar stream that the engine takes, without what `.dockerignore` names.
//!
//! The folder is read on a blocking thread and sent as it is read. Links are sent as links: what they lead to
//! outside of the folder does not go along.

mod ignore;

pub use ignore::ignore_matches;

use crate::fault::Fault;
use bytes::Bytes;
use ignore::Ignore;
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// What is built from.
pub(crate) struct Context {
    pub(crate) folder: PathBuf,
    /// Within the folder, with `/`.
    pub(crate) dockerfile: String,
    pub(crate) most_bytes: u64,
}

impl Context {
    /// Checks that the folder is one and the Dockerfile is in it. Reads the disk.
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
        Ok(Self { dockerfile: inside.to_string_lossy().into_owned(), folder, most_bytes })
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
        let own = self.folder.join(format!("{}.dockerignore", self.dockerfile));
        let text = std::fs::read_to_string(own).or_else(|_| std::fs::read_to_string(self.folder.join(".dockerignore")));
        let ignore = Ignore::read(&text.unwrap_or_default());
        let mut builder = tar::Builder::new(pipe);
        builder.follow_symlinks(false);
        self.pack_folder(&mut builder, &ignore, &mut Vec::new(), 0)?;
        builder.into_inner()?.flush()
    }

    fn pack_folder(
        &self,
        builder: &mut tar::Builder<Pipe>,
        ignore: &Ignore,
        at: &mut Vec<String>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other("the folders are nested too deeply"));
        }
        let folder = at.iter().fold(self.folder.clone(), |path, part| path.join(part));
        let mut entries: Vec<_> = std::fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
        // In the same order each time, so that the engine's cache is hit.
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            at.push(name);
            let parts: Vec<_> = at.iter().map(String::as_str).collect();
            let inner = parts.join("/");
            // The engine needs these two whatever is said.
            let needed = inner == self.dockerfile || inner == ".dockerignore";
            let out = ignore.excludes(&parts) && !needed;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let dockerfile_inside = self.dockerfile.starts_with(&format!("{inner}/"));
                if !out {
                    builder.append_path_with_name(entry.path(), &inner)?;
                }
                if !out || ignore.has_exceptions() || dockerfile_inside {
                    self.pack_folder(builder, ignore, at, depth + 1)?;
                }
            } else if !out && (kind.is_file() || kind.is_symlink()) {
                builder.append_path_with_name(entry.path(), &inner)?;
            }
            at.pop();
        }
        Ok(())
    }
}

const DEEPEST: usize = 100;
const CHUNK: usize = 256 << 10;

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
        let context = Context::open(folder.canonicalize().unwrap(), dockerfile, 1 << 20).unwrap();
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
