//! Progress of long work: in words, not more than ten times a second.

use crate::redact;
use mcp::{Call, Level};
use std::time::{Duration, Instant};

/// Tells the caller how far the work is.
pub(crate) struct Progress<'a> {
    call: &'a Call,
    step: f64,
    last: Option<Instant>,
}

const PAUSE: Duration = Duration::from_millis(100);
/// Characters of a line of progress.
const LONGEST: usize = 200;

impl<'a> Progress<'a> {
    pub(crate) const fn new(call: &'a Call) -> Self {
        Self { call, step: 0.0, last: None }
    }

    /// The next step in words; passed over if the last one was just now.
    pub(crate) fn tell(&mut self, words: &str) {
        self.tell_of(words, None);
    }

    /// The same with a share of the whole.
    pub(crate) fn tell_of(&mut self, words: &str, total: Option<f64>) {
        if !self.call.wants_progress() || self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        self.step += 1.0;
        let words: String = redact::clean(words.trim()).chars().filter(|c| *c != '\n').take(LONGEST).collect();
        self.call.report(self.step, total, Some(&words));
    }

    /// A step that nobody may miss.
    pub(crate) fn must_tell(&mut self, words: &str) {
        self.last = None;
        self.tell(words);
        self.call.say(Level::Info, &words.chars().take(LONGEST).collect::<String>());
    }
}
