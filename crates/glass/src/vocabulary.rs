//! Words as one database knows them.

use crate::database::Database;
use crate::edition::Edition;
use crate::error::{Error, Result};
use crate::parse::Words;
use crate::settings::Settings;
use std::cell::RefCell;

/// See the module. What fails on the way is told at the end.
pub(crate) struct Vocabulary<'a> {
    database: &'a Database,
    settings: &'a Settings,
    failure: RefCell<Option<Error>>,
}

impl<'a> Vocabulary<'a> {
    pub(crate) const fn new(database: &'a Database, settings: &'a Settings) -> Self {
        Self { database, settings, failure: RefCell::new(None) }
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }

    fn has(&self, term: &str) -> bool {
        self.database.term_frequency(term).map_or_else(
            |error| {
                self.failure.borrow_mut().get_or_insert(error);
                false
            },
            |frequency| frequency > 0,
        )
    }
}

impl Words for Vocabulary<'_> {
    fn stems(&self, word: &str) -> Vec<String> {
        if self.settings.edition != Edition::Unknown {
            return vec![self.settings.stem(word)];
        }
        let first = self.settings.stemmer.first(word);
        match self.settings.stemmer.second(word, &first) {
            Some(second) if !self.has(&first) && self.has(&second) => vec![second],
            _ => vec![first],
        }
    }

    fn is_stop(&self, word: &str) -> bool {
        self.settings.is_stop(word)
    }
}

/// Words as a language has them, whatever there is in a database.
impl Words for Settings {
    fn stems(&self, word: &str) -> Vec<String> {
        vec![self.stem(word)]
    }

    fn is_stop(&self, word: &str) -> bool {
        self.stop_words.contains(word)
    }
}
