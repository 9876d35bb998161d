//! Pages by their text and by their titles.

use super::{Answer, Asking};
use crate::book::Book;
use crate::fault::Fault;
use crate::search::fulltext::Row;
use crate::text::shortened;
use crate::tools::search::{self, Mode, Rows, Search};

impl Asking<'_> {
    pub(super) fn find_by_title(&self, book: &Book) -> Result<Answer, Fault> {
        let query = self.get("topic").unwrap_or_default().to_owned();
        let given = Search {
            query: query.clone(),
            mode: Mode::Title,
            zim_file_path: Some(book.name.clone()),
            limit: self.limit(50),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        let Rows::Titles(rows) = page.results else { return Ok(Answer::own(String::new())) };
        let offset = page.page_info.offset;
        let line = |(number, row): (u64, &crate::search::title::Row)| {
            format!("{number}. **{}** — `{}` (score: {:.2})", row.title, row.path, row.score)
        };
        let mut lines: Vec<String> = (offset + 1..).zip(&rows).map(line).collect();
        if !page.done {
            lines.push(format!("\nPass `offset={}` for the next ones.", offset + rows.len() as u64));
        }
        let lines = if lines.is_empty() {
            format!("No title is like \"{query}\". Try `search for {query}`.")
        } else {
            lines.join("\n")
        };
        Ok(Answer::foreign(format!("# Title lookup for \"{query}\"\n\n{lines}")))
    }

    pub(super) fn suggestions(&self, book: &Book) -> Result<Answer, Fault> {
        let given = Search {
            query: self.get("topic").unwrap_or_default().to_owned(),
            mode: Mode::Suggest,
            zim_file_path: Some(book.name.clone()),
            limit: self.limit(50),
            ..Search::default()
        };
        Ok(Answer::json(&search::search(self.work, &given)?))
    }

    pub(super) fn search(&self) -> Result<Answer, Fault> {
        match self.book()? {
            Some(book) => self.search_in(book, self.get("topic").unwrap_or_default()),
            // Nobody has to choose an archive to find something in one of them.
            None => self.search_all(),
        }
    }

    pub(super) fn search_in(&self, book: &Book, query: &str) -> Result<Answer, Fault> {
        let given = Search {
            query: query.to_owned(),
            zim_file_path: Some(book.name.clone()),
            limit: self.limit(1000),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        Ok(Answer::foreign(self.listing(query, page, "")))
    }

    pub(super) fn filtered(&self, book: &Book) -> Result<Answer, Fault> {
        let query = self.get("topic").unwrap_or_default();
        let given = Search {
            query: query.to_owned(),
            mode: Mode::Filtered,
            zim_file_path: Some(book.name.clone()),
            namespace: self.get("namespace").map(str::to_owned),
            content_type: self.get("type").map(str::to_owned),
            limit: self.limit(100),
            offset: Some(self.offset),
            ..Search::default()
        };
        let filters: Vec<String> =
            ["namespace", "type"].iter().filter_map(|name| Some(format!("{name}={}", self.get(name)?))).collect();
        let page = search::search(self.work, &given)?;
        Ok(Answer::foreign(self.listing(query, page, &format!(" (filters: {})", filters.join(", ")))))
    }

    pub(super) fn search_all(&self) -> Result<Answer, Fault> {
        let query = self.get("topic").or_else(|| self.get("entry")).unwrap_or_default();
        if query.is_empty() {
            return Err(Fault::new("search_terms_required", "Say what to search for: \"search for bridges\"."));
        }
        let given = Search {
            query: query.to_owned(),
            cross_file: true,
            limit: Some(self.given.limit.unwrap_or(5).clamp(1, 50)),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        let files = page.files.as_ref().map_or(0, Vec::len);
        Ok(Answer::foreign(self.listing(query, page, &format!(" in {files} archives"))))
    }

    /// Results as a list. What is named like the query stands above lists of other pages.
    pub(super) fn listing(&self, query: &str, page: search::Page, of: &str) -> String {
        let chars = if self.given.compact { 250 } else { 1500 };
        let (rows, total, offset) = (page.results, page.total, page.page_info.offset);
        let suggestions: Vec<String> = page.meta.suggestions.iter().map(|s| format!("`{}`", s.value)).collect();
        let mut rows = match rows {
            Rows::Hits(rows) => rows,
            Rows::Titles(rows) => rows.into_iter().map(titled).collect(),
            Rows::Suggestions(_) => Vec::new(),
        };
        let advice = page.meta.hint.map(|advice| format!("\n\n_{advice}_")).unwrap_or_default();
        if rows.is_empty() {
            let hint = if suggestions.is_empty() {
                format!("Try `tell me about {query}`.")
            } else {
                format!("Try {}.", suggestions.join(", "))
            };
            return format!("No results for \"{query}\"{of}. {hint}{advice}");
        }
        if offset == 0 {
            // Lists of pages are seldom what is looked for.
            rows.sort_by_key(|row| is_list(&row.path));
        }
        let about = if page.page_info.total_is_lower_bound { "at least " } else { "" };
        let last = offset + rows.len() as u64;
        let mut text = format!("Found {about}{total} matches for \"{query}\"{of}, showing {}-{last}:\n", offset + 1);
        for (place, row) in rows.iter().enumerate() {
            let number = offset + place as u64 + 1;
            let archive = row.zim_file.as_ref().map(|file| format!(" (archive `{file}`)")).unwrap_or_default();
            text.push_str(&format!("\n## {number}. {}\nPath: `{}`{archive}\n", row.title, row.path));
            if !row.snippet.is_empty() {
                text.push_str(&format!("Snippet: {}\n", shortened(&row.snippet, chars)));
            }
        }
        text.push_str("\n---\n");
        if !page.done {
            text.push_str(&format!(
                "Showing {}-{last} of {about}{total} — pass `offset={last}` for the next page.",
                offset + 1
            ));
        }
        if total >= 200 && total >= 20 * (last - offset) {
            text.push_str(" The result is large: more words, or rarer ones, find less.");
        }
        if page.meta.reason == Some("low_relevance") {
            text.push_str("\n_None of these pages is called like the query: they only mention it._");
        }
        text.push_str(&advice);
        text
    }
}

/// Whether a page is a list of pages.
pub(in crate::query) fn is_list(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).replace(' ', "_");
    let begins = ["List_of_", "Lists_of_", "Index_of_", "Outline_of_", "Timeline_of_", "genindex"];
    let ends = ["_discography", "_filmography", "_bibliography"];
    begins.iter().any(|begin| name.starts_with(begin)) || ends.iter().any(|end| name.ends_with(end))
}

fn titled(row: crate::search::title::Row) -> Row {
    Row {
        path: row.path,
        title: row.title,
        snippet: String::new(),
        score: row.score,
        namespace: None,
        content_type: None,
        zim_file: None,
    }
}
