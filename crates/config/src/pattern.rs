//! Patterns of policy and limits, as far as their form goes: the gate compiles them.
//!
//! The errors of this module continue a sentence that the value begins.

use crate::error::Invalid;
use crate::nearest::did_you_mean;

/// What a pattern can be about.
const KINDS: [&str; 4] = ["tool", "prompt", "resource", "method"];

/// Checks a pattern: `server/*`, or `server/kind:glob` with the kind `tool`, `prompt`, `resource` or
/// `method`. The server may have wildcards, too.
pub fn check_pattern(text: &str) -> Result<(), Invalid> {
    pattern(text).map_err(|problem| Invalid::of(text, &problem))
}

pub(crate) fn pattern(text: &str) -> Result<(), String> {
    const ADVICE: &str = "write server/* or server/kind:name with the kind tool, prompt, resource or method";
    let Some((server, what)) = text.split_once('/') else {
        return Err(format!("does not say what of the server; {ADVICE}"));
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*' | '?');
    if server.is_empty() || !server.chars().all(in_name) {
        return Err(format!("names no server; {ADVICE}"));
    }
    if what == "*" {
        return Ok(());
    }
    let Some((kind, name)) = what.split_once(':') else {
        return Err(format!("has no kind; {ADVICE}"));
    };
    if !KINDS.contains(&kind) {
        let hint = did_you_mean(kind, KINDS);
        return Err(if hint.is_empty() {
            format!("has an unknown kind; {ADVICE}")
        } else {
            format!("has an unknown kind{hint}")
        });
    }
    if name.trim().is_empty() {
        return Err(format!("names no {kind}; write {kind}:* for all"));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err("has white space around it or control characters in it; take them out".to_owned());
    }
    Ok(())
}

/// The server a pattern is about, if it is one.
pub(crate) fn server_of(pattern: &str) -> Option<&str> {
    let (server, _) = pattern.split_once('/')?;
    (!server.contains(['*', '?'])).then_some(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_a_server_a_kind_and_a_name() {
        for good in [
            "wiki/*",
            "*/*",
            "wiki/tool:zim_*",
            "wiki/prompt:x",
            "wiki/resource:zim://a/b:c",
            "wiki/method:tools/call",
            "w*/tool:a b",
        ] {
            assert_eq!(pattern(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "wiki",
            "wiki/",
            "/tool:x",
            "/*",
            "wiki/zim_*",
            "wiki/tool:",
            "wiki/tools:x",
            "wiki/**",
            "a b/*",
            "wiki/tool: x",
            "wiki/tool:x\n",
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_kind_is_answered_with_the_nearest() {
        assert_eq!(pattern("wiki/tools:x"), Err("has an unknown kind; did you mean \"tool\"?".to_owned()));
    }
}
