//! `audit`: the record of what happened.

use crate::read::Item;
use std::path::PathBuf;
use std::time::Duration;

/// The section `audit`. Without it, nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The file, one JSON object a line; from the directory of the settings.
    pub file: PathBuf,
    /// A call is answered only after its line is on the disk. Default: false.
    pub sync: bool,
    /// The file is replaced by a new one before it grows larger than this, in bytes. Default: 100 MiB.
    pub max_bytes: u64,
    /// The file is replaced by a new one at this age. Default: never.
    pub max_age: Option<Duration>,
    /// How many replaced files are kept. Default: all.
    pub keep: Option<u32>,
    /// What is recorded of the arguments of a call. Default: their hash.
    pub arguments: Arguments,
}

/// What is recorded of the arguments of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arguments {
    /// `"hash"`: their SHA-256.
    #[default]
    Hash,
    /// `"redacted"`: themselves, with what looks like a secret taken out.
    Redacted,
}

impl Audit {
    /// Records into a file, everything else by default.
    pub const fn new(file: PathBuf) -> Self {
        Self { file, sync: false, max_bytes: 100 << 20, max_age: None, keep: None, arguments: Arguments::Hash }
    }

    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let file = section.need("file", "name the file to write, like \"audit.jsonl\"").and_then(|item| item.path());
        let defaults = Self::new(file.clone().unwrap_or_default());
        let audit = Self {
            sync: section.get("sync").and_then(|item| item.bool()).unwrap_or(defaults.sync),
            max_bytes: section.get("max_bytes").and_then(|item| item.size()).unwrap_or(defaults.max_bytes),
            max_age: section.get("max_age").and_then(|item| item.duration()),
            keep: section.get("keep").and_then(|item| item.count(0)),
            arguments: section.get("arguments").and_then(|item| Arguments::read(&item)).unwrap_or_default(),
            ..defaults
        };
        section.finish();
        file.map(|_| audit)
    }
}

impl Arguments {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("hash", Self::Hash), ("redacted", Self::Redacted)])
    }
}
