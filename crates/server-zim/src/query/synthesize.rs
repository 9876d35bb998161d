//! An answer put together from several pages, with where each piece comes from. Nothing is written anew: passages
//! of pages, the best first, each with a mark that names its page and section.

use super::answers::is_list;
use crate::article::public_path;
use crate::book::{Book, stem};
use crate::fault::Fault;
use crate::html::{Article, without_links};
use crate::meta::{Answered, Meta};
use crate::search::{entry_of, words};
use crate::text::shortened;
use crate::work::Work;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// What ranks of different archives are fused with (reciprocal rank fusion).
const FUSION: f64 = 60.0;

/// An answer with its sources.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimSynthesis")]
pub(crate) struct Synthesis {
    query: String,
    answer_markdown: String,
    passages: Vec<Passage>,
    citations: Vec<Citation>,
    archives_searched: Vec<String>,
    fallback_used: &'static str,
    total_chars: usize,
    total_words: usize,
    considered_articles: Vec<Considered>,
    considered_sections: Vec<Section>,
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimPassage")]
struct Passage {
    cite_id: String,
    text_markdown: String,
    rank: usize,
    score: f64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimCitation")]
struct Citation {
    cite_id: String,
    archive: String,
    entry_path: String,
    title: String,
    section_id: Option<String>,
    section_title: Option<String>,
    rank: usize,
    score: f64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimConsidered")]
struct Considered {
    archive: String,
    entry_path: String,
    title: String,
    score: f64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZimConsideredSection")]
struct Section {
    section_id: String,
    title: String,
}

impl Answered for Synthesis {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

struct Candidate {
    archive: String,
    path: String,
    title: String,
    score: f64,
    article: Arc<Article>,
}

/// A piece of a page.
struct Piece {
    text: String,
    section: Option<usize>,
    score: f64,
}

pub(crate) fn synthesize(work: &Work, query: &str, archive: Option<&str>, compact: bool) -> Result<Synthesis, Fault> {
    let settings = &work.holdings.settings.synthesize;
    let books: Vec<&Arc<Book>> = match archive.filter(|name| !name.trim().is_empty()) {
        Some(name) => vec![work.shelf.find(Some(name))?],
        None if work.shelf.books.is_empty() => vec![work.shelf.find(None)?],
        None => work.shelf.books.iter().collect(),
    };
    let meaning = super::question::read(query);
    let topic = meaning.get("topic").or_else(|| meaning.get("entry")).unwrap_or(query).to_owned();
    let wanted = words(&topic);
    let names = names(&books);
    let mut candidates = Vec::new();
    for (book, name) in books.iter().zip(&names) {
        if work.is_late() {
            break;
        }
        // One archive that cannot be asked hides no other.
        let asked = ask(work, book, name, &topic, settings.per_archive, books.len() > 1);
        match asked {
            Ok(found) => candidates.extend(found),
            Err(fault) if books.len() == 1 || fault.operation() == "timeout" => return Err(fault),
            Err(_) => {}
        }
    }
    for candidate in &mut candidates {
        let title = words(&candidate.title);
        if title == wanted || words(candidate.title.split(" (").next().unwrap_or_default()) == wanted {
            candidate.score *= 2.0;
        } else if !wanted.is_empty() && wanted.iter().all(|word| title.contains(word)) {
            candidate.score *= 1.3;
        }
        if is_list(&candidate.path) {
            candidate.score *= 0.3;
        }
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    floor(&mut candidates, &wanted, settings.secondary, settings.overlap);
    let best = candidates.first().map_or(0.0, |candidate| candidate.score);
    candidates.retain(|candidate| candidate.score >= best * 0.25);
    candidates.truncate(settings.top);
    let mut synthesis = Synthesis {
        query: query.to_owned(),
        archives_searched: names,
        fallback_used: if books.len() > 1 { "rrf_fusion" } else { "xapian_score" },
        ..Synthesis::default()
    };
    let mut pieces: Vec<(usize, Piece)> = Vec::new();
    for (place, candidate) in candidates.iter().enumerate() {
        work.check()?;
        if let Some(piece) = piece(&candidate.article, &wanted, settings.affinity, settings.boost) {
            pieces.push((place, piece));
        }
        for heading in candidate.article.headings.iter().filter(|h| h.level > 1).take(4) {
            if synthesis.considered_sections.len() < 10 {
                synthesis
                    .considered_sections
                    .push(Section { section_id: heading.id.clone(), title: heading.text.clone() });
            }
        }
    }
    let weigh = |(place, piece): &(usize, Piece)| candidates.get(*place).map_or(0.0, |c| c.score) * piece.score;
    pieces.sort_by(|a, b| weigh(b).total_cmp(&weigh(a)));
    say_once(&mut pieces);
    let highest = pieces.first().map_or(1.0, weigh).max(f64::MIN_POSITIVE);
    let mut chars = 0;
    for (rank, entry) in pieces.iter().enumerate() {
        let Some(candidate) = candidates.get(entry.0) else { continue };
        let left = settings.chars.saturating_sub(chars);
        if left < 80 {
            synthesis.meta.truncated = true;
            break;
        }
        let text = shortened(&entry.1.text, left);
        let heading = entry.1.section.and_then(|index| candidate.article.headings.get(index));
        let anchor = heading.map(|h| format!("#{}", h.id)).unwrap_or_default();
        let cite_id = format!("{}/{}{anchor}", candidate.archive, candidate.path);
        chars += text.chars().count();
        let score = (weigh(entry) / highest * 1000.0).round() / 1000.0;
        if !synthesis.answer_markdown.is_empty() {
            synthesis.answer_markdown.push_str("\n\n");
        }
        synthesis.answer_markdown.push_str(&format!("{text}\n[cite: {cite_id}]"));
        synthesis.citations.push(Citation {
            cite_id: cite_id.clone(),
            archive: candidate.archive.clone(),
            entry_path: candidate.path.clone(),
            title: candidate.title.clone(),
            section_id: heading.map(|h| h.id.clone()),
            section_title: heading.map(|h| h.text.clone()),
            rank: rank + 1,
            score,
        });
        // The answer has them already.
        if !compact {
            synthesis.passages.push(Passage { cite_id, text_markdown: text, rank: rank + 1, score });
        }
    }
    synthesis.considered_articles = candidates
        .iter()
        .take(3)
        .map(|candidate| Considered {
            archive: candidate.archive.clone(),
            entry_path: candidate.path.clone(),
            title: candidate.title.clone(),
            score: (candidate.score * 1e4).round() / 1e4,
        })
        .collect();
    synthesis.answer_markdown = super::frame::disarmed(&synthesis.answer_markdown);
    synthesis.total_chars = synthesis.answer_markdown.chars().count();
    synthesis.total_words = synthesis.answer_markdown.split_whitespace().count();
    synthesis.meta.reason = synthesis.citations.is_empty().then_some("0_hits");
    Ok(synthesis.measured())
}

/// Of pages that begin with the same words, as versions of a manual do, only the best is cited.
fn say_once(pieces: &mut Vec<(usize, Piece)>) {
    let mut said = std::collections::HashSet::new();
    pieces.retain(|(_, piece)| said.insert(words(&piece.text)));
}

/// What archives are called in citations: their names without the ending, with a number if two are called so.
fn names(books: &[&Arc<Book>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for book in books {
        let name = stem(book.file_name()).to_owned();
        let same = names.iter().filter(|other| **other == name || other.starts_with(&format!("{name}~"))).count();
        names.push(if same > 0 { format!("{name}~{}", same + 1) } else { name });
    }
    names
}

fn ask(
    work: &Work,
    book: &Arc<Book>,
    name: &str,
    topic: &str,
    limit: usize,
    fuse: bool,
) -> Result<Vec<Candidate>, Fault> {
    let volume = book.archive()?;
    let Some(found) = volume.full_text(work, topic, 0, limit)? else { return Ok(Vec::new()) };
    let best = found.hits.first().map_or(1.0, |hit| hit.weight).max(f64::MIN_POSITIVE);
    let mut candidates = Vec::new();
    for (rank, hit) in found.hits.iter().enumerate() {
        work.check()?;
        let Some(entry) = entry_of(&volume, hit) else { continue };
        let Ok(Some(article)) = work.article(book, &volume, &entry) else { continue };
        #[allow(clippy::cast_precision_loss, reason = "a rank")]
        let score = if fuse { 1.0 / (FUSION + rank as f64 + 1.0) } else { hit.weight / best };
        candidates.push(Candidate {
            archive: name.to_owned(),
            path: public_path(&volume, &entry),
            title: crate::text::title(&entry),
            score,
            article,
        });
    }
    Ok(candidates)
}

/// Of archives that do not have the best page, only few pages, and only those that are named like the query.
fn floor(candidates: &mut Vec<Candidate>, wanted: &[String], secondary: usize, overlap: usize) {
    let Some(primary) = candidates.first().map(|candidate| candidate.archive.clone()) else { return };
    let mut counts: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    candidates.retain(|candidate| {
        if candidate.archive == primary {
            return true;
        }
        let named = words(&format!("{} {}", candidate.path, candidate.title));
        let shared = wanted.iter().filter(|word| named.contains(word)).count();
        let count = counts.entry(candidate.archive.clone()).or_default();
        *count += 1;
        shared >= overlap && *count <= secondary
    });
}

/// The paragraphs of a page that have most of the words, and the section they stand in.
fn piece(article: &Article, wanted: &[String], affinity: f64, boost: f64) -> Option<Piece> {
    /// Characters of a piece.
    const CHARS: usize = 1200;
    let mut best: Option<(f64, usize, Option<usize>, usize)> = None;
    let mut at = 0;
    let text = article.markdown.as_str();
    let mut paragraph = 0_u32;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let end = at + rest.find("\n\n").map_or(rest.len(), |end| end + 2);
        let body = text.get(at..end).unwrap_or_default();
        let begin = at;
        at = end;
        if body.starts_with('#') || body.trim().len() < 40 {
            continue;
        }
        paragraph += 1;
        let section = article.headings.iter().rposition(|heading| heading.at <= begin);
        let lower = body.to_lowercase();
        let found = wanted.iter().filter(|word| lower.contains(word.as_str())).count();
        if found == 0 && paragraph > 1 {
            continue;
        }
        #[allow(clippy::cast_precision_loss, reason = "a score")]
        let mut score = (found as f64 + 0.1) / (wanted.len() as f64 + 0.1);
        // What stands first says what the page is about.
        score += if paragraph == 1 { 0.15 } else { 0.0 };
        if let Some(heading) = section.and_then(|index| article.headings.get(index)) {
            let title = words(&heading.text);
            let shared = title.iter().filter(|word| wanted.contains(word)).count();
            #[allow(clippy::cast_precision_loss, reason = "a score")]
            let share = shared as f64 / title.len().max(1) as f64;
            if share >= affinity && heading.level > 1 {
                score *= boost;
            }
        }
        if best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, begin, section, end));
        }
    }
    let (score, begin, section, end) = best?;
    // What follows belongs to it, as far as there is room and the section goes.
    let limit = section.map_or(text.len(), |index| article.end_of(index, false));
    let mut until = end;
    while until < limit && text.get(begin..until).is_some_and(|piece| piece.chars().count() < CHARS / 2) {
        let next = text.get(until..).and_then(|rest| rest.find("\n\n")).map_or(limit, |at| until + at + 2);
        until = next.min(limit).max(until + 1);
    }
    while !text.is_char_boundary(until) {
        until += 1;
    }
    let text = without_links(article, begin..until.min(text.len()));
    Some(Piece { text: shortened(&text, CHARS), section, score })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_pages_say_in_the_same_words_is_cited_once() {
        let piece = |page, text: &str| (page, Piece { text: text.to_owned(), section: None, score: 1.0 });
        let mut pieces = vec![piece(0, "It is *far*."), piece(1, "It is near."), piece(2, "It is far")];
        say_once(&mut pieces);
        assert_eq!(pieces.iter().map(|(page, _)| *page).collect::<Vec<_>>(), [0, 1]);
    }
}
