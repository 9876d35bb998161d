//! `"type": "zim"`: ZIM archives.

use crate::read::Section;
use std::path::PathBuf;

/// A server over ZIM archives. What is not said is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zim {
    /// `paths`: archives and directories of archives, from the directory of the file; at least one.
    pub paths: Vec<PathBuf>,
    /// `mode`: which tools there are. Default: all.
    pub mode: Option<ZimMode>,
    /// `output_schemas`: results have schemas and structured content beside the text. Default: true.
    pub output_schemas: Option<bool>,
    /// `cache_folder`: where full-text indexes lie that archives do not bring along, and what is kept over a restart.
    /// Default: the user's folder of caches.
    pub cache_folder: Option<PathBuf>,
    /// `build_indexes`: archives without a full-text index get one in the background. Default: false.
    pub build_indexes: Option<bool>,
    /// `keep_answers`: pages that were read are kept over a restart. Default: false.
    pub keep_answers: Option<bool>,
    /// `article_cache`: bytes of pages that are kept as text. Default: 8 MiB.
    pub article_cache: Option<u64>,
    /// `cluster_cache`: bytes of decoded clusters that are kept. Default: 16 MiB.
    pub cluster_cache: Option<u64>,
    /// `presets`: a TOML file that says what kind an archive is, where its metadata say something else.
    pub presets: Option<PathBuf>,
}

/// Which tools a ZIM server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZimMode {
    /// Questions in words.
    Simple,
    /// All tools.
    Advanced,
}

impl ZimMode {
    const WORDS: [(&'static str, Self); 2] = [("simple", Self::Simple), ("advanced", Self::Advanced)];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Advanced => "advanced",
        }
    }
}

impl Zim {
    /// A server over these archives, and nothing else is said.
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self { paths, ..Self::default() }
    }

    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        // All of it is read, so that each mistake is told.
        let zim = Self {
            paths: Vec::new(),
            mode: section.get("mode").and_then(|item| item.word(&ZimMode::WORDS)),
            output_schemas: section.get("output_schemas").and_then(|item| item.bool()),
            cache_folder: section.get("cache_folder").and_then(|item| item.path()),
            build_indexes: section.get("build_indexes").and_then(|item| item.bool()),
            keep_answers: section.get("keep_answers").and_then(|item| item.bool()),
            article_cache: section.get("article_cache").and_then(|item| item.size()),
            cluster_cache: section.get("cluster_cache").and_then(|item| item.size()),
            presets: section.get("presets").and_then(|item| item.path()),
        };
        let item = section.need("paths", "name the archives, or directories of archives, like [\"/srv/zim\"]")?;
        let paths = if item.is_list() { item.list_of(|item| item.path())? } else { vec![item.path()?] };
        if paths.is_empty() {
            item.error("names no archive; name archives or directories of archives");
            return None;
        }
        Some(Self { paths, ..zim })
    }
}
