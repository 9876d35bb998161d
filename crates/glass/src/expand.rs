//! Which terms an unfinished word stands for.
//!
//! If more terms begin with it than are taken, those that are in most documents are. Terms at the border
//! are in equally many, and which of them Xapian takes depends on how the C++ library of GNU partitions: in
//! three-way median quicksteps. Suggestions for one to three letters depend on it, so the steps are the same
//! here.

use crate::database::Database;
use crate::error::{Error, Result};
use crate::pack::sortable_string;
use crate::postings::Frequencies;
use crate::query::Prefix;
use crate::work::Work;
use std::borrow::Cow;
use std::ops::Range;

/// A term that begins with the prefix, and in how many documents it is.
pub(crate) type Expansion = (Vec<u8>, u32);

/// Terms of one database for a prefix.
pub(crate) fn expand(database: &Database, prefix: &Prefix, work: &mut Work<'_>) -> Result<Vec<Expansion>> {
    /// More terms than an index should have with one beginning.
    const MOST: usize = 1_000_000;
    let wanted = prefix.text.as_bytes();
    // One piece of memory for all of them: there may be hundreds of thousands.
    let mut names = Vec::new();
    let mut terms: Vec<(Range<usize>, u32)> = Vec::new();
    let (mut cursor, mut is_there) = database.terms_from(wanted)?;
    while is_there && terms.len() < MOST {
        let key = cursor.key()?;
        let (term, rest) = match key.contains(&0) {
            true => {
                let (term, rest) = sortable_string(key);
                (Cow::Owned(term), rest)
            }
            false => (Cow::Borrowed(key), None),
        };
        // What begins with a zero byte is no posting list.
        if !term.starts_with(wanted) || term.is_empty() {
            break;
        }
        if rest.is_none() {
            let frequencies = Frequencies::read(&mut cursor.tag_head()?);
            let documents = frequencies.ok_or(Error::Damaged("a posting list ends early"))?.documents;
            let start = names.len();
            names.extend_from_slice(&term);
            terms.push((start..names.len(), documents));
        }
        work.spend(4)?;
        is_there = cursor.next()?;
    }
    if terms.len() > prefix.most {
        most_frequent(&mut terms, prefix.most);
    }
    let named = |(range, documents): (Range<usize>, u32)| (names.get(range).unwrap_or_default().to_vec(), documents);
    Ok(terms.into_iter().map(named).collect())
}

/// Keeps so many of the most frequent, which stand in front afterwards.
fn most_frequent<T>(terms: &mut Vec<(T, u32)>, count: usize) {
    let Some(nth) = count.checked_sub(1) else { return terms.clear() };
    let (mut first, mut last) = (0, terms.len());
    // Twice the logarithm of the length: beyond that, pivots were chosen badly.
    let mut rounds = 2 * terms.len().ilog2();
    while last - first > 3 {
        if rounds == 0 {
            // Other terms at the border than there, which takes a list made for it.
            if let Some(rest) = terms.get_mut(first..last) {
                rest.sort_by_key(|term| std::cmp::Reverse(term.1));
            }
            return terms.truncate(count);
        }
        rounds -= 1;
        let Some(cut) = partition(terms, first, last) else { break };
        if cut <= nth {
            first = cut;
        } else {
            last = cut;
        }
    }
    if let Some(rest) = terms.get_mut(first..last) {
        rest.sort_by_key(|term| std::cmp::Reverse(term.1));
    }
    terms.truncate(count);
}

/// Puts the median of the second, the middle and the last one in front, and what is more frequent than it
/// before what is less. Where the second part begins.
fn partition<T>(terms: &mut [(T, u32)], first: usize, last: usize) -> Option<usize> {
    let frequency = |terms: &[(T, u32)], at: usize| terms.get(at).map(|term| term.1);
    let (a, b, c) = (first + 1, first + (last - first) / 2, last - 1);
    let (x, y, z) = (frequency(terms, a)?, frequency(terms, b)?, frequency(terms, c)?);
    let median = if x > y {
        if y > z {
            b
        } else if x > z {
            c
        } else {
            a
        }
    } else if x > z {
        a
    } else if y > z {
        c
    } else {
        b
    };
    terms.swap(first, median);
    let pivot = frequency(terms, first)?;
    let (mut low, mut high) = (first + 1, last);
    loop {
        while frequency(terms, low)? > pivot {
            low += 1;
        }
        high -= 1;
        while pivot > frequency(terms, high)? {
            high -= 1;
        }
        if low >= high {
            return Some(low);
        }
        terms.swap(low, high);
        low += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn none_that_is_left_out_is_more_frequent_than_one_that_is_kept(
            frequencies in prop::collection::vec(0..20_u32, 1..400), count in 1..120_usize,
        ) {
            let mut terms: Vec<((), u32)> = frequencies.iter().map(|frequency| ((), *frequency)).collect();
            if terms.len() <= count {
                return Ok(());
            }
            most_frequent(&mut terms, count);
            let mut sorted = frequencies.clone();
            sorted.sort_by_key(|frequency| std::cmp::Reverse(*frequency));
            sorted.truncate(count);
            let mut kept: Vec<u32> = terms.iter().map(|term| term.1).collect();
            kept.sort_by_key(|frequency| std::cmp::Reverse(*frequency));
            prop_assert_eq!(kept, sorted);
        }
    }
}
