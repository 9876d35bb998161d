//! Mends a question before it is answered: what clients leak into it, and words that are written wrong.

use crate::settings::Rewrite;
use std::collections::{HashMap, HashSet};
use std::path::Path;

const MISSPELLINGS: &str = include_str!("misspellings.txt");
/// Words that are known to be written wrong, at most.
const MAX_WORDS: usize = 500;

/// Words that are often written wrong.
#[derive(Debug)]
pub(crate) struct Misspellings(HashMap<String, String>);

impl Misspellings {
    /// Those of the settings, or ours. Reads files.
    pub(crate) fn of(settings: &Rewrite) -> Self {
        if !settings.enabled {
            return Self(HashMap::new());
        }
        let own = settings.misspellings.as_deref().and_then(read_file);
        let mut words = own.unwrap_or_else(|| pairs(MISSPELLINGS));
        let exclusions = settings.exclusions.as_deref().and_then(|path| match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the list of words that stay as they are cannot be read");
                None
            }
        });
        if let Some(text) = exclusions {
            let excluded: HashSet<String> = text.split_whitespace().map(str::to_lowercase).collect();
            words.retain(|wrong, _| !excluded.contains(wrong));
        }
        Self(words)
    }

    /// The text with its wrong words mended, unless `is_title` knows them; nothing if there is nothing to mend.
    pub(super) fn mend(&self, text: &str, is_title: impl Fn(&str) -> bool) -> Option<String> {
        let mut mended = false;
        let words: Vec<String> = text
            .split(' ')
            .map(|word| match self.0.get(&word.to_lowercase()) {
                Some(right) if !is_title(word) => {
                    mended = true;
                    right.clone()
                }
                _ => word.to_owned(),
            })
            .collect();
        mended.then(|| words.join(" "))
    }
}

fn read_file(path: &Path) -> Option<HashMap<String, String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => match serde_json::from_str::<HashMap<String, String>>(&text) {
            Ok(words) => {
                Some(words.into_iter().take(MAX_WORDS).map(|(wrong, right)| (wrong.to_lowercase(), right)).collect())
            }
            Err(_) => Some(pairs(&text)),
        },
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the list of misspellings cannot be read");
            None
        }
    }
}

fn pairs(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('=')).take(MAX_WORDS);
    pairs.map(|(wrong, right)| (wrong.trim().to_lowercase(), right.trim().to_owned())).collect()
}

/// Without arguments that a client wrote into the question (` limit=5`), and without thanks.
pub(super) fn without_leaks(question: &str) -> String {
    const LEAKED: [&str; 6] =
        ["limit=", "offset=", "content_offset=", "compact=", "max_content_length=", "zim_file_path="];
    const POLITE: [&str; 6] = [" please", " thanks", " thank you", " pls", " for me", " thx"];
    let kept: Vec<&str> = question
        .split(' ')
        .filter(|word| !LEAKED.iter().any(|leak| word.trim_start_matches(',').starts_with(leak)))
        .collect();
    let mut text = kept.join(" ").trim().trim_end_matches(',').to_owned();
    while let Some(polite) = POLITE.iter().find(|polite| text.to_lowercase().ends_with(**polite)) {
        text.truncate(text.len() - polite.len());
        let end = text.trim_end_matches([',', ' ', '.']).len();
        text.truncate(end);
    }
    let lower = text.to_lowercase();
    for polite in ["please ", "could you ", "can you ", "would you ", "please, "] {
        if lower.starts_with(polite) {
            text = text.get(polite.len()..).unwrap_or_default().trim_start().to_owned();
            break;
        }
    }
    text
}

/// Without the article that a topic begins with.
pub(super) fn without_article(topic: &str) -> Option<&str> {
    let (first, rest) = topic.split_once(' ')?;
    ["the", "a", "an", "of"].contains(&first.to_lowercase().as_str()).then(|| rest.trim())
}

/// "population of Berlin", "Berlin's population": the thing, and what of it is asked for.
pub(super) fn parts(topic: &str) -> Option<(String, String)> {
    for mark in ["'s ", "’s "] {
        if let Some((entity, attribute)) = topic.split_once(mark) {
            return Some((entity.trim().to_owned(), attribute.trim().to_owned()));
        }
    }
    let lower = topic.to_lowercase();
    for mark in [" of ", " in ", " from "] {
        if let Some(at) = lower.rfind(mark)
            && lower.len() == topic.len()
        {
            let (attribute, entity) = (topic.get(..at)?.trim(), topic.get(at + mark.len()..)?.trim());
            if !attribute.is_empty() && !entity.is_empty() {
                let entity = without_article(entity).unwrap_or(entity);
                return Some((entity.to_owned(), without_article(attribute).unwrap_or(attribute).to_owned()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_mended_but_not_their_paths() {
        assert_eq!(without_leaks("search for cats limit=5, please"), "search for cats");
        assert_eq!(without_leaks("Could you show main page? "), "show main page?");
        let words = Misspellings::of(&Rewrite { enabled: true, misspellings: None, exclusions: None });
        assert_eq!(words.mend("the Enviroment", |_| false).unwrap(), "the environment");
        assert_eq!(words.mend("Seperate", |word| word == "Seperate"), None);
        assert_eq!(words.mend("I/Logo.PNG", |_| false), None);
        let told = |entity: &str, attribute: &str| Some((entity.to_owned(), attribute.to_owned()));
        assert_eq!(parts("the population of the Netherlands"), told("Netherlands", "population"));
        assert_eq!(parts("Berlin's history"), told("Berlin", "history"));
        assert_eq!((parts("Berlin"), without_article("The Wall")), (None, Some("Wall")));
    }
}
