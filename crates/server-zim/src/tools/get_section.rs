//! `zim_get_section`: one section of a page.

use super::{Answer, Budget, Content};
use crate::arguments::Arguments;
use crate::article::public_path;
use crate::fault::Fault;
use crate::html::{Article, Heading};
use crate::meta::{Answered, Meta};
use crate::nearest::nearest;
use crate::retrieve;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(super) const ABOUT: &str = "Reads one section of a page. section_id is an id of zim_get view=toc, the heading's \
     text, or its number. An unknown one is answered with those there are.";

/// Ids that an error lists.
const NAMED: usize = 50;

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimGetSection")]
pub(crate) struct GetSection {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    pub(crate) entry_path: String,
    pub(crate) section_id: String,
    /// Characters at most (100000).
    #[serde(default)]
    pub(crate) max_chars: Option<i64>,
    /// Sections within it, too.
    #[serde(default = "yes")]
    pub(crate) include_subsections: bool,
    /// Long tables are named; false shows them.
    #[serde(default = "yes")]
    pub(crate) compact: bool,
    /// tiny, small, medium, large or a number of characters.
    #[serde(default)]
    pub(crate) compact_budget: Option<Budget>,
}

const fn yes() -> bool {
    true
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimGotSection")]
pub(crate) struct Section {
    zim_file: String,
    pub(crate) entry_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_path: Option<String>,
    pub(crate) title: String,
    section_id: String,
    pub(crate) section_title: String,
    pub(crate) level: u8,
    parent_id: Option<String>,
    pub(crate) content_markdown: String,
    char_count: usize,
    word_count: usize,
    pub(crate) truncated: bool,
    /// The section itself has no text: its first subsection is shown.
    #[serde(skip_serializing_if = "super::is_false")]
    narrow_widened_to_first_child: bool,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

impl Answered for Section {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<GetSection>, call: Call) -> Result<Answer<Section>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| get(work, &given)).await.map(Answer)
}

pub(crate) fn get(work: &Work, given: &GetSection) -> Result<Section, Fault> {
    let settings = &work.holdings.settings.content;
    let mut limit = match given.max_chars.map(usize::try_from) {
        None => settings.max_chars,
        Some(Ok(chars)) if (1..=1_000_000).contains(&chars) => chars,
        Some(_) => return Err(Fault::new("invalid_max_chars", "max_chars is a number from 1 to 1000000.")),
    };
    if let Some(budget) = given.compact_budget.as_ref().filter(|_| given.compact) {
        limit = limit.min(budget.chars());
    }
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    if given.entry_path.is_empty() {
        return Err(Fault::new("invalid_path", "entry_path is empty."));
    }
    let path = &given.entry_path;
    let found = retrieve::find(work, &archive, path)?.ok_or_else(|| retrieve::not_found(work, &archive, path))?;
    let entry = found.entry.resolve()?;
    let resolved = public_path(&archive, &entry);
    let article = work.article(book, &archive, &entry)?;
    let article = article.ok_or_else(|| Fault::new("invalid_section", "This entry is no text: it has no sections."))?;
    let index = find(&article, &given.section_id).ok_or_else(|| unknown(&article, &given.section_id, &resolved))?;
    let heading =
        article.headings.get(index).cloned().ok_or_else(|| unknown(&article, &given.section_id, &resolved))?;
    let mut end = article.end_of(index, given.include_subsections);
    let mut widened = false;
    if !given.include_subsections
        && article.slice(heading.body..end).trim().len() <= heading.text.len().min(20)
        && article.headings.get(index + 1).is_some_and(|next| next.level > heading.level)
    {
        end = article.end_of(index + 1, false);
        widened = true;
    }
    let text = if given.compact {
        article.compact(heading.body..end, &settings.compact(true))
    } else {
        article.slice(heading.body..end).to_owned()
    };
    let Content { text, total, next } = Content::page(text.trim(), 0, limit as u64)?;
    let parent = article.headings.iter().take(index).rev().find(|other| other.level < heading.level);
    let meta = Meta { truncated: next.is_some(), total_chars: next.map(|_| total), ..Meta::default() };
    let section = Section {
        zim_file: book.name.clone(),
        requested_path: (resolved != *path).then(|| path.clone()),
        entry_path: resolved,
        title: crate::text::title(&entry),
        parent_id: parent.map(|parent| parent.id.clone()),
        section_id: heading.id,
        section_title: heading.text,
        level: heading.level,
        char_count: text.chars().count(),
        word_count: text.split_whitespace().count(),
        content_markdown: text,
        truncated: next.is_some(),
        narrow_widened_to_first_child: widened,
        meta,
    };
    Ok(section.measured())
}

/// A heading by its id, another id that leads to it, its text, or its number from 1 on.
pub(crate) fn find(article: &Article, said: &str) -> Option<usize> {
    let said = said.trim().trim_start_matches('#');
    let place = |is_meant: &dyn Fn(&Heading) -> bool| article.headings.iter().position(is_meant);
    let folded = |text: &str| text.trim().to_lowercase();
    let wanted = folded(said);
    place(&|h| h.id == said)
        .or_else(|| place(&|h| h.aliases.iter().any(|alias| alias == said)))
        .or_else(|| place(&|h| folded(&h.text) == wanted))
        .or_else(|| place(&|h| folded(&h.id) == wanted || folded(&h.id) == wanted.replace([' ', '_'], "-")))
        .or_else(|| {
            let number: usize = said.parse().ok()?;
            number.checked_sub(1).filter(|index| *index < article.headings.len())
        })
}

fn unknown(article: &Article, said: &str, path: &str) -> Fault {
    let shown: String = said.chars().take(100).collect();
    let ids = || article.headings.iter().map(|h| h.id.as_str());
    let near = nearest(said, article.headings.iter().flat_map(|h| [h.id.as_str(), h.text.as_str()]));
    let hint = match near {
        Some(near) => format!(" Did you mean {near:?}?"),
        None if article.headings.is_empty() => " It has no headings: read it with zim_get.".to_owned(),
        None => String::new(),
    };
    let named: Vec<_> = article.headings.iter().take(NAMED).map(|h| json!({"id": h.id, "title": h.text})).collect();
    Fault::new("section_not_found", format!("There is no section {shown:?} in {path:?}.{hint}"))
        .with("available_section_ids", ids().take(NAMED).collect::<Vec<_>>())
        .with("available_section_ids_truncated", article.headings.len() > NAMED)
        .with("available_section_ids_total", article.headings.len())
        .with("available_sections", named)
        .with("closest_match", near.map(str::to_owned))
}
