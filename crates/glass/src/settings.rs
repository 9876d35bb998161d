//! What libzim's indexer notes in a database about how it was made.

use crate::database::Database;
use crate::edition::Edition;
use crate::error::Result;
use crate::language::Stemmer;
use std::collections::HashSet;

/// See the module.
pub(crate) struct Settings {
    pub(crate) stemmer: Stemmer,
    pub(crate) edition: Edition,
    /// Words that were not indexed; empty for most archives.
    pub(crate) stop_words: HashSet<Box<str>>,
    pub(crate) slots: Slots,
}

/// Which slot has which value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) title: Option<u32>,
    pub(crate) word_count: Option<u32>,
    pub(crate) position: Option<u32>,
    pub(crate) target_path: Option<u32>,
}

impl Settings {
    /// The stem that a word has in the index, where that does not depend on whether the index has it.
    pub(crate) fn stem(&self, word: &str) -> String {
        let first = self.stemmer.first(word);
        match self.edition {
            Edition::Second => self.stemmer.second(word, &first).unwrap_or(first),
            Edition::First | Edition::Unknown => first,
        }
    }

    /// Those of an index without stop words in a language, by its code.
    pub(crate) fn of_language(language: &str) -> Self {
        let stemmer = Stemmer::of_metadata(language);
        Self { stemmer, edition: Edition::Unknown, stop_words: HashSet::new(), slots: Slots::default() }
    }

    pub(crate) fn read(database: &Database) -> Result<Self> {
        let text = |key: &str| -> Result<Option<String>> {
            Ok(database.metadata(key)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let stop_words = text("stopwords")?.unwrap_or_default();
        let language = text("language")?.unwrap_or_default();
        let slots = match text("valuesmap")? {
            Some(map) => Slots::parse(&map),
            // Before 2017 there was no map: slot 0 had a snippet, slot 1 the number of words.
            None => Slots { word_count: Some(1), ..Slots::default() },
        };
        let stemmer = Stemmer::of_metadata(&language);
        Ok(Self {
            edition: Edition::of(database, &stemmer)?,
            stemmer,
            stop_words: stop_words.lines().filter(|word| !word.is_empty()).map(Into::into).collect(),
            slots,
        })
    }
}

impl Slots {
    /// `title:0;wordcount:1;geo.position:2`
    fn parse(map: &str) -> Self {
        let mut slots = Self::default();
        for (name, slot) in map.split(';').filter_map(|pair| pair.split_once(':')) {
            let slot = slot.trim().parse().ok();
            match name.trim() {
                "title" => slots.title = slot,
                "wordcount" => slots.word_count = slot,
                "geo.position" => slots.position = slot,
                "targetPath" => slots.target_path = slot,
                _ => {}
            }
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_values_is_read_whatever_else_is_in_it() {
        let slots = Slots::parse("title:0;x;wordcount: 1;other:7;geo.position:nowhere;targetPath:3");
        let expected = Slots { title: Some(0), word_count: Some(1), position: None, target_path: Some(3) };
        assert_eq!(slots, expected);
    }
}
