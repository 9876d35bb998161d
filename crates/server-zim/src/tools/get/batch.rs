//! Several entries at once, each with its own success.

use super::{Get, Got};
use crate::book::Book;
use crate::fault::Fault;
use crate::meta::Answered;
use crate::work::Work;
use schemars::JsonSchema;
use serde::Serialize;
use zim::Archive;

/// Entries that one call reads.
const MAX: usize = 50;
/// Characters of all of them together.
const MAX_CHARS: usize = 1_000_000;

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimEntries")]
pub(super) struct Batch {
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeded: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<usize>,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimEntriesRow")]
struct Row {
    index: usize,
    zim_file_path: String,
    entry_path: String,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Where its next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_at_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_chars: Option<u64>,
    /// The path, if entry_path had to be understood as another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn get(work: &Work, book: &Book, archive: &Archive, paths: &[String], given: &Get) -> Result<Got, Fault> {
    if paths.len() > MAX {
        let message = format!("entry_paths has {} paths; up to {MAX} are read at once.", paths.len());
        return Err(Fault::new("invalid_limit", message));
    }
    let mut results = Vec::new();
    let mut chars = 0;
    for (index, path) in paths.iter().enumerate() {
        work.check()?;
        let mut row = Row { index, zim_file_path: book.name.clone(), entry_path: path.clone(), ..Row::default() };
        let one = Get {
            zim_file_path: Some(book.name.clone()),
            entry_path: Some(path.clone()),
            entry_paths: None,
            max_content_length: given.max_content_length,
            compact: given.compact,
            compact_budget: given.compact_budget.clone(),
            ..Get::default()
        };
        let read = if chars >= MAX_CHARS {
            Err(Fault::new("entry_too_large", "The entries before this one fill the answer. Ask for it alone."))
        } else if path.is_empty() {
            Err(Fault::new("invalid_path", "A path is empty."))
        } else {
            super::wanted(work, book, archive, &one).and_then(|wanted| super::full(work, book, archive, &wanted, &one))
        };
        match read {
            Ok(got) => {
                row.success = true;
                row.title = got.title;
                chars += got.content.as_ref().map_or(0, String::len);
                row.content = got.content;
                row.more_at_offset = got.meta.more_at_offset;
                row.total_chars = got.total_chars;
                row.resolved_path = got.path.filter(|resolved| resolved != path);
                row.error = got.message;
            }
            Err(fault) if fault.operation() == "timeout" || fault.operation() == "invalid_max_content_length" => {
                return Err(fault);
            }
            Err(fault) => row.error = Some(fault.message().to_owned()),
        }
        results.push(row);
    }
    let succeeded = results.iter().filter(|row| row.success).count();
    let batch = Batch { succeeded: Some(succeeded), failed: Some(results.len() - succeeded), results: Some(results) };
    Ok(Got { batch, ..Got::default() }.measured())
}
