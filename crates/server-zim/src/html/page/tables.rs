//! Tables: grids become rows, tables that are there for the layout do not.

use super::{MAX_OPEN, Page};
use crate::html::furniture::classes;
use crate::html::table::{Facts, Table};
use crate::html::{Fold, Folded, attribute};
use html5gum::StartTag;
use std::ops::Range;

impl Page {
    pub(super) fn is_in_grid(&self) -> bool {
        self.layouts < self.tables.len()
    }

    pub(super) fn is_in_cell(&self) -> bool {
        self.tables.get(self.layouts).is_some_and(|table| table.cells > 0)
    }

    pub(super) fn open_table(&mut self, tag: &StartTag<()>) {
        self.end_heading();
        self.block(2);
        if self.tables.len() >= MAX_OPEN {
            return;
        }
        let is_box = classes(tag).any(|class| class.starts_with("infobox") || class == "vcard");
        let facts = (is_box && !self.is_in_grid()).then(Facts::default);
        let is_layout = attribute(tag, "role").is_some_and(|role| role == "presentation" || role == "none");
        if is_layout && !self.is_in_grid() {
            self.layouts += 1;
        }
        self.tables.push(Table { facts, ..Table::default() });
    }

    /// Open tables turn out to be there for the layout: what stands in their cells cannot stand in a row.
    pub(super) fn leave_grids(&mut self) {
        while let Some(table) = self.tables.get_mut(self.layouts) {
            if table.cells > 0 {
                let row = self.out.get(table.row..).unwrap_or_default();
                if row.trim_matches(['|', ' ']).is_empty() {
                    self.out.truncate(table.row);
                }
                let end = self.out.trim_end().len();
                self.out.truncate(end);
                self.fresh = self.fresh.min(end);
                table.cells = 0;
                self.breaks = 2;
            }
            self.layouts += 1;
        }
        let end = self.out.len();
        self.marks.retain(|(_, at)| *at <= end);
        if let Some(scope) = &mut self.scope {
            scope.begin = scope.begin.min(end);
        }
        if let Some(link) = &mut self.link {
            link.begin = link.begin.min(end);
        }
    }

    /// Only the outermost grid is shown as one: cells of others are text of its cells.
    pub(super) fn is_outermost(&self) -> bool {
        self.tables.len() == self.layouts + 1
    }

    pub(super) fn row(&mut self, tag: &StartTag<()>) {
        self.end_row();
        if self.is_in_grid() && !self.is_outermost() {
            self.space = true;
            return;
        }
        self.breaks = self.breaks.max(if self.is_in_grid() { 1 } else { 2 });
        if let Some(facts) = self.tables.last_mut().and_then(|table| table.facts.as_mut()) {
            facts.begins(classes(tag).any(|class| class == "mergedtoprow"));
        }
    }

    pub(super) fn cell(&mut self, is_heading: bool, tag: &StartTag<()>) {
        if !self.is_in_grid() {
            self.block(2);
            return;
        }
        if !self.is_outermost() {
            self.space = true;
            return;
        }
        self.end_cell();
        if self.tables.last().is_some_and(|table| table.cells == 0) {
            self.space = false;
            self.flush(false);
            let here = self.out.len();
            if let Some(table) = self.tables.last_mut() {
                table.begin.get_or_insert(here);
                table.row = here;
            }
            self.out.push('|');
        }
        let Some(table) = self.tables.last_mut() else { return };
        let (filled, width) = table.next_cell(tag);
        self.out.push_str(&"  |".repeat(filled));
        self.out.push(' ');
        self.fresh = self.out.len();
        table.places.push((is_heading, self.fresh..self.fresh));
        table.columns = table.columns.max(table.cells);
        (table.pending_width, table.is_closed) = (width - 1, false);
        self.space = false;
        self.joint = false;
    }

    pub(super) fn end_cell(&mut self) {
        if !self.is_in_grid() || !self.is_outermost() {
            self.space = true;
            return;
        }
        let Some(table) = self.tables.last_mut() else { return };
        let Some((_, place)) = table.places.last_mut().filter(|_| !table.is_closed) else { return };
        table.is_closed = true;
        place.end = self.out.len();
        let wide = std::mem::take(&mut table.pending_width);
        self.out.push_str(" |");
        self.out.push_str(&"  |".repeat(wide));
        self.space = false;
        self.joint = false;
    }

    pub(super) fn end_row(&mut self) {
        if !self.is_in_grid() || !self.is_outermost() {
            return;
        }
        if self.tables.last().is_none_or(|table| table.cells == 0) {
            return;
        }
        self.end_cell();
        let Some(table) = self.tables.last_mut() else { return };
        let filled = table.filled();
        self.out.push_str(&"  |".repeat(filled));
        let cells = std::mem::take(&mut table.cells);
        let places = std::mem::take(&mut table.places);
        table.columns = table.columns.max(cells);
        table.rows += 1;
        if let Some(facts) = &mut table.facts {
            let text = |range: Range<usize>| self.out.get(range).unwrap_or_default().to_owned();
            let cells: Vec<_> = places.into_iter().map(|(is_heading, range)| (is_heading, text(range))).collect();
            facts.row(&cells);
        }
        if table.rows == 1 {
            self.newline();
            self.out.push('|');
            self.out.push_str(&" --- |".repeat(cells.min(1000)));
        }
        self.fresh = 0;
        self.space = false;
        self.breaks = 1;
    }

    pub(super) fn end_table(&mut self) {
        self.end_row();
        let is_grid = self.is_in_grid() && self.is_outermost();
        let Some(table) = self.tables.pop() else { return };
        self.layouts = self.layouts.min(self.tables.len());
        if let (true, Some(begin)) = (is_grid, table.begin) {
            let facts = table.facts.map(|facts| facts.lines).filter(|lines| !lines.is_empty());
            let what = facts.map_or(Folded::Table { rows: table.rows, columns: table.columns }, Folded::Facts);
            self.article.folds.push(Fold { range: begin..self.out.len(), what });
        }
        self.block(2);
    }
}
