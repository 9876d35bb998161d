//! Names of containers, networks and volumes.

use crate::fault::Fault;

/// Bytes of a name.
const LONGEST: usize = 255;

/// A name or an id, as the engine allows them: nothing in it can leave its place in a path.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.len() <= LONGEST
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn checked<'a>(what: &str, text: &'a str) -> Result<&'a str, Fault> {
    if is_name(text) {
        return Ok(text);
    }
    let shown: String = text.chars().take(64).filter(|c| !c.is_control()).collect();
    Err(Fault::new(format!(
        "{shown:?} is no name or id of a {what}; those begin with a letter or digit and have letters, digits, _, . and - ({LONGEST} at most)."
    )))
}

/// A container by name (a `/` before it counts as none) or id.
pub(crate) fn container(text: &str) -> Result<&str, Fault> {
    checked("container", text.trim().trim_start_matches('/'))
}

pub(crate) fn network(text: &str) -> Result<&str, Fault> {
    checked("network", text.trim())
}

pub(crate) fn volume(text: &str) -> Result<&str, Fault> {
    checked("volume", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_engines_and_nothing_else() {
        assert_eq!(container("/web_1.a-b").unwrap(), "web_1.a-b");
        for wrong in ["", "..", "../x", "a b", "a/b", "-x", "a\n", &"x".repeat(256), "ä"] {
            if wrong == "a\n" {
                assert_eq!(container(wrong).unwrap(), "a");
                continue;
            }
            assert!(container(wrong).is_err(), "{wrong:?}");
        }
    }
}
