//! Files and folders of this machine, opened as they were decided.
//!
//! Between the decision about a path and its opening somebody may exchange a folder of it for a link. So each
//! component is opened from the handle of the one before it, and none of them may be a link.

pub(crate) mod held;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

/// Bytes of a file that is read as a whole: a compose file, `.env`, `.dockerignore`.
pub(crate) const SMALL: u64 = 1 << 20;

/// Only to go on from: it need not be readable.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = OFlags::RDONLY;

/// The folder that a path without links names.
pub(crate) fn folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = STEP | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = openat(CWD, "/", flags, Mode::empty())?;
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => at = openat(&at, name, flags, Mode::empty())?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(at)
}

/// The folder of a path without links, and the name in it.
fn parent(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    Ok((folder(parent)?, name))
}

/// A folder in a folder, to list it.
pub(crate) fn folder_in(at: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    Ok(openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// A regular file in a folder, to read it. A pipe is not waited for.
pub(crate) fn file_in(at: impl AsFd, name: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(at, name, flags, Mode::empty());
    let file = File::from(file.map_err(|error| match error {
        rustix::io::Errno::LOOP => no_file(),
        error => error.into(),
    })?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

fn no_file() -> io::Error {
    io::Error::other("it is no regular file")
}

/// A regular file, to read it.
pub(crate) fn file(path: &Path) -> io::Result<File> {
    let (folder, name) = parent(path)?;
    file_in(folder, name)
}

/// The text of a small file.
pub(crate) fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(SMALL + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SMALL {
        return Err(io::Error::other(format!("it is larger than {} KiB", SMALL >> 10)));
    }
    Ok(text)
}

/// The text of a small file in a folder. `None` if there is none.
pub(crate) fn text_in(at: BorrowedFd<'_>, path: &str) -> io::Result<Option<String>> {
    let read = || {
        let mut parts = path.split('/').peekable();
        let mut folder = None;
        while let Some(part) = parts.next() {
            let here = folder.as_ref().map_or(at, AsFd::as_fd);
            if parts.peek().is_none() {
                return text(file_in(here, part)?);
            }
            folder = Some(folder_in(here, part)?);
        }
        Err(io::ErrorKind::InvalidInput.into())
    };
    match read() {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that did not exist before, and that goes if nobody waits for it to be finished.
pub(crate) struct NewFile {
    folder: OwnedFd,
    name: OsString,
    finished: bool,
}

impl NewFile {
    /// Makes it at a path without links.
    pub(crate) fn at(path: &Path) -> io::Result<(Self, File)> {
        let (folder, name) = parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, name, flags, Mode::from_raw_mode(0o666))?;
        Ok((Self { folder, name: name.to_owned(), finished: false }, File::from(file)))
    }

    pub(crate) fn keep(mut self) {
        self.finished = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // There may be nothing left to remove it with.
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn base() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn no_component_of_a_path_may_have_become_a_link() {
        let (_guard, base) = base();
        std::fs::create_dir(base.join("real")).unwrap();
        std::fs::write(base.join("real/a"), "a").unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        symlink(base.join("real/a"), base.join("to-a")).unwrap();
        assert_eq!(text(file(&base.join("real/a")).unwrap()).unwrap(), "a");
        for path in ["link/a", "to-a", "real", "missing", "real/a/b"] {
            assert!(file(&base.join(path)).is_err(), "{path}");
        }
        assert!(folder(&base.join("link")).is_err());
        assert!(NewFile::at(&base.join("link/new")).is_err());
        assert!(NewFile::at(&base.join("real/a")).is_err(), "it exists");
    }

    #[test]
    fn a_new_file_goes_from_where_it_was_made_unless_it_is_kept() {
        let (_guard, base) = base();
        for name in ["d", "other"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        std::fs::write(base.join("other/x"), "stays").unwrap();
        let (new, _file) = NewFile::at(&base.join("d/x")).unwrap();
        std::fs::rename(base.join("d"), base.join("moved")).unwrap();
        symlink(base.join("other"), base.join("d")).unwrap();
        drop(new);
        assert!(!base.join("moved/x").exists() && base.join("other/x").exists());
        NewFile::at(&base.join("moved/y")).unwrap().0.keep();
        assert!(base.join("moved/y").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_read_as_a_whole_is_a_small_regular_file() {
        let (_guard, base) = base();
        std::fs::write(base.join("large"), vec![b'x'; usize::try_from(SMALL).unwrap() + 1]).unwrap();
        symlink("/dev/zero", base.join("zero")).unwrap();
        rustix::fs::mkfifoat(CWD, base.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
        let folder = folder(&base).unwrap();
        for name in ["large", "zero", "pipe"] {
            assert!(text_in(folder.as_fd(), name).is_err(), "{name}");
        }
        assert!(text_in(folder.as_fd(), "missing").unwrap().is_none());
        assert!(text_in(folder.as_fd(), "missing/too").unwrap().is_none());
    }
}
