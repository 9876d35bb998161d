//! Resources: the list of archives, what one of them is, and its entries as they are; and the completion of names.

use crate::article::{beginning, is_text, public_path};
use crate::book::Book;
use crate::fault::Fault;
use crate::links::decoded;
use crate::retrieve;
use crate::tools::metadata;
use crate::work::{Desk, Work};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp::builtin::{Builtin, Fail};
use mcp::{Call, Error, Raw, Target};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const FILES: &str = "zim://files";
/// Bytes of an entry that are given as they are.
const MAX_BYTES: u64 = 256 << 10;
/// Characters of the front page that are shown.
const PREVIEW: usize = 2000;

pub(crate) fn add(server: Builtin<Desk>) -> Builtin<Desk> {
    let files = json!({
        "uri": FILES, "name": "zim_files", "title": "Available ZIM files", "mimeType": "application/json",
        "description": "The archives, with their sizes",
    });
    let overview = json!({
        "uriTemplate": "zim://{name}", "name": "zim_file_overview", "title": "ZIM file overview",
        "mimeType": "application/json", "description": "What an archive is, and how its front page begins",
    });
    let entry = json!({
        "uriTemplate": "zim://{name}/entry/{path}", "name": "zim_entry", "title": "ZIM entry (as it is)",
        "mimeType": "application/octet-stream",
        "description": "An entry with its own type; a slash in its path is written %2F",
    });
    server.resources(vec![Raw::of(&files)], vec![Raw::of(&overview), Raw::of(&entry)], read).completions(complete)
}

async fn read(desk: Arc<Desk>, uri: String, call: Call) -> Result<Option<Raw>, Fail> {
    let Some(asked) = Asked::parse(&uri) else { return Ok(None) };
    let told = desk.run(&call, move |work| contents(work, &asked)).await;
    match told {
        Ok(Some(mut contents)) => {
            if let Some(object) = contents.as_object_mut() {
                object.insert("uri".to_owned(), uri.into());
            }
            Ok(Some(Raw::of(&json!({ "contents": [contents] }))))
        }
        Ok(None) => Ok(None),
        // A fault is the text of a tool; here it is the reason why the request cannot be answered.
        Err(Fail::Tool(text)) => {
            let fault: Value = serde_json::from_str(&text).unwrap_or_default();
            let message = fault.get("message").and_then(Value::as_str).unwrap_or("it cannot be read").to_owned();
            Err(Fail::Protocol(Error::InvalidParams(message)))
        }
        Err(fail) => Err(fail),
    }
}

/// What a uri means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Files,
    Archive(String),
    Entry(String, String),
}

impl Asked {
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("zim://")?;
        if rest == "files" {
            return Some(Self::Files);
        }
        match rest.split_once("/entry/") {
            Some((name, path)) if !path.is_empty() => Some(Self::Entry(decoded(name), decoded(path))),
            Some(_) => None,
            None => Some(Self::Archive(decoded(rest.trim_end_matches('/')))).filter(|_| !rest.is_empty()),
        }
    }

    /// Whether it is about this archive.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        let (Self::Archive(said) | Self::Entry(said, _)) = self else { return false };
        let file = name.rsplit('/').next().unwrap_or(name);
        let stem = crate::book::stem;
        said == name || said == file || said == stem(name) || said == stem(file)
    }
}

fn contents(work: &Work, asked: &Asked) -> Result<Option<Value>, Fault> {
    let of_text = |value: &Value| json!({ "mimeType": "application/json", "text": format!("{value:#}") });
    match asked {
        Asked::Files => {
            let loaded = work.shelf.books.iter().map(|book| crate::tools::loaded(&work.holdings, book));
            let loaded: Vec<_> = loaded.collect();
            Ok(Some(of_text(&json!(loaded))))
        }
        Asked::Archive(name) => match work.shelf.find(Some(name)) {
            Ok(book) => Ok(Some(of_text(&overview(work, book)?))),
            Err(fault) if fault.operation() == "file_not_found" => Ok(None),
            Err(fault) => Err(fault),
        },
        Asked::Entry(name, path) => match work.shelf.find(Some(name)) {
            Ok(book) => entry(work, book, path),
            Err(fault) if fault.operation() == "file_not_found" => Ok(None),
            Err(fault) => Err(fault),
        },
    }
}

fn overview(work: &Work, book: &Book) -> Result<Value, Fault> {
    let archive = book.archive()?;
    let mut about = serde_json::to_value(metadata::describe(work, &book.name)?).unwrap_or_default();
    let namespaces = about.get_mut("namespaces").map(Value::take).unwrap_or_default();
    let mut told = json!({ "name": book.stem(), "file": book.name, "metadata": about, "namespaces": namespaces });
    if let (true, Some(path), Some(told)) = (work.holdings.settings.shows_paths, book.path(), told.as_object_mut()) {
        told.insert("path".to_owned(), path.display().to_string().into());
    }
    let page = archive.main_page().ok().flatten().and_then(|page| page.resolve().ok());
    let preview = page.map(|page| beginning(&archive, &page, PREVIEW));
    if let Some(told) = told.as_object_mut() {
        match preview {
            Some(Ok(text)) => told.insert("main_page_preview".to_owned(), text.into()),
            Some(Err(fault)) => told.insert("main_page_error".to_owned(), fault.message().into()),
            None => told.insert("main_page_error".to_owned(), "there is none".into()),
        };
    }
    Ok(told)
}

fn entry(work: &Work, book: &Book, path: &str) -> Result<Option<Value>, Fault> {
    if path.chars().count() > 2000 {
        return Err(Fault::new("invalid_path", "The path of an entry has at most 2000 characters."));
    }
    let archive = book.archive()?;
    work.check()?;
    let Some(found) = retrieve::find(work, &archive, path)? else { return Ok(None) };
    let entry = found.entry.resolve()?;
    let mime = entry.mime_type().unwrap_or("application/octet-stream");
    let size = entry.size()?;
    if !is_text(mime) {
        if size > MAX_BYTES {
            let message = format!(
                "{} has {size} bytes, and {MAX_BYTES} are given as a resource. Use zim_get with binary=true.",
                public_path(&archive, &entry)
            );
            return Err(Fault::new("entry_too_large", message));
        }
        return Ok(Some(json!({ "mimeType": mime, "blob": STANDARD.encode(entry.read()?) })));
    }
    let bytes = entry.read_part(0..size.min(MAX_BYTES))?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if size > MAX_BYTES {
        // What is cut in the middle of a letter is no letter.
        let end = text.trim_end_matches('\u{fffd}').len();
        text.truncate(end);
        text.push_str(&format!("\n\n[Cut: {MAX_BYTES} of {size} bytes. Use zim_get for the rest.]"));
    }
    Ok(Some(json!({ "mimeType": mime, "text": text })))
}

/// Names of archives that begin with what was typed. Reads nothing but what is known already.
fn complete(desk: &Desk, target: &Target, argument: &str, typed: &str) -> Vec<String> {
    let wants_name = match target {
        Target::Prompt(_) => argument == "zim_file_path",
        Target::Template(template) => template.starts_with("zim://{name}") && argument == "name",
        _ => false,
    };
    let Some(shelf) = desk.holdings.known().filter(|_| wants_name) else { return Vec::new() };
    let typed = typed.to_lowercase();
    let begins = |name: &str| name.to_lowercase().starts_with(&typed);
    let is_template = matches!(target, Target::Template(_));
    let named = shelf.offered().filter(|book| begins(&book.name) || begins(book.file_name()));
    // In a uri a name is one segment.
    let names = named
        .map(|book| if is_template { book.name.replace('%', "%25").replace('/', "%2F") } else { book.name.clone() });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_archives_and_entries() {
        assert_eq!(Asked::parse("zim://files"), Some(Asked::Files));
        assert_eq!(Asked::parse("zim://a%2Fb.zim"), Some(Asked::Archive("a/b.zim".into())));
        assert_eq!(Asked::parse("zim://a/entry/x%2Fy.html"), Some(Asked::Entry("a".into(), "x/y.html".into())));
        for none in ["zim://", "http://x", "zim://a/entry/", "files"] {
            assert_eq!(Asked::parse(none), None, "{none}");
        }
        let asked = Asked::parse("zim://b").unwrap();
        assert!(asked.is_of("a/b.zim") && asked.is_of("b.zimaa") && !asked.is_of("ab.zim"));
    }
}
