//! What callers of the Docker server write: paths, references, ports, compose files.

use server_docker::parsers;

/// A path that is absolute has no way up any more, and reading it twice changes nothing.
pub fn mount(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(path) = parsers::lexical(text) else { return };
    assert!(path.is_absolute() && path.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
    let again = path.to_str().and_then(parsers::lexical);
    assert_eq!(again.as_deref(), Some(path.as_path()));
    // Rules of a `.dockerignore` read paths as well; what is in an excluded folder is excluded with it.
    let (rules, inner) = text.split_once('\n').unwrap_or((text, "a"));
    let out = parsers::ignore_matches(rules, inner);
    if out && !rules.contains('!') {
        assert!(parsers::ignore_matches(rules, &format!("{inner}/below")));
    }
}

/// A reference that is accepted stays in its place and is made of its parts.
pub fn image(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        parsers::image(text);
    }
}

/// Bindings that are accepted are what the engine reads, and under the loopback rule nothing else is bound.
pub fn port(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        parsers::port(text);
    }
}

/// No file harms the reader of compose files, and none passes that opens the host.
pub fn compose(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        parsers::compose(text);
    }
}
