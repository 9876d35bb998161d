//! Finds archives in folders.
//!
//! A link is followed if it leads to a place inside the configured folder, and is passed over if not. An
//! archive is opened by the path without links, and after that it is checked that this path still is the
//! file that was opened: a folder that is exchanged meanwhile opens no other file.

use crate::settings::Settings;
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How deep folders are looked into, and how many names are looked at.
const MAX_DEPTH: usize = 8;
const MAX_NAMES: usize = 100_000;
/// How much is told that is not served.
const MAX_PASSED: usize = 100;

/// An archive that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The configured path it was found under, without links.
    pub(crate) root: PathBuf,
    /// Its path without links.
    pub(crate) path: PathBuf,
    /// Its path under the root, as the listing names it.
    pub(crate) relative: PathBuf,
    /// The files it is read from, without links: itself, or all of its parts.
    files: Vec<PathBuf>,
    pub(crate) stamp: Stamp,
}

/// Tells one state of an archive from another: of its file, or of each of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp(Vec<FileStamp>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FileStamp {
    bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    fn of(files: &[PathBuf]) -> Option<Self> {
        files.iter().map(|file| Some(FileStamp::new(&fs::metadata(file).ok()?))).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.0.iter().filter_map(|file| file.modified).max()
    }
}

impl FileStamp {
    fn new(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), inode: inode(metadata) }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// Something that is not served, for the log: it may name paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Passed {
    pub(crate) path: PathBuf,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// A configured path that cannot be read, and what the system says.
    Unreadable(String),
    /// A link that leads out of the configured folders, to this place.
    LeadsOut(PathBuf),
    /// A part of it lies outside of its folder, or is gone.
    PartOutside,
    /// There are more archives than this, which are as many as are served.
    TooMany(usize),
}

impl Passed {
    /// Writes it to the log.
    pub(crate) fn tell(&self) {
        let path = self.path.display();
        match &self.why {
            Why::Unreadable(error) => tracing::warn!(%path, error, "a configured path cannot be read"),
            Why::LeadsOut(target) => tracing::warn!(
                %path, target = %target.display(),
                "a link leads out of the served folders and is not followed: serve the folder that it leads to as well"
            ),
            Why::PartOutside => tracing::warn!(
                %path,
                "a part of this archive is not there or lies outside of its folder: the archive is not served"
            ),
            Why::TooMany(limit) => {
                tracing::warn!(%path, limit, "there are more archives than are served: those from here on are not");
            }
        }
    }
}

/// What there is.
pub(crate) struct Scanned {
    pub(crate) found: Vec<Found>,
    /// What is not served, though it looks as if it should be; not more than [`MAX_PASSED`].
    pub(crate) passed: Vec<Passed>,
    /// How many of the configured paths cannot be read.
    pub(crate) unreadable: usize,
    /// Configured paths where nothing was found.
    pub(crate) empty: Vec<PathBuf>,
    /// Folders in which archives may come.
    pub(crate) folders: Vec<PathBuf>,
}

/// The archives at these paths, as a server over them would find them: single files, and those in folders.
pub fn archives(paths: &[PathBuf]) -> Vec<PathBuf> {
    scan(&Settings::of(paths.iter().cloned())).found.into_iter().map(|found| found.path).collect()
}

/// All archives.
pub(crate) fn scan(settings: &Settings) -> Scanned {
    let mut scan = Scan {
        found: Vec::new(),
        passed: Vec::new(),
        folders: Vec::new(),
        seen: HashSet::new(),
        names: 0,
        limit: settings.archives,
        roots: settings.paths.iter().filter_map(|path| fs::canonicalize(path).ok()).collect(),
    };
    let (mut unreadable, mut empty) = (0, Vec::new());
    for path in &settings.paths {
        let before = scan.found.len();
        match scan.root(path) {
            Err(error) => {
                // The log names it; callers are told a number.
                scan.pass(path.clone(), Why::Unreadable(error.to_string()));
                unreadable += 1;
            }
            Ok(()) if scan.found.len() == before => empty.push(path.clone()),
            Ok(()) => {}
        }
    }
    Scanned { found: scan.found, passed: scan.passed, unreadable, empty, folders: scan.folders }
}

struct Scan {
    found: Vec<Found>,
    passed: Vec<Passed>,
    folders: Vec<PathBuf>,
    /// Folders and files that were looked at, by path without links: what is reached twice counts once.
    seen: HashSet<PathBuf>,
    names: usize,
    limit: usize,
    /// The configured paths without links.
    roots: Vec<PathBuf>,
}

impl Scan {
    fn pass(&mut self, path: PathBuf, why: Why) {
        if self.passed.len() < MAX_PASSED {
            self.passed.push(Passed { path, why });
        }
    }

    fn root(&mut self, configured: &Path) -> std::io::Result<()> {
        let root = fs::canonicalize(configured)?;
        if fs::metadata(&root)?.is_dir() {
            // Unlike a subfolder, this one has to be readable.
            fs::read_dir(&root)?;
            self.folder(&root, &root, Path::new(""), 0);
        } else {
            let name = configured.file_name().map(PathBuf::from).unwrap_or_default();
            self.file(&root, &root, name);
        }
        Ok(())
    }

    fn folder(&mut self, root: &Path, folder: &Path, relative: &Path, depth: usize) {
        if !self.seen.insert(folder.to_owned()) {
            return;
        }
        self.folders.push(folder.to_owned());
        let Ok(listing) = fs::read_dir(folder) else { return };
        let mut names: Vec<_> = listing.flatten().map(|entry| entry.file_name()).take(MAX_NAMES).collect();
        names.sort();
        for name in names {
            self.names += 1;
            if self.names > MAX_NAMES {
                return;
            }
            let relative = relative.join(&name);
            let named = folder.join(&name);
            let Ok(path) = fs::canonicalize(&named) else { continue };
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let is_meant = is_archive(&relative) && metadata.is_file();
            if self.found.len() >= self.limit && is_meant {
                let why = Why::TooMany(self.limit);
                if !self.passed.iter().any(|passed| passed.why == why) {
                    self.pass(named, why);
                }
                return;
            }
            if !path.starts_with(root) {
                // What lies in another configured folder is found there.
                let is_elsewhere = self.roots.iter().any(|root| path.starts_with(root));
                if !is_elsewhere && (is_meant || metadata.is_dir()) {
                    self.pass(named, Why::LeadsOut(path));
                }
                continue;
            }
            if metadata.is_dir() && depth < MAX_DEPTH {
                self.folder(root, &path, &relative, depth + 1);
            } else if is_meant {
                self.file(root, &path, relative);
            }
        }
    }

    fn file(&mut self, root: &Path, path: &Path, relative: PathBuf) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let Some(files) = files(root, path) else {
            self.pass(path.to_owned(), Why::PartOutside);
            return;
        };
        if let Some(stamp) = Stamp::of(&files) {
            self.found.push(Found { root: root.to_owned(), path: path.to_owned(), relative, files, stamp });
        }
    }
}

/// The files an archive is read from, without links; nothing if one of them lies outside of the root. A root that is a
/// part itself stands for the folder it lies in.
fn files(root: &Path, path: &Path) -> Option<Vec<PathBuf>> {
    if !zim::is_first_part(path) {
        return Some(vec![path.to_owned()]);
    }
    let folder = if root == path { path.parent()? } else { root };
    let inside = |part: &PathBuf| fs::canonicalize(part).ok().filter(|part| part.starts_with(folder));
    zim::parts_of(path).iter().map(inside).collect()
}

fn is_archive(name: &Path) -> bool {
    name.extension().is_some_and(|e| e.eq_ignore_ascii_case("zim")) || zim::is_first_part(name)
}

/// Opens what was found; nothing if it no longer is what was found, so that something else would be opened.
///
/// What is compared is what was opened, not what a name means a moment later; and the name without links still has
/// to be itself, so that no folder was exchanged for a link meanwhile.
pub(crate) fn open(found: &Found, options: zim::Options) -> Option<zim::Result<zim::Archive>> {
    let is_unchanged = || Stamp::of(&found.files).as_ref() == Some(&found.stamp);
    let is_itself = || {
        // The files are again those that lie inside of the root now.
        fs::canonicalize(&found.path).is_ok_and(|path| path == found.path && path.starts_with(&found.root))
            && files(&found.root, &found.path).as_ref() == Some(&found.files)
    };
    let mut handles = Vec::new();
    for (path, stamp) in found.files.iter().zip(&found.stamp.0) {
        match fs::File::open(path).and_then(|file| Ok((FileStamp::new(&file.metadata()?), file))) {
            Ok((opened, _)) if opened != *stamp => return None,
            Ok((_, file)) => handles.push((path.clone(), file)),
            Err(error) => return is_unchanged().then(|| Err(error.into())),
        }
    }
    match options.open_files(handles) {
        Ok(archive) => (is_itself() && is_unchanged()).then_some(Ok(archive)),
        Err(error) => is_unchanged().then_some(Err(error)),
    }
}
