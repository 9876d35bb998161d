//! `zim_links`: where a page leads, what it is about beside, and what leads to it.

use super::{Answer, PageInfo, limit, offset};
use crate::arguments::Arguments;
use crate::article::public_path;
use crate::book::Book;
use crate::cursor::Position;
use crate::fault::Fault;
use crate::html::Article;
use crate::linkgraph;
use crate::links::domain;
use crate::meta::{Answered, Meta};
use crate::retrieve;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use zim::{Archive, Entry};

pub(super) const ABOUT: &str = "Links of a page: outbound (kind internal, external or media), related (the pages it \
     names most), inbound (pages that link to it; needs `portcullis zim build-link-graph`). path goes into zim_get.";

const TOOL: &str = "zim_links";

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimLinks")]
pub(crate) struct Links {
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    pub(crate) entry_path: String,
    #[serde(default)]
    pub(crate) direction: Direction,
    /// For outbound.
    #[serde(default)]
    pub(crate) kind: Kind,
    /// next_cursor of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Rows: outbound 1 to 500 (100), else 1 to 100 (10).
    #[serde(default)]
    pub(crate) limit: Option<i64>,
    #[serde(default)]
    pub(crate) offset: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Direction {
    #[default]
    #[serde(alias = "outgoing")]
    Outbound,
    #[serde(alias = "incoming")]
    Inbound,
    Related,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Kind {
    #[default]
    Internal,
    External,
    Media,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimLinksPage")]
pub(crate) struct Page {
    zim_file: String,
    pub(crate) title: String,
    pub(crate) path: String,
    /// The path that was asked for, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_path: Option<String>,
    entry_path: String,
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    pub(crate) results: Vec<Row>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) total: u64,
    pub(crate) done: bool,
    pub(crate) page_info: PageInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    category_totals: Option<Totals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "_meta")]
    pub(crate) meta: Meta,
}

/// A link, a thing that is shown, or a page.
#[derive(Clone, Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimLink")]
pub(crate) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alt: Option<String>,
    /// For zim_get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// The place in that page: a section_id.
    #[serde(skip_serializing_if = "Option::is_none")]
    fragment: Option<String>,
    /// The archive does not have it.
    #[serde(skip_serializing_if = "super::is_false")]
    missing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mention_count: Option<u64>,
    /// How many pages link to this page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inbound_degree: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimLinkTotals")]
struct Totals {
    internal: usize,
    external: usize,
    media: usize,
    anchor: usize,
}

impl Answered for Page {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Links>, call: Call) -> Result<Answer<Page>, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| links(work, &given)).await.map(Answer)
}

pub(crate) fn links(work: &Work, given: &Links) -> Result<Page, Fault> {
    let book = work.shelf.find(given.zim_file_path.as_deref())?;
    let archive = book.archive()?;
    let is_outbound = given.direction == Direction::Outbound;
    let (default, most) = if is_outbound { (100, 500) } else { (10, 100) };
    let mut rows = limit(given.limit, default, most)?;
    let mut from = offset(given.offset)?;
    let path = given.entry_path.as_str();
    if path.is_empty() {
        return Err(Fault::new("invalid_path", "entry_path is empty."));
    }
    let kind = match given.direction {
        Direction::Outbound => format!("{:?}", given.kind).to_lowercase(),
        other => format!("{other:?}").to_lowercase(),
    };
    if let Some(cursor) = &given.cursor {
        let position = Position::decode(cursor, TOOL)?;
        position.belongs_to(path, &book.identity())?;
        position.is_of(&kind)?;
        (from, rows) = (position.o, position.l.clamp(1, most));
    }
    let found = retrieve::find(work, &archive, path)?.ok_or_else(|| retrieve::not_found(work, &archive, path))?;
    let entry = found.entry.resolve()?;
    let resolved = public_path(&archive, &entry);
    let mut page = Page {
        zim_file: book.name.clone(),
        title: crate::text::title(&entry),
        entry_path: resolved.clone(),
        requested_path: (resolved != path).then(|| path.to_owned()),
        content_type: entry.mime_type().unwrap_or("unknown").to_owned(),
        ..Page::default()
    };
    let all = match given.direction {
        Direction::Outbound => {
            page.kind = Some(given.kind);
            outbound(work, book, &archive, &entry, given.kind, &mut page)?
        }
        Direction::Related => related(work, book, &archive, &entry, &resolved)?,
        Direction::Inbound => linkgraph::inbound(work, book, &resolved, from, rows).map(|(inbound, total)| {
            page.total = total;
            inbound.into_iter().map(|link| inbound_row(&archive, link)).collect()
        })?,
    };
    let is_cut = given.direction == Direction::Inbound;
    if !is_cut {
        page.total = all.len() as u64;
    }
    let skip = if is_cut { 0 } else { usize::try_from(from).unwrap_or(usize::MAX) };
    page.results = all.into_iter().skip(skip).take(usize::try_from(rows).unwrap_or(usize::MAX)).collect();
    if is_outbound && given.kind == Kind::Internal {
        for row in &mut page.results {
            work.check()?;
            let target = row.path.as_deref().map(|path| archive.entry_by_path(path));
            row.missing = matches!(target, Some(Ok(None)));
        }
    }
    let returned = page.results.len() as u64;
    let next = from.min(page.total) + returned;
    page.done = next >= page.total || returned == 0;
    let position = Position { o: next, l: rows, q: path.to_owned(), ai: book.identity(), k: kind };
    page.next_cursor = (!page.done).then(|| position.encode(TOOL));
    page.page_info = PageInfo { offset: from, limit: rows, returned_count: returned, ..PageInfo::default() };
    page.path = resolved;
    Ok(page.measured())
}

fn article(work: &Work, book: &Book, archive: &Archive, entry: &Entry<'_>) -> Result<Option<Arc<Article>>, Fault> {
    let is_page = entry.mime_type().is_some_and(crate::article::is_html);
    if is_page { work.article(book, archive, entry) } else { Ok(None) }
}

fn outbound(
    work: &Work,
    book: &Book,
    archive: &Archive,
    entry: &Entry<'_>,
    kind: Kind,
    page: &mut Page,
) -> Result<Vec<Row>, Fault> {
    let Some(article) = article(work, book, archive, entry)? else {
        page.message = Some("This is no page: it has no links.".to_owned());
        page.category_totals = Some(Totals { internal: 0, external: 0, media: 0, anchor: 0 });
        return Ok(Vec::new());
    };
    let internal = article.links.iter().filter(|link| link.path.is_some()).count();
    page.category_totals = Some(Totals {
        internal,
        external: article.links.len() - internal,
        media: article.media.len(),
        anchor: article.anchors,
    });
    if kind == Kind::Media {
        let media = article.media.iter().map(|media| Row {
            url: Some(media.url.clone()),
            kind: Some(media.kind),
            alt: Some(media.alt.clone()),
            title: media.title.clone(),
            path: media.path.clone(),
            ..Row::default()
        });
        return Ok(media.collect());
    }
    let is_internal = kind == Kind::Internal;
    let links = article.links.iter().filter(|link| link.path.is_some() == is_internal).map(|link| Row {
        url: Some(link.url.clone()),
        text: Some(link.text.clone()),
        title: link.title.clone(),
        kind: Some(if is_internal { "internal" } else { "external" }),
        domain: (!is_internal).then(|| domain(&link.url).to_owned()),
        path: link.path.clone(),
        fragment: link.fragment.clone(),
        ..Row::default()
    });
    Ok(links.collect())
}

/// The pages that a page names, those that it names most first.
fn related(work: &Work, book: &Book, archive: &Archive, entry: &Entry<'_>, own: &str) -> Result<Vec<Row>, Fault> {
    let Some(article) = article(work, book, archive, entry)? else { return Ok(Vec::new()) };
    let mut order: Vec<(&str, &str, u64)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for link in &article.links {
        let Some(path) = link.path.as_deref().filter(|path| *path != own) else { continue };
        match places.get(path).and_then(|place| order.get_mut(*place)) {
            Some((_, text, count)) => {
                *count += 1;
                if text.is_empty() {
                    *text = &link.text;
                }
            }
            None => {
                places.insert(path, order.len());
                order.push((path, &link.text, 1));
            }
        }
    }
    // By their number, and then in the order of the page.
    order.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for (path, text, count) in order {
        work.check()?;
        let Some(target) = archive.entry_by_path(path)?.and_then(|target| target.resolve().ok()) else { continue };
        if super::browse::is_asset(&target) || target.index() == entry.index() {
            continue;
        }
        // Redirects to one page count for that page.
        if let Some(row) = seen.get(&target.index()).and_then(|place| rows.get_mut(*place)) {
            row.mention_count = row.mention_count.map(|before| before + count);
            continue;
        }
        seen.insert(target.index(), rows.len());
        rows.push(Row {
            path: Some(public_path(archive, &target)),
            title: Some(crate::text::title(&target)),
            link_text: Some(text.to_owned()),
            mention_count: Some(count),
            ..Row::default()
        });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.mention_count));
    Ok(rows)
}

fn inbound_row(archive: &Archive, link: linkgraph::Inbound) -> Row {
    let title = archive.entry_by_path(&link.path).ok().flatten().map(|entry| crate::text::title(&entry));
    Row {
        title: Some(title.unwrap_or_else(|| link.path.clone())),
        path: Some(link.path),
        link_text: link.text,
        inbound_degree: Some(link.degree),
        ..Row::default()
    }
}
