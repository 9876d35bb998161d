//! From queries to what is matched: statistics over all databases first, then a tree for each.

use crate::database::Database;
use crate::error::Result;
use crate::estimate;
use crate::expand::{Expansion, expand};
use crate::header::Statistics;
use crate::node::{And, Leaf, Node, Or};
use crate::phrase::PhraseCheck;
use crate::query::{Prefix, Query, Term};
use crate::synonym::Synonym;
use crate::weight::{Collection, Scheme, TermWeight};
use crate::work::Work;
use std::collections::HashMap;

/// One database, and the query as it is for it.
pub(crate) struct Part<'a> {
    pub(crate) database: &'a Database,
    pub(crate) query: Query,
    expansions: HashMap<Prefix, Vec<Expansion>>,
}

impl<'a> Part<'a> {
    pub(crate) fn new(database: &'a Database, query: Query) -> Self {
        Self { database, query, expansions: HashMap::new() }
    }

    /// Looks up what prefixes stand for.
    pub(crate) fn expand(&mut self, work: &mut Work<'_>) -> Result<()> {
        let mut prefixes = Vec::new();
        each_prefix(&self.query, &mut |prefix| prefixes.push(prefix.clone()));
        for prefix in prefixes {
            let terms = expand(self.database, &prefix, work)?;
            self.expansions.insert(prefix, terms);
        }
        Ok(())
    }
}

fn each_prefix(query: &Query, act: &mut impl FnMut(&Prefix)) {
    match query {
        Query::Prefix(prefix) => act(prefix),
        Query::And(parts) | Query::Or(parts) => parts.iter().for_each(|part| each_prefix(part, act)),
        Query::AndNot(left, right) => {
            each_prefix(left, act);
            each_prefix(right, act);
        }
        Query::Nothing | Query::Term(_) | Query::Phrase(..) => {}
    }
}

/// What all databases of a search have together.
pub(crate) struct Plan {
    scheme: Scheme,
    collection: Collection,
    terms: HashMap<String, u64>,
    prefixes: HashMap<Prefix, u64>,
}

impl Plan {
    pub(crate) fn new<'p, 'd: 'p>(scheme: Scheme, parts: impl Iterator<Item = &'p Part<'d>>) -> Result<Self> {
        let parts: Vec<&Part<'_>> = parts.collect();
        let documents = parts.iter().map(|part| u64::from(part.database.documents())).sum();
        let length = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.database.statistics().total_length));
        let collection = Collection { documents, mean_length: Statistics::mean_length(documents, length) };
        let (mut terms, mut prefixes) = (HashMap::new(), HashMap::new());
        for part in &parts {
            part.query.each_term(&mut |term| {
                terms.entry(term.text.clone()).or_insert(0);
            });
            for (prefix, expansions) in &part.expansions {
                let frequency = expansions_estimate(expansions, part.database.documents());
                *prefixes.entry(prefix.clone()).or_insert(0) += u64::from(frequency);
            }
        }
        // With one database, the lists themselves say how frequent terms are.
        if parts.len() > 1 {
            for (term, frequency) in &mut terms {
                for part in &parts {
                    *frequency += u64::from(part.database.term_frequency(term)?);
                }
            }
        }
        Ok(Self { scheme, collection, terms, prefixes })
    }

    /// The tree for one of the databases; `None` if no document matches.
    pub(crate) fn tree(&self, part: &Part<'_>) -> Result<Option<Node>> {
        Builder { plan: self, part, statistics: part.database.statistics() }.node(&part.query)
    }

    fn weight(&self, frequency: u64) -> TermWeight {
        TermWeight::new(self.scheme, self.collection, frequency)
    }
}

fn expansions_estimate(expansions: &[Expansion], documents: u32) -> u32 {
    let frequencies: Vec<u32> = expansions.iter().map(|expansion| expansion.1).collect();
    estimate::pairs(&frequencies, documents).1
}

struct Builder<'a> {
    plan: &'a Plan,
    part: &'a Part<'a>,
    statistics: Statistics,
}

impl Builder<'_> {
    fn node(&self, query: &Query) -> Result<Option<Node>> {
        Ok(match query {
            Query::Nothing => None,
            Query::Term(term) => self.leaf(term)?,
            Query::Prefix(prefix) => self.synonym(prefix)?,
            Query::And(_) | Query::Phrase(..) => {
                let (mut parts, mut checks) = (Vec::new(), Vec::new());
                let is_possible = self.all(query, &mut parts, &mut checks)?;
                match (is_possible, parts.len()) {
                    (false, _) | (_, 0) => None,
                    (_, 1) if checks.is_empty() => parts.pop(),
                    _ => Some(Node::And(And::new(parts, checks, self.statistics.documents))),
                }
            }
            Query::Or(_) => {
                let mut parts = Vec::new();
                self.any(query, &mut parts)?;
                match parts.len() {
                    0 | 1 => parts.pop(),
                    _ => Some(Node::Or(Or::new(parts, self.statistics.documents))),
                }
            }
            Query::AndNot(left, right) => match (self.node(left)?, self.node(right)?) {
                (Some(left), Some(right)) => Some(Node::AndNot(Box::new((left, right)))),
                (left, _) => left,
            },
        })
    }

    /// What is within an AND within an AND is of the outer one. Whether anything can match.
    fn all(&self, query: &Query, into: &mut Vec<Node>, checks: &mut Vec<PhraseCheck>) -> Result<bool> {
        match query {
            Query::And(parts) => {
                for part in parts {
                    if !self.all(part, into, checks)? {
                        return Ok(false);
                    }
                }
            }
            Query::Phrase(terms, window) => {
                for term in terms {
                    let Some(leaf) = self.leaf(term)? else { return Ok(false) };
                    into.push(leaf);
                }
                // An index without any positions cannot say where words stand.
                if self.part.database.has_positions() {
                    checks.push(PhraseCheck::new(self.part.database, terms, *window));
                }
            }
            other => {
                let Some(node) = self.node(other)? else { return Ok(false) };
                into.push(node);
            }
        }
        Ok(true)
    }

    fn any(&self, query: &Query, into: &mut Vec<Node>) -> Result<()> {
        if let Query::Or(parts) = query {
            return parts.iter().try_for_each(|part| self.any(part, into));
        }
        into.extend(self.node(query)?);
        Ok(())
    }

    fn leaf(&self, term: &Term) -> Result<Option<Node>> {
        let Some(list) = self.part.database.term_postings(term.text.as_bytes())? else { return Ok(None) };
        let own = u64::from(list.frequencies().documents);
        let frequency = self.plan.terms.get(&term.text).copied().unwrap_or_default().max(own);
        let Statistics { most_occurrences, shortest, .. } = self.statistics;
        Ok(Some(Node::Leaf(Box::new(Leaf::new(list, self.plan.weight(frequency), most_occurrences, shortest)))))
    }

    fn synonym(&self, prefix: &Prefix) -> Result<Option<Node>> {
        let Some(expansions) = self.part.expansions.get(prefix) else { return Ok(None) };
        let mut lists = Vec::with_capacity(expansions.len());
        for (term, _) in expansions {
            lists.extend(self.part.database.term_postings(term)?);
        }
        if lists.is_empty() {
            return Ok(None);
        }
        let estimate = expansions_estimate(expansions, self.statistics.documents);
        let weight = self.plan.weight(self.plan.prefixes.get(prefix).copied().unwrap_or_default());
        let Statistics { most_occurrences, shortest, .. } = self.statistics;
        Ok(Some(Node::Synonym(Box::new(Synonym::new(lists, weight, estimate, most_occurrences, shortest)))))
    }
}
