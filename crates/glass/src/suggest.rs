//! The query of a suggestion: titles that have all words, the last of which may be unfinished.
//!
//! A small grammar is understood: `+word`, `-word`, brackets, and quotes. What is no sentence of it (a
//! bracket that closes nothing, only words that must not be there) is read again without it. To what
//! must match is added what matches better: the words as they were written, one behind the other, and
//! the same at the beginning of the title.

use crate::chars::{begins_stemmed, is_quote, is_word};
use crate::lexer::{Lexer, Piece, Word};
use crate::parse::ngrams;
use crate::query::{Prefix, Query, Term};

/// What the indexer puts before each title.
const ANCHOR: &str = "0posanchor";
/// How many words an unfinished one is taken for: the most frequent.
const EXPANSIONS: usize = 100;
/// How many titles without any word a query without any is taken for.
const WORDLESS: usize = 10_000;
/// Brackets within brackets.
const DEPTH: usize = 50;

/// Gives the stem of a word; `None` for languages that have no stemmer.
type Stem<'a> = Option<&'a dyn Fn(&str) -> String>;

/// Makes a query of text that was normalised.
pub(crate) fn suggestion(text: &str, stem: Stem<'_>) -> Query {
    let grammar = Grammar { lexer: Lexer::new(text), stem };
    let words = grammar.read().unwrap_or_else(|| Plain { stem }.read(text));
    if words == Query::Nothing {
        // Titles without any word are indexed as they are.
        return if text.is_empty() {
            Query::Nothing
        } else {
            Query::Prefix(Prefix { text: text.to_owned(), most: WORDLESS })
        };
    }
    Query::any(vec![Query::any(vec![words, written(text)]), written(&format!("{ANCHOR} {text}"))])
}

/// The words as they were written, one behind the other: in the order of their positions, and of bytes
/// where these are equal.
fn written(text: &str) -> Query {
    let mut lexer = Lexer::new(text);
    let mut terms: Vec<Term> = Vec::new();
    loop {
        match lexer.piece() {
            Some(Piece::Word { word, .. }) => terms.push(word.into()),
            Some(Piece::Phrase(words) | Piece::Ngrams { grams: words }) => {
                terms.extend(words.into_iter().map(Term::from));
            }
            None if lexer.skip().is_none() => break,
            None => {}
        }
    }
    let window = u32::try_from(terms.len()).unwrap_or(u32::MAX);
    terms.sort_by(|a, b| (a.position, &a.text).cmp(&(b.position, &b.text)));
    terms.dedup();
    terms.iter_mut().for_each(|term| term.position = 0);
    if terms.len() < 2 { Query::phrase(terms) } else { Query::Phrase(terms, window) }
}

/// `Z` is put before what was stemmed, so that it is not taken for the word itself.
fn term(word: &Word, is_verbatim: bool, stem: Stem<'_>) -> Query {
    match stem {
        Some(stem) if !is_verbatim && word.text.starts_with(begins_stemmed) => {
            Query::term(format!("Z{}", stem(&word.text)), word.position)
        }
        _ => Query::term(word.text.clone(), word.position),
    }
}

/// Reads without the grammar: all words, and no unfinished one.
struct Plain<'a> {
    stem: Stem<'a>,
}

impl Plain<'_> {
    fn read(&self, text: &str) -> Query {
        let mut lexer = Lexer::new(text);
        let mut all = Vec::new();
        loop {
            match lexer.piece() {
                Some(Piece::Word { word, is_verbatim, .. }) => all.push(term(&word, is_verbatim, self.stem)),
                Some(Piece::Phrase(words)) => all.push(Query::phrase(words.into_iter().map(Term::from).collect())),
                Some(Piece::Ngrams { grams }) => all.push(ngrams(grams)),
                None if lexer.skip().is_none() => return Query::all(all),
                None => {}
            }
        }
    }
}

struct Grammar<'a> {
    lexer: Lexer<'a>,
    stem: Stem<'a>,
}

/// What stands between two brackets.
#[derive(Default)]
struct Clauses {
    wanted: Vec<Query>,
    unwanted: Vec<Query>,
    /// The sign before the next one.
    is_unwanted: bool,
}

impl Clauses {
    fn push(&mut self, query: Query) {
        let list = if self.is_unwanted { &mut self.unwanted } else { &mut self.wanted };
        list.push(query);
        self.is_unwanted = false;
    }

    /// `None` if it only says what is not wanted.
    fn close(self) -> Option<Query> {
        if self.is_unwanted || (self.wanted.is_empty() && !self.unwanted.is_empty()) {
            return None;
        }
        let wanted = Query::all(self.wanted);
        Some(match Query::any(self.unwanted) {
            Query::Nothing => wanted,
            unwanted => Query::AndNot(Box::new(wanted), Box::new(unwanted)),
        })
    }
}

impl Grammar<'_> {
    /// `None` if the text is no sentence of the grammar.
    fn read(mut self) -> Option<Query> {
        let mut open = vec![Clauses::default()];
        while let Some(next) = self.lexer.peek() {
            if let Some(piece) = self.lexer.piece() {
                open.last_mut()?.push(self.clause(piece));
                continue;
            }
            if is_quote(next) {
                self.lexer.skip();
                self.lexer.skip_space();
                if self.lexer.peek().is_some_and(is_quote) {
                    self.lexer.skip();
                } else {
                    let (phrase, is_closed) = self.quoted();
                    match phrase {
                        Query::Nothing if is_closed => return None,
                        Query::Nothing => {}
                        phrase => open.last_mut()?.push(phrase),
                    }
                }
                continue;
            }
            match next {
                '(' => {
                    self.lexer.skip();
                    self.lexer.skip_space();
                    if self.lexer.peek() == Some(')') {
                        self.lexer.skip();
                    } else if open.len() < DEPTH {
                        open.push(Clauses::default());
                    } else {
                        return None;
                    }
                }
                ')' => {
                    self.lexer.skip();
                    let inner = open.pop()?.close()?;
                    if inner == Query::Nothing {
                        return None;
                    }
                    open.last_mut()?.push(inner);
                }
                '+' | '-' if self.is_sign() => {
                    self.lexer.skip();
                    open.last_mut()?.is_unwanted = next == '-';
                }
                _ => {
                    self.lexer.skip();
                }
            }
        }
        while open.len() > 1 {
            let inner = open.pop()?.close()?;
            if inner != Query::Nothing {
                open.last_mut()?.push(inner);
            }
        }
        open.pop()?.close()
    }

    /// Whether a `+` or `-` stands before something and not between two things.
    fn is_sign(&self) -> bool {
        let begins = self.lexer.before().is_none_or(|before| before.is_whitespace() || before == '(');
        let follows = |next| is_word(next) || is_quote(next) || next == '(';
        begins && self.lexer.peek_second().is_some_and(follows)
    }

    fn clause(&self, piece: Piece) -> Query {
        match piece {
            Piece::Word { word, is_verbatim, is_at_end } => {
                let whole = term(&word, is_verbatim, self.stem);
                if !is_at_end {
                    return whole;
                }
                Query::any(vec![Query::Prefix(Prefix { text: word.text, most: EXPANSIONS }), whole])
            }
            Piece::Phrase(words) => Query::phrase(words.into_iter().map(Term::from).collect()),
            Piece::Ngrams { grams } => ngrams(grams),
        }
    }

    /// A phrase up to the closing quote, or to the end. Whether it was closed.
    fn quoted(&mut self) -> (Query, bool) {
        let mut terms: Vec<Term> = Vec::new();
        loop {
            match self.lexer.piece() {
                Some(Piece::Word { word, .. }) => terms.push(word.into()),
                Some(Piece::Phrase(words)) => terms.extend(words.into_iter().map(Term::from)),
                // Pairs overlap: the characters alone stand one behind the other.
                Some(Piece::Ngrams { grams }) => {
                    terms.extend(grams.into_iter().filter(|g| g.text.chars().count() == 1).map(Term::from));
                }
                None => match self.lexer.skip() {
                    None => return (Query::phrase(terms), false),
                    Some(char) if is_quote(char) => {
                        if !self.lexer.peek().is_some_and(is_quote) {
                            return (Query::phrase(terms), true);
                        }
                        self.lexer.skip();
                    }
                    Some(_) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What must match, without what only matches better.
    fn wanted(text: &str) -> String {
        let stem = |word: &str| word.strip_suffix("ning").unwrap_or(word).to_owned();
        match suggestion(text, Some(&stem)) {
            Query::Or(mut parts) => match parts.swap_remove(0) {
                Query::Or(mut parts) => parts.swap_remove(0).to_string(),
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_grammar_is_the_one_of_xapian() {
        // What Xapian 1.4.22 says of each with libzim's flags.
        let cases = [
            ("cat", "(WILDCARD SYNONYM cat OR Zcat@1)"),
            ("cat ", "Zcat@1"),
            ("running", "(WILDCARD SYNONYM running OR Zrun@1)"),
            ("running(", "running@1"),
            ("running-", "Zrun@1"),
            ("1,00", "(WILDCARD SYNONYM 1,00 OR 1,00@1)"),
            ("man*", "man@1"),
            ("cat-dog", "(cat@1 PHRASE 2 dog@2)"),
            ("cat +dog", "(Zcat@1 AND (WILDCARD SYNONYM dog OR Zdog@2))"),
            ("cat -dog", "(Zcat@1 AND_NOT (WILDCARD SYNONYM dog OR Zdog@2))"),
            ("cat -dog bird", "((Zcat@1 AND (WILDCARD SYNONYM bird OR Zbird@3)) AND_NOT Zdog@2)"),
            ("-cat dog", "((WILDCARD SYNONYM dog OR Zdog@2) AND_NOT Zcat@1)"),
            ("cat -a -b", "(Zcat@1 AND_NOT (Za@2 OR (WILDCARD SYNONYM b OR Zb@3)))"),
            ("cat -() dog", "(Zcat@1 AND_NOT (WILDCARD SYNONYM dog OR Zdog@2))"),
            ("cat - dog", "(Zcat@1 AND (WILDCARD SYNONYM dog OR Zdog@2))"),
            ("+-cat", "(WILDCARD SYNONYM cat OR Zcat@1)"),
            ("(cat", "(WILDCARD SYNONYM cat OR Zcat@1)"),
            ("(cat)", "Zcat@1"),
            ("cat (dog bird)", "(Zcat@1 AND (Zdog@2 AND Zbird@3))"),
            ("(cat -dog)", "(Zcat@1 AND_NOT Zdog@2)"),
            ("cat () dog", "(Zcat@1 AND (WILDCARD SYNONYM dog OR Zdog@2))"),
            ("\"hot do", "(hot@1 PHRASE 2 do@2)"),
            ("\"hot dog\"cat", "((hot@1 PHRASE 2 dog@2) AND (WILDCARD SYNONYM cat OR Zcat@3))"),
            ("-\"hot dog\" cat", "((WILDCARD SYNONYM cat OR Zcat@3) AND_NOT (hot@1 PHRASE 2 dog@2))"),
            ("“hot dog”", "(hot@1 PHRASE 2 dog@2)"),
            ("\" \" dog", "(WILDCARD SYNONYM dog OR Zdog@1)"),
            ("\"a\"\" b", "(a@1 PHRASE 2 b@2)"),
            ("\"a 日本 b\"", "(a@1 PHRASE 4 日@2 PHRASE 4 本@2 PHRASE 4 b@3)"),
            ("tokyo 日本", "(Ztokyo@1 AND (日@2 AND 日本@2 AND 本@2))"),
            ("cat -日本", "(Zcat@1 AND_NOT (日@2 AND 日本@2 AND 本@2))"),
        ];
        for (text, expected) in cases {
            assert_eq!(wanted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_sentence_is_read_without_the_grammar() {
        let cases = [
            ("-cat", "Zcat@1"),
            ("cat)", "Zcat@1"),
            ("-a -b", "(Za@1 AND Zb@2)"),
            ("(-cat) dog", "(Zcat@1 AND Zdog@2)"),
            ("(()) a", "Za@1"),
            ("\"- \" dog", "Zdog@1"),
            ("cat) \"hot dog", "(Zcat@1 AND Zhot@2 AND Zdog@3)"),
        ];
        for (text, expected) in cases {
            assert_eq!(wanted(text), expected, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert_eq!(suggestion(&deep, Some(&str::to_owned)).to_string(), format!("WILDCARD SYNONYM {deep}"));
        assert_eq!(suggestion("", None), Query::Nothing);
    }

    #[test]
    fn languages_without_a_stemmer_have_no_stems() {
        let query = suggestion("cat py", None).to_string();
        assert!(query.starts_with("(((cat@1 AND (WILDCARD SYNONYM py OR py@2)) OR"), "{query}");
    }

    #[test]
    fn titles_that_have_the_words_as_written_are_better() {
        let query = suggestion("new yor", Some(&str::to_owned)).to_string();
        assert!(query.ends_with("OR (new PHRASE 2 yor)) OR (0posanchor PHRASE 3 new PHRASE 3 yor))"), "{query}");
        let query = suggestion("東京", Some(&str::to_owned)).to_string();
        assert!(
            query
                .ends_with("OR (京 PHRASE 3 東 PHRASE 3 東京)) OR (0posanchor PHRASE 4 京 PHRASE 4 東 PHRASE 4 東京))")
        );
    }
}
