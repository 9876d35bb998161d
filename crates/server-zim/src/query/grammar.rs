//! The grammar of intents: patterns of words, read from a text that stands beside this file and explains itself.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::LazyLock;

const INTENTS: &str = include_str!("intents.txt");
/// Steps of one match; a pattern that needs more does not match.
const STEPS: usize = 100_000;
/// Words that `*` passes over.
const SKIPPED: usize = 4;

/// The intents by their names in the grammar. Each has its answer in `answers.rs`, and all are in `intents.txt`.
macro_rules! intents {
    ($($intent:ident = $name:literal),* $(,)?) => {
        /// What a question can mean.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Intent { $($intent),* }

        impl Intent {
            const ALL: &[Self] = &[$(Self::$intent),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$intent => $name),* }
            }
        }
    };
}

intents! {
    ListFiles = "list_files",
    Metadata = "metadata",
    MainPage = "main_page",
    ListNamespaces = "list_namespaces",
    WalkNamespace = "walk_namespace",
    Browse = "browse",
    GetSection = "get_section",
    Toc = "toc",
    Structure = "structure",
    Summary = "summary",
    Binary = "binary",
    InboundLinks = "inbound_links",
    Related = "related",
    Links = "links",
    Suggestions = "suggestions",
    SearchAll = "search_all",
    FilteredSearch = "filtered_search",
    FindByTitle = "find_by_title",
    GetEntries = "get_zim_entries",
    GetArticle = "get_article",
    TellMeAbout = "tell_me_about",
    Search = "search",
}

/// An intent, and the ways of saying it.
pub(super) struct Ways {
    pub(super) intent: Intent,
    pub(super) confidence: f64,
    specificity: f64,
    patterns: Vec<Vec<Part>>,
}

impl Ways {
    pub(super) fn score(&self) -> f64 {
        self.confidence * 0.7 + self.specificity / 10.0 * 0.3
    }
}

enum Part {
    Word(String),
    Group {
        ways: Vec<Vec<Self>>,
        optional: bool,
    },
    Skip,
    /// A name, and how the words have to end.
    Capture(&'static str, Option<&'static str>),
}

/// A word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// In lower case, without quotes and what ends a sentence.
    pub(super) word: String,
    pub(super) is_quoted: bool,
    /// Where it stands in the question.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Captured words: the first token and the one after the last.
pub(super) type Captures = BTreeMap<&'static str, (usize, usize)>;

pub(super) fn intents() -> &'static [Ways] {
    static ALL: LazyLock<Vec<Ways>> = LazyLock::new(|| read(INTENTS));
    &ALL
}

fn read(text: &'static str) -> Vec<Ways> {
    let mut intents: Vec<Ways> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            if let Some(intent) = intents.last_mut() {
                intent
                    .patterns
                    .push(pattern(&mut line.trim().chars().peekable(), line, false).pop().unwrap_or_default());
            }
            continue;
        }
        let mut fields = line.split_whitespace();
        let (name, confidence, specificity) = (fields.next(), fields.next(), fields.next());
        let number = |field: Option<&str>| field.and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let (confidence, specificity) = (number(confidence), number(specificity));
        let intent = Intent::ALL.iter().find(|intent| Some(intent.name()) == name);
        intents.extend(intent.map(|intent| Ways { intent: *intent, confidence, specificity, patterns: Vec::new() }));
    }
    intents
}

/// The ways of a group, up to its end; the whole line is a group of one way.
fn pattern(chars: &mut Peekable<Chars<'_>>, line: &'static str, in_group: bool) -> Vec<Vec<Part>> {
    let mut ways = vec![Vec::new()];
    while let Some(c) = chars.next() {
        let part = match c {
            ' ' => continue,
            ']' | ')' if in_group => break,
            '|' if in_group => {
                ways.push(Vec::new());
                continue;
            }
            '[' | '(' => Part::Group { ways: pattern(chars, line, true), optional: c == '[' },
            '*' => Part::Skip,
            '<' => {
                let mut name = String::new();
                for c in chars.by_ref().take_while(|c| *c != '>') {
                    name.push(c);
                }
                // Names are few, and live as long as the text they stand in.
                let place = line.find(&format!("<{name}>")).map_or(0, |at| at + 1);
                let name: &'static str = line.get(place..place + name.len()).unwrap_or_default();
                match name.split_once(':') {
                    Some((name, kind)) => Part::Capture(name, Some(kind)),
                    None => Part::Capture(name, None),
                }
            }
            c => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| !matches!(c, ' ' | '[' | ']' | '(' | ')' | '|' | '<')) {
                    word.push(c);
                }
                Part::Word(word)
            }
        };
        if let Some(way) = ways.last_mut() {
            way.push(part);
        }
    }
    ways
}

/// The words of a question. Quoted text is one.
pub(super) fn tokens(question: &str) -> Vec<Token> {
    const QUOTES: [(char, char); 4] = [('"', '"'), ('“', '”'), ('«', '»'), ('„', '“')];
    let mut tokens = Vec::new();
    let mut letters = question.char_indices().peekable();
    while let Some((start, c)) = letters.next() {
        if c.is_whitespace() {
            continue;
        }
        if let Some((_, close)) = QUOTES.iter().find(|(open, _)| *open == c)
            && let Some(length) = question.get(start + c.len_utf8()..).and_then(|rest| rest.find(*close))
        {
            let inner = start + c.len_utf8();
            let end = inner + length;
            let word = question.get(inner..end).unwrap_or_default().to_lowercase();
            while letters.next_if(|(at, _)| *at <= end).is_some() {}
            tokens.push(Token { word, is_quoted: true, start: inner, end });
            continue;
        }
        let mut end = start + c.len_utf8();
        while let Some((at, c)) = letters.next_if(|(_, c)| !c.is_whitespace()) {
            end = at + c.len_utf8();
        }
        let text = question.get(start..end).unwrap_or_default();
        let word = text.trim_matches(['.', '?', '!', ',', ';', ':']).to_lowercase();
        if !word.is_empty() {
            tokens.push(Token { word, is_quoted: false, start, end });
        }
    }
    tokens
}

impl Ways {
    /// What is captured, if the question is said in one of the ways.
    pub(super) fn matched(&self, tokens: &[Token]) -> Option<Captures> {
        self.patterns.iter().find_map(|pattern| {
            let mut run = Run { tokens, captures: Captures::new(), steps: STEPS };
            run.matches(pattern, None, 0).then_some(run.captures)
        })
    }
}

struct Run<'a> {
    tokens: &'a [Token],
    captures: Captures,
    steps: usize,
}

/// What comes after a group.
struct Rest<'a> {
    parts: &'a [Part],
    next: Option<&'a Self>,
}

impl Run<'_> {
    fn matches(&mut self, parts: &[Part], rest: Option<&Rest<'_>>, at: usize) -> bool {
        let Some(left) = self.steps.checked_sub(1) else { return false };
        self.steps = left;
        let Some((part, after)) = parts.split_first() else {
            return match rest {
                None => at == self.tokens.len(),
                Some(rest) => self.matches(rest.parts, rest.next, at),
            };
        };
        match part {
            Part::Word(word) => {
                let is_it = self.tokens.get(at).is_some_and(|token| !token.is_quoted && token.word == *word);
                is_it && self.matches(after, rest, at + 1)
            }
            Part::Group { ways, optional } => {
                let then = Rest { parts: after, next: rest };
                ways.iter().any(|way| self.matches(way, Some(&then), at))
                    || (*optional && self.matches(after, rest, at))
            }
            Part::Skip => {
                (0..=SKIPPED).any(|count| at + count <= self.tokens.len() && self.matches(after, rest, at + count))
            }
            Part::Capture(name, kind) => {
                for end in at + 1..=self.tokens.len() {
                    let ends_right = kind.is_none_or(|kind| {
                        self.tokens.get(end - 1).is_some_and(|token| token.word.ends_with(&format!(".{kind}")))
                    });
                    if !ends_right {
                        continue;
                    }
                    let before = self.captures.insert(name, (at, end));
                    if self.matches(after, rest, end) {
                        return true;
                    }
                    match before {
                        Some(before) => self.captures.insert(name, before),
                        None => self.captures.remove(name),
                    };
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_read_and_every_intent_has_ways_of_saying_it() {
        let all = intents();
        // Each name of the grammar is an intent's, and each intent stands in it once.
        let written = INTENTS.lines().filter(|line| line.starts_with(|c: char| c.is_alphabetic()));
        let written: Vec<_> = written.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(all.iter().map(|ways| ways.intent.name()).collect::<Vec<_>>(), written);
        for intent in Intent::ALL {
            assert_eq!(written.iter().filter(|name| **name == intent.name()).count(), 1, "{intent:?}");
        }
        for ways in all {
            assert!(!ways.patterns.is_empty() && ways.confidence > 0.5, "{:?}", ways.intent);
        }
    }

    #[test]
    fn a_question_of_any_length_is_matched_in_bounded_time() {
        let long = tokens(&"of the section ".repeat(500));
        for intent in intents() {
            intent.matched(&long);
        }
    }

    #[test]
    fn quoted_text_is_one_word() {
        let words: Vec<_> = tokens("get \"A b c\" «d e», now?").into_iter().map(|t| (t.word, t.is_quoted)).collect();
        let told = |word: &str, quoted| (word.to_owned(), quoted);
        assert_eq!(words, [told("get", false), told("a b c", true), told("d e", true), told("now", false)]);
    }
}
