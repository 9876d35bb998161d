//! What a search may do, and who may stop it.

use crate::error::{Error, Result};
use crate::lengths::Lengths;
use std::time::Instant;

/// Postings between two looks at whether to stop.
const LOOK: u64 = 4096;

/// Counts what a search does in postings that were looked at, about.
pub(crate) struct Work<'a> {
    stop: &'a (dyn Fn() -> bool + Sync),
    done: u64,
    next_look: u64,
    limit: u64,
    until: Option<Instant>,
    /// The limit was reached: what was found until then is the answer.
    pub(crate) is_exhausted: bool,
}

impl<'a> Work<'a> {
    pub(crate) fn new(stop: &'a (dyn Fn() -> bool + Sync), limit: u64, until: Option<Instant>) -> Self {
        Self { stop, done: 0, next_look: 0, limit, until, is_exhausted: false }
    }

    /// For one of several threads, which does its part of what is left.
    pub(crate) fn share(&self, threads: usize) -> Self {
        Self::new(self.stop, self.limit.saturating_sub(self.done) / threads.max(1) as u64, self.until)
    }

    /// Fails if it is time to stop.
    #[inline]
    pub(crate) fn spend(&mut self, postings: u64) -> Result<()> {
        self.done += postings;
        if self.done >= self.next_look { self.look() } else { Ok(()) }
    }

    /// Fails if it is time to stop, whatever was done.
    #[cold]
    pub(crate) fn look(&mut self) -> Result<()> {
        self.next_look = self.done + LOOK;
        self.is_exhausted |= self.done > self.limit || self.until.is_some_and(|until| Instant::now() >= until);
        if self.is_exhausted || (self.stop)() { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// What all parts of a query share while one database is gone through.
pub(crate) struct Run<'w, 'a> {
    pub(crate) work: &'w mut Work<'a>,
    lengths: Lengths,
    length: (u32, u32),
    /// How many terms of the query the document that was weighed last has.
    pub(crate) matched: u32,
}

impl<'w, 'a> Run<'w, 'a> {
    pub(crate) const fn new(work: &'w mut Work<'a>, lengths: Lengths) -> Self {
        Self { work, lengths, length: (0, 0), matched: 0 }
    }

    /// The length of a document.
    #[inline]
    pub(crate) fn length(&mut self, docid: u32) -> Result<u32> {
        if self.length.0 != docid {
            self.length = (docid, self.lengths.get(docid)?);
        }
        Ok(self.length.1)
    }
}
