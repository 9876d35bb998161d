//! The parts of a query that is being matched, against one database.
//!
//! Each goes through documents in ascending order, in two steps. `seek` finds the next *candidate*
//! cheaply: all documents that match are candidates, but not all candidates match. `weigh` looks at one
//! closely. Both are told the least weight that is of use (nothing below it can get into the results any
//! more) and may pass over what cannot reach it; the least weight never falls during a search.

use crate::error::Result;
use crate::phrase::PhraseCheck;
use crate::postings::{END, Postings};
use crate::synonym::Synonym;
use crate::weight::TermWeight;
use crate::work::Run;

/// See the module.
pub(crate) enum Node {
    Leaf(Box<Leaf>),
    Synonym(Box<Synonym>),
    And(And),
    Or(Or),
    AndNot(Box<(Self, Self)>),
}

impl Node {
    /// The candidate that it is at; [`END`] behind the last.
    #[inline]
    pub(crate) fn docid(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.list.docid(),
            Self::Synonym(synonym) => synonym.docid(),
            Self::And(and) => and.docid,
            Self::Or(or) => or.docid,
            Self::AndNot(pair) => pair.0.docid(),
        }
    }

    /// Goes to the first candidate that is not before this document.
    pub(crate) fn seek(&mut self, target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        match self {
            Self::Leaf(leaf) => leaf.seek(target, least, run),
            Self::Synonym(synonym) => synonym.seek(target, least, run),
            Self::And(and) => and.seek(target, least, run),
            Self::Or(or) => or.seek(target, least, run),
            Self::AndNot(pair) => pair.0.seek(target, least, run),
        }
    }

    /// The weight of the candidate; `None` if it does not match or cannot reach the least.
    pub(crate) fn weigh(&mut self, least: f64, run: &mut Run<'_, '_>) -> Result<Option<f64>> {
        match self {
            Self::Leaf(leaf) => {
                run.matched += 1;
                let docid = leaf.list.docid();
                Ok(Some(leaf.weight.of(leaf.list.wdf(), run.length(docid)?)))
            }
            Self::Synonym(synonym) => synonym.weigh(run).map(Some),
            Self::And(and) => and.weigh(least, run),
            Self::Or(or) => or.weigh(least, run),
            Self::AndNot(pair) => {
                let (left, right) = &mut **pair;
                let docid = left.docid();
                if right.docid() < docid {
                    right.seek(docid, f64::NEG_INFINITY, run)?;
                }
                let matched = run.matched;
                if right.docid() == docid && right.weigh(f64::NEG_INFINITY, run)?.is_some() {
                    return Ok(None);
                }
                run.matched = matched;
                left.weigh(least, run)
            }
        }
    }

    /// Whether every candidate that is found without a least weight matches.
    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Leaf(_) | Self::Synonym(_) => true,
            Self::And(and) => and.checks.is_empty() && and.parts.iter().all(Self::is_certain),
            Self::Or(or) => or.parts.iter().all(Self::is_certain),
            Self::AndNot(_) => false,
        }
    }

    /// The candidate weighs no more, as far as can be said without the length of the document.
    #[inline]
    fn greatest_here(&self) -> f64 {
        match self {
            Self::Leaf(leaf) => leaf.by_wdf.get(leaf.list.wdf() as usize).copied().unwrap_or(leaf.greatest),
            other => other.greatest(),
        }
    }

    /// No document weighs more.
    pub(crate) fn greatest(&self) -> f64 {
        match self {
            Self::Leaf(leaf) => leaf.greatest,
            Self::Synonym(synonym) => synonym.greatest(),
            Self::And(and) => and.greatest,
            Self::Or(or) => or.greatest,
            Self::AndNot(pair) => pair.0.greatest(),
        }
    }

    /// About how many documents match.
    pub(crate) fn estimate(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.list.frequencies().documents,
            Self::Synonym(synonym) => synonym.estimate(),
            Self::And(and) => and.estimate,
            Self::Or(or) => or.estimate,
            Self::AndNot(pair) => pair.0.estimate(),
        }
    }
}

/// One term.
pub(crate) struct Leaf {
    list: Postings,
    weight: TermWeight,
    greatest: f64,
    /// What the shortest document weighs that has the term that often.
    by_wdf: [f64; 24],
    shortest: u32,
    /// The least weight that was asked for, and the occurrences that this takes.
    least: (f64, u32),
}

impl Leaf {
    pub(crate) fn new(list: Postings, weight: TermWeight, most_occurrences: u32, shortest: u32) -> Self {
        let most = list.frequencies().most_in_one(most_occurrences);
        let by_wdf = std::array::from_fn(|wdf| weight.of(wdf as u32, shortest));
        Self { greatest: weight.of(most, shortest), by_wdf, shortest, weight, list, least: (f64::NEG_INFINITY, 1) }
    }

    fn seek(&mut self, target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        if least > self.least.0 {
            self.least = (least, self.weight.least_wdf(least, self.shortest));
        }
        let often = if least == f64::NEG_INFINITY { 1 } else { self.least.1 };
        let steps = if often > 1 { self.list.seek_often(target, often)? } else { self.list.seek(target)? };
        run.work.spend(u64::from(steps))?;
        Ok(self.list.docid())
    }
}

/// All of several.
pub(crate) struct And {
    /// The rarest first, which is also the order in which weights are added.
    parts: Vec<Node>,
    checks: Vec<PhraseCheck>,
    greatest: f64,
    estimate: u32,
    docid: u32,
}

impl And {
    pub(crate) fn new(mut parts: Vec<Node>, checks: Vec<PhraseCheck>, documents: u32) -> Self {
        parts.sort_by_key(Node::estimate);
        let all = f64::from(documents.max(1));
        let mut estimate = parts.iter().map(|part| f64::from(part.estimate()) / all).product::<f64>() * all;
        for _ in &checks {
            estimate /= 4.0;
        }
        let greatest = parts.iter().map(Node::greatest).sum();
        Self { parts, checks, greatest, estimate: (estimate + 0.5) as u32, docid: 0 }
    }

    fn seek(&mut self, mut target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        if target <= self.docid {
            return Ok(self.docid);
        }
        let spare = least - self.greatest;
        if spare > 0.0 {
            self.docid = END;
            return Ok(END);
        }
        'again: loop {
            for part in &mut self.parts {
                let at = part.docid();
                let at = if at < target { part.seek(target, spare + part.greatest(), run)? } else { at };
                if at > target {
                    target = at;
                    if at == END {
                        break 'again;
                    }
                    continue 'again;
                }
            }
            break;
        }
        self.docid = target;
        Ok(target)
    }

    fn weigh(&mut self, least: f64, run: &mut Run<'_, '_>) -> Result<Option<f64>> {
        if least > 0.0 && self.parts.iter().map(Node::greatest_here).sum::<f64>() < least {
            return Ok(None);
        }
        let mut weight = 0.0;
        let mut rest = self.greatest;
        for part in &mut self.parts {
            rest -= part.greatest();
            let Some(one) = part.weigh(least - (weight + rest), run)? else { return Ok(None) };
            weight += one;
            if weight + rest < least {
                return Ok(None);
            }
        }
        for check in &mut self.checks {
            if !check.holds(self.docid, run.work)? {
                return Ok(None);
            }
        }
        Ok(Some(weight))
    }
}

/// Any of several.
pub(crate) struct Or {
    parts: Vec<Node>,
    /// Weights are added in pairs, the two rarest first: which two places, and into the first of them.
    sums: Vec<(usize, usize)>,
    weights: Vec<Option<f64>>,
    /// Places by greatest weight, ascending.
    by_weight: Vec<usize>,
    greatest: f64,
    estimate: u32,
    docid: u32,
}

impl Or {
    pub(crate) fn new(parts: Vec<Node>, documents: u32) -> Self {
        let estimates: Vec<u32> = parts.iter().map(Node::estimate).collect();
        let (sums, estimate) = crate::estimate::pairs(&estimates, documents);
        let mut by_weight: Vec<usize> = (0..parts.len()).collect();
        let greatest_of = |place: &usize| parts.get(*place).map_or(0.0, Node::greatest);
        by_weight.sort_by(|a, b| greatest_of(a).total_cmp(&greatest_of(b)));
        let greatest = parts.iter().map(Node::greatest).sum();
        Self { weights: vec![None; parts.len()], parts, sums, by_weight, greatest, estimate, docid: 0 }
    }

    fn seek(&mut self, target: u32, least: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        if target <= self.docid {
            return Ok(self.docid);
        }
        let spare = least - self.greatest;
        self.docid = if spare > 0.0 {
            END
        } else if self.parts.iter().any(|part| spare + part.greatest() > 0.0) {
            self.seek_required(target, spare, run)?
        } else {
            self.seek_any(target, least, spare, run)?
        };
        Ok(self.docid)
    }

    /// Without one of these parts, all others together are not enough.
    fn seek_required(&mut self, mut target: u32, spare: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        // Places are in the order of weights; what is rare moves on quickest.
        'again: loop {
            for part in &mut self.parts {
                let own = spare + part.greatest();
                if own <= 0.0 {
                    continue;
                }
                let at = part.docid();
                let at = if at < target { part.seek(target, own, run)? } else { at };
                if at == END {
                    return Ok(END);
                }
                if at > target {
                    target = at;
                    continue 'again;
                }
            }
            return Ok(target);
        }
    }

    /// Parts that are not enough even all together need not be looked at to find candidates.
    fn seek_any(&mut self, target: u32, least: f64, spare: f64, run: &mut Run<'_, '_>) -> Result<u32> {
        let mut passed_over = 0.0;
        let mut nearest = END;
        for place in &self.by_weight {
            let Some(part) = self.parts.get_mut(*place) else { continue };
            passed_over += part.greatest();
            if passed_over < least {
                continue;
            }
            let at = part.docid();
            let at = if at < target { part.seek(target, spare + part.greatest(), run)? } else { at };
            nearest = nearest.min(at);
        }
        Ok(nearest)
    }

    fn weigh(&mut self, least: f64, run: &mut Run<'_, '_>) -> Result<Option<f64>> {
        let docid = self.docid;
        let mut found = 0.0;
        let mut rest = self.greatest;
        for (part, weight) in self.parts.iter_mut().zip(&mut self.weights) {
            *weight = None;
            rest -= part.greatest();
            if part.docid() < docid {
                part.seek(docid, f64::NEG_INFINITY, run)?;
            }
            if part.docid() == docid {
                *weight = part.weigh(least - (found + rest), run)?;
                found += weight.unwrap_or_default();
            }
            if found + rest < least {
                return Ok(None);
            }
        }
        for (into, from) in &self.sums {
            let added = self.weights.get(*from).copied().flatten();
            if let (Some(added), Some(sum)) = (added, self.weights.get_mut(*into)) {
                *sum = Some(sum.map_or(added, |sum| sum + added));
            }
        }
        let whole = self.sums.last().map_or(0, |(into, _)| *into);
        Ok(self.weights.get(whole).copied().flatten())
    }
}
