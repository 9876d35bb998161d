//! Pages by their text, in one archive.

use crate::article::{is_html, is_text, public_path};
use crate::book::Book;
use crate::fault::Fault;
use crate::index::Volume;
use crate::search::snippet::{Shape, snippet};
use crate::search::{entry_of, names_any, words};
use crate::work::Work;
use glass::Highlighter;
use schemars::JsonSchema;
use serde::Serialize;
use zim::Entry;

/// Hits that filters are tried on.
const FILTERED: usize = 10_000;
/// Characters of a page of results.
const MAX_CHARS: usize = 200_000;
/// Rows that are made before it is looked whether there is room and time for more.
const TOGETHER: usize = 10;

/// A page that was found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimHit")]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) snippet: String,
    /// What it is ranked by: BM25.
    pub(crate) score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// The archive, in a search of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zim_file: Option<String>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) query: &'a str,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
    pub(crate) filter: Filter,
    pub(crate) shape: Shape,
}

/// Which of the hits are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) namespace: Option<u8>,
    /// How the MIME type begins.
    pub(crate) content_type: Option<String>,
}

impl Filter {
    pub(crate) const fn is_empty(&self) -> bool {
        self.namespace.is_none() && self.content_type.is_none()
    }

    fn lets(&self, entry: &Entry<'_>) -> bool {
        let mime = entry.mime_type().unwrap_or_default();
        self.namespace.is_none_or(|namespace| entry.namespace() == namespace)
            && self.content_type.as_ref().is_none_or(|begin| mime.starts_with(begin.as_str()))
    }
}

/// A page of results.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) total: u64,
    pub(crate) is_exact: bool,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<u64>,
    /// There are fewer rows than were asked for, because the answer would have become too long.
    pub(crate) cut: bool,
    /// None of the pages is named like the query.
    pub(crate) is_weak: bool,
    /// The archive has no index of its text.
    pub(crate) no_index: bool,
}

pub(crate) fn search(work: &Work, book: &Book, wanted: &Wanted<'_>) -> Result<Found, Fault> {
    let volume = book.archive()?;
    let as_usize = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let (offset, limit) = (as_usize(wanted.offset), as_usize(wanted.limit));
    let (hits, total, mut is_exact) = if wanted.filter.is_empty() {
        let Some(found) = volume.full_text(work, wanted.query, offset, limit)? else {
            return Ok(Found { no_index: true, is_exact: true, ..Found::default() });
        };
        let entries: Vec<_> = found.hits.iter().map(|hit| (entry_of(&volume, hit), hit.weight)).collect();
        (entries, found.total, found.is_exact)
    } else {
        let Some(found) = filtered(work, &volume, wanted, offset, limit)? else {
            return Ok(Found { no_index: true, is_exact: true, ..Found::default() });
        };
        found
    };
    let (words, highlighter) = (words(wanted.query), volume.highlighter(wanted.query));
    let mut found = Found { total, ..Found::default() };
    let mut chars = 0;
    let mut taken = 0;
    let mut named = false;
    'rows: for some in hits.chunks(TOGETHER) {
        let is_first = taken == 0;
        let made = work.each(some, |(entry, weight)| {
            if work.is_late() && !is_first {
                return None;
            }
            // A hit that leads nowhere is passed over, and counts for the paging.
            let row = entry.as_ref().map(|entry| row(work, book, &volume, entry, *weight, &highlighter, wanted.shape));
            Some(row.transpose())
        });
        for ((entry, _), row) in some.iter().zip(made) {
            let Some(row) = row.filter(|_| found.rows.is_empty() || chars < MAX_CHARS) else {
                found.cut = true;
                break 'rows;
            };
            taken += 1;
            let (Some(entry), Some(mut row)) = (entry, row?) else { continue };
            if !wanted.filter.is_empty() {
                row.namespace = Some(char::from(entry.namespace()).to_string());
                row.content_type = Some(entry.mime_type().unwrap_or_default().to_owned());
            }
            chars += row.snippet.len() + row.path.len() + row.title.len() + 60;
            named |= names_any(&volume, entry, &words);
            found.rows.push(row);
        }
    }
    let end = wanted.offset + taken;
    found.next = (taken > 0 && end < total).then_some(end);
    if taken == 0 && total > 0 && wanted.offset < total {
        // There are said to be more, but there are none: the number was too high.
        found.total = wanted.offset;
        is_exact = false;
    }
    found.is_exact = is_exact;
    found.is_weak = !found.rows.is_empty() && !named && words.iter().any(|word| word.chars().count() >= 3);
    Ok(found)
}

/// A page of entries with their weights, how many there are in all, and whether that is exact.
type Page<'a> = (Vec<(Option<Entry<'a>>, f64)>, u64, bool);

/// Those hits that the filter lets through.
fn filtered<'a>(
    work: &Work,
    volume: &'a Volume,
    wanted: &Wanted<'_>,
    offset: usize,
    limit: usize,
) -> Result<Option<Page<'a>>, Fault> {
    let enough = offset.saturating_add(limit).saturating_add(1);
    let mut passed = Vec::new();
    let mut is_exact = false;
    for depth in [1000, FILTERED] {
        let Some(found) = volume.full_text(work, wanted.query, 0, depth)? else { return Ok(None) };
        let got = found.hits.len();
        passed = Vec::new();
        for hit in &found.hits {
            work.check()?;
            if let Some(entry) = entry_of(volume, hit).filter(|entry| wanted.filter.lets(entry)) {
                passed.push((Some(entry), hit.weight));
                if passed.len() >= enough {
                    break;
                }
            }
        }
        is_exact = got < depth && passed.len() < enough;
        if got < depth || passed.len() >= enough {
            break;
        }
    }
    let total = passed.len() as u64;
    let page = passed.into_iter().skip(offset).take(limit).collect();
    Ok(Some((page, total, is_exact)))
}

pub(crate) fn row(
    work: &Work,
    book: &Book,
    volume: &Volume,
    entry: &Entry<'_>,
    weight: f64,
    highlighter: &Highlighter<'_>,
    shape: Shape,
) -> Result<Row, Fault> {
    work.check()?;
    let mime = entry.mime_type().unwrap_or_default();
    // A page that cannot be read is still a hit.
    let snippet = if is_html(mime) || is_text(mime) {
        match work.article(book, volume, entry) {
            Ok(Some(article)) => snippet(&article, highlighter, shape),
            Ok(None) => String::new(),
            Err(fault) if fault.operation() == "timeout" => return Err(fault),
            Err(_) => "(Unreadable)".to_owned(),
        }
    } else {
        format!("(Unsupported content type: {mime})")
    };
    Ok(Row {
        path: public_path(volume, entry),
        title: crate::text::title(entry),
        snippet,
        score: (weight * 1e4).round() / 1e4,
        namespace: None,
        content_type: None,
        zim_file: None,
    })
}
