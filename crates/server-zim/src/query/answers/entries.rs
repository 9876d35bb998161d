//! Entries and what is in them.

use super::{Answer, Asking, CHARS};
use crate::book::Book;
use crate::fault::Fault;
use crate::query::topic::{self, Resolved};
use crate::retrieve;
use crate::tools::get::{self, Get, View};
use crate::tools::get_section::{self, GetSection};

impl Asking<'_> {
    pub(super) fn main_page(&self, book: &Book) -> Result<Answer, Fault> {
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            main_page: true,
            max_content_length: Some(self.given.max_content_length.unwrap_or(CHARS)),
            content_offset: self.given.content_offset,
            compact: self.given.compact,
            ..Get::default()
        };
        self.page(get::get(self.work, &given)?)
    }

    pub(super) fn binary(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = Some(self.entry(book)?);
        let given = Get { zim_file_path: Some(book.name.clone()), entry_path, binary: true, ..Get::default() };
        Ok(Answer::json(&get::get(self.work, &given)?))
    }

    /// The text of an entry, with how to go on.
    pub(super) fn page(&self, got: get::Got) -> Result<Answer, Fault> {
        let title = got.title.unwrap_or_default();
        let path = got.path.unwrap_or_default();
        let content = got.content.unwrap_or_default();
        let mut body = String::new();
        if !content.starts_with("# ") {
            body.push_str(&format!("# {title}\n\n"));
        }
        body.push_str(&format!("_Source: `{path}`_\n\n{content}"));
        body.extend(got.message);
        if let Some(next) = got.meta.more_at_offset {
            let total = got.meta.total_chars.unwrap_or(next);
            body.push_str(&format!(
                "\n\n_Shown up to character {next} of {total}. Pass `content_offset={next}` for the rest._"
            ));
        }
        Ok(Answer::foreign(body))
    }

    /// The path of the entry that is meant: one that there is, or the page that is called so.
    pub(super) fn entry(&self, book: &Book) -> Result<String, Fault> {
        let said = self.get("entry").or_else(|| self.get("topic")).unwrap_or_default();
        if said.is_empty() {
            return Err(Fault::new("topic_required", "The question names no page. Say which one, in quotes."));
        }
        let archive = book.archive()?;
        if let Some(found) = retrieve::find(self.work, &archive, said)? {
            return Ok(crate::article::public_path(&archive, &found.entry));
        }
        match topic::resolve(self.work, book, said)? {
            Resolved::One(page) => Ok(page.path),
            Resolved::Several(pages) => Ok(pages.into_iter().next().map(|page| page.path).unwrap_or_default()),
            Resolved::Nothing => Err(retrieve::not_found(self.work, &archive, said).with(
                "suggestions",
                vec![format!("search for {said}"), format!("suggestions for {said}"), format!("tell me about {said}")],
            )),
        }
    }

    pub(super) fn section(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let said = self.get("section").unwrap_or_default().to_owned();
        let mut given = GetSection {
            zim_file_path: Some(book.name.clone()),
            entry_path,
            section_id: said.clone(),
            max_chars: Some(self.given.max_content_length.unwrap_or(CHARS)),
            include_subsections: true,
            compact: self.given.compact,
            ..GetSection::default()
        };
        let section = match get_section::get(self.work, &given) {
            Err(fault) if fault.operation() == "section_not_found" => {
                // A heading that has it in it will do.
                let archive = book.archive()?;
                let entry = retrieve::find(self.work, &archive, &given.entry_path)?
                    .map(|found| found.entry.resolve())
                    .transpose()?;
                let article = entry.map(|entry| self.work.article(book, &archive, &entry)).transpose()?.flatten();
                let lower = said.to_lowercase();
                let heading = article.iter().flat_map(|a| &a.headings).find(|h| h.text.to_lowercase().contains(&lower));
                let Some(heading) = heading.filter(|_| !lower.is_empty()) else {
                    self.work.telemetry.count("section_not_found");
                    return Err(fault);
                };
                given.section_id.clone_from(&heading.id);
                get_section::get(self.work, &given)?
            }
            section => section?,
        };
        self.work.telemetry.count("section_returned");
        let more = if section.truncated { "\n\n_Cut: pass a larger `max_content_length` for more._" } else { "" };
        Ok(Answer::foreign(format!(
            "{} {}\n_From `{}` ({})_\n\n{}{more}",
            "#".repeat(usize::from(section.level)),
            section.section_title,
            section.entry_path,
            section.title,
            section.content_markdown
        )))
    }

    pub(super) fn view(&self, book: &Book, view: View) -> Result<Answer, Fault> {
        let entry_path = Some(self.entry(book)?);
        let given = Get { zim_file_path: Some(book.name.clone()), entry_path, view, ..Get::default() };
        let got = get::get(self.work, &given)?;
        Ok(Answer::json(&got))
    }

    pub(super) fn entries(&self, book: &Book) -> Result<Answer, Fault> {
        let said = self.get("entries").unwrap_or_default();
        let mut paths: Vec<String> = Vec::new();
        let mut quoted = said.split('"');
        // What stands between quotes is a path with its spaces; outside of them, spaces and commas part paths.
        while let Some(outside) = quoted.next() {
            let words = outside.split([' ', ',']).map(str::trim).filter(|word| !word.is_empty() && *word != "and");
            paths.extend(words.map(str::to_owned));
            paths.extend(quoted.next().map(str::to_owned));
        }
        if paths.is_empty() {
            return Err(Fault::new("invalid_path", "Name the paths, such as: fetch entries \"Berlin\" \"Paris\"."));
        }
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            entry_paths: Some(paths),
            max_content_length: Some(self.given.max_content_length.unwrap_or(2000)),
            compact: self.given.compact,
            ..Get::default()
        };
        Ok(Answer::json(&get::get(self.work, &given)?))
    }

    pub(super) fn article(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = Some(self.entry(book)?);
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            entry_path,
            max_content_length: Some(self.given.max_content_length.unwrap_or(CHARS)),
            content_offset: self.given.content_offset,
            compact: self.given.compact,
            ..Get::default()
        };
        self.page(get::get(self.work, &given)?)
    }
}
