//! How glass packs numbers and strings ("Glass, single file" in the facts of the format).
//!
//! `varint`: seven bits a byte, low ones first, the high bit says that more follow. `sortable`: numbers
//! and strings that compare as bytes in their own order, for keys.

/// Takes a varint off the front.
#[inline]
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    let mut shift = 7;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift > 56 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

/// Takes a varint that fits into 32 bits off the front.
#[inline]
pub(crate) fn varint_u32(bytes: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint(bytes)?).ok()
}

/// Takes a string with its length before it off the front.
pub(crate) fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(bytes)?).ok()?;
    let (string, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(string)
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number that sorts: two bytes below 0x8000, then one byte more for each leading one bit.
pub(crate) fn put_sortable(out: &mut Vec<u8>, value: u32) {
    let value = u64::from(value);
    // With n leading ones there are n + 2 bytes, of which n + 1 bits are the mark.
    let ones = (0..3).find(|ones| value < 1 << (15 + 7 * ones)).unwrap_or(3);
    let bytes = ones + 2;
    let mark = ((1_u64 << ones) - 1) << (8 * bytes - ones);
    out.extend((value | mark).to_be_bytes().into_iter().skip(8 - bytes));
}

/// Takes a number that sorts off the front.
pub(crate) fn sortable(bytes: &mut &[u8]) -> Option<u32> {
    let &first = bytes.first()?;
    let ones = first.leading_ones() as usize;
    if ones > 3 {
        return None;
    }
    let (packed, rest) = bytes.split_at_checked(ones + 2)?;
    *bytes = rest;
    let value = packed.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    u32::try_from(value & ((1 << (15 + 7 * ones)) - 1)).ok()
}

/// Appends a string that sorts, without its end.
pub(crate) fn put_sortable_string(out: &mut Vec<u8>, string: &[u8]) {
    for &byte in string {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
}

/// A string that sorts, and what stands behind its end; `None` behind it if it has no end, which is how
/// the last string of a key is written.
pub(crate) fn sortable_string(bytes: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut string = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == 0 {
            match tail.split_first() {
                Some((0xff, tail)) => rest = tail,
                _ => return (string, Some(tail)),
            }
        }
        string.push(byte);
    }
    (string, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_that_sort_are_read_back_and_sort(a: u32, b: u32) {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            put_sortable(&mut x, a);
            put_sortable(&mut y, b);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            let mut rest = x.as_slice();
            prop_assert_eq!(sortable(&mut rest), Some(a));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn varints_are_read_back(value: u64) {
            let value = value >> 1;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(varint(&mut out.as_slice()), Some(value));
        }

        #[test]
        fn strings_that_sort_are_read_back(string: Vec<u8>, tail: [u8; 2]) {
            prop_assume!(tail[0] != 0xff);
            let mut out = Vec::new();
            put_sortable_string(&mut out, &string);
            prop_assert_eq!(sortable_string(&out), (string.clone(), None));
            out.push(0);
            out.extend(tail);
            prop_assert_eq!(sortable_string(&out), (string, Some(tail.as_slice())));
        }
    }

    #[test]
    fn a_varint_without_an_end_is_none() {
        assert_eq!(varint(&mut [0x80_u8; 20].as_slice()), None);
        assert_eq!(varint(&mut [0x80_u8, 0x80].as_slice()), None);
    }
}
