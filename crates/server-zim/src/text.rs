//! Text as it is shown, and pieces of it, counted in characters.

use redact::clean;
use zim::Entry;

/// The title of an entry, as it is shown.
pub(crate) fn title(entry: &Entry<'_>) -> String {
    clean(&entry.title()).into_owned()
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

/// The first characters, cut where a word ends, with a sign that there is more.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let text = text.trim();
    let piece = piece(text, 0, limit);
    if piece.len() == text.len() {
        return text.to_owned();
    }
    let end = piece.rfind(char::is_whitespace).filter(|end| *end > piece.len() / 2).unwrap_or(piece.len());
    format!("{}…", piece.get(..end).unwrap_or(piece).trim_end())
}

/// The first words, as they stand in the text, and whether there are more.
pub(crate) fn first_words(text: &str, count: usize) -> (&str, bool) {
    let mut words = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            in_word = false;
        } else if !in_word {
            if words == count {
                return (text.get(..at).unwrap_or_default().trim_end(), true);
            }
            words += 1;
            in_word = true;
        }
    }
    (text.trim_end(), false)
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    let mut number = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if number < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{number:.2} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.2} TB")
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
    fn words_are_cut_between_words() {
        assert_eq!(first_words("a  b\nc d", 3), ("a  b\nc", true));
        assert_eq!(first_words("a b ", 2), ("a b", false));
        assert_eq!(shortened("one two three", 9), "one two…");
        assert_eq!(shortened(" one ", 9), "one");
        assert_eq!((size(12).as_str(), size(46_045_661).as_str()), ("12 B", "43.91 MB"));
    }
}
