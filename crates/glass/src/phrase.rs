//! Whether the terms of a phrase stand one behind the other in a document.

use crate::database::Database;
use crate::error::Result;
use crate::positions::Positions;
use crate::query::Term;
use crate::work::Work;

/// One phrase, for documents that have all of its terms.
pub(crate) struct PhraseCheck {
    terms: Vec<Positions>,
    lists: Vec<Vec<u32>>,
    window: u32,
}

impl PhraseCheck {
    pub(crate) fn new(database: &Database, terms: &[Term], window: u32) -> Self {
        let lists = vec![Vec::new(); terms.len()];
        let terms = terms.iter().map(|term| database.term_positions(term.text.as_bytes())).collect();
        Self { terms, lists, window }
    }

    /// Whether the phrase is in the document.
    pub(crate) fn holds(&mut self, docid: u32, work: &mut Work<'_>) -> Result<bool> {
        for (term, list) in self.terms.iter_mut().zip(&mut self.lists) {
            term.get(docid, list)?;
            work.spend(list.len() as u64 + 2)?;
            if list.is_empty() {
                return Ok(false);
            }
        }
        Ok(self.stands())
    }

    /// For each place of the first term, each next term at its first place behind the one before: if that
    /// is too far, no later place of it is nearer.
    fn stands(&self) -> bool {
        let Some((first, others)) = self.lists.split_first() else { return false };
        let is_exact = self.window as usize == self.lists.len();
        first.iter().any(|&start| {
            let mut at = start;
            others.iter().all(|list| {
                let next = list.get(list.partition_point(|&place| place <= at)).copied();
                let limit = if is_exact { at.saturating_add(1) } else { start.saturating_add(self.window - 1) };
                at = next.unwrap_or(u32::MAX);
                next.is_some_and(|next| next <= limit)
            })
        })
    }
}
