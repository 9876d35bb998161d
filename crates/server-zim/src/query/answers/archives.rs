//! What there is: archives, namespaces, and the entries of one.

use super::{Answer, Asking};
use crate::book::Book;
use crate::fault::Fault;
use crate::tools::{browse, metadata};

impl Asking<'_> {
    pub(super) fn list_files(&self) -> Result<Answer, Fault> {
        let books = &self.work.shelf.books;
        let skip = usize::try_from(self.offset).unwrap_or(0);
        let most = usize::try_from(self.given.limit.unwrap_or(50).clamp(1, 200)).unwrap_or(50);
        let rows: Vec<_> = books.iter().skip(skip).take(most).map(|book| metadata::listed(self.work, book)).collect();
        let shown = rows.len();
        let list = serde_json::to_string_pretty(&rows).unwrap_or_default();
        let next = skip + shown;
        let more = if next < books.len() {
            format!("\n\nShowing {}-{next}: pass `offset={next}` for the next ones.", skip + 1)
        } else {
            String::new()
        };
        Ok(Answer::foreign(format!("Found {} ZIM files:\n\n{list}{more}", books.len())))
    }

    pub(super) fn namespaces(&self, book: &Book) -> Result<Answer, Fault> {
        let archive = book.archive()?;
        let mut lines = Vec::new();
        for (letter, range) in archive.namespaces()? {
            let count = range.end - range.start;
            lines.push(format!("- **`{}`** — {count} entries: {}", char::from(letter), metadata::described(letter)));
        }
        Ok(Answer::foreign(format!(
            "# Namespaces of `{}` ({} entries)\n\n{}",
            book.name,
            archive.len(),
            lines.join("\n")
        )))
    }

    pub(super) fn browse(&self, book: &Book) -> Result<Answer, Fault> {
        let given = browse::Browse {
            zim_file_path: Some(book.name.clone()),
            namespace: self.get("namespace").unwrap_or("C").to_owned(),
            limit: self.limit(200),
            offset: Some(self.offset),
            ..browse::Browse::default()
        };
        Ok(Answer::json(&browse::browse(self.work, &given)?))
    }

    pub(super) fn walk(&self, book: &Book) -> Result<Answer, Fault> {
        let given = browse::Browse {
            zim_file_path: Some(book.name.clone()),
            namespace: self.get("namespace").unwrap_or("C").to_owned(),
            mode: browse::Mode::Walk,
            limit: Some(self.given.limit.unwrap_or(50).clamp(1, 500)),
            offset: Some(self.offset),
            ..browse::Browse::default()
        };
        let page = browse::browse(self.work, &given)?;
        let rows: Vec<String> =
            page.results.iter().map(|row| format!("- **{}** (`{}`)", row.title, row.path)).collect();
        let next = page.page_info.offset + page.scanned_count;
        let end = if page.done {
            "_End of namespace._".to_owned()
        } else {
            format!("Pass `offset={next}` for the next page.")
        };
        let head = format!("# Namespace `{}` — {} of {} entries", page.namespace, rows.len(), page.total);
        Ok(Answer::foreign(format!("{head}\n\n{}\n\n---\n{end}", rows.join("\n"))))
    }
}
