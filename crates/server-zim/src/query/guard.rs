//! What is no question, and what is several.

use super::grammar::tokens;
use super::question::said;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that say nothing by themselves.
static FILLER: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("filler.txt").split_whitespace().collect());
/// Connectors of two requests.
const CHAINS: [&str; 9] = [" and then ", " then ", " after that ", ";", " also ", " plus ", " -> ", " → ", ". "];
/// Connectors of several things.
const LISTS: [&str; 6] = [",", " and ", " or ", " & ", " vs ", " / "];

/// Words that say nothing at all: "test this tool".
pub(super) fn is_filler(question: &str) -> bool {
    let tokens = tokens(question);
    let is_lower = !question.chars().any(char::is_uppercase);
    is_lower
        && tokens.len() <= 8
        && !tokens.is_empty()
        && tokens.iter().all(|t| !t.is_quoted && FILLER.contains(t.word.as_str()))
}

/// Two requests in one: each half is a request by itself.
pub(super) fn chained(question: &str) -> Option<(String, String)> {
    let lower = question.to_lowercase();
    if lower.len() != question.len() || question.contains('"') {
        return None;
    }
    for connector in CHAINS {
        for (at, _) in lower.match_indices(connector) {
            let (left, right) = (question.get(..at)?.trim(), question.get(at + connector.len()..)?.trim());
            // A sentence that goes on is no other request.
            let begins = connector != ". " || right.starts_with(char::is_uppercase);
            let right = right.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if begins && is_request(left) && is_request(right) {
                return Some((left.trim_end_matches(',').to_owned(), right.to_owned()));
            }
        }
    }
    None
}

/// It is said as a request, and by a verb that begins one.
fn is_request(text: &str) -> bool {
    const VERBS: [&str; 26] = [
        "list",
        "show",
        "get",
        "find",
        "search",
        "browse",
        "tell",
        "describe",
        "explain",
        "summarize",
        "summarise",
        "walk",
        "fetch",
        "read",
        "give",
        "look",
        "open",
        "display",
        "what",
        "who",
        "metadata",
        "links",
        "suggestions",
        "summary",
        "toc",
        "structure",
    ];
    let first = tokens(text).into_iter().next();
    first.is_some_and(|first| VERBS.contains(&first.word.as_str())) && said(text).is_some()
}

/// Three things or more, of which one could be answered: "apples, oranges and pears".
pub(super) fn several(topic: &str) -> Option<Vec<String>> {
    let mut parts = vec![topic.to_owned()];
    for connector in LISTS {
        parts = parts.iter().flat_map(|part| part.split(connector).map(str::to_owned).collect::<Vec<_>>()).collect();
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|part| part.trim().trim_start_matches("and ").trim_start_matches("or ").trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let are_names = parts.iter().all(|part| part.split_whitespace().count() <= 4);
    (parts.len() >= 3 && are_names).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filler_chains_and_lists_are_told_from_questions() {
        assert!(is_filler("test this tool") && is_filler("hello"));
        assert!(!is_filler("test Berlin") && !is_filler("photosynthesis") && !is_filler(""));
        let (left, right) = chained("tell me about Berlin then list namespaces").unwrap();
        assert_eq!((left.as_str(), right.as_str()), ("tell me about Berlin", "list namespaces"));
        assert!(chained("search for cats; show main page").is_some());
        for one in ["tell me about now and then", "who was first and then second", "search for salt and also pepper"] {
            assert_eq!(chained(one), None, "{one}");
        }
        assert_eq!(several("apples, oranges and pears").unwrap(), ["apples", "oranges", "pears"]);
        assert_eq!(several("salt and pepper"), None);
    }
}
