//! The list of MIME types: strings ended by NUL, the last one empty (openZIM, "ZIM file format",
//! section "MIME type list"). A dirent's type is an index into it.

use crate::error::{Result, damaged};
use crate::header::Header;
use crate::read_at::ReadAt;

/// Bytes the list has at most. Real ones have a few hundred; the index has 16 bits.
const MAX_BYTES: u64 = 1 << 20;

pub(crate) fn read(source: &dyn ReadAt, header: &Header) -> Result<Vec<Box<str>>> {
    // What comes after the list is not said, but it ends before any of these begins.
    let tables = [Some(header.paths_at), header.titles_at, Some(header.clusters_at), Some(header.end)];
    let end = tables.into_iter().flatten().filter(|at| *at > header.mimes_at).min().unwrap_or(header.mimes_at);
    let mut bytes = vec![0; crate::bytes::len((end - header.mimes_at).min(MAX_BYTES))];
    source.read_exact_at(&mut bytes, header.mimes_at)?;
    let mut types = Vec::new();
    for text in bytes.split(|b| *b == 0) {
        if text.is_empty() {
            return Ok(types);
        }
        match std::str::from_utf8(text) {
            Ok(text) if types.len() < usize::from(u16::MAX) => types.push(text.into()),
            _ => break,
        }
    }
    damaged("its list of MIME types cannot be read")
}
