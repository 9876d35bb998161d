//! What is hidden in text of the engine and of strangers: secrets by the name beside them and by their shape,
//! and characters that only steer a terminal or hide words from a person's eyes.

use regex::{Captures, Regex};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands where a secret was.
pub(crate) const HIDDEN: &str = "<REDACTED>";

/// Patterns are constants; a test compiles them all.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Names of variables, labels, options and members whose values are secret.
static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)(^|[^a-z]|db|root|user|admin|pg|smtp)pass($|[^a-z])|passw|passphrase|passcode|pwd($|[^a-z])|secret|token|credential|api[_.-]?key|access[_.-]?key|auth($|[^ho]|orization)|private|jwt|bearer|cookie|session[_.-]?key|encryption[_.-]?key|signing[_.-]?key|conn(ection)?[_.-]?str|dsn($|[^a-z])",
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

/// Whether what stands under this name is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    // A pattern that did not compile hides everything rather than nothing.
    SECRET_NAME.as_ref().is_none_or(|pattern| pattern.is_match(name))
}

/// Text without the secrets in it that are known by their shape.
pub(crate) fn secrets(text: &str) -> String {
    let (Some(shapes), Some(url), Some(assigned)) = (SHAPES.as_ref(), URL_PASSWORD.as_ref(), ASSIGNED.as_ref()) else {
        return HIDDEN.to_owned();
    };
    let text = shapes.replace_all(text, HIDDEN);
    let text = url.replace_all(&text, |found: &Captures<'_>| {
        format!("{}:{HIDDEN}@", found.get(1).map_or("", |user| user.as_str()))
    });
    let text = assigned.replace_all(&text, |found: &Captures<'_>| match (found.get(1), found.get(3)) {
        (Some(scheme), _) => format!("{} {HIDDEN}", scheme.as_str()),
        (_, Some(name)) => format!("{}{HIDDEN}", name.as_str()),
        _ => HIDDEN.to_owned(),
    });
    text.into_owned()
}

/// The value that stands under a name.
pub(crate) fn value(name: &str, value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else if is_secret_name(name) {
        HIDDEN.to_owned()
    } else {
        secrets(value)
    }
}

/// `NAME=value`.
pub(crate) fn variable(entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, text)) => format!("{name}={}", value(name, text)),
        None => entry.to_owned(),
    }
}

/// Words of a command: `--password x` as well as `--password=x`.
fn words(items: &mut [Value]) {
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

/// The members of what the engine says of a thing that are called like secrets and are none.
const PLAIN: [&str; 4] = ["AuthorizationPlugins", "Private", "PrivatePort", "Authorization"];

/// Everything in what the engine says of a thing.
pub(crate) fn attributes(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if !PLAIN.contains(&name) => *text = self::value(name, text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::Array(items) if name == "Env" => {
            for item in items {
                if let Value::String(entry) = item {
                    *entry = variable(entry);
                }
            }
        }
        Value::Array(items) => {
            if ["Cmd", "Entrypoint", "Args", "Test", "Shell", "Command"].contains(&name) {
                words(items);
            } else {
                items.iter_mut().for_each(|item| attributes(name, item));
            }
        }
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| attributes(name, value)),
    }
}

/// Text without what steers terminals (ECMA-48 sequences, C0 and C1 controls except newline and tab) and
/// without characters that a person does not see (bidirectional controls, zero-width characters, tags).
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unwanted) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                Some(_) => {
                    while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
                }
                None => {}
            },
            c if is_unwanted(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The characters of a control string that are passed over at most: one that never ends hides nothing behind it.
const LONGEST_STRING: usize = 4096;

/// To the end of a control string: BEL, ESC `\`, or the end of the line.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for _ in 0..LONGEST_STRING {
        match chars.peek() {
            None | Some('\n') => return,
            Some('\u{7}' | '\u{9c}') => {
                chars.next();
                return;
            }
            Some('\u{1b}') => {
                chars.next();
                chars.next_if_eq(&'\\');
                return;
            }
            Some(_) => {
                chars.next();
            }
        }
    }
}

const fn is_unwanted(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// All texts in a value, and the names of its members.
pub(crate) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = clean(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(members) => {
            if members.keys().any(|name| name.chars().any(is_unwanted)) {
                let all = std::mem::take(members);
                members.extend(all.into_iter().map(|(name, value)| (clean(&name).into_owned(), value)));
            }
            members.values_mut().for_each(clean_value);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_pattern_is_one() {
        for pattern in [&SECRET_NAME, &SHAPES, &URL_PASSWORD, &ASSIGNED] {
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
        ] {
            let hidden = secrets(text);
            assert!(hidden.contains(HIDDEN) && !hidden.contains(gone), "{hidden}");
        }
        for plain in
            ["https://example.com/a:b@c", "a sentence about tokens and passwords", "user@example.com", "12:30:00"]
        {
            assert_eq!(secrets(plain), plain);
        }
    }

    #[test]
    fn attributes_lose_their_secrets_and_keep_everything_else() {
        let mut value = json!({"Config": {
            "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "URL=postgres://a:hunter2@db"],
            "Cmd": ["run", "--password", "hunter2", "--token=hunter2", "--name", "x", "KEY_SECRET=hunter2"],
            "Labels": {"com.example.secret": "hunter2", "com.example.team": "web"},
            "Unknown": {"New": [1, true, null]}
        }, "HostConfig": {"LogConfig": {"Config": {"splunk-token": "hunter2", "max-size": "10m"}}}});
        attributes("", &mut value);
        let text = value.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        for kept in ["PATH=/bin", "--name", "\"x\"", "web", "10m", "[1,true,null]"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn nothing_steers_a_terminal_or_hides_from_the_eye() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(clean("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(clean("a\r\nb\rc\td"), "a\nb\nc\td");
        assert_eq!(clean("\u{1b}]0;never ends\nnext"), "\nnext");
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{e0041}d\u{feff}"), "abcd");
        assert!(matches!(clean("plain wörd 日本"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(text in "\\PC*|[\\x00-\\x7f\\x1b\\[\\]]{0,40}") {
            let once = clean(&text).into_owned();
            prop_assert!(once.chars().all(|c| !is_unwanted(c)));
            prop_assert_eq!(clean(&once), once.as_str());
        }
    }
}
