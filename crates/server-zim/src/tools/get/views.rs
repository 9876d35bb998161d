//! The views of an entry beside its text: a summary, its table of contents, its structure.

use super::{Got, View, Wanted};
use crate::book::Book;
use crate::fault::Fault;
use crate::html::{Article, Heading, without_links};
use crate::meta::Answered;
use crate::text::{first_words, piece, shortened};
use crate::work::Work;
use schemars::JsonSchema;
use serde::Serialize;
use zim::Archive;

/// Words of a summary.
const WORDS: usize = 200;

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimEntryViews")]
pub(super) struct Views {
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    toc: Option<Vec<Section>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heading_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headings: Option<Vec<Flat>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sections: Option<Vec<Preview>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    character_count: Option<usize>,
}

/// A heading and what stands under it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimSection")]
struct Section {
    /// For zim_get_section.
    section_id: String,
    text: String,
    level: u8,
    children: Vec<Self>,
    id_source: &'static str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimHeading")]
struct Flat {
    id: String,
    text: String,
    level: u8,
    position: usize,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimSectionPreview")]
struct Preview {
    title: String,
    level: u8,
    content_preview: String,
}

pub(super) fn get(work: &Work, book: &Book, archive: &Archive, wanted: &Wanted<'_>, view: View) -> Result<Got, Fault> {
    let mut got = Got::of(book, archive, wanted);
    let Some(article) = work.article(book, archive, &wanted.entry)? else {
        let mime = wanted.entry.mime_type().unwrap_or("an unknown type");
        got.message = Some(format!("This is no text but {mime}: it has no such view."));
        return Ok(got.measured());
    };
    let headings = within(&article.headings, work.holdings.settings.content.max_chars, view == View::Structure);
    let is_cut = headings.len() < article.headings.len();
    match view {
        View::Summary | View::Full => {
            let is_questions = book.about()?.preset.is_questions();
            let how = work.holdings.settings.content.compact(true);
            let (summary, more) = summary(&article, is_questions, &how);
            got.views.word_count = Some(summary.split_whitespace().count());
            got.views.is_truncated = Some(more);
            got.views.summary = Some(summary);
            got.meta.truncated = more;
            got.meta.preset_applied = is_questions.then_some("q_and_a");
        }
        View::Toc => {
            let (toc, depth) = tree(headings);
            got.views.heading_count = Some(article.headings.len());
            got.views.max_depth = Some(depth);
            got.message = article.headings.is_empty().then(|| "No headings found in article".to_owned());
            got.views.toc = Some(toc);
            got.meta.truncated = is_cut;
        }
        View::Structure => {
            let heading = |(position, h): (usize, &Heading)| Flat {
                id: h.id.clone(),
                text: h.text.clone(),
                level: h.level,
                position,
            };
            got.views.headings = Some(headings.iter().enumerate().map(heading).collect());
            let preview = |(index, h): (usize, &Heading)| Preview {
                title: h.text.clone(),
                level: h.level,
                content_preview: shortened(&without_links(&article, h.body..article.end_of(index, false)), PREVIEW),
            };
            got.meta.truncated = is_cut;
            got.views.sections = Some(headings.iter().enumerate().map(preview).collect());
            got.views.word_count = Some(article.markdown.split_whitespace().count());
            got.views.character_count = Some(article.markdown.chars().count());
        }
    }
    Ok(got.measured())
}

/// What stands first, within a number of words, and whether there is more.
pub(crate) fn summary(article: &Article, is_questions: bool, how: &crate::html::Compact) -> (String, bool) {
    let lead = article.lead();
    let text = article.compact(lead.clone(), how);
    let (words, cut) = first_words(text.trim(), WORDS);
    let mut summary = words.to_owned();
    let mut more = cut || lead.end < article.markdown.trim_end().len();
    if is_questions && lead.end < article.markdown.len() {
        // The question is the lead; what is wanted of the rest is the first answer.
        let rest = article.compact(lead.end..article.markdown.len(), how);
        let answer = rest.trim().split_once('\n').map_or("", |(_, answer)| answer.trim());
        let (words, cut) = first_words(answer, WORDS);
        if !words.is_empty() {
            summary = format!("{}\n\n**Answer:** {words}", piece(&summary, 0, 2000));
        }
        more = cut;
    }
    (summary, more)
}

/// Characters of a section's beginning.
const PREVIEW: usize = 300;

/// The first headings that are told in so many characters, and the first one in any case.
fn within(headings: &[Heading], chars: usize, with_previews: bool) -> &[Heading] {
    /// What is written around a heading, about.
    const AROUND: usize = 90;
    let mut sum = 0_usize;
    let cost = |heading: &Heading| {
        let once = heading.id.len() + heading.text.len() + AROUND;
        if with_previews { once + heading.text.len() + PREVIEW + AROUND } else { once }
    };
    let count = headings.iter().take_while(|heading| {
        sum = sum.saturating_add(cost(heading));
        sum <= chars
    });
    let count = count.count().max(1).min(headings.len());
    headings.get(..count).unwrap_or_default()
}

/// The headings as a tree, and how deep it is.
fn tree(headings: &[Heading]) -> (Vec<Section>, usize) {
    let mut roots: Vec<Section> = Vec::new();
    // The open sections, each within the one before.
    let mut open: Vec<Section> = Vec::new();
    let mut depth = 0;
    let close = |open: &mut Vec<Section>, roots: &mut Vec<Section>, level: u8| {
        while open.last().is_some_and(|last| last.level >= level) {
            let Some(closed) = open.pop() else { break };
            open.last_mut().map_or(&mut *roots, |parent| &mut parent.children).push(closed);
        }
    };
    for heading in headings {
        close(&mut open, &mut roots, heading.level);
        open.push(Section {
            section_id: heading.id.clone(),
            text: heading.text.clone(),
            level: heading.level,
            children: Vec::new(),
            id_source: heading.id_source,
        });
        depth = depth.max(open.len());
    }
    close(&mut open, &mut roots, 0);
    (roots, depth)
}
