//! What a question means.

use super::grammar::{Captures, Intent, Token, intents, tokens};
use std::collections::BTreeMap;

/// What a question means, and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Meaning {
    pub(super) intent: Intent,
    pub(super) certainty: f64,
    /// What was captured: entry, topic, section, namespace, archive, type, entries.
    pub(super) about: BTreeMap<&'static str, String>,
}

impl Meaning {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.about.get(name).map(String::as_str)
    }
}

/// Finds what it means.
pub(super) fn read(question: &str) -> Meaning {
    said(question).unwrap_or_else(|| {
        let tokens = tokens(question);
        let topic = whole(question, &tokens);
        // A few words that are no request are a topic.
        let is_topic = tokens.len() <= 6 && !question.contains('?');
        let (intent, certainty) = if is_topic { (Intent::TellMeAbout, 0.7) } else { (Intent::Search, 0.5) };
        Meaning { intent, certainty, about: BTreeMap::from([("topic", topic)]) }
    })
}

/// What it means, if it is said in one of the ways of the grammar.
pub(super) fn said(question: &str) -> Option<Meaning> {
    let tokens = tokens(question);
    let mut best: Option<(f64, Intent, f64, Captures)> = None;
    for ways in intents() {
        if best.as_ref().is_some_and(|(score, ..)| *score >= ways.score()) {
            continue;
        }
        if let Some(captures) = ways.matched(&tokens) {
            best = Some((ways.score(), ways.intent, ways.confidence, captures));
        }
    }
    let (_, intent, mut certainty, captures) = best?;
    let about: BTreeMap<_, _> = captures
        .into_iter()
        .map(|(name, (from, to))| (name, captured(question, tokens.get(from..to).unwrap_or_default())))
        .collect();
    if certainty < 0.8 && !about.is_empty() {
        certainty = (certainty + 0.05_f64).min(0.85);
    }
    Some(Meaning { intent, certainty, about })
}

/// The words as they stand in the question; what is quoted in them, if something is.
fn captured(question: &str, tokens: &[Token]) -> String {
    let quoted: Vec<&Token> = tokens.iter().filter(|token| token.is_quoted).collect();
    match (quoted.as_slice(), tokens.first(), tokens.last()) {
        ([one], ..) => question.get(one.start..one.end).unwrap_or_default().to_owned(),
        (_, Some(first), Some(last)) => {
            // Several quoted ones are a list: quotes and all.
            let start = if first.is_quoted { first.start.saturating_sub(1) } else { first.start };
            let end = if last.is_quoted { last.end + 1 } else { last.end };
            plain(question.get(start..end).or_else(|| question.get(first.start..last.end)).unwrap_or_default())
        }
        _ => String::new(),
    }
}

fn whole(question: &str, tokens: &[Token]) -> String {
    captured(question, tokens)
}

/// Without what ends a sentence; a point after a single letter is part of it.
fn plain(text: &str) -> String {
    let text = text.trim().trim_end_matches(['?', '!', ',', ';', ':']);
    let without = text.strip_suffix('.').filter(|rest| {
        let last = rest.rsplit([' ', '.']).next().unwrap_or_default();
        last.chars().count() > 1
    });
    without.unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_mean_what_they_say() {
        // Question, intent, what is captured.
        for (question, intent, about) in [
            ("list available ZIM files", "list_files", ""),
            ("what archives do you have?", "list_files", ""),
            ("metadata for wikipedia.zim", "metadata", "wikipedia.zim"),
            ("show main page", "main_page", ""),
            ("list namespaces", "list_namespaces", ""),
            ("what namespaces are there", "list_namespaces", ""),
            ("browse namespace C", "browse", "C"),
            ("section History of Berlin", "get_section", "Berlin"),
            ("the History section of Berlin", "get_section", "Berlin"),
            ("section 3 of Berlin", "get_section", "Berlin"),
            ("show structure of Biology", "structure", "Biology"),
            ("table of contents of Biology", "toc", "Biology"),
            ("toc Biology", "toc", "Biology"),
            ("summary of Tiger", "summary", "Tiger"),
            ("summarize the article Tiger", "summary", "Tiger"),
            ("links in Berlin", "links", "Berlin"),
            ("get image \"I/x.png\"", "binary", "I/x.png"),
            ("get binary content from \"I/Logo.PNG\"", "binary", "I/Logo.PNG"),
            ("suggestions for bio", "suggestions", "bio"),
            ("search Berlin in namespace C", "filtered_search", "Berlin"),
            ("search wall in type text/html", "filtered_search", "wall"),
            ("fetch entries C/A C/B", "get_zim_entries", "C/A C/B"),
            ("get article Tiger", "get_article", "Tiger"),
            ("search all files for wall", "search_all", "wall"),
            ("search for wall in all archives", "search_all", "wall"),
            ("walk namespace M", "walk_namespace", "M"),
            ("find article titled Berlin Wall", "find_by_title", "Berlin Wall"),
            ("what's the path for Berlin?", "find_by_title", "Berlin"),
            ("articles related to Berlin", "related", "Berlin"),
            ("what links to Berlin", "inbound_links", "Berlin"),
            ("backlinks for Berlin", "inbound_links", "Berlin"),
            ("search for the Berlin wall", "search", "the Berlin wall"),
            ("find bridges", "search", "bridges"),
            ("tell me about Cats", "tell_me_about", "Cats"),
            ("Who was Ada Lovelace?", "tell_me_about", "Ada Lovelace"),
            ("what is the U.S.A.", "tell_me_about", "U.S.A."),
            ("explain photosynthesis to", "tell_me_about", "photosynthesis to"),
            ("biology", "tell_me_about", "biology"),
            (
                "why do cats always land on their feet when they fall",
                "tell_me_about",
                "cats always land on their feet when they fall",
            ),
            (
                "the best way that one could think of to reach it",
                "search",
                "the best way that one could think of to reach it",
            ),
        ] {
            let meaning = read(question);
            let keys = ["entry", "topic", "archive", "entries"];
            let got =
                keys.iter().find_map(|key| meaning.get(key)).or_else(|| meaning.get("namespace")).unwrap_or_default();
            assert_eq!((meaning.intent.name(), got), (intent, about), "{question}: {meaning:?}");
        }
        let section = read("section History of Berlin");
        assert_eq!((section.get("section"), section.certainty), (Some("History"), 0.95));
        assert_eq!(read("get article Tiger").certainty, 0.8);
        assert_eq!(read("walk namespace M").get("namespace"), Some("M"));
        assert_eq!(read("search Berlin in namespace C").get("namespace"), Some("C"));
    }
}
