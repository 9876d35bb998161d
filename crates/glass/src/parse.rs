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

/// Makes a query of text that was normalised.
pub(crate) fn full_text(text: &str, words: &impl Words) -> Query {
    let parts = parts(text);
    let is_whole = parts.len() == 1;
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
                    Some(Part::Group(group)) if goes_on => group.push(word),
                    _ => parts.push(Part::Group(vec![word])),
                }
                lexer.skip_joints();
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
