//! The query of a full-text search: all words, as they were stemmed when the index was made.
//!
//! Operators are not understood: quotes, brackets, `+` and `-` only separate.

use crate::lexer::{Lexer, Piece, Word};
use crate::query::{Query, Term};

/// What a word becomes, which depends on the database.
pub(crate) trait Words {
    /// The terms that the word may have been indexed as. One, unless it cannot be known which.
    fn stems(&self, word: &str) -> Vec<String>;
    /// Whether the word was not indexed.
    fn is_stop(&self, word: &str) -> bool;
}

/// A part of the query.
enum Part {
    /// Words with nothing but white space between them.
    Group(Vec<Word>),
    Phrase(Vec<Word>),
    Ngrams(Vec<Word>),
}

impl Part {
    /// Its words, if it has such.
    fn words(&self) -> Option<&[Word]> {
        match self {
            Self::Group(words) | Self::Phrase(words) => Some(words),
            Self::Ngrams(_) => None,
        }
    }

    const fn words_mut(&mut self) -> Option<&mut Vec<Word>> {
        match self {
            Self::Group(words) | Self::Phrase(words) => Some(words),
            Self::Ngrams(_) => None,
        }
    }
}

/// Makes a query of text that was normalised.
///
/// Stop words are left out as Xapian leaves them out, which keeps some that no document can have. If that
/// `is_lenient`, all of them are left out wherever anything else is wanted.
pub(crate) fn full_text(text: &str, words: &impl Words, is_lenient: bool) -> Query {
    let mut parts = parts(text);
    let is_whole = parts.len() == 1;
    if is_lenient {
        let is_stop = |word: &Word| words.is_stop(&word.text);
        let is_only_stops = parts.iter().all(|part| part.words().is_some_and(|words| words.iter().all(is_stop)));
        for words in parts.iter_mut().filter_map(Part::words_mut).filter(|_| !is_only_stops) {
            words.retain(|word| !is_stop(word));
        }
    }
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Group(group) => {
                let kept = kept(&group, is_whole, words);
                all.push(Query::all(kept.map(|word| stemmed(word, words)).collect()));
            }
            Part::Phrase(phrase) => all.push(stemmed_phrase(phrase, words)),
            Part::Ngrams(grams) => all.push(ngrams(grams)),
        }
    }
    Query::all(all)
}

/// The words of a group that are searched. Stop words are not in the index: they are left out, unless
/// there is nothing else in a group of several, or in the query.
fn kept<'a>(group: &'a [Word], is_whole: bool, words: &impl Words) -> impl Iterator<Item = &'a Word> {
    let stops: Vec<bool> = group.iter().map(|word| words.is_stop(&word.text)).collect();
    let is_all = stops.iter().all(|stop| *stop) && (group.len() > 1 || is_whole);
    group.iter().zip(stops).filter(move |(_, stop)| is_all || !stop).map(|(word, _)| word)
}

fn stemmed(word: &Word, words: &impl Words) -> Query {
    let stems = words.stems(&word.text);
    Query::any(stems.into_iter().map(|stem| Query::term(stem, word.position)).collect())
}

/// An index without positions cannot know of phrases: the matcher takes it as all of its terms then.
fn stemmed_phrase(phrase: Vec<Word>, words: &impl Words) -> Query {
    let parts: Vec<Query> = phrase.iter().map(|word| stemmed(word, words)).collect();
    let terms = parts.iter().map(|part| match part {
        Query::Term(term) => Some(term.clone()),
        _ => None,
    });
    match terms.collect() {
        Some(terms) => Query::phrase(terms),
        None => Query::all(parts),
    }
}

pub(crate) fn ngrams(grams: Vec<Word>) -> Query {
    Query::all(grams.into_iter().map(|gram| Query::term(gram.text, gram.position)).collect())
}

fn parts(text: &str) -> Vec<Part> {
    let mut lexer = Lexer::new(text);
    let mut parts: Vec<Part> = Vec::new();
    let mut goes_on = false;
    loop {
        match lexer.piece() {
            Some(Piece::Word { word, .. }) => {
                match parts.last_mut() {
                    Some(Part::Group(group)) if goes_on => {
                        group.push(word);
                        // A full stop within a group does not end it, one behind its first word does.
                        lexer.skip_joints();
                    }
                    _ => parts.push(Part::Group(vec![word])),
                }
                goes_on = lexer.skip_space();
            }
            Some(Piece::Phrase(words)) => {
                parts.push(Part::Phrase(words));
                goes_on = false;
            }
            Some(Piece::Ngrams { grams }) => {
                parts.push(Part::Ngrams(grams));
                goes_on = false;
            }
            None => {
                goes_on = false;
                if lexer.skip().is_none() {
                    return parts;
                }
            }
        }
    }
}

impl From<Word> for Term {
    fn from(word: Word) -> Self {
        Self { text: word.text, position: word.position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct English;

    impl Words for English {
        fn stems(&self, word: &str) -> Vec<String> {
            vec![word.to_owned()]
        }

        fn is_stop(&self, word: &str) -> bool {
            ["the", "who", "to", "be", "a", "1"].contains(&word)
        }
    }

    #[test]
    fn stop_words_are_dropped_as_xapian_drops_them() {
        // What Xapian 1.4.22 says of each, with these stop words.
        let cases = [
            ("the", "the@1"),
            ("the.", "the@1"),
            ("(the)", "the@1"),
            ("the the", "(the@1 AND the@2)"),
            ("the who", "(the@1 AND who@2)"),
            ("the, who", ""),
            ("the. who.", ""),
            ("the, cat", "cat@2"),
            ("cat, the who", "(cat@1 AND (the@2 AND who@3))"),
            ("cat the, who", "cat@1"),
            ("the-who cat", "((the@1 PHRASE 2 who@2) AND cat@3)"),
            ("the the-who", "(the@2 PHRASE 2 who@3)"),
            ("the who cat-x", "(the@1 AND who@2 AND (cat@3 PHRASE 2 x@4))"),
            ("the who. cat", "cat@3"),
            ("the who .cat", "(the@1 AND who@2 AND cat@3)"),
            ("the- who", ""),
            ("1. the who", "(the@2 AND who@3)"),
            ("the who 東", "(the@1 AND who@2 AND 東@3)"),
            ("the東", "東@2"),
            ("the 東京", "(東@2 AND 東京@2 AND 京@2)"),
            ("the++", "the++@1"),
            ("the# cat", "(the#@1 AND cat@2)"),
            ("the ' who cat", "cat@3"),
            ("'the' 'who'", ""),
            ("the +who", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(full_text(text, &English, false).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn leniently_stop_words_are_left_out_where_anything_else_is_wanted() {
        let cases = [
            ("the-who cat", "cat@3"),
            ("cat, the who", "cat@1"),
            ("the-cat", "cat@2"),
            ("the 東", "東@2"),
            ("the who", "(the@1 AND who@2)"),
            ("the-who", "(the@1 PHRASE 2 who@2)"),
        ];
        for (text, expected) in cases {
            assert_eq!(full_text(text, &English, true).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn text_is_cut_as_xapian_cuts_it() {
        let cases = [
            ("well-known fact", "((well@1 PHRASE 2 known@2) AND fact@3)"),
            ("u.s.a.", "(u@1 PHRASE 3 s@2 PHRASE 3 a@3)"),
            ("x@y a/b", "((x@1 PHRASE 2 y@2) AND (a@3 PHRASE 2 b@4))"),
            ("c++ c+++ c++++ c#", "(c++@1 AND c+++@2 AND c@3 AND c#@4)"),
            ("f#x c++x", "(f@1 AND (x@2 AND c@3) AND x@4)"),
            ("c++.d e", "((c++@1 PHRASE 2 d@2) AND e@3)"),
            ("don't o’clock at&t", "(don't@1 AND o'clock@2 AND at&t@3)"),
            ("1,000 3.14 1,000,b", "(1,000@1 AND 3.14@2 AND 1,000@3 AND b@4)"),
            ("東京-大阪", "(東@1 AND 東京@1 AND 京@1 AND (大@2 AND 大阪@2 AND 阪@2))"),
            ("b東京c", "(b@1 AND (東@2 AND 東京@2 AND 京@2) AND c@3)"),
            ("日-本", "(日@1 AND 本@2)"),
            ("東、京", "(東@1 AND 京@2)"),
            ("b\u{200b}c b\u{2060}c", "(bc@1 AND bc@2)"),
            ("b--c b- c", "((b@1 PHRASE 2 c@2) AND b@3 AND c@4)"),
            ("x, b. c d", "(x@1 AND b@2 AND (c@3 AND d@4))"),
            ("x b. c d", "(x@1 AND b@2 AND c@3 AND d@4)"),
            ("!!! ... ' \" --", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(full_text(text, &English, false).to_string(), expected, "{text}");
        }
    }
}
