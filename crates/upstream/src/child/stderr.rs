//! The last lines a child wrote to its standard error.
//!
//! They are the only thing that says why a child does not start, so they are shown where that is
//! asked: in errors and in health. What it wrote to is bounded, stripped of control characters, and
//! shows no value of its environment: a value that occurs is shown as the variable's name.

use super::lines::{Line, Lines};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncRead;

/// How many bytes are kept.
const KEPT: usize = 8 * 1024;
/// The longest line of which more than the beginning is kept.
const LINE: usize = 2 * 1024;
/// How many characters are shown.
const SHOWN: usize = 400;
/// Shorter values are words like `true`, which hide nothing and occur everywhere.
const SECRET: usize = 6;

/// See the module.
pub(super) struct Stderr {
    lines: Mutex<Kept>,
    /// Values and the names shown for them, longest first.
    hidden: Vec<(String, String)>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl Stderr {
    /// For a child with this environment.
    pub(super) fn new(env: &[(String, String)]) -> Self {
        let mut hidden: Vec<_> = env
            .iter()
            .filter(|(_, value)| value.len() >= SECRET)
            .map(|(name, value)| (value.clone(), format!("${{{name}}}")))
            .collect();
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self { lines: Mutex::default(), hidden }
    }

    /// Reads until the end.
    pub(super) async fn follow(self: Arc<Self>, server: Arc<str>, pipe: impl AsyncRead + Unpin) {
        let mut lines = Lines::new(pipe, LINE);
        while let Ok(Some(line)) = lines.next().await {
            let bytes = match &line {
                Line::Text(bytes) => bytes.as_ref(),
                Line::TooLong { head, .. } => head,
            };
            self.take(&server, bytes);
        }
        // A program that dies says its last words without a line break.
        self.take(&server, &lines.rest());
    }

    fn take(&self, server: &str, line: &[u8]) {
        let text = self.shown(&String::from_utf8_lossy(line));
        if !text.is_empty() {
            tracing::debug!(server, "stderr: {text}");
            self.keep(text.into());
        }
    }

    fn shown(&self, line: &str) -> String {
        let mut text: String = line.trim_end().chars().filter(|c| !c.is_control()).collect();
        for (value, name) in &self.hidden {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), name);
            }
        }
        text
    }

    fn keep(&self, line: Box<str>) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.bytes > KEPT {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
    }

    /// `; last lines on stderr: ...`, or nothing if there are none.
    pub(super) fn epilogue(&self) -> String {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = SHOWN;
        let mut last = Vec::new();
        for line in kept.lines.iter().rev() {
            let length = line.chars().count();
            if length > room && !last.is_empty() {
                break;
            }
            last.push(line.chars().take(room).collect::<String>());
            room = room.saturating_sub(length + 3);
        }
        last.reverse();
        if last.is_empty() { String::new() } else { format!("; last lines on stderr: {}", last.join(" | ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn epilogue(env: &[(&str, &str)], input: &str) -> String {
        let env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let stderr = Arc::new(Stderr::new(&env));
        Arc::clone(&stderr).follow("s".into(), input.as_bytes()).await;
        stderr.epilogue()
    }

    #[tokio::test]
    async fn the_last_lines_are_shown_without_control_characters() {
        assert_eq!(
            epilogue(&[], "one\n\u{1b}[31mtwo\r\n\nthree").await,
            "; last lines on stderr: one | [31mtwo | three"
        );
        assert_eq!(epilogue(&[], "").await, "");
    }

    #[tokio::test]
    async fn what_is_kept_and_shown_is_bounded() {
        let flood: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        let shown = epilogue(&[], &flood).await;
        assert!(shown.ends_with("line 99999") && shown.len() < SHOWN + 40, "{shown}");
        let shown = epilogue(&[], &format!("{}\n", "x".repeat(1 << 20))).await;
        assert!(shown.len() < SHOWN + 40);
    }

    #[tokio::test]
    async fn values_of_the_environment_are_shown_as_their_names() {
        let env = [("KEY", "s3cr3t-key"), ("LONG", "s3cr3t-key-2"), ("FLAG", "true")];
        let shown = epilogue(&env, "bad key s3cr3t-key or s3cr3t-key-2, true\n").await;
        assert_eq!(shown, "; last lines on stderr: bad key ${KEY} or ${LONG}, true");
    }
}
