//! Where pages lead and what leads to them.

use super::{Answer, Asking, ROWS};
use crate::book::Book;
use crate::fault::Fault;
use crate::tools::links::{self, Direction, Kind, Links};

impl Asking<'_> {
    pub(super) fn links(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let ask = |kind| {
            let given = Links {
                zim_file_path: Some(book.name.clone()),
                entry_path: entry_path.clone(),
                kind,
                limit: Some(self.given.limit.unwrap_or(25).clamp(1, 500)),
                offset: Some(self.offset),
                ..Links::default()
            };
            links::links(self.work, &given)
        };
        let (internal, external) = (ask(Kind::Internal)?, ask(Kind::External)?);
        let line = |row: &links::Row| {
            let target = row.path.as_deref().or(row.url.as_deref()).unwrap_or_default();
            format!("- {} -> {target}", row.text.as_deref().filter(|text| !text.is_empty()).unwrap_or("(no text)"))
        };
        let list = |name: &str, page: &links::Page| {
            let rows: Vec<String> = page.results.iter().map(line).collect();
            format!("## {name} ({} of {})\n{}", rows.len(), page.total, rows.join("\n"))
        };
        let more = if internal.done && external.done {
            "_End of links._".to_owned()
        } else {
            let shown = self.offset + i64::try_from(internal.results.len().max(external.results.len())).unwrap_or(0);
            format!("Pass `offset={shown}` for more.")
        };
        Ok(Answer::foreign(format!(
            "# Links from {} (`{}`)\n\n{}\n\n{}\n\n---\n{more}",
            internal.title,
            internal.path,
            list("Internal", &internal),
            list("External", &external)
        )))
    }

    pub(super) fn related(&self, book: &Book, direction: Direction) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let given = Links {
            zim_file_path: Some(book.name.clone()),
            entry_path: entry_path.clone(),
            direction,
            limit: Some(self.given.limit.unwrap_or(ROWS).clamp(1, 100)),
            offset: Some(self.offset),
            ..Links::default()
        };
        let page = match links::links(self.work, &given) {
            Err(fault) if fault.operation() == "inbound_sidecar_unavailable" => {
                return Ok(Answer::foreign(format!(
                    "**Inbound links unavailable for `{entry_path}`**\n\n{}",
                    fault.message()
                )));
            }
            page => page?,
        };
        let line = |row: &links::Row| {
            let mut line = format!(
                "- **{}** (`{}`)",
                row.title.as_deref().unwrap_or_default(),
                row.path.as_deref().unwrap_or_default()
            );
            if let Some(count) = row.mention_count.filter(|count| *count > 1) {
                line.push_str(&format!(" · {count}×"));
            }
            line
        };
        let rows: Vec<String> = page.results.iter().map(line).collect();
        let head =
            if direction == Direction::Related { "Pages that this page names" } else { "Pages that link to this page" };
        let rows = if rows.is_empty() { "_None._".to_owned() } else { rows.join("\n") };
        Ok(Answer::foreign(format!("# {head}: {} (`{}`)\n\n{rows}", page.title, page.path)))
    }
}
