//! Many terms as if they were one: a document has it as often as it has all of them together.
//!
//! Lists are added up for a window of documents at a time.

use crate::error::Result;
use crate::postings::{END, Postings};
use crate::weight::TermWeight;
use crate::work::Run;

/// Documents of a window.
const WINDOW: u32 = 4096;

/// See the module.
pub(crate) struct Synonym {
    lists: Vec<Postings>,
    weight: TermWeight,
    greatest: f64,
    estimate: u32,
    /// Occurrences in the documents from `start` on.
    counts: Vec<u32>,
    start: u32,
    docid: u32,
}

impl Synonym {
    pub(crate) fn new(
        lists: Vec<Postings>,
        weight: TermWeight,
        estimate: u32,
        most_occurrences: u32,
        shortest: u32,
    ) -> Self {
        let most =
            lists.iter().fold(0_u32, |sum, list| sum.saturating_add(list.frequencies().most_in_one(most_occurrences)));
        let greatest = weight.of(most, shortest);
        Self { lists, weight, greatest, estimate, counts: Vec::new(), start: 0, docid: 0 }
    }

    pub(crate) const fn docid(&self) -> u32 {
        self.docid
    }

    pub(crate) const fn greatest(&self) -> f64 {
        self.greatest
    }

    pub(crate) const fn estimate(&self) -> u32 {
        self.estimate
    }

    pub(crate) fn seek(&mut self, target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        if target <= self.docid {
            return Ok(self.docid);
        }
        if least > self.greatest {
            self.docid = END;
            return Ok(END);
        }
        let mut target = target;
        loop {
            let from = target.saturating_sub(self.start) as usize;
            if let Some(rest) = self.counts.get(from..) {
                if let Some(next) = rest.iter().position(|count| *count > 0) {
                    self.docid = target + next as u32;
                    return Ok(self.docid);
                }
                target = self.start.saturating_add(WINDOW);
            }
            if !self.fill(target, run)? {
                self.docid = END;
                return Ok(END);
            }
            target = self.start;
        }
    }

    /// Adds up the window that begins with the first document from `target` on. Whether there is one.
    fn fill(&mut self, target: u32, run: &mut Run<'_, '_>) -> Result<bool> {
        let mut first = END;
        for list in &mut self.lists {
            let steps = list.seek(target)?;
            run.work.spend(u64::from(steps))?;
            first = first.min(list.docid());
        }
        self.lists.retain(|list| list.docid() != END);
        if first == END {
            return Ok(false);
        }
        self.start = first;
        self.counts.clear();
        self.counts.resize(WINDOW as usize, 0);
        for list in &mut self.lists {
            let mut steps = 0;
            while let Some(count) = list.docid().checked_sub(first).and_then(|at| self.counts.get_mut(at as usize)) {
                *count = count.saturating_add(list.wdf().max(1));
                list.next()?;
                steps += 1;
            }
            run.work.spend(steps)?;
        }
        Ok(true)
    }

    pub(crate) fn weigh(&self, run: &mut Run<'_, '_>) -> Result<f64> {
        run.matched += 1;
        let count = self.counts.get(self.docid.saturating_sub(self.start) as usize).copied().unwrap_or_default();
        let length = run.length(self.docid)?;
        Ok(self.weight.of(count.min(length), length))
    }
}
