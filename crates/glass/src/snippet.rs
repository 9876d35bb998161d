//! Snippets: the part of a text that says most about a query, with what was found marked.
//!
//! A window moves over the words of the text that the query has in any form. A word counts as much as it
//! is rare; a second one of the same counts half, a third one a quarter, so that a window with all words
//! beats one that has the same word over and over. What is left of the length goes around the window, to
//! the beginning of a sentence if there is one.

use crate::chars::is_ngram;
use crate::database::Database;
use crate::error::Result;
use crate::header::Statistics;
use crate::lexer::{Lexer, Piece};
use crate::normalise::normalise;
use crate::parse;
use crate::search::Search;
use crate::settings::Settings;
use crate::weight::{Collection, Scheme, TermWeight};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Deref, Range};

/// Bytes of text that are looked at.
const MOST: usize = 4 << 20;
/// Languages of which both editions of the stemmer only change the ends of words.
const KEEP_INITIALS: [&str; 11] = ["da", "de", "en", "es", "fi", "hu", "it", "no", "pt", "ru", "sv"];
/// What a sentence ends with.
const SENTENCE_ENDS: [char; 7] = ['.', '!', '?', '\n', '。', '！', '？'];

/// Finds what a search is about in texts of one database.
///
/// ```no_run
/// # let (database, html): (glass::Database, String) = todo!();
/// let search = glass::Search::full_text("running");
/// let highlighter = glass::Highlighter::new(&search, &database)?;
/// let snippet = highlighter.snippet(&glass::html_text(&html), 300);
/// println!("{}", snippet.marked("**", "**")); // … and while it **ran**, …
/// # Ok::<(), glass::Error>(())
/// ```
pub struct Highlighter<'a> {
    settings: Known<'a>,
    /// Terms of the query without what the index puts before stems, and what they are worth.
    terms: HashMap<String, (usize, f64)>,
    /// What all words begin with that can be forms of a term, where stemmers leave beginnings alone.
    initials: Option<Vec<char>>,
}

/// What is known of how words become terms.
enum Known<'a> {
    Lent(&'a Settings),
    Own(Box<Settings>),
}

impl Deref for Known<'_> {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        match self {
            Self::Lent(settings) => settings,
            Self::Own(settings) => settings,
        }
    }
}

/// A part of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet {
    /// The part, without marks.
    pub text: String,
    /// What was found in it, as ranges of its bytes, ascending and apart from each other.
    pub found: Vec<Range<usize>>,
    /// Whether there is text before it.
    pub has_more_before: bool,
    /// Whether there is text behind it.
    pub has_more_behind: bool,
}

impl Snippet {
    /// The text with marks around what was found, and `…` where it goes on.
    pub fn marked(&self, open: &str, close: &str) -> String {
        self.build(open, close, Cow::Borrowed)
    }

    /// The same as HTML: text is escaped, `open` and `close` are not.
    pub fn marked_html(&self, open: &str, close: &str) -> String {
        self.build(open, close, |text| {
            Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"))
        })
    }

    fn build<'t>(&'t self, open: &str, close: &str, show: impl Fn(&'t str) -> Cow<'t, str>) -> String {
        let mut out = String::with_capacity(self.text.len() + self.found.len() * (open.len() + close.len()) + 6);
        if self.has_more_before {
            out.push('…');
        }
        let mut at = 0;
        for range in &self.found {
            out.push_str(&show(self.text.get(at..range.start).unwrap_or_default()));
            out.push_str(open);
            out.push_str(&show(self.text.get(range.clone()).unwrap_or_default()));
            out.push_str(close);
            at = range.end;
        }
        out.push_str(&show(self.text.get(at..).unwrap_or_default()));
        if self.has_more_behind {
            out.push('…');
        }
        out
    }
}

/// A word of the text that the query has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occurrence {
    /// Its bytes in the text.
    pub place: Range<usize>,
    /// Which term of the query it is a form of: a number below [`Highlighter::terms`].
    pub term: usize,
}

impl<'a> Highlighter<'a> {
    /// Reads the query as a search in this database does.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn new(search: &Search, database: &'a Database) -> Result<Self> {
        let settings = database.settings()?;
        let query = search.query(database)?;
        let Statistics { documents, total_length, .. } = database.statistics();
        let mean_length = Statistics::mean_length(u64::from(documents), total_length);
        let collection = Collection { documents: u64::from(documents), mean_length };
        let mut names = Vec::new();
        query.each_term(&mut |term| names.push(term.text.as_str()));
        let mut terms = HashMap::new();
        for name in names {
            let frequency = u64::from(database.term_frequency(name)?);
            let worth = TermWeight::new(Scheme::FULL_TEXT, collection, frequency).of(1, 0).max(f64::MIN_POSITIVE);
            let bare = if search.is_for_titles() { name.strip_prefix('Z').unwrap_or(name) } else { name };
            let next = terms.len();
            terms.entry(bare.to_owned()).or_insert((next, worth));
        }
        Ok(Self::of_terms(Known::Lent(settings), terms))
    }

    /// Reads the query in a language, by its code, for texts that no database has. All of its words count the same.
    pub fn of_language(query: &str, language: &str) -> Highlighter<'static> {
        let settings = Settings::of_language(language);
        let query = parse::full_text(&normalise(query), &settings, true);
        let mut terms = HashMap::new();
        query.each_term(&mut |term| {
            let next = terms.len();
            terms.entry(term.text.clone()).or_insert((next, 1.0));
        });
        Highlighter::of_terms(Known::Own(Box::new(settings)), terms)
    }

    /// How many terms the query has.
    pub fn terms(&self) -> usize {
        self.terms.len()
    }

    /// What a term is worth: the more, the rarer it is.
    pub fn worth(&self, term: usize) -> f64 {
        self.terms.values().find(|(number, _)| *number == term).map_or(0.0, |(_, worth)| *worth)
    }

    fn of_terms(settings: Known<'a>, terms: HashMap<String, (usize, f64)>) -> Self {
        let keeps_initials = settings.stemmer.language().is_none_or(|language| KEEP_INITIALS.contains(&language));
        let initials = keeps_initials.then(|| terms.keys().filter_map(|term| term.chars().next()).collect());
        Self { settings, terms, initials }
    }

    /// The part of a text that says most about the query, of about that many characters at most. If nothing
    /// of the query is in the text, its beginning.
    pub fn snippet(&self, text: &str, length: usize) -> Snippet {
        let text = head(text, MOST);
        let found = self.find(text);
        let window = self.best_window(text, &found, length);
        cut(text, &found, window, length)
    }

    /// All words of a text that the query has in any form, in their order.
    pub fn find(&self, text: &str) -> Vec<Occurrence> {
        let mut known: HashMap<&str, Option<usize>> = HashMap::new();
        let mut found: Vec<Occurrence> = Vec::new();
        let has_grams = self.terms.keys().any(|term| term.starts_with(is_ngram));
        for place in words(text) {
            let Some(word) = text.get(place.clone()) else { continue };
            if word.starts_with(is_ngram) {
                if has_grams {
                    self.find_grams(text, place, &mut found);
                }
                continue;
            }
            if !self.may_be_term(word) {
                continue;
            }
            let term = *known.entry(word).or_insert_with(|| self.term_of(word));
            if let Some(term) = term {
                found.push(Occurrence { place, term });
            }
        }
        found
    }

    /// Says no to most words, by their first letter.
    fn may_be_term(&self, word: &str) -> bool {
        match (&self.initials, word.chars().next()) {
            (Some(initials), Some(first)) if first.is_ascii_alphabetic() => {
                initials.contains(&first.to_ascii_lowercase())
            }
            _ => true,
        }
    }

    fn term_of(&self, word: &str) -> Option<usize> {
        let bare = normalise(word);
        let word = match Lexer::new(&bare).piece()? {
            Piece::Word { word, .. } => word.text,
            Piece::Phrase(_) | Piece::Ngrams { .. } => return None,
        };
        if self.initials.as_ref().is_some_and(|initials| !word.starts_with(initials.as_slice())) {
            return None;
        }
        let number = |term: &str| self.terms.get(term).map(|(number, _)| *number);
        number(&word).or_else(|| {
            let first = self.settings.stemmer.first(&word);
            number(&first).or_else(|| number(&self.settings.stemmer.second(&word, &first)?))
        })
    }

    /// The longest of the query's pairs and single characters at each place of a run.
    fn find_grams(&self, text: &str, run: Range<usize>, found: &mut Vec<Occurrence>) {
        let Some(run_text) = text.get(run.clone()) else { return };
        let chars: Vec<(usize, char)> = run_text.char_indices().collect();
        for (n, (at, char)) in chars.iter().enumerate() {
            let start = run.start + at;
            let end = start + char.len_utf8();
            let pair = chars.get(n + 1).map(|(_, next)| (format!("{char}{next}"), end + next.len_utf8()));
            // A single character counts only if it is all that is wanted of its kind.
            let single = (char.to_string(), end);
            for (gram, end) in pair.into_iter().chain([single]) {
                let is_single = gram.chars().count() == 1;
                if let Some((term, _)) = self.terms.get(&gram)
                    && !(is_single && self.terms.keys().any(|t| t.chars().count() == 2 && t.contains(&gram)))
                {
                    match found.last_mut() {
                        Some(last) if last.place.end > start => last.place.end = end.max(last.place.end),
                        _ => found.push(Occurrence { place: start..end, term: *term }),
                    }
                    break;
                }
            }
        }
    }

    /// Which occurrences the best window has.
    fn best_window(&self, text: &str, found: &[Occurrence], length: usize) -> Range<usize> {
        let worth = |term: usize| self.worth(term);
        let mut counts: HashMap<usize, i32> = HashMap::new();
        let (mut score, mut best, mut window, mut end) = (0.0, 0.0, 0..0, 0);
        for (begin, first) in found.iter().enumerate() {
            while let Some(next) = found.get(end) {
                let span =
                    text.get(first.place.start..next.place.end).map_or(usize::MAX, |span| chars_of(span, length));
                if end > begin && span > length {
                    break;
                }
                let count = counts.entry(next.term).or_insert(0);
                score += worth(next.term) / 2_f64.powi(*count);
                *count += 1;
                end += 1;
            }
            if score > best * (1.0 + 1e-9) {
                (best, window) = (score, begin..end);
            }
            if let Some(count) = counts.get_mut(&first.term) {
                *count -= 1;
                score -= worth(first.term) / 2_f64.powi(*count);
            }
        }
        window
    }
}

/// Characters, counted only up to one more than the limit.
fn chars_of(text: &str, limit: usize) -> usize {
    // A character has four bytes at most.
    if text.len() / 4 > limit { limit + 1 } else { text.chars().take(limit + 1).count() }
}

/// Ranges of words and of runs of scripts without spaces.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(move || {
        loop {
            let start = lexer.offset(text);
            if lexer.skip_word() {
                return Some(start..lexer.offset(text));
            }
            lexer.skip()?;
        }
    })
}

/// The beginning of a text, of no more than that many bytes.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Cuts out a window, with what is left of the length around it.
fn cut(text: &str, found: &[Occurrence], window: Range<usize>, length: usize) -> Snippet {
    let inside = found.get(window).unwrap_or_default();
    let core = match (inside.first(), inside.last()) {
        (Some(first), Some(last)) => first.place.start..last.place.end,
        _ => 0..0,
    };
    let used = text.get(core.clone()).map_or(0, |core| core.chars().count());
    let spare = length.saturating_sub(used);
    let start = begin(text, core.start, spare / 3);
    let before = text.get(start..core.start).map_or(0, |before| before.chars().count());
    let end = finish(text, core.end, spare.saturating_sub(before));
    let part = text.get(start..end).unwrap_or_default();
    let left = part.len() - part.trim_start().len();
    let (start, part) = (start + left, part.trim());
    let found = found.iter().filter(|one| one.place.start >= start && one.place.end <= start + part.len());
    Snippet {
        found: found.map(|one| one.place.start - start..one.place.end - start).collect(),
        has_more_before: text.get(..start).is_some_and(|before| !before.trim().is_empty()),
        has_more_behind: text.get(start + part.len()..).is_some_and(|behind| !behind.trim().is_empty()),
        text: part.to_owned(),
    }
}

/// Where a snippet begins that has room for so many characters before `core`: with the farthest sentence
/// that is near enough, or with a word.
fn begin(text: &str, core: usize, room: usize) -> usize {
    let before = text.get(..core).unwrap_or_default();
    let mut place = core;
    let (mut sentence, mut word) = (None, core);
    let mut behind = None;
    for (at, char) in before.char_indices().rev().take(room + 1) {
        if SENTENCE_ENDS.contains(&char) && (char == '\n' || behind.is_none_or(char::is_whitespace)) {
            sentence = Some(place);
        }
        if char.is_whitespace() || is_ngram(char) {
            word = place;
        }
        behind = Some(char);
        place = at;
    }
    if place == 0 && before.chars().count() <= room {
        return 0;
    }
    sentence.unwrap_or(word)
}

/// Where a snippet ends that has room for so many characters behind `core`.
fn finish(text: &str, core: usize, room: usize) -> usize {
    let behind = text.get(core..).unwrap_or_default();
    let Some((limit, _)) = behind.char_indices().nth(room) else { return text.len() };
    let within = behind.get(..limit).unwrap_or_default();
    let next = behind.get(limit..).and_then(|rest| rest.chars().next());
    if next.is_none_or(|next| next.is_whitespace() || is_ngram(next)) {
        return core + limit;
    }
    match within.rfind(|char: char| char.is_whitespace() || is_ngram(char)) {
        Some(at) => {
            core + within
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(at, |char| if is_ngram(char) { at + char.len_utf8() } else { at })
        }
        None if core > 0 => core,
        None => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(language: &str) -> Settings {
        Settings::of_language(language)
    }

    fn highlighter<'a>(settings: &'a Settings, terms: &[(&str, f64)]) -> Highlighter<'a> {
        let terms = terms.iter().enumerate().map(|(n, (term, worth))| ((*term).to_owned(), (n, *worth)));
        Highlighter::of_terms(Known::Lent(settings), terms.collect())
    }

    #[test]
    fn inflected_forms_are_marked() {
        let settings = settings("eng");
        let run = highlighter(&settings, &[("run", 1.0), ("cafe", 1.0)]);
        let snippet = run.snippet("He was Running, she runs; a runner and Cafés.", 200);
        assert_eq!(snippet.marked("[", "]"), "He was [Running], she [runs]; a runner and [Cafés].");
    }

    #[test]
    fn texts_that_no_database_has_are_marked_in_their_language() {
        let run = Highlighter::of_language("Running, cafés", "eng");
        assert_eq!(run.snippet("She runs to a café.", 50).marked("[", "]"), "She [runs] to a [café].");
        let river = Highlighter::of_language("rivières", "fra");
        assert_eq!(river.snippet("La rivière.", 50).marked("[", "]"), "La [rivière].");
        assert_eq!(river.find("rivière, Rivières").iter().map(|one| one.term).collect::<Vec<_>>(), [0, 0]);
        assert_eq!((river.terms(), river.worth(0), river.worth(1)), (1, 1.0, 0.0));
        assert_eq!(Highlighter::of_language("東京", "jpn").find("東京都").len(), 1);
        assert_eq!(Highlighter::of_language("x", "no such language").find("x").len(), 1);
    }

    #[test]
    fn the_window_with_most_of_the_query_is_shown() {
        let settings = settings("eng");
        let both = highlighter(&settings, &[("cat", 1.0), ("dog", 1.0)]);
        let filler = "Nothing of it is here at all. ".repeat(20);
        let text = format!("A cat, a cat and a cat. {filler}Then the dog met the cat. {filler}");
        let snippet = both.snippet(&text, 60);
        assert_eq!(snippet.marked("*", "*"), "…Then the *dog* met the *cat*. Nothing of it is here at all.…");
        let none = both.snippet(&filler, 30);
        assert_eq!(none.marked("*", "*"), "Nothing of it is here at all.…");
    }

    #[test]
    fn scripts_without_spaces_are_marked_by_what_was_asked() {
        let settings = settings("");
        let tokyo = highlighter(&settings, &[("東", 1.0), ("東京", 1.0), ("京", 1.0)]);
        assert_eq!(tokyo.snippet("日本の東京都と京都。", 50).marked("[", "]"), "日本の[東京]都と京都。");
        let single = highlighter(&settings, &[("京", 1.0)]);
        assert_eq!(single.snippet("東京と京都。", 50).marked("[", "]"), "東[京]と[京]都。");
    }

    #[test]
    fn markup_in_the_text_is_escaped_in_html() {
        let settings = settings("eng");
        let snippet = highlighter(&settings, &[("tag", 1.0)]).snippet("<tag> & \"tags\"", 50);
        assert_eq!(snippet.marked_html("<b>", "</b>"), "&lt;<b>tag</b>&gt; &amp; &quot;<b>tags</b>&quot;");
    }

    proptest! {
        #[test]
        fn a_snippet_is_a_part_of_the_text_with_what_it_marks(
            text in "([a-c]{1,4}|東京?|[.!\\n]|é|&|\u{200b}| ){0,80}", length in 0..60_usize,
        ) {
            let settings = settings("eng");
            let snippet = highlighter(&settings, &[("a", 1.0), ("bc", 3.0), ("東京", 2.0)]).snippet(&text, length);
            prop_assert!(text.contains(&snippet.text));
            let mut end = 0;
            for range in &snippet.found {
                prop_assert!(range.start >= end && range.start < range.end);
                prop_assert!(snippet.text.get(range.clone()).is_some());
                end = range.end;
            }
            let longest = length.max(8);
            prop_assert!(snippet.text.chars().count() <= longest, "{} > {longest}", snippet.text.chars().count());
        }
    }
}
