//! `zim_search`: pages by their text, by title, while somebody types; in one archive or in all.

mod across;
mod one;
mod titles;

use super::{Answer, PageInfo};
use crate::arguments::Arguments;
use crate::book::Book;
use crate::fault::Fault;
use crate::meta::{Answered, Meta};
use crate::search::fulltext::{self, Filter};
use crate::search::snippet::Shape;
use crate::search::{all, title};
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) const ABOUT: &str = "Finds pages. mode fulltext: all of the words, with snippets; title: pages called so, \
     mistakes in typing mended; suggest: completions of what is typed. cross_file searches all archives. namespace and \
     content_type filter full text. Read a result's path with zim_get.";

const TOOL: &str = "zim_search";
/// Characters of a query.
const MAX_QUERY: usize = 4096;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimSearch")]
pub(crate) struct Search {
    /// Words to find.
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) mode: Mode,
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    /// All archives, one ranking.
    #[serde(default)]
    pub(crate) cross_file: bool,
    /// Only this namespace, such as C.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Only this MIME type, such as text/html.
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    /// Rows: fulltext 1 to 1000 (10), cross_file 1 to 50 of each archive (5), else 1 to 50 (10).
    #[serde(default)]
    pub(crate) limit: Option<i64>,
    /// The row to begin with.
    #[serde(default)]
    pub(crate) offset: Option<i64>,
    /// next_cursor of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Mode {
    #[default]
    Fulltext,
    Title,
    Suggest,
    /// fulltext with cross_file.
    CrossFile,
    /// fulltext with filters.
    Filtered,
}

/// Which members there are depends on the mode.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimSearchPage")]
pub(crate) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_query: Option<String>,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    zim_file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type_filter: Option<String>,
    pub(crate) results: Rows,
    pub(crate) next_cursor: Option<String>,
    pub(crate) total: u64,
    pub(crate) done: bool,
    pub(crate) page_info: PageInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_path_hit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuzzy_path_hit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files_searched: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_available: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_with_hits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_searched_successfully: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_failed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_exceeded: Option<bool>,
    /// How each archive answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<all::Searched>>,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ZimSearchRows")]
pub(crate) enum Rows {
    Hits(Vec<fulltext::Row>),
    Titles(Vec<title::Row>),
    Suggestions(Vec<Suggested>),
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimSuggested")]
pub(crate) struct Suggested {
    pub(crate) text: String,
    pub(crate) path: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Default for Rows {
    fn default() -> Self {
        Self::Hits(Vec::new())
    }
}

impl Answered for Page {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Search>, call: Call) -> Result<Answer<Page>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| search(work, &given)).await.map(Answer)
}

pub(crate) fn search(work: &Work, given: &Search) -> Result<Page, Fault> {
    let query = given.query.trim();
    if query.chars().count() > MAX_QUERY {
        return Err(Fault::new("invalid_query", format!("query has at most {MAX_QUERY} characters.")));
    }
    let named = given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty());
    let cross = given.cross_file || given.mode == Mode::CrossFile;
    let filter = filter(given)?;
    check(given, cross, named.is_some(), &filter)?;
    if query.is_empty() {
        let mut page = Page { query: Some(String::new()), done: true, mode: given.mode, ..Page::default() };
        page.meta.reason = Some("bad_query");
        page.meta.hint = Some("query is empty: give words to find.".to_owned());
        return Ok(page.measured());
    }
    let mut page = match (given.mode, cross) {
        (Mode::Title, _) => titles::titles(work, given, query, cross, named)?,
        (Mode::Suggest, _) => titles::suggest(work, given, query, named)?,
        (_, true) => across::cross_file(work, given, query)?,
        _ => one::one(work, given, query, named, filter)?,
    };
    page.mode = given.mode;
    Ok(page.measured())
}

fn filter(given: &Search) -> Result<Filter, Fault> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let namespace = match said(&given.namespace) {
        None => None,
        // One that no archive has filters everything.
        Some(name) => Some(super::browse::letter(&name)?.unwrap_or(0)),
    };
    let content_type = said(&given.content_type).map(|text| text.trim().to_lowercase());
    if content_type.as_ref().is_some_and(|text| text.len() > 100) {
        return Err(Fault::new("invalid_argument", "content_type has at most 100 characters."));
    }
    Ok(Filter { namespace, content_type })
}

fn check(given: &Search, cross: bool, named: bool, filter: &Filter) -> Result<(), Fault> {
    let fault = |message: &str| Err(Fault::new("invalid_combination", message));
    let is_text = !matches!(given.mode, Mode::Title | Mode::Suggest);
    if cross && named {
        return fault("cross_file searches all archives: leave out zim_file_path.");
    }
    if cross && given.mode == Mode::Suggest {
        return fault("suggest completes titles of one archive: leave out cross_file.");
    }
    if !filter.is_empty() && (!is_text || cross) {
        return fault("namespace and content_type filter the full text of one archive.");
    }
    if given.mode == Mode::Filtered && filter.is_empty() {
        return fault("filtered needs namespace or content_type.");
    }
    if given.mode == Mode::Suggest && (given.offset.unwrap_or(0) != 0 || given.cursor.is_some()) {
        return fault("suggest has no pages: raise limit (to 50), or type more.");
    }
    Ok(())
}

pub(crate) fn shape(work: &Work, book: &Book) -> Shape {
    let style = book.about().map(|about| about.preset.style.clone()).unwrap_or_default();
    let chars = style.snippet_chars.unwrap_or(work.holdings.settings.content.snippet_chars);
    Shape { chars, paragraphs: style.paragraphs.unwrap_or(2) }
}

/// Tells one set of archives from another. One that is damaged is looked at anew with each scan and stays itself.
fn library_identity(work: &Work) -> String {
    let mut hasher = DefaultHasher::new();
    for book in &work.shelf.books {
        book.name.hash(&mut hasher);
        book.stamp().hash(&mut hasher);
    }
    format!("all-{}-{:016x}", work.shelf.books.len(), hasher.finish())
}
