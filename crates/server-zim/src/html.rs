//! HTML as Markdown, in one pass over its tokens.
//!
//! The tokenizer is WHATWG's (html5gum, safe code); there is no tree. Pages of archives are tag soup of
//! any depth, and a tree of them would have to be built, walked and dropped without recursion to be safe.
//! A model needs the text, its headings, lists, tables and links, and these need no tree: an element that
//! is never closed costs a little markup and loses no text.
//!
//! `page` is the pass. It gives an [`Article`]: the Markdown, and beside it where headings, links, tables and
//! the box of facts stand in it, so that sections, outlines and the compact form are slices of one text.
//! `tokens` cuts the page, `furniture` lists what is left out, `table` writes tables, `slug` makes ids, `compact` the short form.

mod check;
mod compact;
mod furniture;
mod page;
mod slug;
mod table;
mod tokens;

use crate::links::Base;
use html5gum::StartTag;
use serde::{Deserialize, Serialize};
use std::ops::Range;

pub use check::check;
pub(crate) use compact::{Compact, without_links};

/// A page as text, and what is where in it. All positions are bytes of `markdown`, on borders of characters.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Article {
    pub(crate) markdown: String,
    pub(crate) headings: Vec<Heading>,
    pub(crate) links: Vec<Link>,
    pub(crate) media: Vec<Media>,
    /// How many links lead to places of the page itself.
    pub(crate) anchors: usize,
    /// Tables and the box of facts, in order: what the compact form shortens.
    pub(crate) folds: Vec<Fold>,
    /// MediaWiki says that this page only tells pages of the same name apart.
    pub(crate) is_disambiguation: bool,
}

/// A word of the program.
pub(crate) type Word = &'static str;

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heading {
    pub(crate) id: String,
    /// Where the id comes from: `id`, `anchor`, `section` or `slug`.
    #[serde(deserialize_with = "crate::kept::word")]
    pub(crate) id_source: Word,
    /// Other ids that lead to it.
    pub(crate) aliases: Vec<String>,
    pub(crate) text: String,
    /// 1 to 6.
    pub(crate) level: u8,
    /// Where its line begins, and where what stands under it begins.
    pub(crate) at: usize,
    pub(crate) body: usize,
}

/// A link to another page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// As it stands in the page.
    pub(crate) url: String,
    pub(crate) text: String,
    pub(crate) title: Option<String>,
    /// The path in the archive; `None` if it leads out of it.
    pub(crate) path: Option<String>,
    pub(crate) fragment: Option<String>,
    /// Where its text begins, and where the target that follows it ends; nothing if it has no text.
    pub(crate) open: usize,
    pub(crate) close: Range<usize>,
}

/// A picture, a sound, a film or something else that is shown within the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) url: String,
    #[serde(deserialize_with = "crate::kept::word")]
    pub(crate) kind: Word,
    pub(crate) alt: String,
    pub(crate) title: Option<String>,
    /// The path in the archive, if it lies there.
    pub(crate) path: Option<String>,
    pub(crate) at: usize,
}

/// Something that the compact form shows shorter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fold {
    pub(crate) range: Range<usize>,
    pub(crate) what: Folded,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) enum Folded {
    Table {
        rows: usize,
        columns: usize,
    },
    /// Lines of `**Label:** value`.
    Facts(Vec<String>),
}

/// Reads a page that lies at `base`.
pub(crate) fn read(html: &str, base: &Base) -> Article {
    beginning(html, base, usize::MAX)
}

/// Reads a page until there are about so many bytes of its content.
pub(crate) fn beginning(html: &str, base: &Base, enough: usize) -> Article {
    match page::read(html, base, enough, true) {
        Ok(article) => article,
        // Something that was to be left out is never closed, and would take the rest of the page with it.
        Err(page::NeverClosed) => page::read(html, base, enough, false).unwrap_or_default(),
    }
}

impl Article {
    /// A text that is no page.
    pub(crate) fn plain(text: String) -> Self {
        Self { markdown: text, ..Self::default() }
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn cost(&self) -> usize {
        let links: usize = self.links.iter().map(|l| l.url.len() + l.text.len() + 160).sum();
        let media: usize = self.media.iter().map(|m| m.url.len() + m.alt.len() + 160).sum();
        self.markdown.len() + links + media + self.headings.len() * 200 + self.folds.len() * 100 + 500
    }

    /// Where the section of a heading ends: at the next one of its level or above, or at the next one at all.
    pub(crate) fn end_of(&self, index: usize, with_subsections: bool) -> usize {
        let Some(heading) = self.headings.get(index) else { return self.markdown.len() };
        let later = self.headings.iter().skip(index + 1);
        let mut ends = later.filter(|other| !with_subsections || other.level <= heading.level);
        ends.next().map_or(self.markdown.len(), |next| next.at)
    }

    /// A slice of the text; nothing if it is none.
    pub(crate) fn slice(&self, range: Range<usize>) -> &str {
        self.markdown.get(range).unwrap_or_default()
    }

    /// What stands before the second heading, or before the first one that is not the title.
    pub(crate) fn lead(&self) -> Range<usize> {
        let mut headings = self.headings.iter().filter(|h| h.level > 1);
        let end = headings.next().map_or(self.markdown.len(), |h| h.at);
        let is_empty = |range: Range<usize>| {
            let titles = self.headings.iter().filter(|h| h.level == 1 && range.contains(&h.at));
            let titles: usize = titles.map(|h| h.body - h.at).sum();
            self.slice(range).trim().len() <= titles + 2
        };
        if !is_empty(0..end) {
            return 0..end;
        }
        // Nothing stands there: what stands under the first heading is meant.
        let next = headings.next().map_or(self.markdown.len(), |h| h.at);
        0..next
    }

    /// Keeps only these ranges, which are in order and apart, with everything that stands in them.
    fn keep(&mut self, ranges: &[Range<usize>]) {
        let mut text = String::new();
        // Where each range begins now.
        let mut starts = Vec::new();
        for range in ranges {
            let piece = self.markdown.get(range.clone()).unwrap_or_default();
            let lead = piece.len() - piece.trim_start_matches('\n').len();
            let trimmed = piece.trim_end();
            let begin = range.start + lead.min(piece.len());
            let piece = trimmed.get(lead..).unwrap_or_default();
            if !text.is_empty() && !piece.is_empty() {
                text.push_str("\n\n");
            }
            starts.push((begin, text.len(), begin + piece.len()));
            text.push_str(piece);
        }
        let place = |at: usize| {
            let index = starts.partition_point(|(begin, ..)| *begin <= at).checked_sub(1)?;
            let (begin, now, end) = starts.get(index)?;
            (at <= *end).then(|| now + (at - begin))
        };
        let span = |range: &Range<usize>| Some(place(range.start)?..place(range.end)?);
        self.headings.retain_mut(|h| match (place(h.at), place(h.body)) {
            (Some(at), Some(body)) => {
                (h.at, h.body) = (at, body);
                true
            }
            _ => false,
        });
        self.links.retain_mut(|l| match (place(l.open), span(&l.close)) {
            // Its bracket may stand before what is kept.
            (Some(open), Some(close)) if l.close.is_empty() || open > 0 => {
                let is_whole = l.close.is_empty() || place(l.open - 1) == Some(open - 1);
                (l.open, l.close) = (open, close);
                is_whole
            }
            _ => false,
        });
        self.media.retain_mut(|m| place(m.at).map(|at| m.at = at).is_some());
        self.folds.retain_mut(|f| span(&f.range).map(|range| f.range = range).is_some());
        self.markdown = text;
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// An attribute that is told to people.
fn told(tag: &StartTag<()>, name: &str) -> Option<String> {
    attribute(tag, name).map(|value| redact::clean(&value).into_owned())
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
