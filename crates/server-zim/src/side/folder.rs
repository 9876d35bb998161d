//! Where side indexes lie: in the cache folder, `fulltext/<uuid of the archive>-<its checksum>-v<format>/`, each made
//! elsewhere and moved there whole, with a list of its files. An archive that is replaced has another checksum, even if
//! its writer gives all of them one uuid.

use crate::tools::metadata::uuid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr};
use tantivy::{Directory, HasLen as _};
use zim::Archive;

/// Another number means other terms or other files. It grows, too, when stemmers change.
pub(super) const FORMAT: u32 = 1;
/// The list of files, which is written last.
const MANIFEST: &str = "complete.json";
/// Held while one is made, so that one is made at a time.
const LOCK: &str = "lock";
const MAX_MANIFEST: u64 = 1 << 20;

/// The folder of all side indexes.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// What is known of an index that is whole.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(super) format: u32,
    /// [`identity`] of the archive.
    pub(super) identity: String,
    /// The archive it was made of: when that is replaced, nobody needs this index any more.
    pub(super) archive: PathBuf,
    pub(super) language: String,
    pub(super) documents: u64,
    /// Bytes of each file.
    pub(super) files: BTreeMap<String, u64>,
}

/// Nobody else makes an index while this is held. It ends with the process, too.
pub(super) struct Making(#[allow(dead_code, reason = "its lock is what it is for")] File);

/// Tells the content of one archive from any other.
pub(crate) fn identity(archive: &Archive) -> String {
    let sum = archive.checksum().ok().flatten();
    // Very old archives have no checksum.
    let sum = sum.map_or_else(
        || archive.size().to_string(),
        |sum| sum.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>(),
    );
    format!("{}-{sum}", uuid(archive.uuid()))
}

/// Where a user's caches lie on this system, and ours within; `None` if nobody knows.
pub fn cache_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Caches"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("portcullis").join("zim"))
}

impl Folder {
    pub(crate) fn in_cache(cache: &Path) -> Self {
        Self(cache.join("fulltext"))
    }

    fn of(&self, identity: &str) -> PathBuf {
        self.0.join(format!("{identity}-v{FORMAT}"))
    }

    /// The index of an archive if there is one and it is whole; why not, if it is damaged.
    pub(super) fn complete(&self, identity: &str) -> Result<Option<(PathBuf, Manifest)>, String> {
        let place = self.of(identity);
        let Some(manifest) = Manifest::read(&place)? else { return Ok(None) };
        if manifest.format != FORMAT || manifest.identity != identity {
            return Err("its list of files is that of another index".to_owned());
        }
        for (name, bytes) in &manifest.files {
            if fs::metadata(place.join(name)).map(|file| file.len()).ok() != Some(*bytes) {
                return Err(format!("its file {name} is not as it was written"));
            }
        }
        Ok(Some((place, manifest)))
    }

    /// Whether there is an index of this archive that can be used.
    pub(crate) fn has(&self, identity: &str) -> bool {
        self.complete(identity).is_ok_and(|found| found.is_some())
    }

    /// Begins to make one; nothing if somebody else does. Takes away what was left by who did not finish.
    pub(super) fn lock(&self) -> io::Result<Option<Making>> {
        create(&self.0)?;
        let lock = File::options().create(true).truncate(false).write(true).open(self.0.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(&self.0)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && (name.ends_with(".part") || name.ends_with(".old")) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Some(Making(lock)))
    }

    /// An empty folder to make one in.
    pub(super) fn fresh(&self, _making: &Making, identity: &str) -> io::Result<PathBuf> {
        let part = self.0.join(format!(".{identity}.part"));
        create(&part)?;
        Ok(part)
    }

    /// Writes the list of files and moves the index to where it is looked for. Those of the same archive as it was
    /// before go.
    pub(super) fn finish(&self, _making: &Making, part: &Path, mut manifest: Manifest) -> io::Result<(PathBuf, u64)> {
        for entry in fs::read_dir(part)?.flatten() {
            let file = entry.metadata()?;
            if file.is_file() {
                manifest.files.insert(entry.file_name().to_string_lossy().into_owned(), file.len());
            }
        }
        let bytes = manifest.files.values().sum();
        let mut file = File::create_new(part.join(MANIFEST))?;
        file.write_all(&serde_json::to_vec(&manifest)?)?;
        file.sync_all()?;
        let place = self.of(&manifest.identity);
        let old = self.0.join(format!(".{}.old", manifest.identity));
        match fs::rename(&place, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(part, &place)?;
        // What cannot be taken away now is taken away the next time.
        let _ = fs::remove_dir_all(&old);
        self.forget_older(&place, &manifest.archive);
        Ok((place, bytes))
    }

    fn forget_older(&self, kept: &Path, archive: &Path) {
        let Ok(places) = fs::read_dir(&self.0) else { return };
        for place in places.flatten().map(|entry| entry.path()).filter(|place| place != kept) {
            if Manifest::read(&place).is_ok_and(|found| found.is_some_and(|found| found.archive == archive)) {
                tracing::info!(index = %place.display(), "a full-text index of an archive that was replaced is removed");
                let _ = fs::remove_dir_all(&place);
            }
        }
    }
}

impl Manifest {
    fn read(place: &Path) -> Result<Option<Self>, String> {
        let file = match File::open(place.join(MANIFEST)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut text = Vec::new();
        file.take(MAX_MANIFEST).read_to_end(&mut text).map_err(|error| error.to_string())?;
        serde_json::from_slice(&text).map(Some).map_err(|error| format!("its list of files cannot be read: {error}"))
    }
}

/// A folder for its owner, with those above it.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// An index that nobody writes to: nothing is locked, so it may lie on a medium that is read-only.
#[derive(Clone, Debug)]
pub(super) struct ReadOnly(MmapDirectory);

impl ReadOnly {
    pub(super) fn open(place: &Path) -> Result<Self, OpenDirectoryError> {
        MmapDirectory::open(place).map(Self)
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the index is open for reading")
}

impl Directory for ReadOnly {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(refused()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::IoError { io_error: Arc::new(refused()), filepath: path.to_owned() })
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.0.open_read(path)?;
        if file.len() > MAX_ATOMIC {
            let error = io::Error::new(io::ErrorKind::InvalidData, "a description is too long");
            return Err(OpenReadError::wrap_io_error(error, path.to_owned()));
        }
        self.0.atomic_read(path)
    }

    fn atomic_write(&self, _path: &Path, _data: &[u8]) -> io::Result<()> {
        Err(refused())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _lock: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// Bytes of a file that describes an index.
const MAX_ATOMIC: usize = 64 << 20;
