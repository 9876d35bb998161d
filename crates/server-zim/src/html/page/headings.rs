//! Headings and their ids.

use super::{MAX_NOTES, MAX_TEXT, OpenHeading, Page};
use crate::html::furniture::classes;
use crate::html::slug::slug;
use crate::html::{Heading, attribute};
use html5gum::StartTag;

impl Page {
    pub(super) fn open_heading(&mut self, level: u8, tag: &StartTag<()>) {
        self.end_heading();
        self.leave_grids();
        self.block(2);
        let breaks = self.breaks;
        let mut ids: Vec<_> = attribute(tag, "id").map(|id| (id, "id")).into_iter().collect();
        ids.extend(self.pending.iter().filter(|p| p.2 == self.out.len()).rev().map(|p| (p.0.clone(), p.1)));
        let before = self.out.trim_end_matches(' ').len();
        self.flush(false);
        let at = self.out.len();
        self.out.push_str(&"#".repeat(usize::from(level.clamp(1, 6))));
        self.space = true;
        self.heading = Some(OpenHeading { level, at, before: before.min(at), breaks, ids, text: String::new() });
    }

    pub(super) fn end_heading(&mut self) {
        let Some(heading) = self.heading.take() else { return };
        let text: String = heading.text.trim().trim_end_matches('¶').trim_end().chars().take(MAX_TEXT).collect();
        if text.is_empty() || self.article.headings.len() >= MAX_NOTES {
            let bare =
                self.out.get(heading.at..).is_some_and(|text| text.trim_matches(['#', ' ', '*', '`']).is_empty());
            if bare {
                self.marks.retain(|(_, at)| *at <= heading.at);
                self.out.truncate(heading.before);
                self.fresh = self.fresh.min(heading.before);
                self.breaks = heading.breaks;
            }
            return;
        }
        let mut ids = heading.ids.into_iter().filter(|(id, _)| !id.trim().is_empty());
        let (id, id_source) = ids.next().unwrap_or_else(|| (slug(&text), "slug"));
        let aliases = ids.map(|(id, _)| id).take(4).collect();
        self.space = false;
        let body = self.out.len();
        let id = self.ids.take(id);
        self.article.headings.push(Heading {
            id,
            id_source,
            aliases,
            text,
            level: heading.level,
            at: heading.at,
            body,
        });
        self.breaks = 2;
    }

    /// Ids that stand before or within a heading name it.
    pub(super) fn remember_id(&mut self, name: &str, tag: &StartTag<()>) {
        let source = match name {
            "a" | "span" => "anchor",
            "section" => "section",
            "div" if classes(tag).any(|class| class == "section") => "section",
            _ => return,
        };
        let id = attribute(tag, "id").or_else(|| (name == "a").then(|| attribute(tag, "name")).flatten());
        let Some(id) = id.filter(|id| !id.trim().is_empty()) else { return };
        if let Some(heading) = &mut self.heading {
            if source == "anchor" && heading.ids.len() < 8 {
                // What stands within it is nearer than what stands before it, but not than its own.
                let at = heading.ids.iter().take_while(|(_, source)| *source == "id").count();
                heading.ids.insert(at, (id, source));
            }
            return;
        }
        let here = self.out.len();
        self.pending.retain(|pending| pending.2 == here);
        if self.pending.len() < 8 {
            self.pending.push((id, source, here));
        }
    }
}
