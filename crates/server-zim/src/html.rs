//! HTML as Markdown, in one pass over its tokens.
//!
//! The tokenizer is WHATWG's (html5gum, safe code); there is no tree. Pages of archives are tag soup of
//! any depth, and a tree of them would have to be built, walked and dropped without recursion to be safe.
//! A model needs the text, its headings, lists, tables and links, and these need no tree: an element that
//! is never closed costs a little markup and loses no text.

use crate::links::Base;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{EndTag, StartTag, Token, Tokenizer};

/// Lists and quotes that are shown one within the other; deeper ones are shown at this depth.
const MAX_DEPTH: usize = 12;
/// Lists and tables that are remembered as open: beyond it, markup may be wrong, and no memory is taken.
const MAX_OPEN: usize = 1000;
/// Bytes that come out at most. Real pages come out smaller than they went in.
const MAX_BYTES: usize = 32 << 20;

/// Elements whose content is no text of the page.
const UNSEEN: [&str; 12] =
    ["script", "style", "head", "template", "noscript", "svg", "math", "iframe", "object", "canvas", "audio", "video"];
/// Elements that begin and end a line.
const BLOCKS: [&str; 30] = [
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
    "footer",
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
    "tbody",
    "tfoot",
    "thead",
    "title",
];

/// The text of a page as Markdown. Links lead to paths of the archive, as seen from `base`.
pub(crate) fn to_markdown(html: &str, base: &Base<'_>) -> String {
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let mut page = Page::new(base);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => page.start(&tag),
            Ok(Token::EndTag(tag)) => page.end(&tag),
            Ok(Token::String(text)) => page.text(&String::from_utf8_lossy(&text)),
            Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) | Err(_) => {}
        }
        if page.out.len() > MAX_BYTES {
            break;
        }
    }
    page.finish()
}

struct Page<'a> {
    base: &'a Base<'a>,
    out: String,
    /// Newlines that are due before the next text.
    breaks: usize,
    /// Whether a space is due before the next text.
    space: bool,
    /// The element that is not shown, and how often it was opened within itself.
    unseen: Option<(String, usize)>,
    lists: Vec<List>,
    quotes: usize,
    /// Open preformatted elements.
    pre: usize,
    tables: Vec<Table>,
    /// Where emphasis and the like began: the mark, and where text after it begins.
    marks: Vec<(&'static str, usize)>,
    links: Vec<Link>,
}

/// A list: the number of its next item, if it is ordered.
struct List {
    next: Option<u64>,
}

#[derive(Default)]
struct Table {
    rows: usize,
    cells: usize,
}

struct Link {
    target: Option<String>,
    begin: usize,
}

impl<'a> Page<'a> {
    const fn new(base: &'a Base<'a>) -> Self {
        Self {
            base,
            out: String::new(),
            breaks: 0,
            space: false,
            unseen: None,
            lists: Vec::new(),
            quotes: 0,
            pre: 0,
            tables: Vec::new(),
            marks: Vec::new(),
            links: Vec::new(),
        }
    }

    fn finish(mut self) -> String {
        if self.pre > 0 {
            self.out.push_str("\n```");
        }
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        self.out
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some((unseen, depth)) = &mut self.unseen {
            // A head has no end tag if the author left it out.
            if unseen == "head" && name == "body" {
                self.unseen = None;
            } else if *unseen == *name {
                *depth += 1;
                return;
            } else {
                return;
            }
        }
        if UNSEEN.contains(&name.as_ref()) {
            if !tag.self_closing {
                self.unseen = Some((name.into_owned(), 0));
            }
            return;
        }
        match name.as_ref() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.block(2);
                let level = name.bytes().nth(1).map_or(1, |digit| usize::from(digit - b'0'));
                self.raw(&"#".repeat(level));
                self.space = true;
            }
            "p" => self.block(2),
            "br" => self.block(1),
            "hr" => {
                self.block(2);
                self.raw("---");
                self.block(2);
            }
            "ul" | "menu" => self.list(None),
            "ol" => {
                let start = attribute(tag, "start").and_then(|text| text.trim().parse().ok());
                self.list(Some(start.unwrap_or(1)));
            }
            "li" => self.item(),
            "blockquote" => {
                self.block(2);
                self.quotes += 1;
            }
            "pre" => {
                self.block(2);
                if self.pre == 0 {
                    self.raw("```");
                    self.newline();
                }
                self.pre += 1;
            }
            "table" => {
                self.block(2);
                if self.tables.len() < MAX_OPEN {
                    self.tables.push(Table::default());
                }
            }
            "tr" => self.row(),
            "td" | "th" => self.cell(),
            "strong" | "b" => self.mark("**"),
            "em" | "i" | "cite" | "dfn" => self.mark("*"),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 => self.mark("`"),
            "a" => self.link(attribute(tag, "href").and_then(|href| self.base.resolve(&href))),
            name if BLOCKS.contains(&name) => self.block(if name == "dd" || name == "option" { 1 } else { 2 }),
            _ => {}
        }
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some((unseen, depth)) = &mut self.unseen {
            if *unseen == *name {
                match depth.checked_sub(1) {
                    Some(less) => *depth = less,
                    None => self.unseen = None,
                }
            }
            return;
        }
        match name.as_ref() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "p" => self.block(2),
            "ul" | "ol" | "menu" => {
                self.lists.pop();
                self.block(if self.lists.is_empty() { 2 } else { 1 });
            }
            "li" => self.block(1),
            "blockquote" => {
                self.block(2);
                self.quotes = self.quotes.saturating_sub(1);
            }
            "pre" if self.pre > 0 => {
                self.pre -= 1;
                if self.pre == 0 {
                    if !self.out.ends_with('\n') {
                        self.newline();
                    }
                    self.raw("```");
                }
                self.block(2);
            }
            "table" => {
                self.end_row();
                self.tables.pop();
                self.block(2);
            }
            "tr" => self.end_row(),
            "strong" | "b" => self.unmark("**"),
            "em" | "i" | "cite" | "dfn" => self.unmark("*"),
            "code" | "kbd" | "samp" | "tt" if self.pre == 0 => self.unmark("`"),
            "a" => self.end_link(),
            name if BLOCKS.contains(&name) => self.block(if name == "dt" { 1 } else { 2 }),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.unseen.is_some() {
            return;
        }
        if self.pre > 0 {
            self.flush();
            for (i, line) in text.split('\n').enumerate() {
                if i > 0 {
                    self.newline();
                }
                self.out.push_str(line.trim_end_matches('\r'));
            }
            return;
        }
        let mut words = text.split([' ', '\t', '\n', '\r', '\u{c}']);
        if let Some(first) = words.next() {
            self.word(first);
        }
        for word in words {
            self.space = true;
            self.word(word);
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        self.flush();
        if self.tables.is_empty() {
            self.out.push_str(word);
        } else {
            // A bar would end the cell.
            for (i, piece) in word.split('|').enumerate() {
                self.out.push_str(if i > 0 { "\\|" } else { "" });
                self.out.push_str(piece);
            }
        }
    }

    /// Markup: no bar in it is changed.
    fn raw(&mut self, markup: &str) {
        self.flush();
        self.out.push_str(markup);
    }

    /// Writes what is due before text.
    fn flush(&mut self) {
        if self.breaks > 0 && !self.out.is_empty() {
            for _ in 0..self.breaks {
                self.newline();
            }
            self.indent();
        } else if self.space && self.wants_space() {
            self.out.push(' ');
        } else if self.out.is_empty() {
            self.indent();
        }
        self.breaks = 0;
        self.space = false;
    }

    /// No space follows another one, or the mark that opens emphasis.
    fn wants_space(&self) -> bool {
        let after_mark = self.marks.last().is_some_and(|(_, at)| *at == self.out.len());
        let after_bracket = self.links.last().is_some_and(|link| link.begin == self.out.len());
        !(self.out.is_empty() || self.out.ends_with([' ', '\n']) || after_mark || after_bracket)
    }

    fn newline(&mut self) {
        let end = if self.pre > 0 { self.out.len() } else { self.out.trim_end_matches(' ').len() };
        self.out.truncate(end);
        self.out.push('\n');
        for _ in 0..self.quotes.min(MAX_DEPTH) {
            self.out.push_str("> ");
        }
    }

    /// What goes on within an item stands under its text.
    fn indent(&mut self) {
        for _ in 0..self.lists.len().saturating_sub(1).min(MAX_DEPTH) {
            self.out.push_str("  ");
        }
    }

    /// Ends the line, if there is one; within a cell, that is a space.
    fn block(&mut self, breaks: usize) {
        if self.tables.last().is_some_and(|table| table.cells > 0) {
            self.space = true;
        } else if self.pre == 0 {
            let breaks = if self.lists.is_empty() { breaks } else { 1 };
            self.breaks = self.breaks.max(breaks);
        }
    }

    fn list(&mut self, next: Option<u64>) {
        self.block(if self.lists.is_empty() { 2 } else { 1 });
        if self.lists.len() < MAX_OPEN {
            self.lists.push(List { next });
        }
    }

    fn item(&mut self) {
        self.block(1);
        let mark = match self.lists.last_mut() {
            Some(List { next: Some(number) }) => {
                let mark = format!("{number}.");
                *number = number.saturating_add(1);
                mark
            }
            Some(List { next: None }) | None => "-".to_owned(),
        };
        self.raw(&mark);
        self.space = true;
    }

    /// Only the outermost table is shown as one: cells of others are text of its cells.
    fn row(&mut self) {
        self.end_row();
        if self.tables.len() == 1 {
            self.breaks = self.breaks.max(1);
        } else {
            self.space = true;
        }
    }

    fn cell(&mut self) {
        if self.tables.len() != 1 {
            self.space = true;
            return;
        }
        if self.tables.last().is_some_and(|table| table.cells > 0) {
            self.out.push_str(" |");
        } else {
            self.raw("|");
        }
        self.space = true;
        if let Some(table) = self.tables.last_mut() {
            table.cells += 1;
        }
    }

    fn end_row(&mut self) {
        let is_outermost = self.tables.len() == 1;
        let Some(table) = self.tables.last_mut() else { return };
        let cells = std::mem::take(&mut table.cells);
        if cells == 0 || !is_outermost {
            return;
        }
        table.rows += 1;
        let is_first = table.rows == 1;
        self.out.push_str(" |");
        if is_first {
            self.newline();
            self.out.push('|');
            self.out.push_str(&" --- |".repeat(cells.min(1000)));
        }
        self.space = false;
        self.breaks = 1;
    }

    fn mark(&mut self, mark: &'static str) {
        // One that is never closed must not grow the stack without bound. Code has no emphasis.
        if self.marks.len() < 64 && self.pre == 0 {
            self.raw(mark);
            self.marks.push((mark, self.out.len()));
        }
    }

    fn unmark(&mut self, mark: &'static str) {
        if self.pre > 0 {
            return;
        }
        let Some(place) = self.marks.iter().rposition(|(open, _)| *open == mark) else { return };
        let (_, at) = self.marks.remove(place);
        if self.out.len() == at {
            // Nothing stood within it.
            self.out.truncate(at - mark.len());
        } else {
            self.out.push_str(mark);
        }
    }

    fn link(&mut self, target: Option<String>) {
        self.end_link();
        let target = target.filter(|_| self.pre == 0);
        if target.is_some() {
            self.raw("[");
        } else {
            self.flush_space();
        }
        self.links.push(Link { target, begin: self.out.len() });
    }

    fn flush_space(&mut self) {
        if self.breaks == 0 && self.space && self.wants_space() {
            self.out.push(' ');
            self.space = false;
        }
    }

    fn end_link(&mut self) {
        let Some(link) = self.links.pop() else { return };
        let Some(target) = link.target else { return };
        if self.out.len() == link.begin {
            self.out.truncate(link.begin - 1);
            return;
        }
        let awkward = target.contains([' ', '(', ')']);
        let (open, close) = if awkward { ("](<", ">)") } else { ("](", ")") };
        self.out.push_str(open);
        self.out.push_str(&target);
        self.out.push_str(close);
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn markdown(html: &str) -> String {
        to_markdown(html, &Base::new("dir/page.html"))
    }

    #[test]
    fn headings_paragraphs_and_inline_markup() {
        assert_eq!(
            markdown(
                "<head><title>T</title></head><body><h1>One <i>two</i></h1><p>a <b> bold </b> and <code>x</code>\n  end</p><p>next<br>line</p>"
            ),
            "# One *two*\n\na **bold** and `x` end\n\nnext\nline"
        );
    }

    #[test]
    fn lists_stand_within_lists() {
        assert_eq!(
            markdown("<ul><li>a<ol start=3><li>b</li><li>c</li></ol></li><li>d</li></ul><p>after"),
            "- a\n  3. b\n  4. c\n- d\n\nafter"
        );
    }

    #[test]
    fn tables_are_rows_of_cells_and_tables_within_are_text() {
        assert_eq!(
            markdown(
                "<table><tr><th>A</th><th>B|C</th></tr><tr><td><p>1</p><p>2</p></td><td><table><tr><td>x<td>y</tr></table></td></tr></table>z"
            ),
            "| A | B\\|C |\n| --- | --- |\n| 1 2 | x y |\n\nz"
        );
    }

    #[test]
    fn preformatted_text_keeps_its_spaces() {
        assert_eq!(markdown("<p>x</p><pre>  a\n    <b>b</b>  c\n</pre>y"), "x\n\n```\n  a\n    b  c\n```\n\ny");
    }

    #[test]
    fn links_lead_to_paths_and_empty_ones_leave_nothing() {
        assert_eq!(
            markdown(
                "<a href='other%20page.html#x'>there</a> <a href='https://e.org/a'>out</a> <a href='#f'>here</a> <a href='x.html'><img src=y></a>."
            ),
            "[there](<dir/other page.html>) [out](https://e.org/a) here ."
        );
    }

    #[test]
    fn scripts_styles_and_comments_are_not_text() {
        assert_eq!(markdown("a<script>if (a<b) {}</script><style>p{}</style><!-- c --><svg><svg></svg>x</svg>b"), "ab");
        assert_eq!(markdown("<head><meta><body>text"), "text");
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = "<div><ul><li><blockquote><b><table>".repeat(50_000);
        assert!(markdown(&format!("{deep}text")).contains("text"));
    }

    proptest! {
        #[test]
        fn no_text_is_lost_and_nothing_panics(
            pieces in prop::collection::vec(prop_oneof![
                Just("<b>"), Just("</b>"), Just("<p>"), Just("</p>"), Just("<ul>"), Just("<li>"), Just("</ul>"),
                Just("<table>"), Just("<tr>"), Just("<td>"), Just("</table>"), Just("</td>"), Just("<a href=x>"), Just("</a>"),
                Just("<pre>"), Just("</pre>"), Just("<blockquote>"), Just("</blockquote>"), Just("<code>"), Just("</code>"),
                Just(" "), Just("\n"), Just("W"), Just("<h2>"), Just("</h2>"), Just("&amp;"), Just("<em>"), Just("</em>"),
            ], 0..60),
        ) {
            let html = pieces.concat();
            let words = pieces.iter().filter(|p| **p == "W").count();
            prop_assert_eq!(markdown(&html).matches('W').count(), words);
        }

        #[test]
        fn noise_does_not_panic(html in ".{0,200}") {
            markdown(&html);
        }
    }
}
