//! The pass over the tokens of a page: what each tag does. `write` is how text is written; what belongs together of
//! the rest stands in the other files below.

mod blocks;
mod headings;
mod insert;
mod links;
mod scope;
mod tables;
mod write;

use super::furniture::{Hidden, classes, hidden};
use super::slug::Ids;
use super::table::Table;
use super::tokens::tokens;
use super::{Article, Link, attribute, told};
use crate::links::Base;
use blocks::known_language;
use html5gum::{EndTag, StartTag, Token};
use scope::without_furniture;
use std::ops::Range;

/// Lists and quotes that are shown one within the other; deeper ones are shown at this depth.
const MAX_DEPTH: usize = 12;
/// Lists and tables that are remembered as open: beyond it, markup may be wrong, and no memory is taken.
const MAX_OPEN: usize = 1000;
/// Bytes that come out at most. Real pages come out smaller than they went in.
const MAX_BYTES: usize = 32 << 20;
/// Links, media and headings that are remembered.
const MAX_NOTES: usize = 100_000;
/// Bytes of the text of a link or a heading that are remembered.
const MAX_TEXT: usize = 500;

/// Elements that begin and end a line.
const BLOCKS: [&str; 27] = [
    "address",
    "article",
    "aside",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "form",
    "header",
    "hgroup",
    "html",
    "legend",
    "main",
    "nav",
    "option",
    "section",
    "summary",
    "title",
    "footer",
];

/// Something that was to be left out has no end.
pub(super) struct NeverClosed;

pub(super) fn read(html: &str, base: &Base, enough: usize, leaves_out: bool) -> Result<Article, NeverClosed> {
    let mut page = Page { base: base.clone(), leaves_out, ..Page::default() };
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => page.start(&tag),
            Token::EndTag(tag) => page.end(&tag),
            Token::String(text) => page.text(&redact::clean(&String::from_utf8_lossy(&text))),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if page.out.len() > MAX_BYTES || page.has(enough) {
            break;
        }
    }
    if page.unseen.as_ref().is_some_and(|unseen| unseen.why != Hidden::Never) && leaves_out {
        return Err(NeverClosed);
    }
    Ok(page.finish())
}

#[derive(Default)]
struct Page {
    base: Base,
    leaves_out: bool,
    out: String,
    /// Newlines that are due before the next text.
    breaks: usize,
    /// Whether a space is due before the next text.
    space: bool,
    /// Where the text of a cell, an item or a quote begins: nothing that begins a line does so there.
    fresh: usize,
    unseen: Option<Unseen>,
    lists: Vec<List>,
    quotes: usize,
    /// Open preformatted elements, where the fence begins, and the language that is known of it.
    pre: usize,
    fence: usize,
    language: Option<String>,
    tables: Vec<Table>,
    /// How many of the open tables are there for the layout only: they are no grids.
    layouts: usize,
    /// Two pieces of one cell of a box of facts meet.
    joint: bool,
    /// Text is raised: digits get a mark.
    raised: bool,
    /// Where emphasis and the like began: the mark, and where text after it begins.
    marks: Vec<(&'static str, usize)>,
    link: Option<OpenLink>,
    heading: Option<OpenHeading>,
    /// An id that stood before the text here, and where.
    pending: Vec<(String, &'static str, usize)>,
    ids: Ids,
    scope: Option<Scope>,
    scopes: Vec<(bool, Range<usize>)>,
    article: Article,
}

/// An element that is not shown, and how often it was opened within itself.
struct Unseen {
    name: String,
    depth: usize,
    why: Hidden,
}

/// A list: the number of its next item, if it is ordered.
struct List {
    next: Option<u64>,
}

struct OpenLink {
    /// What is told of it; nothing if it leads nowhere.
    link: Option<Link>,
    has_mark: bool,
    begin: usize,
    text: String,
}

struct OpenHeading {
    level: u8,
    at: usize,
    /// Where the text before it ends.
    before: usize,
    /// What was due before it.
    breaks: usize,
    ids: Vec<(String, &'static str)>,
    text: String,
}

/// The part of the page that it says is its content.
struct Scope {
    name: String,
    depth: usize,
    is_main: bool,
    begin: usize,
}

impl Page {
    fn finish(mut self) -> Article {
        self.end_heading();
        self.end_link();
        if self.pre > 0 {
            self.pre = 1;
            self.end_pre();
        }
        while !self.tables.is_empty() {
            self.end_table();
        }
        if let Some(scope) = self.scope.take() {
            self.scopes.push((scope.is_main, scope.begin..self.out.len()));
        }
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        let mut article = self.article;
        article.markdown = self.out;
        for link in &mut article.links {
            link.close.end = link.close.end.min(end);
            link.close.start = link.close.start.min(end);
            link.open = link.open.min(end);
        }
        for heading in &mut article.headings {
            heading.body = heading.body.min(end);
        }
        article.folds.retain(|fold| fold.range.end <= end);
        let is_full = |range: &&(bool, Range<usize>)| {
            article.markdown.get(range.1.clone()).is_some_and(|text| !text.trim().is_empty())
        };
        let mains: Vec<_> = self.scopes.iter().filter(|s| s.0).filter(is_full).collect();
        let all: Vec<_> = self.scopes.iter().filter(is_full).collect();
        let content = match (mains.as_slice(), all.as_slice()) {
            ([(_, main)], _) => main.start..main.end.min(end),
            (_, [(_, only)]) => only.start..only.end.min(end),
            _ => return article,
        };
        let ranges = without_furniture(&article, content);
        article.keep(&ranges);
        article
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = std::str::from_utf8(&tag.name).unwrap_or_default();
        if let Some(unseen) = &mut self.unseen {
            // A head has no end tag if the author left it out.
            let ends_head = unseen.name == "head" && name == "body";
            if ends_head || (unseen.why == Hidden::Figure && matches!(name, "pre" | "table" | "blockquote")) {
                self.unseen = None;
            } else {
                if unseen.name == name {
                    unseen.depth += 1;
                }
                let is_shown = unseen.why != Hidden::Never;
                if is_shown || matches!(unseen.name.as_str(), "audio" | "video" | "object") {
                    self.media(name, tag);
                } else if name == "base" {
                    self.move_base(tag);
                }
                return;
            }
        }
        self.media(name, tag);
        match hidden(name, tag) {
            Some(Hidden::Never) if tag.self_closing => return,
            Some(Hidden::Never)
                if name == "script" && attribute(tag, "type").is_some_and(|t| t.starts_with("math/tex")) =>
            {
                // The tokenizer gives its text as text, and the end tag ends it.
                self.space = true;
                self.mark("$");
                return;
            }
            Some(why) if why == Hidden::Never || (self.leaves_out && !tag.self_closing) => {
                self.unseen = Some(Unseen { name: name.to_owned(), depth: 0, why });
                return;
            }
            _ => {}
        }
        self.remember_id(name, tag);
        self.open_scope(name, tag);
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.open_heading(name.as_bytes().get(1).map_or(1, |digit| digit.saturating_sub(b'0')), tag);
            }
            "p" => self.block(2),
            "br" => self.block(1),
            "hr" => {
                self.end_heading();
                if !self.is_in_cell() {
                    self.block(2);
                    self.raw("---");
                    self.block(2);
                }
            }
            "ul" | "menu" => self.list(None),
            "ol" => {
                let start = attribute(tag, "start").and_then(|text| text.trim().parse().ok());
                self.list(Some(start.unwrap_or(1)));
            }
            "li" => self.item(attribute(tag, "value").and_then(|text| text.trim().parse().ok())),
            "blockquote" => {
                self.end_heading();
                self.block(2);
                if self.breaks > 1 && !self.out.is_empty() {
                    // The empty line before it is not part of it.
                    self.newline();
                    self.breaks = 1;
                }
                self.quotes += 1;
                if !self.is_in_cell() {
                    self.flush(false);
                    self.fresh = self.out.len();
                }
            }
            "pre" => self.open_pre(tag),
            "table" => self.open_table(tag),
            "tr" => self.row(tag),
            "td" | "th" => self.cell(name == "th", tag),
            "strong" | "b" => self.mark("**"),
            "em" | "i" | "cite" | "dfn" => self.mark("*"),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 => self.mark("`"),
            "code" => self.name_language(tag),
            "sup" => self.raised = true,
            "a" => self.open_link(tag),
            "area" => self.area(tag),
            "base" => self.move_base(tag),
            "math" => self.math(tag),
            "img" if classes(tag).any(|class| class.starts_with("tex") || class.starts_with("latex")) => {
                self.formula(told(tag, "alt"));
            }
            "option" => self.block(1),
            name if BLOCKS.contains(&name) => {
                if name == "div"
                    && let Some(language) = classes(tag).find_map(|c| c.strip_prefix("highlight-"))
                {
                    self.language = known_language(language);
                }
                self.block(if name == "dd" { 1 } else { 2 });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = std::str::from_utf8(&tag.name).unwrap_or_default();
        if let Some(unseen) = &mut self.unseen {
            if unseen.name == name {
                match unseen.depth.checked_sub(1) {
                    Some(less) => unseen.depth = less,
                    None => self.unseen = None,
                }
            }
            return;
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_heading();
                self.block(2);
            }
            "p" => self.block(2),
            "script" => self.unmark("$"),
            "ul" | "ol" | "menu" => {
                self.lists.pop();
                self.block(if self.lists.is_empty() { 2 } else { 1 });
            }
            "li" => self.block(1),
            "blockquote" => {
                self.block(2);
                self.quotes = self.quotes.saturating_sub(1);
            }
            "pre" => self.end_pre(),
            "table" => self.end_table(),
            "tr" => self.end_row(),
            "td" | "th" => self.end_cell(),
            "strong" | "b" => self.unmark("**"),
            "em" | "i" | "cite" | "dfn" => self.unmark("*"),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 => self.unmark("`"),
            "sup" => self.raised = false,
            "a" => self.end_link(),
            name if BLOCKS.contains(&name) => self.block(if name == "dt" { 1 } else { 2 }),
            _ => {}
        }
        self.close_scope(name);
    }
}
