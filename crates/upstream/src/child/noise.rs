//! What a child writes to its output that is no message.
//!
//! Servers print banners and debug lines where only messages belong. Each is skipped and counted; a
//! warning says so now and then, because a server that floods must not flood the log as well.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often there is a warning at most.
const PAUSE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(super) struct Noise(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    lines: u64,
    unsaid: u64,
    said: Option<Instant>,
}

impl Noise {
    /// A line was skipped.
    pub(super) fn skipped(&self, server: &str, why: &dyn std::fmt::Display) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.lines += 1;
        heard.unsaid += 1;
        if heard.said.is_none_or(|said| said.elapsed() >= PAUSE) {
            heard.said = Some(Instant::now());
            let lines = std::mem::take(&mut heard.unsaid);
            drop(heard);
            tracing::warn!(server, lines, "skipped what is no message on standard output: {why}");
        }
    }

    /// For the reason why a server did not start.
    pub(super) fn epilogue(&self) -> String {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).lines {
            0 => String::new(),
            lines => format!("; {lines} lines on stdout were no JSON-RPC messages"),
        }
    }
}
