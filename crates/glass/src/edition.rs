//! Which edition of the stemmers made an index.
//!
//! Xapian 1.4 and 2 stem some words of some languages differently, and an index does not say which of
//! them made it. But there are stems that only one of the two can give: English `biologist` stays as it is
//! in the first, and `interval` in the second. Whose stems are in the index, made it.

use crate::database::Database;
use crate::error::Result;
use crate::language::Stemmer;

/// Who made the stems of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edition {
    /// Xapian 1.4.
    First,
    /// Xapian 2.
    Second,
    /// It has none of the stems that tell. What is in the index decides for each word.
    Unknown,
}

/// Words of which the first edition makes stems that the second never makes, and the other way round.
struct Telling {
    language: &'static str,
    first: &'static [&'static str],
    second: &'static [&'static str],
}

const TELLING: [Telling; 6] = [
    Telling {
        language: "en",
        first: &["biologist", "psychologist", "geologist", "archaeologist", "sociologist", "interval", "interstate"],
        second: &["interval", "interstate"],
    },
    Telling {
        language: "de",
        first: &["aktuell", "individuell", "sexuell", "eventuell", "virtuell", "visuell"],
        second: &["aktuell", "individuell", "sexuell", "eventuell", "virtuell", "visuell"],
    },
    Telling { language: "fr", first: &["soudanaise", "togolaise", "bordelaise", "cailloux", "choux"], second: &[] },
    Telling {
        language: "es",
        first: &["ejecucion", "involucion", "expiracion", "educacion", "informacion"],
        second: &["ejecucion", "involucion"],
    },
    Telling { language: "sv", first: &["flertalet", "dagbladet", "paradiset", "badkaret"], second: &[] },
    Telling {
        language: "nl",
        first: &["jaar", "voor", "door", "maar", "naar"],
        second: &["jaar", "voor", "door", "maar", "naar"],
    },
];

impl Edition {
    /// Looks for stems that tell.
    pub(crate) fn of(database: &Database, stemmer: &Stemmer) -> Result<Self> {
        let Some(telling) = TELLING.iter().find(|telling| Some(telling.language) == stemmer.language()) else {
            return Ok(Self::Unknown);
        };
        let has = |stem: &str| -> Result<bool> {
            // Indexes of titles have a letter before what was stemmed.
            Ok(database.term_frequency(&format!("Z{stem}"))? > 0
                || (!database.has_positions() && database.term_frequency(stem)? > 0))
        };
        let (mut first, mut second) = (0, 0);
        for word in telling.first {
            first += usize::from(has(&stemmer.first(word))?);
        }
        for word in telling.second {
            let stem = stemmer.second(word, &stemmer.first(word));
            second += usize::from(stem.map_or(Ok(false), |stem| has(&stem))?);
        }
        Ok(match first.cmp(&second) {
            std::cmp::Ordering::Greater => Self::First,
            std::cmp::Ordering::Less => Self::Second,
            std::cmp::Ordering::Equal => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_tell_have_two_stems() {
        for telling in TELLING {
            let stemmer = Stemmer::of_metadata(telling.language);
            assert_eq!(stemmer.language(), Some(telling.language));
            for word in telling.first.iter().chain(telling.second) {
                assert!(stemmer.second(word, &stemmer.first(word)).is_some(), "{word}");
            }
        }
    }
}
