//! Snippets: the paragraph that says most about a query and what follows it, with the words of the query in bold.
//!
//! What the words of a query are, in all of their forms, says glass ([`Highlighter`]), which knows the archive's
//! language and how rare each word is in it. The window is not glass's: clients of openzim-mcp expect whole paragraphs
//! of Markdown without links and headings, so glass cuts only what is too long.

use crate::html::{Article, without_links};
use glass::{Highlighter, Occurrence};
use std::ops::Range;

/// How a snippet is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) chars: usize,
    pub(crate) paragraphs: usize,
}

/// Bytes of an article that are looked through.
const LOOKED: usize = 400_000;
/// Bytes that are looked through at once: the words often stand near the beginning.
const AT_ONCE: usize = 8_000;

/// The paragraph in which most of the query stands, by what its words are worth, and those behind it; the first ones
/// if it stands in none.
pub(crate) fn snippet(article: &Article, words: &Highlighter<'_>, shape: Shape) -> String {
    let body = article.headings.first().filter(|h| h.level == 1 && h.at == 0).map_or(0, |h| h.body);
    let Some(first) = paragraphs(article, body).next() else { return String::new() };
    let start = best(article, first.start, words).unwrap_or(first.start);
    let mut text = String::new();
    for paragraph in paragraphs(article, start).take(shape.paragraphs) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(without_links(article, paragraph).trim());
        if text.chars().count() >= shape.chars {
            break;
        }
    }
    if text.chars().nth(shape.chars).is_none() {
        return bold(&text, &words.find(&text));
    }
    let cut = words.snippet(&text, shape.chars);
    let (before, behind) = (if cut.has_more_before { "…" } else { "" }, if cut.has_more_behind { "…" } else { "" });
    format!("{before}{}{behind}", bold(&cut.text, &words.find(&cut.text)))
}

/// Where the best paragraph begins, if one has a word of the query.
fn best(article: &Article, from: usize, words: &Highlighter<'_>) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    let mut paragraphs = paragraphs(article, from).take_while(|range| range.start < from + LOOKED).peekable();
    let mut links = article.links.iter().map(|link| &link.close).peekable();
    while let Some(first) = paragraphs.peek() {
        let start = first.start;
        let mut some = Vec::new();
        while let Some(next) = paragraphs.next_if(|next| next.start < start + AT_ONCE) {
            some.push(next);
        }
        let end = some.last().map_or(start, |last| last.end);
        let mut found =
            words.find(article.slice(start..end)).into_iter().map(|one| (start + one.place.start, one.term));
        let mut next = found.next();
        for paragraph in some {
            let mut terms: Vec<usize> = Vec::new();
            while let Some((at, term)) = next.filter(|(at, _)| *at < paragraph.end) {
                while links.next_if(|close| close.end <= at).is_some() {}
                // What stands in the target of a link is not read.
                let is_read = !links.peek().is_some_and(|close| close.contains(&at));
                if at >= paragraph.start && is_read && !terms.contains(&term) {
                    terms.push(term);
                }
                next = found.next();
            }
            let worth: f64 = terms.iter().map(|term| words.worth(*term)).sum();
            if worth > best.map_or(0.0, |(most, _)| most * (1.0 + 1e-9)) {
                best = Some((worth, paragraph.start));
                if terms.len() == words.terms() {
                    return Some(paragraph.start);
                }
            }
        }
    }
    best.map(|(_, start)| start)
}

/// The paragraphs of an article from a place on, without headings.
fn paragraphs(article: &Article, from: usize) -> impl Iterator<Item = Range<usize>> + '_ {
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

/// What was found in bold, outside of code and of what has a mark already.
fn bold(text: &str, found: &[Occurrence]) -> String {
    const MARKS: [char; 4] = ['*', '`', '_', '/'];
    let mut out = String::with_capacity(text.len() + 4 * found.len());
    let (mut at, mut is_code) = (0, false);
    for Range { start, end } in found.iter().map(|one| one.place.clone()) {
        let between = text.get(at..start).unwrap_or_default();
        is_code ^= between.matches('`').count() % 2 == 1;
        out.push_str(between);
        let word = text.get(start..end).unwrap_or_default();
        let is_marked = out.ends_with(MARKS) || text.get(end..).is_some_and(|rest| rest.starts_with(MARKS));
        let mark = if is_code || is_marked { "" } else { "**" };
        out.extend([mark, word, mark]);
        at = end;
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
        snippet(&article, &Highlighter::of_language(query, "eng"), Shape { chars, paragraphs: 2 })
    }

    #[test]
    fn a_snippet_is_the_paragraph_that_has_the_words_in_any_form() {
        let page = "<h1>Sport</h1><p>Nothing here.</p><p>She <a href=x>runs</a> and is running.</p><p>Then rest.</p><p>Last.</p>";
        assert_eq!(shown(page, "running", 500), "She **runs** and is **running**.\n\nThen rest.");
        assert_eq!(shown(page, "zebra", 500), "Nothing here.\n\nShe runs and is running.");
        assert_eq!(
            shown("<p>Le café est fermé. <code>cafe()</code></p>", "CAFE", 500),
            "Le **café** est fermé. `cafe()`"
        );
        assert_eq!(shown("<p>東京は日本の首都です</p>", "日本", 500), "東京は**日本**の首都です");
    }

    #[test]
    fn the_paragraph_with_most_of_the_words_wins_wherever_it_stands() {
        let filler = "<p>Some other words that say nothing.</p>".repeat(600);
        let page = format!("<p>A cat.</p><p>A cat, a cat.</p>{filler}<p>The dog met the cats.</p>{filler}");
        assert!(shown(&page, "cat dog", 500).starts_with("The **dog** met the **cats**."));
        assert!(shown(&page, "cat", 500).starts_with("A **cat**.\n\nA **cat**, a **cat**."));
    }

    #[test]
    fn what_stands_in_the_target_of_a_link_is_not_read() {
        let page = "<p>See <a href=\"needle.html\">there</a>.</p><p>A needle.</p>";
        assert_eq!(shown(page, "needle", 500), "A **needle**.");
    }

    #[test]
    fn long_paragraphs_are_cut_around_the_word() {
        let page = format!("<p>{} needle {}</p>", "hay ".repeat(200), "straw ".repeat(200));
        let shown = shown(&page, "needle", 60);
        assert!(shown.starts_with('…') && shown.contains("**needle**") && shown.ends_with('…'), "{shown}");
        assert!(shown.chars().count() < 75, "{shown}");
    }
}
