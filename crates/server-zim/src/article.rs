//! Entries as articles: read once, and kept while there is room.

use crate::book::Book;
use crate::cache::{Bounds, Cache, Usage};
use crate::fault::Fault;
use crate::html::{self, Article};
use crate::kept::{Page, Restored};
use crate::links::Base;
use crate::settings::Settings;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};
use zim::{Archive, Entry};

/// Articles that were read lately.
pub(crate) struct Articles {
    kept: Cache<(u64, u32), Arc<Article>>,
    most_bytes: u64,
    /// From before a restart, until their archives are read.
    restored: Mutex<Restored>,
    has_restored: AtomicBool,
}

impl Articles {
    pub(crate) fn new(settings: &Settings) -> Self {
        let entries = if settings.answers.enabled { settings.answers.entries } else { 0 };
        let bounds = Bounds { bytes: settings.articles, entries, age: settings.answers.age };
        Self {
            kept: Cache::new(bounds),
            most_bytes: settings.entry_bytes,
            restored: Mutex::default(),
            has_restored: AtomicBool::new(false),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.kept.usage()
    }

    /// What was kept before a restart.
    pub(crate) fn restore(&self, restored: Restored) {
        self.has_restored.store(!restored.is_empty(), Ordering::Release);
        *self.restored.lock().unwrap_or_else(PoisonError::into_inner) = restored;
    }

    /// Takes over what was kept of this archive before a restart.
    fn take_over(&self, book: &Book) {
        let Some(content) = book.content() else { return };
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = restored.remove(&content).unwrap_or_default();
        self.has_restored.store(!restored.is_empty(), Ordering::Release);
        drop(restored);
        // The last in the file were used first.
        for page in pages.into_iter().rev() {
            let age = page.read.elapsed().unwrap_or_default();
            let Some(since) = Instant::now().checked_sub(age) else { continue };
            let cost = page.article.cost();
            self.kept.put_of((book.id, page.entry), page.article, cost, since);
        }
    }

    /// What is kept, with the number of its book; what was used last comes first.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = (u64, Page)> {
        self.kept.snapshot().into_iter().filter_map(|((book, entry), article, since)| {
            let read = SystemTime::now().checked_sub(since.elapsed())?;
            Some((book, Page { entry, read, article }))
        })
    }

    /// The entry, which is no redirect, as an article; nothing if it is no text.
    pub(crate) fn read(
        &self,
        book: &Book,
        archive: &Archive,
        entry: &Entry<'_>,
    ) -> Result<Option<Arc<Article>>, Fault> {
        if self.has_restored.load(Ordering::Acquire) {
            self.take_over(book);
        }
        let key = (book.id, entry.index());
        if let Some(article) = self.kept.get(&key) {
            return Ok(Some(article));
        }
        let Some(article) = read(archive, entry, self.most_bytes)? else { return Ok(None) };
        let article = Arc::new(article);
        self.kept.put(key, Arc::clone(&article), article.cost());
        Ok(Some(article))
    }
}

fn read(archive: &Archive, entry: &Entry<'_>, most_bytes: u64) -> Result<Option<Article>, Fault> {
    let mime = entry.mime_type().unwrap_or_default();
    if !is_text(mime) {
        return Ok(None);
    }
    let size = entry.size()?;
    if size > most_bytes {
        let message = format!("This entry has {size} bytes; up to {most_bytes} are turned into text.");
        return Err(Fault::new("entry_too_large", message));
    }
    let bytes = entry.read()?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(if is_html(mime) {
        html::read(&text, &Base::new(&public_path(archive, entry)))
    } else {
        Article::plain(redact::clean(text.trim()).into_owned())
    }))
}

/// The beginning of an entry as text, without reading all of it: for lists. Nothing if it is no text.
pub(crate) fn beginning(archive: &Archive, entry: &Entry<'_>, chars: usize) -> Result<Option<String>, Fault> {
    /// Bytes of a page that are looked at: scripts and menus stand before the text.
    const BYTES: u64 = 48 << 10;
    let mime = entry.mime_type().unwrap_or_default();
    if !is_text(mime) {
        return Ok(None);
    }
    let bytes = entry.read_part(0..entry.size()?.min(BYTES))?;
    let text = String::from_utf8_lossy(&bytes);
    let text = if is_html(mime) {
        // Some of it is markup, and some is the title.
        let article = html::beginning(&text, &Base::new(&public_path(archive, entry)), chars * 10);
        html::without_links(&article, 0..article.markdown.len())
    } else {
        redact::clean(&text).into_owned()
    };
    let mut shown: String = text.trim().chars().take(chars).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    Ok(Some(shown))
}

/// The path by which a caller gets this entry again.
pub(crate) fn public_path(archive: &Archive, entry: &Entry<'_>) -> String {
    if archive.has_new_namespaces() && entry.namespace() == b'C' {
        entry.path().into_owned()
    } else {
        entry.full_path()
    }
}

pub(crate) fn is_html(mime: &str) -> bool {
    mime.starts_with("text/html") || mime.starts_with("application/xhtml+xml")
}

pub(crate) fn is_text(mime: &str) -> bool {
    let known = ["application/json", "application/xml", "application/javascript", "application/x-javascript"];
    let mime = mime.split(';').next().unwrap_or_default().trim();
    mime.starts_with("text/")
        || is_html(mime)
        || known.contains(&mime)
        || mime.ends_with("+xml")
        || mime.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text_is_known_by_its_type() {
        for (mime, text) in [
            ("text/css", true),
            ("image/svg+xml", true),
            ("application/json; charset=utf-8", true),
            ("image/png", false),
            ("", false),
        ] {
            assert_eq!(is_text(mime), text, "{mime}");
        }
    }
}
