//! What was written, before anything is known about its meaning: every file format becomes this.

/// A value and the line it starts on, counted from 1.
///
/// No `Debug`: the tree holds secrets.
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no name stands twice.
    Map(Vec<Entry>),
}

/// A key and its value.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

/// What makes a text no tree.
pub(crate) struct Flaw {
    pub(crate) line: usize,
    /// Where in the tree; empty for the top and for what is no matter of one key.
    pub(crate) key: String,
    pub(crate) message: String,
}

/// The path of a key below another, as errors name it.
pub(crate) fn below(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    let name = if plain { name.to_owned() } else { quoted(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A text in quotes for a message: control characters escaped, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((at, _)) => format!("{:?}", format!("{}…", text.get(..at).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_quote_names_that_are_no_words() {
        assert_eq!(below("", "auth"), "auth");
        assert_eq!(below("mcpServers", "my.server"), "mcpServers.\"my.server\"");
        assert_eq!(below("a", "x\ny"), "a.\"x\\ny\"");
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(quoted("short"), "\"short\"");
        assert_eq!(quoted(&"é".repeat(500)).chars().count(), 83);
    }
}
