//! Finding pages: by their text, by their titles, while somebody types, in one archive or in all.
//!
//! `fulltext` asks an archive's index, `title` its title listing and title index, `all` several archives at once;
//! `snippet` shows where the words stand.

pub(crate) mod all;
pub(crate) mod fulltext;
pub(crate) mod snippet;
pub(crate) mod title;

use crate::article::public_path;
use crate::index::Hit;
use zim::{Archive, Entry};

/// The entry that a hit of an index means, with redirects followed.
pub(crate) fn entry_of<'a>(archive: &'a Archive, hit: &Hit) -> Option<Entry<'a>> {
    entry_at(archive, &hit.path)
}

fn entry_at<'a>(archive: &'a Archive, path: &str) -> Option<Entry<'a>> {
    let namespace = *path.as_bytes().first()?;
    let rest = path.get(1..)?.strip_prefix('/')?;
    archive.find(namespace, rest).ok()??.resolve().ok()
}

/// The words of a query that say something.
pub(crate) fn words(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).take(32).collect()
}

/// Whether a page's path or title has one of the words.
pub(crate) fn names_any(archive: &Archive, entry: &Entry<'_>, words: &[String]) -> bool {
    let text = format!("{} {}", public_path(archive, entry), entry.title()).to_lowercase();
    words.iter().any(|word| word.chars().count() >= 3 && text.contains(word.as_str()))
}
