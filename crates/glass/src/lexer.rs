//! Cuts a query into words, phrases and runs of characters, by the rules of Xapian's query parser.
//!
//! Words that are joined by `. - / : \ @` are a phrase; a run of a script without spaces becomes its
//! characters and pairs of neighbours. Each of the three is one [`Piece`].

use crate::chars::{infix, is_ignored, is_ngram, is_word, joins_phrase, prevents_stemming};

/// A word as it was written, after normalisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) position: u32,
}

/// What stands between separators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Word {
        word: Word,
        /// The character behind it says that it is to be searched as it was written.
        is_verbatim: bool,
        /// Nothing follows it: the person may not have finished typing.
        is_at_end: bool,
    },
    /// Two or more.
    Phrase(Vec<Word>),
    /// The characters of a run, and the pairs, each pair behind its first character.
    Ngrams { grams: Vec<Word> },
}

/// A query and how far it was read.
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    position: u32,
    before: Option<char>,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: text, position: 0, before: None }
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The character behind the next.
    pub(crate) fn peek_second(&self) -> Option<char> {
        self.rest.chars().nth(1)
    }

    /// The character before the next.
    pub(crate) const fn before(&self) -> Option<char> {
        self.before
    }

    pub(crate) fn skip(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next()?;
        self.rest = chars.as_str();
        self.before = Some(char);
        Some(char)
    }

    /// Goes over white space. Whether there was some.
    pub(crate) fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        while self.peek().is_some_and(char::is_whitespace) {
            self.skip();
        }
        self.rest.len() < before
    }

    /// How much of the whole text was read, in bytes.
    pub(crate) const fn offset(&self, whole: &str) -> usize {
        whole.len() - self.rest.len()
    }

    /// Goes over a word or a run that begins here, without reading it. Whether there is one.
    pub(crate) fn skip_word(&mut self) -> bool {
        let mut before: Option<char> = None;
        let is_run = self.peek().is_some_and(is_ngram);
        while let Some(char) = self.peek() {
            if is_word(char) && is_ngram(char) == is_run {
                before = Some(char);
            } else if is_run || before.is_none() {
                break;
            } else if !is_ignored(char) {
                let after = self.peek_second().filter(|&after| is_word(after) && !is_ngram(after));
                if before.zip(after).is_none_or(|(before, after)| infix(before, char, after).is_none()) {
                    break;
                }
            }
            self.skip();
        }
        if before.is_some() && !is_run {
            let after = self.rest.trim_start_matches(['+', '#']);
            if self.rest.len() - after.len() <= 3 && !after.starts_with(is_word) {
                self.rest = after;
            }
        }
        before.is_some()
    }

    /// The piece that begins here, if a word does.
    pub(crate) fn piece(&mut self) -> Option<Piece> {
        let first = self.peek().filter(|&char| is_word(char))?;
        if is_ngram(first) {
            return Some(Piece::Ngrams { grams: self.grams() });
        }
        let word = self.word();
        let is_verbatim = self.peek().is_some_and(prevents_stemming);
        let is_at_end = self.rest.is_empty();
        let mut words = vec![word];
        while let Some(joined) = self.joined() {
            words.push(joined);
        }
        if words.len() > 1 {
            return Some(Piece::Phrase(words));
        }
        let word = words.pop()?;
        Some(Piece::Word { word, is_verbatim, is_at_end })
    }

    /// A word that is joined to the one before.
    fn joined(&mut self) -> Option<Word> {
        let after = self.rest.trim_start_matches(joins_phrase);
        let first = after.chars().next()?;
        if after.len() == self.rest.len() || !is_word(first) || is_ngram(first) {
            return None;
        }
        self.before = self.rest.strip_suffix(after)?.chars().next_back();
        self.rest = after;
        Some(self.word())
    }

    /// Goes over what could have joined a phrase but does not.
    pub(crate) fn skip_joints(&mut self) {
        while self.peek().is_some_and(joins_phrase) {
            self.skip();
        }
    }

    fn word(&mut self) -> Word {
        let mut text = String::new();
        while let Some(char) = self.peek() {
            if is_ignored(char) {
                self.skip();
            } else if is_word(char) && !is_ngram(char) {
                text.extend(char.to_lowercase());
                self.skip();
            } else {
                let Some(after) = self.peek_second().filter(|&after| is_word(after) && !is_ngram(after)) else { break };
                let Some(kept) = text.chars().next_back().and_then(|before| infix(before, char, after)) else { break };
                text.push(kept);
                self.skip();
            }
        }
        self.take_suffix(&mut text);
        self.position += 1;
        Word { text, position: self.position }
    }

    /// `c++`, `c#`: up to three of them belong to the word, unless they stand between words.
    fn take_suffix(&mut self, text: &mut String) {
        let after = self.rest.trim_start_matches(['+', '#']);
        let Some(suffix) = self.rest.strip_suffix(after).filter(|suffix| (1..=3).contains(&suffix.len())) else {
            return;
        };
        if !after.starts_with(is_word) {
            text.push_str(suffix);
            self.before = suffix.chars().next_back();
            self.rest = after;
        }
    }

    fn grams(&mut self) -> Vec<Word> {
        self.position += 1;
        let position = self.position;
        let mut grams = Vec::new();
        let mut last: Option<char> = None;
        while let Some(char) = self.peek().filter(|&char| is_ngram(char) && is_word(char)) {
            self.skip();
            let char: String = char.to_lowercase().collect();
            if let Some(last) = last {
                grams.push(Word { text: format!("{last}{char}"), position });
            }
            last = char.chars().next();
            grams.push(Word { text: char, position });
        }
        grams
    }
}
