//! Lists, preformatted text, emphasis.

use super::{List, MAX_OPEN, Page};
use crate::html::furniture::classes;
use html5gum::StartTag;

impl Page {
    pub(super) fn list(&mut self, next: Option<u64>) {
        self.end_heading();
        self.block(if self.lists.is_empty() { 2 } else { 1 });
        if self.lists.len() < MAX_OPEN {
            self.lists.push(List { next });
        }
    }

    pub(super) fn item(&mut self, number: Option<u64>) {
        self.end_heading();
        self.block(1);
        let mark = match self.lists.last_mut() {
            Some(List { next: Some(next) }) => {
                let mark = number.unwrap_or(*next);
                *next = mark.saturating_add(1);
                format!("{mark}.")
            }
            Some(List { next: None }) | None => "-".to_owned(),
        };
        if self.is_in_cell() {
            self.joint = true;
            return;
        }
        self.flush(true);
        self.out.push_str(&mark);
        self.fresh = self.out.len();
        self.space = true;
    }

    pub(super) fn open_pre(&mut self, tag: &StartTag<()>) {
        self.end_heading();
        self.leave_grids();
        if self.pre == 0 {
            self.block(2);
            self.flush(false);
            self.fence = self.out.len();
            self.out.push_str("```");
            let named = classes(tag).find_map(|class| {
                known_language(class.strip_prefix("lang-").or_else(|| class.strip_prefix("language-"))?)
            });
            if let Some(language) = named.or_else(|| self.language.take()) {
                self.out.push_str(&language);
            }
            self.language = None;
            self.pre = 1;
            self.newline();
            return;
        }
        self.pre += 1;
    }

    pub(super) fn end_pre(&mut self) {
        let Some(left) = self.pre.checked_sub(1) else { return };
        if left == 0 {
            if !self.out.trim_end_matches(['>', ' ']).ends_with('\n') {
                self.newline();
            }
            let inside = self.out.get(self.fence + 3..).unwrap_or_default();
            let ticks = longest_run(inside, '`');
            let fence = "`".repeat(ticks.max(2) + 1);
            if fence.len() > 3 {
                self.insert(self.fence, fence.get(3..).unwrap_or_default());
            }
            self.out.push_str(&fence);
        }
        self.pre = left;
        self.block(2);
    }

    /// The code within the fence may say what language it is in.
    pub(super) fn name_language(&mut self, tag: &StartTag<()>) {
        let is_fresh = self.out.get(self.fence..).is_some_and(|text| text.trim_end_matches(['\n', '>', ' ']) == "```");
        let named = classes(tag)
            .find_map(|class| known_language(class.strip_prefix("lang-").or_else(|| class.strip_prefix("language-"))?));
        if let (true, Some(language)) = (is_fresh, named) {
            self.insert(self.fence + 3, &language);
        }
    }

    pub(super) fn mark(&mut self, mark: &'static str) {
        // One that is never closed must not grow the stack without bound. Code has no emphasis.
        if self.marks.len() < 64 && self.pre == 0 {
            self.raw(mark);
            self.marks.push((mark, self.out.len()));
        }
    }

    pub(super) fn unmark(&mut self, mark: &'static str) {
        if self.pre > 0 {
            return;
        }
        let Some(place) = self.marks.iter().rposition(|(open, _)| *open == mark) else { return };
        let (_, at) = self.marks.remove(place);
        let inside = self.out.get(at..).unwrap_or_default();
        if inside.is_empty() {
            // Nothing stood within it.
            self.out.truncate(at.saturating_sub(mark.len()));
        } else if mark == "`" && inside.contains('`') {
            let ticks = "`".repeat(longest_run(inside, '`'));
            self.insert(at, &format!("{ticks} "));
            self.out.push_str(&format!(" `{ticks}"));
        } else {
            self.out.push_str(mark);
        }
    }
}

pub(super) fn known_language(name: &str) -> Option<String> {
    let is_none = matches!(name, "default" | "none" | "text" | "source" | "plaintext" | "");
    let is_word = name.len() <= 20 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '#' | '-'));
    (!is_none && is_word).then(|| name.to_lowercase())
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
