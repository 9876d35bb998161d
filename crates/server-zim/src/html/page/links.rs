//! Links, pictures, formulas.

use super::{MAX_NOTES, OpenLink, Page, Unseen};
use crate::html::furniture::Hidden;
use crate::html::{Link, Media, attribute, told};
use crate::links::Target;
use html5gum::StartTag;

impl Page {
    pub(super) fn open_link(&mut self, tag: &StartTag<()>) {
        self.end_link();
        let Some(href) = attribute(tag, "href") else { return };
        let target = self.base.resolve(&href);
        let link = |path, fragment| Link {
            url: href.trim().chars().take(4000).collect(),
            text: String::new(),
            title: told(tag, "title").filter(|title| !title.trim().is_empty()),
            path,
            fragment,
            open: 0,
            close: 0..0,
        };
        let link = match target {
            Target::Internal { path, fragment } => Some(link(Some(path), fragment)),
            Target::External(_) => Some(link(None, None)),
            Target::Anchor(_) => {
                self.article.anchors += 1;
                None
            }
            Target::Nowhere => None,
        };
        let has_mark = link.is_some() && self.pre == 0;
        if has_mark {
            self.raw("[");
        }
        self.link = Some(OpenLink { link, has_mark, begin: self.out.len(), text: String::new() });
    }

    pub(super) fn end_link(&mut self) {
        let Some(open) = self.link.take() else { return };
        let Some(mut link) = open.link else { return };
        link.text = open.text;
        if open.has_mark {
            if self.out.len() == open.begin {
                self.out.truncate(open.begin.saturating_sub(1));
            } else {
                let target = link.path.clone().unwrap_or_else(|| link.url.clone());
                let awkward = target.contains([' ', '(', ')']);
                link.open = open.begin;
                link.close.start = self.out.len();
                self.out.push_str(if awkward { "](<" } else { "](" });
                self.out.push_str(&target);
                self.out.push_str(if awkward { ">)" } else { ")" });
                link.close.end = self.out.len();
            }
        }
        self.note(link);
    }

    pub(super) fn note(&mut self, mut link: Link) {
        if link.close.is_empty() {
            link.open = self.out.len();
            link.close = link.open..link.open;
        }
        if self.article.links.len() < MAX_NOTES {
            self.article.links.push(link);
        }
    }

    /// A part of a picture that leads somewhere.
    pub(super) fn area(&mut self, tag: &StartTag<()>) {
        let Some(href) = attribute(tag, "href") else { return };
        let (path, fragment) = match self.base.resolve(&href) {
            Target::Internal { path, fragment } => (Some(path), fragment),
            Target::External(_) => (None, None),
            Target::Anchor(_) | Target::Nowhere => return,
        };
        let text = told(tag, "alt").unwrap_or_default();
        self.note(Link { url: href, text, title: told(tag, "title"), path, fragment, open: 0, close: 0..0 });
    }

    pub(super) fn media(&mut self, name: &str, tag: &StartTag<()>) {
        let (kind, key) = match name {
            "img" => ("image", "src"),
            "video" => ("video", "src"),
            "audio" => ("audio", "src"),
            "source" => ("media", "src"),
            "embed" => ("embed", "src"),
            "object" => ("object", "data"),
            _ => return,
        };
        let Some(url) = attribute(tag, key).filter(|url| !url.trim().is_empty() && !url.trim().starts_with("data:"))
        else {
            return;
        };
        let path = match self.base.resolve(&url) {
            Target::Internal { path, .. } => Some(path),
            _ => None,
        };
        if self.article.media.len() < MAX_NOTES {
            let alt = told(tag, "alt").unwrap_or_default();
            let title = told(tag, "title").filter(|title| !title.trim().is_empty());
            self.article.media.push(Media { url: url.trim().to_owned(), kind, alt, title, path, at: self.out.len() });
        }
    }

    pub(super) fn move_base(&mut self, tag: &StartTag<()>) {
        if let Some(href) = attribute(tag, "href") {
            self.base = self.base.moved(&href);
        }
    }

    /// A formula that has its TeX beside it is shown as that; another one as its text.
    pub(super) fn math(&mut self, tag: &StartTag<()>) {
        let Some(tex) = attribute(tag, "alttext").filter(|tex| !tex.trim().is_empty()) else { return };
        self.formula(Some(tex));
        if !tag.self_closing {
            self.unseen = Some(Unseen { name: "math".to_owned(), depth: 0, why: Hidden::Never });
        }
    }

    pub(super) fn formula(&mut self, tex: Option<String>) {
        let Some(tex) = tex.filter(|tex| !tex.trim().is_empty()) else { return };
        let tex = tex.trim();
        let inner = tex.strip_prefix("{\\displaystyle ").and_then(|tex| tex.strip_suffix('}')).unwrap_or(tex);
        self.flush_space();
        self.word(&format!("${}$", inner.split_whitespace().collect::<Vec<_>>().join(" ")));
    }

    pub(super) fn flush_space(&mut self) {
        if self.breaks == 0 && self.space && self.wants_space() {
            self.out.push(' ');
            self.space = false;
        }
    }
}
