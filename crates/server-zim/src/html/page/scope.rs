//! The part of a page that it says is its content.

use super::{MAX_OPEN, Page, Scope};
use crate::html::furniture::{self, classes};
use crate::html::{Article, attribute};
use html5gum::StartTag;
use std::ops::Range;

/// How many times as much text is read where no content begins: that of menus may stand before it.
const BEFORE: usize = 8;

impl Page {
    /// Whether so many bytes of content are there.
    pub(super) fn has(&self, enough: usize) -> bool {
        match &self.scope {
            Some(scope) if scope.is_main => self.out.len().saturating_sub(scope.begin) >= enough,
            _ => self.out.len() >= enough.saturating_mul(BEFORE),
        }
    }

    pub(super) fn open_scope(&mut self, name: &str, tag: &StartTag<()>) {
        if classes(tag).any(|class| class == "disambigbox" || class == "mw-disambig-page" || class == "dmbox-disambig")
        {
            self.article.is_disambiguation = true;
        }
        if let Some(scope) = &mut self.scope {
            if scope.name == name {
                scope.depth += 1;
            }
            return;
        }
        let is_main = name == "main" || attribute(tag, "role").is_some_and(|role| role == "main");
        if (is_main || name == "article") && self.scopes.len() < MAX_OPEN {
            self.scope = Some(Scope { name: name.to_owned(), depth: 0, is_main, begin: self.out.len() });
        }
    }

    pub(super) fn close_scope(&mut self, name: &str) {
        let Some(scope) = self.scope.as_mut().filter(|scope| scope.name == name) else { return };
        match scope.depth.checked_sub(1) {
            Some(less) => scope.depth = less,
            None => {
                self.end_heading();
                self.scopes.extend(self.scope.take().map(|scope| (scope.is_main, scope.begin..self.out.len())));
            }
        }
    }
}

/// The content without sections that are about the site.
pub(super) fn without_furniture(article: &Article, content: Range<usize>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = content.start;
    for (index, heading) in article.headings.iter().enumerate() {
        let text = heading.text.to_lowercase();
        let is_furniture = heading.level > 1 && furniture::SECTIONS.contains(&text.as_str());
        if heading.at < at || heading.at >= content.end || !is_furniture {
            continue;
        }
        ranges.push(at..heading.at);
        at = article.end_of(index, true).min(content.end);
    }
    ranges.push(at..content.end);
    ranges
}
