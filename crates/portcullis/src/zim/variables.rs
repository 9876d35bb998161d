//! openzim-mcp's variables: which there are, what they may be, and what they come to here.

use super::{PREFIX, switch};
use server_zim::Settings;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Those that are read elsewhere: by the command line, or where the gateway is set up.
const ELSEWHERE: [&str; 9] = [
    "TRANSPORT",
    "HOST",
    "PORT",
    "TOOL_MODE",
    "AUTH_TOKEN",
    "INSECURE_DISABLE_AUTH",
    "CORS_ORIGINS",
    "ALLOWED_HOSTS",
    "LOGGING__LEVEL",
];

/// Those that are known and can have no meaning here, and why.
const WITHOUT_MEANING: [(&str, &str); 9] = [
    ("CACHE__LIBZIM_DIRENT_CACHE_MAX_COUNT", "what is kept is bounded in bytes, for all archives together"),
    ("ALLOWED_DIRECTORIES", "directories are named on the command line, as openzim-mcp requires it too"),
    ("RESOURCE_CACHE_TTL_SECONDS", "a gateway that applies policy promises no caller how long an answer holds"),
    ("STATELESS_HTTP", "every exchange without a session is answered by itself already"),
    ("META__TOKENIZER_ENCODING", "tokens are estimated without a table"),
    ("ML__RERANKER__", "there is no reranker"),
    ("RATE_LIMIT__PER_OPERATION_LIMITS", "limits of single tools are `limits.per_tool` of a settings file"),
    ("LOGGING__FORMAT", "the format of the log is `telemetry.log` of a settings file"),
    ("TIMEOUT_MAX_WORKERS", "the number of threads is bounded already"),
];

/// How often one caller may ask.
pub(super) struct Limits {
    pub(super) enabled: bool,
    /// Calls a second.
    pub(super) rate: f64,
    pub(super) burst: u32,
}

impl Default for Limits {
    /// openzim-mcp's own.
    fn default() -> Self {
        Self { enabled: true, rate: 20.0, burst: 40 }
    }
}

/// Reads them. Gives what is to be told of those that have no effect.
pub(super) fn apply(
    variable: &dyn Fn(&str) -> Option<String>,
    all: impl Iterator<Item = String>,
    zim: &mut Settings,
    limits: &mut Limits,
) -> Result<Vec<String>, String> {
    let mut read = Reader { variable, known: ELSEWHERE.to_vec() };
    if let Some(name) = read.text("SERVER_NAME") {
        zim.server_name = name;
    }
    read.seconds("WATCH_INTERVAL_SECONDS", &mut zim.rescan, 1.0, 60.0)?;
    read.switch("SUBSCRIPTIONS_ENABLED", &mut zim.subscriptions)?;

    read.switch("CACHE__ENABLED", &mut zim.answers.enabled)?;
    read.number("CACHE__MAX_SIZE", &mut zim.answers.entries, 1, 10_000)?;
    let mut bytes = zim.articles;
    read.number("CACHE__MAX_BYTES", &mut bytes, 0, 8 << 30)?;
    // Zero is no bound there. Here it is a bound of what there is for all.
    zim.articles = if bytes == 0 { zim.articles } else { bytes };
    read.seconds("CACHE__TTL_SECONDS", &mut zim.answers.age, 60.0, 86_400.0)?;
    read.switch("CACHE__PERSISTENCE_ENABLED", &mut zim.keeps_answers)?;
    if let Some(folder) = read.text("CACHE__PERSISTENCE_PATH") {
        let folder = super::expanded(Path::new(&folder));
        if !folder.is_absolute() {
            return Err(format!(
                "Configuration error: cache.persistence_path: {} is not absolute ({PREFIX}CACHE__PERSISTENCE_PATH)",
                folder.display()
            ));
        }
        zim.cache_folder = Some(folder);
    }
    read.number("CACHE__LIBZIM_CLUSTER_CACHE_MAX_SIZE_BYTES", &mut zim.cache, 0, 4 << 30)?;
    read.number("CONTENT__MAX_CONTENT_LENGTH", &mut zim.content.max_chars, 100, 1_000_000)?;
    read.number("CONTENT__SNIPPET_LENGTH", &mut zim.content.snippet_chars, 100, 100_000)?;
    read.number("CONTENT__DEFAULT_SEARCH_LIMIT", &mut zim.search.limit, 1, 100)?;
    read.number("CONTENT__TABLE_ROW_THRESHOLD", &mut zim.content.table_rows, 1, 1_000_000)?;
    read.number("CONTENT__TABLE_CHAR_THRESHOLD", &mut zim.content.table_chars, 50, 1_000_000)?;
    read.number("CONTENT__INFOBOX_KV_LIMIT", &mut zim.content.facts, 1, 200)?;
    read.switch("META__FOOTER_ENABLED", &mut zim.footer)?;

    read.number("SEARCH__STRUCTURED_SUGGESTIONS_LIMIT", &mut zim.search.suggestions, 1, 20)?;
    read.number("SEARCH__FUZZY_TITLE_MIN_QUERY_LEN", &mut zim.search.fuzzy_min, 2, 20)?;
    read.number("SEARCH__FUZZY_TITLE_SCORE_PENALTY", &mut zim.search.fuzzy_score, 0.0, 1.0)?;
    read.seconds("SEARCH__SEARCH_ALL_TOTAL_TIMEOUT_SECONDS", &mut zim.search.all_timeout, 0.0, 300.0)?;

    read.number("SYNTHESIZE__TOP_N", &mut zim.synthesize.top, 1, 50)?;
    read.number("SYNTHESIZE__PER_ARCHIVE_K", &mut zim.synthesize.per_archive, 1, 100)?;
    read.number("SYNTHESIZE__OUTPUT_CHAR_BUDGET", &mut zim.synthesize.chars, 500, 20_000)?;
    read.number("SYNTHESIZE__SECTION_AFFINITY_THRESHOLD", &mut zim.synthesize.affinity, 0.0, 1.0)?;
    read.number("SYNTHESIZE__SECTION_AFFINITY_BOOST", &mut zim.synthesize.boost, 1.0, 10.0)?;
    read.number("SYNTHESIZE__MAX_SECONDARY_ARCHIVE_HITS", &mut zim.synthesize.secondary, 0, 50)?;
    read.number("SYNTHESIZE__CROSS_ARCHIVE_MIN_OVERLAP", &mut zim.synthesize.overlap, 1, 10)?;

    read.switch("QUERY_REWRITE__ENABLED", &mut zim.rewrite.enabled)?;
    zim.rewrite.misspellings = read.text("QUERY_REWRITE__MISSPELLING_MAP_PATH").map(PathBuf::from);
    zim.presets = read.text("PRESETS_OVERRIDE_PATH").map(|path| super::expanded(Path::new(&path)));
    zim.rewrite.exclusions = read.text("QUERY_REWRITE__MISSPELLING_EXCLUSION_PATH").map(PathBuf::from);

    read.switch("RATE_LIMIT__ENABLED", &mut limits.enabled)?;
    read.number("RATE_LIMIT__REQUESTS_PER_SECOND", &mut limits.rate, 0.001, 1_000_000.0)?;
    read.number("RATE_LIMIT__BURST_SIZE", &mut limits.burst, 1, 1000)?;
    Ok(notes(all, &read.known))
}

/// One line for each that is known and means nothing here, and one for all that nobody knows.
fn notes(all: impl Iterator<Item = String>, known: &[&str]) -> Vec<String> {
    let (mut notes, mut unknown) = (Vec::new(), Vec::new());
    for name in all {
        let Some(short) = name.strip_prefix(PREFIX).filter(|short| !known.contains(short)) else { continue };
        match WITHOUT_MEANING
            .iter()
            .find(|(known, _)| short == *known || (known.ends_with('_') && short.starts_with(known)))
        {
            Some((_, why)) => notes.push(format!("{name} has no effect: {why}")),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        notes.push(format!("these variables are not known and have no effect: {}", unknown.join(", ")));
    }
    notes
}

struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    known: Vec<&'static str>,
}

impl Reader<'_> {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn number<T: FromStr + PartialOrd + Display>(
        &mut self,
        name: &'static str,
        value: &mut T,
        least: T,
        most: T,
    ) -> Result<(), String> {
        let Some(text) = self.text(name) else { return Ok(()) };
        match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => {
                *value = number;
                Ok(())
            }
            _ => Err(format!(
                "Configuration error: {}: {text:?} is no number from {least} to {most} ({PREFIX}{name})",
                dotted(name)
            )),
        }
    }

    fn seconds(&mut self, name: &'static str, value: &mut Duration, least: f64, most: f64) -> Result<(), String> {
        let mut seconds = value.as_secs_f64();
        self.number(name, &mut seconds, least, most)?;
        *value = Duration::from_secs_f64(seconds);
        Ok(())
    }

    fn switch(&mut self, name: &'static str, value: &mut bool) -> Result<(), String> {
        if self.text(name).is_some() {
            *value = switch(self.variable, name)?;
        }
        Ok(())
    }
}

/// As openzim-mcp names its settings: `cache.max_size`.
fn dotted(name: &str) -> String {
    name.to_lowercase().replace("__", ".")
}
