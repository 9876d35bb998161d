//! Full text of archives that bring no index of it along: an index beside the archive, made by tantivy, in the cache
//! folder.
//!
//! `folder` says where it lies and whether it is whole, `terms` what is in it, `build` makes one, `background` has the
//! server make them; this file asks one. Terms are made by `glass`, so that words are cut and stemmed as everywhere
//! else; unlike the indexes in archives, this one knows where words stand, so that phrases are found as phrases.
//! What is ranked is one text: the title, as often as libzim's writer counts it, and the page. So weights are BM25 of
//! the same kind as in archives, and searches of several archives can put them into one ranking.

pub(crate) mod background;
mod build;
mod folder;
mod terms;

pub use build::{BuiltIndex, NotBuilt, build_index};
pub use folder::cache_folder;
pub(crate) use folder::{Folder, create as create_folder, identity};

use folder::ReadOnly;
use glass::Analyser;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use tantivy::query::{BooleanQuery, EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet as _, Index, ReloadPolicy, Searcher, TERMINATED, TantivyError, Term};

/// Results that are kept at once, as in the indexes of archives.
pub(crate) const DEEPEST: usize = 10_000;
/// After how many pages it is asked whether somebody still waits.
const ASKED: u64 = 4096;

/// An index that is open. It is mapped, and stays readable when it is removed or replaced.
pub(crate) struct SideIndex {
    searcher: Searcher,
    text: Field,
    analyser: Analyser,
}

/// What a search found.
pub(crate) struct Ranked {
    /// The best, by index of the entry.
    pub(crate) best: Vec<(u32, f64)>,
    pub(crate) total: u64,
}

/// Why a search has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Stopped,
    Failed(String),
}

impl From<TantivyError> for Unanswered {
    fn from(error: TantivyError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl SideIndex {
    /// The index of the archive of this [`identity`]; nothing if there is none.
    ///
    /// # Errors
    /// In words, if there is one that is not whole.
    pub(crate) fn open(folder: &Folder, identity: &str) -> Result<Option<Self>, String> {
        let Some((place, manifest)) = folder.complete(identity)? else { return Ok(None) };
        let open = || -> Result<Self, TantivyError> {
            let index = Index::open(ReadOnly::open(&place)?)?;
            let text = index.schema().get_field(terms::TEXT)?;
            let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
            Ok(Self { searcher: reader.searcher(), text, analyser: Analyser::of_language(&manifest.language) })
        };
        open().map(Some).map_err(|error| error.to_string())
    }

    /// Pages that have all of the words and phrases, the best first. `stop` is asked from time to time.
    pub(crate) fn search(
        &self,
        query: &str,
        offset: usize,
        limit: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Ranked, Unanswered> {
        let wanted = self.analyser.query(query);
        if wanted.is_empty() {
            return Ok(Ranked { best: Vec::new(), total: 0 });
        }
        let all = BooleanQuery::intersection(wanted.iter().map(|terms| self.part(terms)).collect());
        let weight = all.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let mut best = Best { most: offset.saturating_add(limit).min(DEEPEST), heap: BinaryHeap::new() };
        let mut total = 0;
        for segment in self.searcher.segment_readers() {
            let entries = segment.fast_fields().u64(terms::ENTRY)?;
            let mut pages = weight.scorer(segment, 1.0)?;
            let mut page = pages.doc();
            while page != TERMINATED {
                if total % ASKED == 0 && stop() {
                    return Err(Unanswered::Stopped);
                }
                total += 1;
                let weight = pages.score();
                if best.takes(weight)
                    && let Some(entry) = entries.first(page).and_then(|entry| u32::try_from(entry).ok())
                {
                    best.offer(Candidate { weight, entry });
                }
                page = pages.advance();
            }
        }
        let best = best.heap.into_sorted_vec().into_iter().skip(offset);
        Ok(Ranked { best: best.map(|Reverse(c)| (c.entry, f64::from(c.weight))).collect(), total })
    }

    /// A term, or several that stand as they do in the query.
    fn part(&self, terms: &[glass::Term]) -> Box<dyn Query> {
        let term = |term: &glass::Term| Term::from_field_text(self.text, &term.text);
        match terms {
            [one] => Box::new(TermQuery::new(term(one), IndexRecordOption::WithFreqs)),
            several => {
                let places = several.iter().map(|one| (usize::try_from(one.position).unwrap_or(0), term(one)));
                Box::new(PhraseQuery::new_with_offset(places.collect()))
            }
        }
    }
}

/// A page that matches. The better one is the greater; of two that are equally good, the one that comes first in the
/// archive.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    weight: f32,
    entry: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then(other.entry.cmp(&self.entry))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// The best so far, the worst of them on top.
struct Best {
    most: usize,
    heap: BinaryHeap<Reverse<Candidate>>,
}

impl Best {
    fn takes(&self, weight: f32) -> bool {
        self.heap.len() < self.most || self.heap.peek().is_some_and(|Reverse(worst)| weight >= worst.weight)
    }

    fn offer(&mut self, candidate: Candidate) {
        self.heap.push(Reverse(candidate));
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }
}
