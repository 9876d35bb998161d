//! What somebody probably meant.

/// The known word that is nearest to an unknown one, if one is near. Case and separators do not
/// count, so that `bodyLimit` finds `body_limit`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, found) = known
        .into_iter()
        .filter(|other| word.len().abs_diff(other.len()) <= 4)
        .map(|other| (strsim::osa_distance(&plain(word), &plain(other)), other))
        .min_by_key(|(distance, _)| *distance)?;
    let length = plain(word).chars().count().max(plain(found).chars().count());
    (distance
        <= if length < 4 {
            1
        } else if length < 9 {
            2
        } else {
            3
        })
    .then_some(found)
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// `"a", "b" and "c"`, for messages.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.into_iter().map(crate::tree::quoted).collect();
    let Some(last) = words.pop() else { return "none".to_owned() };
    if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["listen", "policy", "body_limit", "mcpServers", "sse"];
        assert_eq!(nearest("polcy", known), Some("policy"));
        assert_eq!(nearest("bodyLimit", known), Some("body_limit"));
        assert_eq!(nearest("mcp_servers", known), Some("mcpServers"));
        assert_eq!(nearest("servers", known), Some("mcpServers"));
        assert_eq!(nearest("globalShortcut", known), None);
        assert_eq!(nearest("env", known), None);
        assert_eq!(nearest("", known), None);
    }
}
