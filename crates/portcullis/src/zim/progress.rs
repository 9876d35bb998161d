//! A bar on standard error, where somebody looks at it.

use std::io::{IsTerminal as _, Write as _};

/// How wide the bar is.
const WIDTH: u64 = 40;

pub(super) struct Bar {
    error: std::io::Stderr,
    is_shown: bool,
    /// Thousandths.
    shown: Option<u64>,
}

impl Bar {
    /// Shows nothing if it is `quiet`, or if nobody looks.
    pub(super) fn new(quiet: bool) -> Self {
        let error = std::io::stderr();
        Self { is_shown: !quiet && error.is_terminal(), error, shown: None }
    }

    pub(super) fn show(&mut self, done: u64, total: u64) {
        let part = (done * 1000).checked_div(total).unwrap_or(1000);
        if !self.is_shown || self.shown == Some(part) {
            return;
        }
        self.shown = Some(part);
        let width = |count: u64| usize::try_from(count).unwrap_or(0);
        let full = width(part * WIDTH / 1000);
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(width(WIDTH) - full));
        // Who closed our standard error wants no progress.
        let _ = write!(self.error, "\r[{bar}] {}.{} % ({done} of {total})", part / 10, part % 10);
    }

    /// The next line is another one.
    pub(super) fn end(mut self) {
        if self.shown.is_some() {
            let _ = writeln!(self.error);
        }
    }
}
