//! Text as terms, for indexes of other kinds: cut into words as [`Search`](crate::Search) cuts queries, and stemmed in
//! the same languages.
//!
//! ```
//! use glass::Analyser;
//! let english = Analyser::of_language("eng");
//! let terms: Vec<_> = english.terms("Well-known Mills").into_iter().map(|term| term.text).collect();
//! assert_eq!(terms, ["well", "known", "mill"]);
//! let query = english.query("mills \"running water\"");
//! assert_eq!(query.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
//! ```

use crate::chars::is_quote;
use crate::language::Stemmer;
use crate::lexer::{Lexer, Piece, Word};
use crate::normalise::normalise;

/// Bytes of a term; what is longer is no word.
const LONGEST: usize = 64;

/// Makes terms of text, in one language.
pub struct Analyser {
    stemmer: Stemmer,
}

/// A word as an index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Normalised and stemmed. In scripts without spaces: a character, or two neighbours.
    pub text: String,
    /// Where it stands: words are counted, and characters of scripts without spaces. Two neighbours stand where the
    /// first of them does.
    pub position: u32,
}

impl Analyser {
    /// Of a language by its code of ISO 639-1 or 639-3. Words of languages that are not known are not stemmed.
    ///
    /// Stems are those of the newest stemmer there is, which for some languages are not those of Xapian 1.4.
    pub fn of_language(code: &str) -> Self {
        Self { stemmer: Stemmer::of_metadata(code) }
    }

    /// The terms of a text, by position.
    pub fn terms(&self, text: &str) -> Vec<Term> {
        let text = normalise(text);
        let mut lexer = Lexer::new(&text);
        let mut terms = Vec::new();
        let mut position = 0;
        loop {
            match lexer.piece() {
                Some(Piece::Word { word, .. }) => self.add(&word, &mut position, &mut terms),
                Some(Piece::Phrase(words)) => words.iter().for_each(|word| self.add(word, &mut position, &mut terms)),
                Some(Piece::Ngrams { grams }) => add_grams(grams, &mut position, &mut terms),
                None if lexer.skip().is_none() => return terms,
                None => {}
            }
        }
    }

    fn add(&self, word: &Word, position: &mut u32, terms: &mut Vec<Term>) {
        *position += 1;
        if word.text.len() <= LONGEST {
            terms.push(Term { text: self.stemmer.newest(&word.text), position: *position });
        }
    }

    /// What a query asks for: documents that have all of these, each a term or several that stand as they do here.
    ///
    /// Words that are joined (`well-known`), what is in quotes, and runs of a script without spaces stand together.
    pub fn query(&self, text: &str) -> Vec<Vec<Term>> {
        let mut wanted = Vec::new();
        let mut is_quoted = false;
        // A quote that nothing closes is none.
        let quotes = text.chars().filter(|&char| is_quote(char)).count() / 2 * 2;
        for (number, part) in text.split(is_quote).enumerate() {
            if is_quoted && number < quotes {
                wanted.push(longest_at_each(self.terms(part)));
            } else {
                self.loose(part, &mut wanted);
            }
            is_quoted = !is_quoted;
        }
        wanted.retain(|terms| !terms.is_empty());
        wanted
    }

    fn loose(&self, text: &str, wanted: &mut Vec<Vec<Term>>) {
        let text = normalise(text);
        let mut lexer = Lexer::new(&text);
        let of = |(number, word): (u32, &Word)| Term { text: self.stemmer.newest(&word.text), position: number };
        loop {
            match lexer.piece() {
                Some(Piece::Word { word, .. }) => wanted.push(vec![of((1, &word))]),
                Some(Piece::Phrase(words)) => wanted.push((1..).zip(&words).map(of).collect()),
                Some(Piece::Ngrams { grams }) => {
                    let mut terms = Vec::new();
                    add_grams(grams, &mut 0, &mut terms);
                    wanted.push(longest_at_each(terms));
                }
                None if lexer.skip().is_none() => return,
                None => {}
            }
        }
    }
}

/// Characters count; two neighbours come behind the first of them.
fn add_grams(grams: Vec<Word>, position: &mut u32, terms: &mut Vec<Term>) {
    for gram in grams {
        if gram.text.chars().nth(1).is_none() {
            *position += 1;
        }
        terms.push(Term { text: gram.text, position: *position });
    }
}

/// Two neighbours say more than the first of them, and the last character says nothing that the two before it do not.
fn longest_at_each(terms: Vec<Term>) -> Vec<Term> {
    let mut kept: Vec<Term> = Vec::new();
    for term in terms {
        match kept.last_mut() {
            Some(last) if last.position == term.position => *last = term,
            _ => kept.push(term),
        }
    }
    let covered: Vec<bool> = kept
        .iter()
        .enumerate()
        .map(|(at, term)| {
            let before = at.checked_sub(1).and_then(|before| kept.get(before));
            before.is_some_and(|before| {
                before.position + 1 == term.position
                    && is_pair(&before.text)
                    && before.text.ends_with(&term.text)
                    && term.text.chars().count() == 1
            })
        })
        .collect();
    kept.into_iter().zip(covered).filter(|(_, covered)| !covered).map(|(term, _)| term).collect()
}

fn is_pair(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(crate::chars::is_ngram) && chars.next().is_some_and(crate::chars::is_ngram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(terms: &[Term]) -> String {
        terms.iter().map(|term| format!("{}@{}", term.text, term.position)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn text_becomes_terms_with_positions() {
        let long = format!("a {} b", "x".repeat(65));
        for (language, text, expected) in [
            ("eng", "Running Mills, well-known", "run@1 mill@2 well@3 known@4"),
            ("fra", "Les Écoles", "le@1 ecol@2"),
            ("", "Les Écoles", "les@1 ecoles@2"),
            ("eng", "adding C++ and U.S.A.", "add@1 c++@2 and@3 u@4 s@5 a@6"),
            ("jpn", "東京都 x", "東@1 東京@1 京@2 京都@2 都@3 x@4"),
            ("eng", &long, "a@1 b@3"),
            ("eng", " -- ", ""),
        ] {
            assert_eq!(shown(&Analyser::of_language(language).terms(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_together_in_a_query_is_wanted_together() {
        let english = Analyser::of_language("en");
        for (text, expected) in [
            ("big rivers", "big@1|river@1"),
            ("well-known \"the big rivers\" x", "well@1 known@2|the@1 big@2 river@3|x@1"),
            ("a \"b c", "a@1|b@1|c@1"),
            ("“b c” \"d\"", "b@1 c@2|d@1"),
            ("東京都", "東京@1 京都@2"),
            ("東", "東@1"),
            ("\"in 東京\"", "in@1 東京@2"),
            ("\"\" -", ""),
        ] {
            let found: Vec<String> = english.query(text).iter().map(|terms| shown(terms)).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_has_what_it_is_asked_for_itself(text in "\\PC{0,40}", code in "(eng|deu|jpn|)") {
            let analyser = Analyser::of_language(&code);
            let terms = analyser.terms(&text);
            prop_assert!(terms.windows(2).all(|two| two[0].position <= two[1].position));
            for wanted in analyser.query(&text).iter().flatten().filter(|term| term.text.len() <= LONGEST) {
                prop_assert!(terms.iter().any(|term| term.text == wanted.text), "{wanted:?} in {terms:?}");
            }
        }
    }
}
