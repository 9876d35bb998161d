//! Regular expressions of schemas.
//!
//! They are ECMAScript's, from anyone, and run on what anyone sends. Nearly all can run in linear
//! time; the few that look around run within a budget of steps. One that neither engine reads is
//! taken for none: it can constrain nothing, and a document that has it is not valid.

use jsonschema::{FancyRegex, PatternOptions, Regex};
use std::collections::HashMap;

/// Memory that one may take, and steps back that one may make.
const MOST_MEMORY: usize = 1 << 20;
const MOST_STEPS_BACK: usize = 10_000;

pub(crate) fn linear() -> PatternOptions<Regex> {
    PatternOptions::regex().size_limit(MOST_MEMORY).dfa_size_limit(MOST_MEMORY)
}

pub(crate) fn looking_around() -> PatternOptions<FancyRegex> {
    let looking_around = PatternOptions::fancy_regex().backtrack_limit(MOST_STEPS_BACK);
    looking_around.size_limit(MOST_MEMORY).dfa_size_limit(MOST_MEMORY)
}

/// Which patterns are ones. The same few stand in many schemas, and to find out takes long.
#[derive(Debug, Default)]
pub(crate) struct Patterns(HashMap<String, bool>);

impl Patterns {
    pub(crate) fn is_sound(&mut self, pattern: &str) -> bool {
        if let Some(known) = self.0.get(pattern) {
            return *known;
        }
        let schema = serde_json::json!({ "pattern": pattern });
        let options = || jsonschema::options().offline();
        let sound = options().with_pattern_options(linear()).build(&schema).is_ok()
            || options().with_pattern_options(looking_around()).build(&schema).is_ok();
        self.0.insert(pattern.to_owned(), sound);
        sound
    }
}
