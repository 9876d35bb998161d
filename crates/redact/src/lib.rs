//! What is hidden in text, in the audit and in what engines and strangers say: secrets by the name beside them
//! and by their shape.

mod unseen;

pub use unseen::{clean, is_unseen};

use regex::{Captures, Regex};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands where a secret was.
pub const HIDDEN: &str = "<REDACTED>";

/// Patterns are constants; a test compiles them all.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Names of variables, labels, options and members whose values are secret.
static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)(^|[^a-z]|db|root|user|admin|pg|smtp)pass($|[^a-z])|passw|passphrase|passcode|pwd($|[^a-z])|secret|token|credential|api[_.-]?key|access[_.-]?key|auth($|[^ho]|orization)|private|jwt|bearer|cookie|signature|session[_.-]?key|encryption[_.-]?key|signing[_.-]?key|conn(ection)?[_.-]?str|dsn($|[^a-z])",
    )
});

/// Secrets that are known by their shape, whatever stands beside them.
static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
        r"|\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}",
        r"|sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}",
        r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
        r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|hf_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
    ))
});

/// `scheme://user:password@`.
static URL_PASSWORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\x22<>]*):([^\s/@'\x22<>][^\s@'\x22<>]*)@"));

/// `Authorization: Bearer …`, and names of secrets with a value after `=` or `:`, as in commands and logs.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})|(\b[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)[\w.-]*[\x22']?\s*[=:]\s*[\x22']?)([^\s\x22',;&]+)",
    )
});

/// `--password x`, as in commands that are one text.
static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)((?:^|\s)--?[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]*\s+[\x22']?)([^\s\x22',;&|<>-][^\s\x22',;&|<>]*)",
    )
});

/// Whether what stands under this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    // A pattern that did not compile hides everything rather than nothing.
    SECRET_NAME.as_ref().is_none_or(|pattern| pattern.is_match(name))
}

/// Text without the secrets in it that are known by their shape.
pub fn secrets(text: &str) -> String {
    let all = (SHAPES.as_ref(), URL_PASSWORD.as_ref(), ASSIGNED.as_ref(), OPTION.as_ref());
    let (Some(shapes), Some(url), Some(assigned), Some(option)) = all else { return HIDDEN.to_owned() };
    // Most texts of an engine are short words and paths. What a pattern cannot do without is found sooner than that it
    // does not match.
    let has_space = text.bytes().any(|byte| byte.is_ascii_whitespace() || !byte.is_ascii());
    let mut text = Cow::Borrowed(text);
    if text.len() >= SHORTEST_SHAPE {
        change(&mut text, shapes, |_| HIDDEN.to_owned());
    }
    if text.contains("://") {
        change(&mut text, url, |found| format!("{}:{HIDDEN}@", found.get(1).map_or("", |user| user.as_str())));
    }
    if has_space || text.contains(['=', ':']) {
        change(&mut text, assigned, |found| match (found.get(1), found.get(3)) {
            (Some(scheme), _) => format!("{} {HIDDEN}", scheme.as_str()),
            (_, Some(name)) => format!("{}{HIDDEN}", name.as_str()),
            _ => HIDDEN.to_owned(),
        });
    }
    if has_space && text.contains('-') {
        change(&mut text, option, |found| format!("{}{HIDDEN}", found.get(1).map_or("", |name| name.as_str())));
    }
    text.into_owned()
}

/// Bytes of the shortest secret that is known by its shape alone.
const SHORTEST_SHAPE: usize = 15;

fn change(text: &mut Cow<'_, str>, pattern: &Regex, to: impl Fn(&Captures<'_>) -> String) {
    let changed = match pattern.replace_all(text, to) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    };
    if let Some(changed) = changed {
        *text = Cow::Owned(changed);
    }
}

/// The value that stands under a name, without its secrets.
pub fn value(name: &str, value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else if is_secret_name(name) {
        HIDDEN.to_owned()
    } else {
        secrets(value)
    }
}

/// `NAME=value`, without its secrets.
pub fn variable(entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, text)) => format!("{name}={}", value(name, text)),
        None => entry.to_owned(),
    }
}

/// Hides the secrets among the words of a command: `--password x` as well as `--password=x`.
pub fn words(items: &mut [Value]) {
    let mut hides = false;
    for item in items {
        let Value::String(word) = item else { continue };
        let option = word.starts_with('-').then_some(word.trim_start_matches('-'));
        if hides && option.is_none() {
            *word = HIDDEN.to_owned();
            hides = false;
            continue;
        }
        hides = false;
        match option.and_then(|option| option.split_once('=')) {
            Some((name, _)) if is_secret_name(name) => {
                *word = format!("{}={HIDDEN}", word.split('=').next().unwrap_or_default());
            }
            None if option.is_some_and(is_secret_name) => hides = true,
            _ => *word = secrets(&variable_like(word)),
        }
    }
}

/// A word that is an assignment.
fn variable_like(word: &str) -> Cow<'_, str> {
    match word.split_once('=') {
        Some((name, _)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            variable(word).into()
        }
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        for pattern in [&SECRET_NAME, &SHAPES, &URL_PASSWORD, &ASSIGNED, &OPTION] {
            assert!(pattern.is_some());
        }
    }

    #[test]
    fn names_of_secrets_are_known_and_others_are_not() {
        for name in [
            "DB_PASSWORD",
            "MYSQL_PWD",
            "passphrase",
            "API_KEY",
            "apikey",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AUTH",
            "REDIS_AUTH",
            "Authorization",
            "JWT",
            "PRIVATE_KEY",
            "PGPASSFILE_PASS",
            "SESSION_KEY",
            "SENTRY_DSN",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PATH", "HOME", "AUTHOR", "LANG", "GOPATH", "COMPASS", "KEYBOARD", "PORT", "AUTHORS"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_shape() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        for (text, gone) in [
            ("x ghp_0123456789abcdefghij0123456789abcdef y", "ghp_"),
            ("postgres://app:hunter2@db/x", "hunter2"),
            ("redis://:hunter2@cache:6379", "hunter2"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0x.c2lnbmF0dXJl", "eyJ"),
            (key, "MIIE"),
            ("Authorization: Bearer abcdefgh12345", "abcdefgh"),
            ("login password=hunter2 ok", "hunter2"),
            (r#"{"client_secret": "hunter2"}"#, "hunter2"),
            ("mysql --password hunter2 shop", "hunter2"),
            ("curl --api-key 'hunter2' x", "hunter2"),
            ("xoxb-0123456789", "0123"),
            ("bearer\u{a0}abcdefgh", "abcd"),
        ] {
            let hidden = secrets(text);
            assert!(hidden.contains(HIDDEN) && !hidden.contains(gone), "{hidden}");
        }
        for plain in [
            "https://example.com/a:b@c",
            "a sentence about tokens and passwords",
            "user@example.com",
            "12:30:00",
            "run --token --verbose",
        ] {
            assert_eq!(secrets(plain), plain);
        }
    }

    #[test]
    fn words_of_a_command_lose_the_one_after_the_option_and_the_one_in_it() {
        let mut all = serde_json::json!([
            "run",
            "--password",
            "hunter2",
            "--token=hunter2",
            "A_SECRET=hunter2",
            "--name",
            "x",
            1
        ]);
        words(all.as_array_mut().map_or(&mut [], Vec::as_mut_slice));
        let text = all.to_string();
        assert!(!text.contains("hunter2") && text.contains("\"--name\",\"x\",1"), "{text}");
    }
}
