//! The compact form of a slice: tables that are long are named, the box of facts is lines, links are their text.

use super::{Article, Folded};
use std::ops::Range;

/// What the compact form is to be like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Compact {
    /// Rows that a table may have to be shown.
    pub(crate) table_rows: usize,
    /// Characters that a table may have to be shown.
    pub(crate) table_chars: usize,
    /// Lines of the box of facts.
    pub(crate) facts: usize,
    /// Whether links are kept.
    pub(crate) links: bool,
}

/// An exchange of a piece of the text.
struct Edit {
    range: Range<usize>,
    with: String,
}

impl Article {
    /// A slice in its compact form.
    pub(crate) fn compact(&self, range: Range<usize>, how: &Compact) -> String {
        let mut edits = Vec::new();
        for (index, fold) in self.folds.iter().enumerate() {
            if fold.range.start < range.start || fold.range.end > range.end {
                continue;
            }
            let with = match &fold.what {
                Folded::Facts(lines) => {
                    let more = lines.len().saturating_sub(how.facts);
                    let mut shown: Vec<&str> = lines.iter().take(how.facts).map(String::as_str).collect();
                    let note = format!("… {more} more facts");
                    if more > 0 {
                        shown.push(&note);
                    }
                    let lines = shown.join("\n");
                    if how.links { lines } else { unlinked(&lines) }
                }
                Folded::Table { rows, columns } => {
                    let chars = self.slice(fold.range.clone()).chars().count();
                    if *rows <= how.table_rows && chars <= how.table_chars {
                        continue;
                    }
                    let number = index + 1;
                    format!("[Table {number}: {rows} rows x {columns} cols - pass compact=False to expand]")
                }
            };
            edits.push(Edit { range: fold.range.clone(), with });
        }
        if !how.links {
            edits.extend(self.link_edits(&range));
        }
        apply(&self.markdown, range, edits)
    }

    /// A slice whose links are their texts.
    fn link_edits(&self, range: &Range<usize>) -> Vec<Edit> {
        let shown =
            |link: &&super::Link| !link.close.is_empty() && link.open > range.start && link.close.end <= range.end;
        let links = self.links.iter().filter(shown);
        let edits = links.flat_map(|link| {
            let cut = |range| Edit { range, with: String::new() };
            [cut(link.open - 1..link.open), cut(link.close.clone())]
        });
        edits.collect()
    }
}

/// A slice of an article whose links are their texts.
pub(crate) fn without_links(article: &Article, range: Range<usize>) -> String {
    let edits = article.link_edits(&range);
    apply(&article.markdown, range, edits)
}

/// A piece of our own Markdown whose links are their texts.
fn unlinked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + 2..).unwrap_or_default());
        let end = if after.starts_with('<') {
            after.find(">)").map(|end| end + 2)
        } else {
            after.find(')').map(|end| end + 1)
        };
        let (Some(end), Some(open)) = (end, before.rfind('[')) else { break };
        out.push_str(before.get(..open).unwrap_or_default());
        out.push_str(before.get(open + 1..).unwrap_or_default());
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Makes these exchanges; what lies within another one is not made.
fn apply(text: &str, range: Range<usize>, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let mut out = String::new();
    let mut at = range.start;
    for edit in edits {
        if edit.range.start < at {
            continue;
        }
        out.push_str(text.get(at..edit.range.start).unwrap_or_default());
        out.push_str(&edit.with);
        at = edit.range.end;
    }
    out.push_str(text.get(at..range.end).unwrap_or_default());
    out
}
