//! As much of RFC 3986 as references inside one schema need: nothing is ever fetched, so a uri is
//! only a name that has to come out equal wherever it is written.

/// A reference cut at its fragment.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// `reference`, which has no fragment, resolved against `base` (section 5.2, without the rarer
/// corners of queries).
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let scheme_end = if has_scheme(base) { base.find(':').map_or(0, |at| at + 1) } else { 0 };
    let (scheme, rest) = base.split_at(scheme_end);
    if reference.starts_with("//") {
        return format!("{scheme}{reference}");
    }
    let path_start = if let Some(authority) = rest.strip_prefix("//") {
        2 + authority.find('/').unwrap_or(authority.len())
    } else {
        0
    };
    let (authority, path) = rest.split_at(path_start);
    let path = if reference.starts_with('/') {
        without_dots(reference)
    } else {
        let folder = path.rfind('/').map_or("", |at| path.get(..=at).unwrap_or_default());
        let slash = if folder.is_empty() && !authority.is_empty() { "/" } else { "" };
        without_dots(&format!("{slash}{folder}{reference}"))
    };
    format!("{scheme}{authority}{path}")
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                // The first part of an absolute path is empty and stays.
                if kept.len() > usize::from(path.starts_with('/')) {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_as_rfc_3986_says() {
        for (base, reference, expected) in [
            ("http://a/b/c/d", "g", "http://a/b/c/g"),
            ("http://a/b/c/d", "./g", "http://a/b/c/g"),
            ("http://a/b/c/d", "g/", "http://a/b/c/g/"),
            ("http://a/b/c/d", "/g", "http://a/g"),
            ("http://a/b/c/d", "//g", "http://g"),
            ("http://a/b/c/d", "..", "http://a/b/"),
            ("http://a/b/c/d", "../../../g", "http://a/g"),
            ("http://a/b/c/d", "", "http://a/b/c/d"),
            ("http://a", "g", "http://a/g"),
            ("urn:example:root", "urn:example:x", "urn:example:x"),
            ("", "item.json", "item.json"),
            ("folder/root.json", "item.json", "folder/item.json"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} {reference}");
        }
    }
}
