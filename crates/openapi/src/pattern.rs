//! Regular expressions of schemas.
//!
//! They are ECMAScript's, from anyone, and run on what anyone sends. Nearly all can run in linear
//! time; the few that look around run within a budget of steps. One that neither engine reads is
//! taken for none: it can constrain nothing, and a document that has it is not valid. So is what
//! comes after more of them than can be read within a bound on time.

use jsonschema::{FancyRegex, PatternOptions, Regex};
use std::collections::HashMap;
use std::time::{Duration, Instant};

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

/// How long reading the patterns of one document may take in all. Those of honest servers take
/// some milliseconds.
const MOST_TIME: Duration = Duration::from_secs(2);

/// Which patterns are ones. The same few stand in many schemas, and to find out takes long.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: HashMap<String, bool>,
    spent: Duration,
}

impl Patterns {
    pub(crate) fn is_sound(&mut self, pattern: &str) -> bool {
        if let Some(known) = self.known.get(pattern) {
            return *known;
        }
        if self.spent >= MOST_TIME {
            return false;
        }
        let begun = Instant::now();
        let schema = serde_json::json!({ "pattern": pattern });
        let options = || jsonschema::options().offline();
        let sound = options().with_pattern_options(linear()).build(&schema).is_ok()
            || options().with_pattern_options(looking_around()).build(&schema).is_ok();
        self.spent += begun.elapsed();
        self.known.insert(pattern.to_owned(), sound);
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_take_long_to_read_end_with_the_time_there_is_for_them() {
        let mut patterns = Patterns { spent: MOST_TIME - Duration::from_nanos(1), ..Patterns::default() };
        assert!(patterns.is_sound("^a+$"), "the last one that there is time for");
        assert!(!patterns.is_sound("^b+$"), "there is no time left");
        assert!(patterns.is_sound("^a+$"), "it is known");
    }
}
