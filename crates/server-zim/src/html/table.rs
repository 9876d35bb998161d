//! Tables under way: rows of cells, cells that span rows and columns, and the box of facts of an encyclopedia.

use html5gum::StartTag;
use std::ops::Range;

/// Columns that are counted.
const MAX_COLUMNS: usize = 200;
/// Facts that are gathered.
const MAX_FACTS: usize = 200;

#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: usize,
    /// Cells of the row under way.
    pub(super) cells: usize,
    pub(super) columns: usize,
    /// Where the table begins in the text, once something of it stands there.
    pub(super) begin: Option<usize>,
    /// Where the row under way begins.
    pub(super) row: usize,
    /// For each column, how many rows a cell from above still fills.
    pub(super) spans: Vec<usize>,
    /// The cells of the row under way: whether it is a heading, and where it stands.
    pub(super) places: Vec<(bool, Range<usize>)>,
    /// The cell under way has ended, and how many columns more it fills.
    pub(super) is_closed: bool,
    pub(super) pending_width: usize,
    pub(super) facts: Option<Facts>,
}

/// Facts of a box: lines, and the heading they stand under.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) lines: Vec<String>,
    group: String,
    rows: usize,
    /// The row under way begins a group.
    begins: bool,
}

impl Table {
    /// The columns that cells from above fill before the next cell, and how many columns this cell fills.
    pub(super) fn next_cell(&mut self, tag: &StartTag<()>) -> (usize, usize) {
        let filled = self.filled();
        let number = |name| super::attribute(tag, name).and_then(|text| text.trim().parse::<usize>().ok());
        let width = number("colspan").unwrap_or(1).clamp(1, 50);
        let height = number("rowspan").unwrap_or(1).clamp(1, 1000);
        for _ in 0..width {
            let column = self.cells;
            if column >= MAX_COLUMNS {
                break;
            }
            if self.spans.len() <= column {
                self.spans.resize(column + 1, 0);
            }
            if let Some(span) = self.spans.get_mut(column) {
                *span = height - 1;
            }
            self.cells += 1;
        }
        (filled, width)
    }

    /// Passes over the columns that cells from above fill here.
    pub(super) fn filled(&mut self) -> usize {
        let mut filled = 0;
        while let Some(span) = self.spans.get_mut(self.cells).filter(|span| **span > 0) {
            *span -= 1;
            self.cells += 1;
            filled += 1;
        }
        filled
    }
}

impl Facts {
    /// A row begins, and says whether it begins a group.
    pub(super) const fn begins(&mut self, begins: bool) {
        self.begins = begins;
    }

    /// A row: its cells as text, and whether they are headings.
    pub(super) fn row(&mut self, cells: &[(bool, String)]) {
        self.rows += 1;
        let begins_group = self.begins;
        if self.lines.len() >= MAX_FACTS {
            return;
        }
        let plain = |text: &str| text.replace("**", "").trim().to_owned();
        let full: Vec<_> = cells.iter().filter(|(_, text)| !text.trim().is_empty()).collect();
        match full.as_slice() {
            [] => {}
            [(true, text)] => {
                // The first one is the name of the whole.
                if self.rows > 1 {
                    self.group = plain(text);
                } else {
                    self.lines.push(format!("**{}**", plain(text)));
                }
            }
            [(false, text)] => self.lines.push(text.trim().to_owned()),
            [(_, label), rest @ ..] => {
                let label = plain(label);
                let bare = label.trim_start_matches(['•', '·', '-', '–', ' ', '\u{a0}']);
                let is_part = bare.len() < label.len();
                if begins_group && !is_part {
                    self.group.clear();
                }
                let values: Vec<&str> = rest.iter().map(|(_, text)| text.trim()).collect();
                let label = bare.trim_end_matches(':');
                let label =
                    if self.group.is_empty() { label.to_owned() } else { format!("{} — {label}", self.group) };
                self.lines.push(format!("**{label}:** {}", values.join("; ")));
                if begins_group && !is_part {
                    self.group = bare.trim_end_matches(':').to_owned();
                }
            }
        }
    }
}
