//! What a page says about a topic.

use super::{Answer, Asking};
use crate::book::Book;
use crate::fault::Fault;
use crate::html::Article;
use crate::query::question::Meaning;
use crate::query::topic::{self, Page, Resolved};
use crate::retrieve;
use crate::text::shortened;
use std::sync::Arc;

/// Sections that are named under a lead.
const SECTIONS: usize = 40;

impl Asking<'_> {
    pub(super) fn tell_me_about(&self) -> Result<Answer, Fault> {
        let topic = self.get("topic").unwrap_or_default();
        if topic.is_empty() {
            return Err(Fault::new("topic_required", "Say about what: \"tell me about Berlin\"."));
        }
        let books: Vec<&Arc<Book>> = match self.book()? {
            Some(book) => vec![book],
            None => self.work.shelf.books.iter().collect(),
        };
        // "X/Title" is a path.
        if topic.contains('/')
            && let [book] = books.as_slice()
            && retrieve::find(self.work, &*book.archive()?, topic)?.is_some()
        {
            let get = Meaning { about: [("entry", topic.to_owned())].into(), ..self.meaning.clone() };
            return Asking { meaning: &get, ..*self }.article(book);
        }
        for book in &books {
            if books.len() > 1 && self.work.is_late() {
                break;
            }
            let resolved = match topic::resolve(self.work, book, topic) {
                Ok(resolved) => resolved,
                // One archive that cannot be asked hides no other.
                Err(fault) if books.len() > 1 && fault.operation() != "timeout" => continue,
                Err(fault) => return Err(fault),
            };
            match resolved {
                Resolved::One(page) => return self.lead(book, &page, topic),
                Resolved::Several(pages) => {
                    self.work.telemetry.count("disambiguation_returned");
                    let lines: Vec<String> = pages
                        .iter()
                        .map(|page| format!("- **{}** — `get article {}`", page.title, page.path))
                        .collect();
                    return Ok(Answer::foreign(format!(
                        "**Several pages are called \"{topic}\":**\n\n{}",
                        lines.join("\n")
                    )));
                }
                Resolved::Nothing => {}
            }
        }
        match books.as_slice() {
            [book] => self.search_in(book, topic),
            _ => self.search_all(),
        }
    }

    /// What stands first on a page, or the section that is meant, and which sections there are.
    pub(super) fn lead(&self, book: &Book, page: &Page, topic: &str) -> Result<Answer, Fault> {
        let archive = book.archive()?;
        let found = retrieve::find(self.work, &archive, &page.path)?
            .ok_or_else(|| retrieve::not_found(self.work, &archive, &page.path))?;
        let entry = found.entry.resolve()?;
        let Some(article) = self.work.article(book, &archive, &entry)? else {
            return Ok(Answer::foreign(format!(
                "`{}` is no text. Try `get binary content from \"{}\"`.",
                page.path, page.path
            )));
        };
        let settings = &self.work.holdings.settings.content;
        let how = settings.compact(!self.given.compact);
        let section = page.rest.as_deref().and_then(|rest| topic::section(&article, rest));
        let range = match section {
            Some(index) => article.headings.get(index).map_or(0, |h| h.at)..article.end_of(index, true),
            None if article.is_disambiguation => 0..article.markdown.len(),
            None => article.lead(),
        };
        let text = if self.given.compact { article.compact(range, &how) } else { article.slice(range).to_owned() };
        let most = self.given.max_content_length.and_then(|chars| usize::try_from(chars).ok()).unwrap_or(4000);
        let mut body = String::new();
        if !text.trim_start().starts_with("# ") {
            body.push_str(&format!("# {}\n\n", page.title));
        }
        let archive_note = if self.work.shelf.books.len() > 1 { format!(" in `{}`", book.name) } else { String::new() };
        body.push_str(&format!("_Source: `{}`{archive_note}_\n\n{}", page.path, shortened(text.trim(), most)));
        if page.is_mended {
            body.push_str(&format!("\n\n_There is no page \"{topic}\"; this is \"{}\"._", page.title));
        }
        body.push_str(&outline(&article));
        let other = format!("{} (disambiguation)", page.title);
        if archive
            .titles()
            .ok()
            .and_then(|titles| titles.find(archive.content_namespace(), &other).ok().flatten())
            .is_some()
        {
            body.push_str(&format!("\n\n_May also refer to other things: `get article {other}`._"));
        }
        Ok(Answer::foreign(body))
    }
}

/// The sections of a page.
fn outline(article: &Article) -> String {
    let headings: Vec<_> = article.headings.iter().filter(|h| h.level > 1).collect();
    if headings.is_empty() {
        return String::new();
    }
    let top = headings.iter().map(|h| h.level).min().unwrap_or(2);
    let lines = headings.iter().filter(|h| h.level <= top + 1).take(SECTIONS);
    let lines: Vec<String> =
        lines.map(|h| format!("{}- {} (`{}`)", "  ".repeat(usize::from(h.level - top)), h.text, h.id)).collect();
    format!("\n\n## Sections in this article\n\n{}", lines.join("\n"))
}
