//! Snippets: the paragraph in which the words of a query stand, with the words in bold.

use crate::html::{Article, without_links};
use crate::text::shortened;
use std::ops::Range;

/// How a snippet is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) chars: usize,
    pub(crate) paragraphs: usize,
}

/// Words that are made bold at most.
const BOLD: usize = 5;
/// Bytes of an article that are looked through.
const LOOKED: usize = 400_000;

/// The first paragraphs that have a word of the query; those the text begins with, if none has.
pub(crate) fn snippet(article: &Article, words: &[String], shape: Shape) -> String {
    let wanted: Vec<Wanted> = words.iter().map(|word| Wanted::new(word)).collect();
    let body = article.headings.first().filter(|h| h.level == 1 && h.at == 0).map_or(0, |h| h.body);
    let mut best: Option<(usize, Range<usize>)> = None;
    let mut paragraphs = paragraphs(article, body);
    let first = paragraphs.clone().next();
    let mut seen = 0;
    // The one with most of the words; of those, the first.
    for paragraph in &mut paragraphs {
        seen += paragraph.len();
        if seen > LOOKED {
            break;
        }
        let found = wanted.iter().filter(|word| word.is_in(article.slice(paragraph.clone()))).count();
        if found > best.as_ref().map_or(0, |(most, _)| *most) {
            let is_all = found == wanted.len();
            best = Some((found, paragraph));
            if is_all {
                break;
            }
        }
    }
    let Some(start) = best.map(|(_, range)| range).or(first) else { return String::new() };
    let mut text = String::new();
    let from = start.start;
    for paragraph in self::paragraphs(article, from).take(shape.paragraphs) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(without_links(article, paragraph).trim());
        if text.chars().count() >= shape.chars {
            break;
        }
    }
    let text = around(&text, &wanted, shape.chars);
    bold(&text, &wanted)
}

/// The part of a long text that has the first of the words in it.
fn around(text: &str, wanted: &[Wanted], chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let first =
        tokens(text).find(|range| wanted.iter().any(|word| word.is(text.get(range.clone()).unwrap_or_default())));
    let at = first.map_or(0, |range| range.start);
    // A quarter of the room for what stands before it.
    let before: usize = text.get(..at).unwrap_or_default().chars().rev().take(chars / 4).map(char::len_utf8).sum();
    let mut start = at - before;
    if start > 0
        && let Some(space) = text.get(start..at).and_then(|lead| lead.find(char::is_whitespace))
    {
        start += space + 1;
    }
    let shown = shortened(text.get(start..).unwrap_or_default(), chars);
    if start > 0 { format!("…{shown}") } else { shown }
}

/// The paragraphs of an article from a place on, without headings.
fn paragraphs(article: &Article, from: usize) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
    let text = article.markdown.as_str();
    let mut at = from;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let begin = at + (rest.len() - rest.trim_start().len());
            let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
            let end = begin + rest.find("\n\n").unwrap_or(rest.len());
            at = end;
            if !rest.starts_with('#') {
                return Some(begin..end);
            }
        }
    })
}

/// A word as it is looked for: without accents, and in other forms.
struct Wanted {
    whole: String,
    stem: String,
}

impl Wanted {
    fn new(word: &str) -> Self {
        let whole = plain(word);
        let letters = whole.chars().count();
        // Two thirds of a word are its stem in most languages, and never less than four letters.
        let stem = whole.chars().take((letters * 2).div_ceil(3).max(4).min(letters)).collect();
        Self { whole, stem }
    }

    fn is(&self, token: &str) -> bool {
        let token = plain(token);
        if token == self.whole {
            return true;
        }
        let (ours, theirs) = (self.whole.chars().count(), token.chars().count());
        ours >= 4 && token.starts_with(&self.stem) && theirs <= ours + 4
    }

    fn is_in(&self, text: &str) -> bool {
        // What is no letter of ours has no words to be cut into.
        if self.whole.chars().any(|c| c >= '\u{2e80}') {
            return plain(text).contains(&self.whole);
        }
        tokens(text).any(|range| self.is(text.get(range).unwrap_or_default()))
    }
}

fn plain(text: &str) -> String {
    glass::normalise(text).into_owned()
}

/// Accents that stand by themselves.
const fn is_combining_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut letters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while letters.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
        let (start, _) = *letters.peek()?;
        let mut end = start;
        while let Some((at, c)) = letters.next_if(|(_, c)| c.is_alphanumeric() || is_combining_mark(*c)) {
            end = at + c.len_utf8();
        }
        Some(start..end)
    })
}

/// The first of each word in bold, outside of code.
fn bold(text: &str, wanted: &[Wanted]) -> String {
    let mut out = String::new();
    let mut at = 0;
    let mut left: Vec<&Wanted> = wanted.iter().take(BOLD).collect();
    for range in tokens(text) {
        let token = text.get(range.clone()).unwrap_or_default();
        let before = text.get(..range.start).unwrap_or_default();
        let after = text.get(range.end..).unwrap_or_default();
        let is_marked = before.ends_with(['*', '`', '_', '/']) || after.starts_with(['*', '`', '_', '/']);
        let Some(place) = left.iter().position(|word| word.is(token)).filter(|_| !is_marked) else { continue };
        if before.matches('`').count() % 2 == 1 {
            continue;
        }
        left.remove(place);
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str("**");
        out.push_str(token);
        out.push_str("**");
        at = range.end;
        if left.is_empty() {
            break;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html;
    use crate::links::Base;

    fn shown(html: &str, query: &str, chars: usize) -> String {
        let article = html::read(html, &Base::default());
        snippet(&article, &crate::search::words(query), Shape { chars, paragraphs: 2 })
    }

    #[test]
    fn a_snippet_is_the_paragraph_that_has_the_words_in_any_form() {
        let page = "<h1>Sport</h1><p>Nothing here.</p><p>She <a href=x>runs</a> and is running.</p><p>Then rest.</p><p>Last.</p>";
        assert_eq!(shown(page, "running", 500), "She runs and is **running**.\n\nThen rest.");
        assert_eq!(shown(page, "zebra", 500), "Nothing here.\n\nShe runs and is running.");
        assert_eq!(
            shown("<p>Le café est fermé. <code>cafe()</code></p>", "CAFE", 500),
            "Le **café** est fermé. `cafe()`"
        );
        assert_eq!(shown("<p>東京は日本の首都です", "日本", 500), "東京は日本の首都です");
    }

    #[test]
    fn long_paragraphs_are_cut_around_the_word() {
        let page = format!("<p>{} needle {}</p>", "hay ".repeat(200), "straw ".repeat(200));
        let shown = shown(&page, "needle", 60);
        assert!(shown.starts_with('…') && shown.contains("**needle**") && shown.ends_with('…'), "{shown}");
        assert!(shown.chars().count() < 75, "{shown}");
    }
}
