//! Checks an audit file.

use crate::audit::hash;
use crate::audit::writer::GENESIS;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

/// The parts of a line that make the chain.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

/// What [`verify`] found in order.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Verified {
    pub lines: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    /// `prev` of the first line: the end of the file before.
    pub continues: Option<String>,
    /// The hash of the last line: `prev` of what comes next.
    pub head: String,
    /// Bytes of a line that was being written when the process was killed.
    pub torn_bytes: u64,
}

/// Why an audit file is not what was written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BadAudit {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("line {line} is no audit line")]
    NoLine { line: u64 },
    #[error(
        "line {line} does not follow the line before it: something was changed, added or taken out at or before it"
    )]
    Broken { line: u64 },
}

/// Checks the chain of one file.
pub fn verify(file: &Path) -> Result<Verified, BadAudit> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut found =
        Verified { lines: 0, first_seq: 0, last_seq: 0, continues: None, head: GENESIS.to_owned(), torn_bytes: 0 };
    let mut text = Vec::new();
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            return Ok(found);
        }
        let line = found.lines + 1;
        if text.pop() != Some(b'\n') {
            found.torn_bytes = text.len() as u64 + 1;
            return Ok(found);
        }
        let link: Link = serde_json::from_slice(&text).map_err(|_| BadAudit::NoLine { line })?;
        if found.lines == 0 {
            found.first_seq = link.seq;
            let fresh = link.prev == GENESIS;
            if fresh != (link.seq == 0) {
                return Err(BadAudit::Broken { line });
            }
            found.continues = (!fresh).then_some(link.prev);
        } else if link.prev != found.head || link.seq != found.last_seq + 1 {
            return Err(BadAudit::Broken { line });
        }
        found.last_seq = link.seq;
        found.lines = line;
        found.head = hash(&text);
    }
}
