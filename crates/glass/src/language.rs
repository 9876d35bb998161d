//! Stemmers, by the language that an index says it is in.
//!
//! Xapian 1.4 and 2 stem some languages differently (English `adding` to `ad` and to `add`, for one), and
//! an index does not say which of the two made it. [`Stemmer`] knows both editions.

use rust_stemmers::{Algorithm as First, Stemmer as FirstStemmer};
use snowball_stemmers_rs::{Algorithm as Second, Stemmer as SecondStemmer};

/// Stems words as the indexers of one language do.
pub(crate) struct Stemmer(Option<Editions>);

struct Editions {
    language: &'static str,
    /// What Xapian 1.4 has.
    first: Edition,
    /// What Xapian 2 has, if that is something else.
    second: Option<SecondStemmer>,
}

enum Edition {
    Old(FirstStemmer),
    New(SecondStemmer),
}

impl Edition {
    fn stem(&self, word: &str) -> String {
        match self {
            Self::Old(stemmer) => stemmer.stem(word).into_owned(),
            Self::New(stemmer) => stemmer.stem(word).into_owned(),
        }
    }
}

impl Stemmer {
    /// The stemmer for what an index says in its metadata: a code of ISO 639-1 or 639-3, perhaps with a
    /// country. Other languages, among them those that Xapian 1.4 has no stemmer for, are not stemmed.
    pub(crate) fn of_metadata(language: &str) -> Self {
        let code = language.split(['_', '-', '@', '.', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
        let both = |first, second| {
            let second = second_edition_differs(second).then(|| SecondStemmer::create(second));
            Some((Edition::Old(FirstStemmer::create(first)), second))
        };
        let one = |algorithm| Some((Edition::New(SecondStemmer::create(algorithm)), None));
        let (language, editions) = match code.as_str() {
            "ar" | "ara" => ("ar", both(First::Arabic, Second::Arabic)),
            "ca" | "cat" => ("ca", one(Second::Catalan)),
            "da" | "dan" => ("da", both(First::Danish, Second::Danish)),
            "de" | "deu" => ("de", both(First::German, Second::German)),
            "en" | "eng" => ("en", both(First::English, Second::English)),
            "es" | "spa" => ("es", both(First::Spanish, Second::Spanish)),
            "eu" | "eus" => ("eu", one(Second::Basque)),
            "fi" | "fin" => ("fi", both(First::Finnish, Second::Finnish)),
            "fr" | "fra" => ("fr", both(First::French, Second::French)),
            "ga" | "gle" => ("ga", one(Second::Irish)),
            "hu" | "hun" => ("hu", both(First::Hungarian, Second::Hungarian)),
            "hy" | "hye" => ("hy", one(Second::Armenian)),
            "id" | "ind" => ("id", one(Second::Indonesian)),
            "it" | "ita" => ("it", both(First::Italian, Second::Italian)),
            "lt" | "lit" => ("lt", one(Second::Lithuanian)),
            "nb" | "nob" | "nn" | "nno" | "no" | "nor" => ("no", both(First::Norwegian, Second::Norwegian)),
            "ne" | "nep" => ("ne", one(Second::Nepali)),
            "nl" | "nld" => ("nl", both(First::Dutch, Second::Dutch)),
            "pt" | "por" => ("pt", both(First::Portuguese, Second::Portuguese)),
            "ro" | "ron" => ("ro", both(First::Romanian, Second::Romanian)),
            "ru" | "rus" => ("ru", both(First::Russian, Second::Russian)),
            "sv" | "swe" => ("sv", both(First::Swedish, Second::Swedish)),
            "ta" | "tam" => ("ta", both(First::Tamil, Second::Tamil)),
            "tr" | "tur" => ("tr", both(First::Turkish, Second::Turkish)),
            _ => return Self(None),
        };
        Self(editions.map(|(first, second)| Editions { language, first, second }))
    }

    /// The code of ISO 639-1 of the language that it stems.
    pub(crate) fn language(&self) -> Option<&'static str> {
        self.0.as_ref().map(|editions| editions.language)
    }

    /// Whether it is of a language that is stemmed.
    pub(crate) const fn has_stems(&self) -> bool {
        self.0.is_some()
    }

    /// The stem that Xapian 1.4 gives.
    pub(crate) fn first(&self, word: &str) -> String {
        self.0.as_ref().map_or_else(|| word.to_owned(), |editions| editions.first.stem(word))
    }

    /// The stem that the newest stemmer gives.
    pub(crate) fn newest(&self, word: &str) -> String {
        match &self.0 {
            None => word.to_owned(),
            Some(Editions { second: Some(second), .. }) => second.stem(word).into_owned(),
            Some(Editions { first, .. }) => first.stem(word),
        }
    }

    /// The stem that Xapian 2 gives, if it is another one.
    pub(crate) fn second(&self, word: &str, first: &str) -> Option<String> {
        let stem = self.0.as_ref()?.second.as_ref()?.stem(word).into_owned();
        (stem != first).then_some(stem)
    }
}

/// Whether any word without accents has another stem in the second edition.
const fn second_edition_differs(algorithm: Second) -> bool {
    !matches!(
        algorithm,
        Second::Danish
            | Second::Finnish
            | Second::Hungarian
            | Second::Portuguese
            | Second::Romanian
            | Second::Russian
            | Second::Tamil
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODES: [&str; 25] = [
        "ar", "ca", "da", "de", "en", "es", "eu", "fi", "fr", "ga", "hu", "hy", "id", "it", "lt", "nb", "nn", "ne",
        "nl", "pt", "ro", "ru", "sv", "ta", "tr",
    ];

    #[test]
    fn languages_are_known_by_all_of_their_codes() {
        for (code, word, stem) in [
            ("en", "running", "run"),
            ("eng", "running", "run"),
            ("en_US", "running", "run"),
            ("fra", "maisons", "maison"),
            ("deu", "hauser", "haus"),
            ("rus", "книгами", "книг"),
            ("nob", "husene", "hus"),
            ("ell", "πρωτευουσα", "πρωτευουσα"),
            ("", "running", "running"),
        ] {
            assert_eq!(Stemmer::of_metadata(code).first(word), stem, "{code}");
        }
        for code in CODES {
            assert!(Stemmer::of_metadata(code).0.is_some(), "{code}");
        }
    }

    #[test]
    fn both_editions_of_english_are_known() {
        let english = Stemmer::of_metadata("eng");
        assert_eq!(english.first("adding"), "ad");
        assert_eq!(english.second("adding", "ad").as_deref(), Some("add"));
        assert_eq!(english.second("running", "run"), None);
    }

    proptest! {
        #[test]
        fn no_word_makes_a_stemmer_panic(word in "\\PC{0,30}", code in 0..CODES.len()) {
            let stemmer = Stemmer::of_metadata(CODES[code]);
            let first = stemmer.first(&word);
            stemmer.second(&word, &first);
        }
    }
}
