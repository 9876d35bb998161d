//! Where a tool stands in a document and on the wire, and what it is called there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::HashMap;

/// First path segments, at the root or below a server, that mean something else than a tool. A tool
/// of such a name is served at `/tools/<tool>` only.
pub const RESERVED: [&str; 17] = [
    "",
    ".well-known",
    "docs",
    "favicon.ico",
    "health",
    "healthz",
    "index.html",
    "mcp",
    "messages",
    "metrics",
    "oauth",
    "openapi.json",
    "readyz",
    "redoc",
    "robots.txt",
    "sse",
    "tools",
];

/// What may stand in a segment as it is (RFC 3986, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether `POST /<tool>` cannot be the route of this tool.
pub fn is_reserved(tool: &str) -> bool {
    RESERVED.contains(&tool)
}

/// A name as one path segment: any name works, `/` and spaces included.
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

/// The name that a path segment stands for; `None` if it is not UTF-8.
pub fn name(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The path of a tool below its server (or the root): `/<tool>`, or `/tools/<tool>` for a reserved
/// word.
pub fn path(tool: &str) -> String {
    let folder = if is_reserved(tool) { "/tools" } else { "" };
    format!("{folder}/{}", segment(tool))
}

/// The `operationId` that mcpo (by FastAPI's rule) gives: `tool` and the path, every character that
/// is no word character replaced by `_`, and the method. Not yet unique, see [`Names`].
pub(crate) fn operation_id(server: Option<&str>, tool: &str) -> String {
    let mut id = String::from("tool_");
    let mut push = |part: &str| {
        id.extend(part.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }));
        id.push('_');
    };
    if let Some(server) = server {
        push(server);
    }
    if is_reserved(tool) {
        push("tools");
    }
    push(tool);
    id.push_str("post");
    id
}

/// A name for people: `_` is a space, and every word starts with a capital, as Python's
/// `str.title()` has it (`get-sum` is `Get-Sum`).
pub(crate) fn summary(tool: &str) -> String {
    let mut title = String::with_capacity(tool.len());
    let mut inside = false;
    for c in tool.chars() {
        match c {
            '_' => title.push(' '),
            c if inside => title.extend(c.to_lowercase()),
            c => title.extend(c.to_uppercase()),
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    title
}

/// Names that were given in one document: each once, and the same ones for the same input.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    /// `wanted`, or `wanted_2` and so on if it is taken.
    pub(crate) fn unique(&mut self, wanted: String) -> String {
        let Some(count) = self.0.get(&wanted) else {
            self.0.insert(wanted.clone(), 1);
            return wanted;
        };
        // Counting on from the last number keeps a thousand equal names linear.
        let mut count = *count;
        let name = loop {
            count += 1;
            let name = format!("{wanted}_{count}");
            if !self.0.contains_key(&name) {
                break name;
            }
        };
        self.0.insert(wanted, count);
        self.0.insert(name.clone(), 1);
        name
    }
}

/// A name for a component (OpenAPI 3.1.0, 4.8.7: `^[a-zA-Z0-9._-]+$`).
pub(crate) fn component(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn operations_are_named_as_mcpo_names_them() {
        assert_eq!(operation_id(None, "get_current_time"), "tool_get_current_time_post");
        assert_eq!(operation_id(None, "get-sum"), "tool_get_sum_post");
        assert_eq!(operation_id(None, "dot.name/slash x"), "tool_dot_name_slash_x_post");
        assert_eq!(operation_id(Some("time"), "docs"), "tool_time_tools_docs_post");
    }

    #[test]
    fn summaries_are_what_python_makes_of_a_name() {
        for (name, title) in [
            ("get_current_time", "Get Current Time"),
            ("get-sum", "Get-Sum"),
            ("getHTTPStatus", "Gethttpstatus"),
            ("3d_view2x", "3D View2X"),
            ("élan vital", "Élan Vital"),
        ] {
            assert_eq!(summary(name), title);
        }
    }

    #[test]
    fn reserved_words_move_below_tools() {
        assert_eq!(path("echo"), "/echo");
        assert_eq!(path("openapi.json"), "/tools/openapi.json");
        assert_eq!(path("a/b c"), "/a%2Fb%20c");
        assert_eq!(path("tools/x"), "/tools%2Fx");
        assert_eq!(path(""), "/tools/");
        assert_eq!(path("{id}"), "/%7Bid%7D");
    }

    #[test]
    fn equal_names_are_numbered() {
        let mut names = Names::default();
        let given: Vec<_> = ["a", "a", "a_2", "a", "b"].map(|n| names.unique(n.into())).into();
        assert_eq!(given, ["a", "a_2", "a_2_2", "a_3", "b"]);
    }

    proptest! {
        #[test]
        fn every_name_survives_a_path(tool in any::<String>()) {
            let segment = segment(&tool);
            let plain = |b: u8| b.is_ascii_graphic() && b != b'/' && b != 0x7b;
            prop_assert!(segment.bytes().all(plain));
            prop_assert_eq!(name(&segment), Some(tool));
        }
    }
}
