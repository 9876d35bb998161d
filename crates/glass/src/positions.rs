//! Positions: where in a document a term stands.
//!
//! A list has its last position as a varint, and, if there are more, a stream of bits, the lowest of a
//! byte first: the first position, how many there are, and the rest by interpolation, each as a number
//! that is known to be below a bound.

use crate::error::{Error, Result};
use crate::pack::{put_sortable, put_sortable_string, varint_u32};
use crate::table::{Cursor, Table};

const BAD: Error = Error::Damaged("a list of positions ends early or is not in order");
/// More positions than a term has in one document. Neighbours take no bits at all, so that the length of a
/// list does not bound them.
pub(crate) const MOST: u32 = 1 << 20;

/// Positions of one term.
pub(crate) struct Positions {
    cursor: Cursor,
    prefix: Box<[u8]>,
}

impl Positions {
    pub(crate) fn new(table: &Table, term: &[u8]) -> Self {
        let mut prefix = Vec::with_capacity(term.len() + 1);
        put_sortable_string(&mut prefix, term);
        prefix.push(0);
        Self { cursor: table.cursor(), prefix: prefix.into() }
    }

    /// Writes the positions in a document into `out`, ascending; nothing if there are none.
    pub(crate) fn get(&mut self, docid: u32, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let mut key = self.prefix.to_vec();
        put_sortable(&mut key, docid);
        if self.cursor.seek(&key)? {
            decode(&self.cursor.tag()?, out)?;
        }
        Ok(())
    }
}

/// Unpacks a list of positions.
pub(crate) fn decode(mut tag: &[u8], out: &mut Vec<u32>) -> Result<()> {
    let last = varint_u32(&mut tag).ok_or(BAD)?;
    if tag.is_empty() {
        out.push(last);
        return Ok(());
    }
    let mut bits = Bits { bytes: tag, at: 0 };
    let first = bits.below(last).ok_or(BAD)?;
    let more = bits.below(last.checked_sub(first).ok_or(BAD)?).ok_or(BAD)?;
    let count = more.checked_add(2).filter(|count| *count <= MOST).ok_or(BAD)?;
    if count - 1 > last - first {
        return Err(BAD);
    }
    out.push(first);
    interpolate(&mut bits, out, first, last, count - 2)?;
    out.push(last);
    Ok(())
}

/// The `between` positions between two known ones: the middle one first, then each half.
fn interpolate(bits: &mut Bits<'_>, out: &mut Vec<u32>, low: u32, high: u32, between: u32) -> Result<()> {
    if between == 0 {
        return Ok(());
    }
    let before = between.div_ceil(2) - 1;
    let after = between - 1 - before;
    let room = high.checked_sub(low).and_then(|gap| gap.checked_sub(between)).ok_or(BAD)?;
    let middle = low + before + 1 + bits.below(room).ok_or(BAD)?;
    interpolate(bits, out, low, middle, before)?;
    out.push(middle);
    interpolate(bits, out, middle, high, after)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// A number below a bound: with as few bits as the bound needs, or one fewer where there is room, which
    /// is in the middle of the range.
    fn below(&mut self, bound: u32) -> Option<u32> {
        if bound <= 1 {
            return Some(0);
        }
        let width = u32::BITS - (bound - 1).leading_zeros();
        let spare = (1_u64 << width) - u64::from(bound);
        if spare == 0 {
            return self.take(width);
        }
        let middle = (u64::from(bound) - spare) / 2;
        let low = self.take(width - 1)?;
        if u64::from(low) < middle && self.take(1)? == 1 {
            return Some(low | 1 << (width - 1)).filter(|value| *value < bound);
        }
        Some(low)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for bit in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_contradict_themselves_are_errors() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            decode(bytes, &mut out).map(|()| out)
        };
        assert_eq!(read(&[7]).unwrap(), [7]);
        // Last 5, first 0 of 5, two in all.
        assert_eq!(read(&[5, 0]).unwrap(), [0, 5]);
        assert!(read(&[]).is_err());
        assert!(read(&[0x80]).is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff]).is_err());
    }
}
