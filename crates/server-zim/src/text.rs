//! Entries as text, and pieces of text.

use crate::fault::Fault;
use crate::html::to_markdown;
use crate::links::{Base, decoded};
use zim::{Archive, Entry};

/// The entry that a caller's path means, before redirects are followed.
///
/// Beside what [`Archive::entry_by_path`] says: metadata and well-known entries by `M/…` and `W/…`, as
/// `zim_browse` names them, and paths that are still percent-encoded.
pub(crate) fn find<'a>(archive: &'a Archive, path: &str) -> Result<Option<Entry<'a>>, Fault> {
    let trimmed = path.trim().trim_start_matches('/');
    let decoded = decoded(trimmed);
    for path in [path, trimmed, &decoded] {
        if let Some(entry) = archive.entry_by_path(path)? {
            return Ok(Some(entry));
        }
        if let Some((namespace @ ("M" | "W"), rest)) = path.split_once('/')
            && let Some(entry) = archive.find(namespace.as_bytes().first().copied().unwrap_or_default(), rest)?
        {
            return Ok(Some(entry));
        }
        let spaced = path.replace(' ', "_");
        if let Some(entry) = archive.entry_by_path(&spaced)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The path by which a caller gets this entry again.
pub(crate) fn public_path(archive: &Archive, entry: &Entry<'_>) -> String {
    if archive.has_new_namespaces() && entry.namespace() == b'C' {
        entry.path().into_owned()
    } else {
        entry.full_path()
    }
}

/// The content as text; `None` if it is none.
pub(crate) fn of(archive: &Archive, entry: &Entry<'_>, max_bytes: u64) -> Result<Option<String>, Fault> {
    let mime = entry.mime_type().unwrap_or_default();
    if !is_text(mime) {
        return Ok(None);
    }
    let size = entry.size()?;
    if size > max_bytes {
        let message = format!("This entry has {size} bytes; up to {max_bytes} are turned into text.");
        return Err(Fault::new("entry_too_large", message));
    }
    let bytes = entry.read()?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(if is_html(mime) {
        to_markdown(&text, &Base::new(&public_path(archive, entry)))
    } else {
        text.into_owned()
    }))
}

fn is_html(mime: &str) -> bool {
    mime.starts_with("text/html") || mime.starts_with("application/xhtml+xml")
}

fn is_text(mime: &str) -> bool {
    let known = ["application/json", "application/xml", "application/javascript", "application/x-javascript"];
    let mime = mime.split(';').next().unwrap_or_default().trim();
    mime.starts_with("text/")
        || is_html(mime)
        || known.contains(&mime)
        || mime.ends_with("+xml")
        || mime.ends_with("+json")
}

/// The characters from `offset` on, `limit` at most.
pub(crate) fn piece(text: &str, offset: usize, limit: usize) -> &str {
    let place = |count: usize, from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.char_indices().nth(count).map_or(text.len(), |(at, _)| from + at)
    };
    let start = place(offset, 0);
    text.get(start..place(limit, start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_counted_in_characters_and_put_together_are_the_whole() {
        let text = "aé日本🦀".repeat(7);
        for limit in 1..12 {
            let mut whole = String::new();
            for page in 0.. {
                let piece = piece(&text, page * limit, limit);
                if piece.is_empty() {
                    break;
                }
                assert!(piece.chars().count() <= limit);
                whole.push_str(piece);
            }
            assert_eq!(whole, text);
        }
        assert_eq!(piece("abc", 3, 5), "");
        assert_eq!(piece("abc", usize::MAX, usize::MAX), "");
    }

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
