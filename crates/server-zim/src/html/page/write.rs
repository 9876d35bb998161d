//! How text is written: words, the spaces and newlines that are due between them, and what stands at the beginning of
//! a line.

use super::{MAX_DEPTH, MAX_TEXT, Page};

impl Page {
    pub(super) fn text(&mut self, text: &str) {
        if self.unseen.is_some() {
            return;
        }
        if self.pre > 0 {
            self.flush(false);
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

    pub(super) fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let spaced = self.space || self.breaks > 0;
        for noted in
            [self.link.as_mut().map(|l| &mut l.text), self.heading.as_mut().map(|h| &mut h.text)].into_iter().flatten()
        {
            if noted.len() < MAX_TEXT {
                if spaced && !noted.is_empty() {
                    noted.push(' ');
                }
                noted.push_str(word);
            }
        }
        self.flush(false);
        if self.raised {
            self.raised = false;
            let is_power = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '−' | '+'));
            if is_power && self.out.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
                self.out.push('^');
            }
        }
        if self.is_in_grid() {
            // A bar would end the cell.
            for (i, piece) in word.split('|').enumerate() {
                self.out.push_str(if i > 0 { "\\|" } else { "" });
                self.out.push_str(piece);
            }
        } else {
            self.out.push_str(word);
        }
    }

    /// Markup: no bar in it is changed.
    pub(super) fn raw(&mut self, markup: &str) {
        self.flush(false);
        self.out.push_str(markup);
    }

    /// Writes what is due before text.
    pub(super) fn flush(&mut self, is_item: bool) {
        if self.breaks > 0 && !self.out.is_empty() {
            for _ in 0..self.breaks {
                self.newline();
            }
            self.indent(is_item);
        } else if std::mem::take(&mut self.joint) {
            if self.out.len() > self.fresh {
                let end = self.out.trim_end_matches([' ', ';']).len().max(self.fresh);
                self.out.truncate(end);
                self.out.push_str(if self.out.len() > self.fresh { "; " } else { "" });
            }
        } else if self.space && self.wants_space() {
            self.out.push(' ');
        } else if self.out.is_empty() {
            for _ in 0..self.quotes.min(MAX_DEPTH) {
                self.out.push_str("> ");
            }
            self.indent(is_item);
        }
        self.breaks = 0;
        self.space = false;
        self.joint = false;
    }

    /// No space follows another one, or the mark that opens emphasis.
    pub(super) fn wants_space(&self) -> bool {
        let after_mark = self.marks.last().is_some_and(|(_, at)| *at == self.out.len());
        let after_bracket = self.link.as_ref().is_some_and(|link| link.has_mark && link.begin == self.out.len());
        !(self.out.is_empty() || self.out.ends_with([' ', '\n']) || after_mark || after_bracket)
    }

    pub(super) fn newline(&mut self) {
        let end = if self.pre > 0 { self.out.len() } else { self.out.trim_end_matches(' ').len() };
        self.out.truncate(end);
        self.out.push('\n');
        for _ in 0..self.quotes.min(MAX_DEPTH) {
            self.out.push_str("> ");
        }
        if self.pre > 0 {
            self.indent(false);
        }
    }

    /// What goes on within an item stands under its text.
    pub(super) fn indent(&mut self, is_item: bool) {
        let depth = self.lists.len().saturating_sub(usize::from(is_item));
        for _ in 0..depth.min(MAX_DEPTH) {
            self.out.push_str("  ");
        }
    }

    /// Ends the line, if there is one; within a cell or a heading, that is a space.
    pub(super) fn block(&mut self, breaks: usize) {
        if self.heading.is_some() {
            self.space = true;
        } else if self.is_in_cell() {
            let has_facts = self.tables.get(self.layouts).is_some_and(|table| table.facts.is_some());
            self.joint |= has_facts;
            self.space = true;
        } else if self.pre == 0 && self.out.len() > self.fresh {
            let breaks = if self.lists.is_empty() { breaks } else { 1 };
            self.breaks = self.breaks.max(breaks);
        }
    }
}
