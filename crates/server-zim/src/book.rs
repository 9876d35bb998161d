//! One archive of the library. It is opened when it is needed, stays open while it is among the last that were, and
//! is known to be damaged once it could not be.

use crate::fault::Fault;
use crate::index::{TextIndex, Volume};
use crate::kept::Content;
use crate::preset::{Preset, Presets};
use crate::scan::{self, Found, Stamp};
use crate::settings::Settings;
use crate::side::{self, Folder};
use crate::tools::metadata::uuid;
use glass::Cache;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;
use zim::{Archive, Caches, Limits, Memory, Options};

/// Bytes of a decoded cluster: as many as there are threads can be in memory at once. Writers make clusters of
/// 2 MiB; a larger one has one large entry, which is no page.
const MAX_CLUSTER: u64 = 64 << 20;

/// Opens archives, and closes those that were not needed for longest.
pub(crate) struct Opener {
    pub(crate) caches: Arc<Caches>,
    pub(crate) indexes: Arc<Cache>,
    /// Where indexes lie that archives do not bring along.
    pub(crate) side: Option<Folder>,
    presets: Presets,
    limits: Limits,
    /// How many files are open at once beside those that calls read.
    most: usize,
    open: Mutex<VecDeque<(u64, Arc<Slot>)>>,
    next: AtomicU64,
    opened: AtomicU64,
}

type Slot = Mutex<Option<Arc<Volume>>>;

/// An archive.
pub(crate) struct Book {
    /// What callers call it: its path under the configured folder. Unique.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Another number than any other archive's, and than its own after it was replaced.
    pub(crate) id: u64,
    place: Place,
    slot: Arc<Slot>,
    damage: OnceLock<String>,
    /// Whether the log knows already.
    is_known_damaged: bool,
    opener: Arc<Opener>,
    about: OnceLock<About>,
    /// Whether the checksum is right, once it was looked at.
    pub(crate) verified: OnceLock<bool>,
}

enum Place {
    File(Found),
    Memory(&'static [u8]),
}

/// What is asked of an archive again and again.
pub(crate) struct About {
    pub(crate) uuid: [u8; 16],
    /// Of its content, for the index that is made for it.
    pub(crate) identity: String,
    pub(crate) has_fulltext: bool,
    pub(crate) has_titles: bool,
    pub(crate) parts: usize,
    pub(crate) preset: Preset,
}

impl Opener {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            caches: Arc::new(Caches::new(settings.cache, settings.cache / 8)),
            indexes: Arc::new(Cache::new(settings.index_cache)),
            side: settings.cache_folder.as_deref().map(Folder::in_cache),
            presets: Presets::read(settings.presets.as_deref()),
            limits: Limits::default().bytes(settings.entry_bytes.max(1 << 20), MAX_CLUSTER),
            most: settings.open_archives.max(1),
            open: Mutex::default(),
            next: AtomicU64::new(1),
            opened: AtomicU64::new(0),
        }
    }

    fn options(&self) -> Options {
        Options::new().caches(&self.caches).limits(self.limits.clone())
    }

    /// Whether something in the operator's file of presets has no effect.
    pub(crate) const fn has_wrong_presets(&self) -> bool {
        self.presets.is_wrong()
    }

    /// How many archives were opened since the start.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Makes this one the last that was needed.
    fn used(&self, id: u64, slot: &Arc<Slot>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.back().is_some_and(|(last, _)| *last == id) {
            return;
        }
        open.retain(|(other, _)| *other != id);
        open.push_back((id, Arc::clone(slot)));
        let closed = if open.len() > self.most { open.pop_front() } else { None };
        drop(open);
        if let Some((_, slot)) = closed {
            lock(&slot).take();
        }
    }

    fn forget(&self, id: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != id);
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Arc<Volume>>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    pub(crate) fn new(name: String, found: Found, opener: &Arc<Opener>, is_known_damaged: bool) -> Self {
        let bytes = found.stamp.bytes();
        Self::at(name, bytes, Place::File(found), opener, is_known_damaged)
    }

    pub(crate) fn in_memory(name: &str, bytes: &'static [u8], opener: &Arc<Opener>) -> Self {
        Self::at(name.to_owned(), bytes.len() as u64, Place::Memory(bytes), opener, false)
    }

    fn at(name: String, bytes: u64, place: Place, opener: &Arc<Opener>, is_known_damaged: bool) -> Self {
        Self {
            name,
            bytes,
            id: opener.next.fetch_add(1, Ordering::Relaxed),
            place,
            slot: Arc::default(),
            damage: OnceLock::new(),
            is_known_damaged,
            opener: Arc::clone(opener),
            about: OnceLock::new(),
            verified: OnceLock::new(),
        }
    }

    /// The archive, unless it is damaged. Who holds it can go on reading whatever becomes of the file.
    pub(crate) fn archive(&self) -> Result<Arc<Volume>, Fault> {
        if let Some(reason) = self.damage.get() {
            let message = format!("The archive {:?} cannot be used: {reason}. Use another one.", self.name);
            return Err(Fault::new("archive_damaged", message));
        }
        let mut slot = lock(&self.slot);
        let archive = match &*slot {
            Some(archive) => Arc::clone(archive),
            None => {
                let archive = match self.open() {
                    Ok(archive) => Arc::new(Volume::new(archive, &self.opener)),
                    Err(fault) => {
                        drop(slot);
                        return Err(fault);
                    }
                };
                *slot = Some(Arc::clone(&archive));
                archive
            }
        };
        drop(slot);
        self.opener.used(self.id, &self.slot);
        Ok(archive)
    }

    fn open(&self) -> Result<Archive, Fault> {
        self.opener.opened.fetch_add(1, Ordering::Relaxed);
        let opened = match &self.place {
            Place::Memory(bytes) => {
                let bytes: &'static [u8] = bytes;
                self.opener.options().open_source(Memory(bytes))
            }
            Place::File(found) => match scan::open(found, self.opener.options()) {
                Some(opened) => opened,
                None => return Err(Fault::replaced(&self.name)),
            },
        };
        opened.map_err(|error| {
            if !self.is_known_damaged {
                tracing::warn!(archive = self.name, %error, "an archive cannot be used");
            }
            // What the system says of a file is for the log.
            let is_io = matches!(error, zim::Error::Io(_));
            let reason = if is_io { "the file cannot be read".to_owned() } else { error.to_string() };
            let message = format!("The archive {:?} cannot be used: {reason}. Use another one.", self.name);
            let _ = self.damage.set(reason);
            Fault::new("archive_damaged", message)
        })
    }

    /// The archive once more, beside the one that calls share: for who reads all of it.
    pub(crate) fn open_alone(&self, options: Options) -> Result<Archive, Fault> {
        let unreadable = || Fault::new("archive_damaged", format!("The archive {:?} cannot be used.", self.name));
        match &self.place {
            Place::Memory(_) => Err(unreadable()),
            Place::File(found) => match scan::open(found, options) {
                None => Err(Fault::replaced(&self.name)),
                Some(opened) => opened.map_err(|_| unreadable()),
            },
        }
    }

    /// Where its full text is found.
    pub(crate) fn text_index(&self) -> TextIndex {
        match self.about() {
            Ok(about) if about.has_fulltext => TextIndex::Xapian,
            Ok(_) if self.archive().is_ok_and(|volume| volume.has_side_index()) => TextIndex::Side,
            _ => TextIndex::None,
        }
    }

    /// Why it cannot be used, if that is known.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Whether it could not be used when that was last tried. Opens nothing.
    pub(crate) fn seems_damaged(&self) -> bool {
        self.damage().is_some() || (self.is_known_damaged && self.about.get().is_none())
    }

    /// Whether it can be used, if it was tried. Opens nothing.
    pub(crate) fn is_readable(&self) -> Option<bool> {
        if self.seems_damaged() {
            return Some(false);
        }
        self.about.get().map(|_| true)
    }

    /// Whether it can be used. Opens it if it never was.
    pub(crate) fn is_damaged(&self) -> bool {
        self.about.get().is_none() && self.about().is_err() && self.damage().is_some()
    }

    pub(crate) fn about(&self) -> Result<&About, Fault> {
        if let Some(about) = self.about.get() {
            return Ok(about);
        }
        let archive = self.archive()?;
        let about = About {
            uuid: archive.uuid(),
            identity: side::identity(&archive),
            has_fulltext: archive.has_fulltext_index().unwrap_or(false),
            has_titles: archive.has_title_index().unwrap_or(false),
            parts: archive.parts(),
            preset: Preset::of(&archive, &self.opener.presets),
        };
        Ok(self.about.get_or_init(|| about))
    }

    /// Which content this is, over restarts; nothing in memory.
    pub(crate) fn content(&self) -> Option<Content> {
        let Place::File(found) = &self.place else { return None };
        let modified = found.stamp.modified()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let modified = u64::try_from(modified.as_nanos()).ok()?;
        Some(Content { uuid: uuid(self.about().ok()?.uuid), bytes: found.stamp.bytes(), modified })
    }

    /// Tells one content from another: for cursors.
    pub(crate) fn identity(&self) -> String {
        let uuid = self.about().map(|about| about.uuid).unwrap_or_default();
        uuid.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where it lies; nothing in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(found) => Some(&found.path),
            Place::Memory(_) => None,
        }
    }

    /// The state of its file; nothing in memory.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        match &self.place {
            Place::File(found) => Some(&found.stamp),
            Place::Memory(_) => None,
        }
    }

    /// When the file was last written.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.stamp().and_then(Stamp::modified)
    }

    /// Whether the file is the one that was found before.
    pub(crate) fn is_still(&self, found: &Found) -> bool {
        matches!(&self.place, Place::File(own) if own.stamp == found.stamp)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::File(own), Place::File(other)) => own.stamp == other.stamp,
            (Place::Memory(_), Place::Memory(_)) => true,
            _ => false,
        }
    }

    pub(crate) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The file name without its ending.
    pub(crate) fn stem(&self) -> &str {
        stem(self.file_name())
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.opener.forget(self.id);
    }
}

/// A name without the ending of archives.
pub(crate) fn stem(name: &str) -> &str {
    name.strip_suffix(".zimaa").or_else(|| name.strip_suffix(".zim")).unwrap_or(name)
}
