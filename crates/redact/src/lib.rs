//! What is hidden in text, in the audit and in what engines and strangers say: secrets by the name beside them
//! and by their shape.

mod unseen;

pub use unseen::{clean, is_unseen};

use regex::{Captures, Regex, bytes};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands where a secret was.
pub const HIDDEN: &str = "<REDACTED>";

/// Patterns are constants; a test compiles them all.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Parts of names whose values are secret, wherever they stand in a name.
const CERTAIN: &str = r"passw|passphrase|passcode|secret|token|credential|(?:api|access|private)[_.-]?key";

/// The same, but things that are none are called by these, too: an image with its tag, a host with its port.
const LIKELY: &str =
    r"private|jwt|bearer|cookie|signature|(?:session|encryption|signing)[_.-]?key|conn(?:ection)?[_.-]?str";

/// The names of secrets, of variables, labels, options and members, as a pattern of a whole name that is made of
/// these characters. All that know a secret by its name are made of this.
fn names(of: &str) -> String {
    // Parts that are also within other words (compass, bypass, author) begin or end there.
    let begins = format!("(?:[{of}]*(?:[{of}--[a-z]]|db|root|user|admin|pg|smtp|require))?");
    let ends = format!("(?:[{of}--[a-z]][{of}]*)?");
    format!(
        "(?:[{of}]*(?:{CERTAIN}|{LIKELY})[{of}]*|{begins}pass{ends}|[{of}]*(?:pwd|dsn){ends}\
         |[{of}]*auth(?:[{of}--[ho]][{of}]*|orization[{of}]*)?)"
    )
}

/// Characters of names in text.
const IN_TEXT: &str = r"0-9A-Za-z_.\-";

/// Bytes, and ASCII alone where names are: with all of Unicode in it, a pattern is made so slowly that the first call of
/// a server waits for it.
static SECRET_NAME: LazyLock<Option<bytes::Regex>> =
    LazyLock::new(|| bytes::Regex::new(&format!("(?si-u)^{}$", names(r"\x00-\xff"))).ok());

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

/// `Bearer …`, as in headers.
static SCHEME: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?i)\b(bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})"));

/// Names of secrets with a value after `=` or `:`, as in commands and logs. A colon with nothing around it is also that
/// of tags and ports.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all = names(IN_TEXT);
    pattern(&format!(
        r#"(?i)((?-u:\b)(?:(?-u:{all})(?:["']?\s*:?=+>?|["']\s*:|\s*:\s)|(?-u:[{IN_TEXT}]*(?:{CERTAIN})[{IN_TEXT}]*)\s*:)\s*)("[^"\s][^"\n]*|'[^'\s][^'\n]*|(?:(?:bearer|basic|digest|negotiate)\s+)?[^\s"',;&]+)"#
    ))
});

/// `--password x`, as in commands that are one text.
static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all = names(IN_TEXT);
    pattern(&format!(r#"(?i)((?:^|\s)--?(?-u:{all})\s+)("[^"\s][^"\n]*|'[^'\s][^'\n]*|[^\s"',;&|<>-][^\s"',;&|<>]*)"#))
});

/// Whether what stands under this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    // A pattern that did not compile hides everything rather than nothing.
    SECRET_NAME.as_ref().is_none_or(|pattern| pattern.is_match(name.as_bytes()))
}

/// Text without the secrets in it that are known by their shape.
pub fn secrets(text: &str) -> String {
    // Most texts of an engine are short words and paths. What a pattern cannot do without is found sooner than that it
    // does not match.
    let has_space = text.bytes().any(|byte| byte.is_ascii_whitespace() || !byte.is_ascii());
    let mut text = Cow::Borrowed(text);
    if text.len() >= SHORTEST_SHAPE {
        change(&mut text, &SHAPES, |_| HIDDEN.to_owned());
    }
    if text.contains("://") {
        change(&mut text, &URL_PASSWORD, |found| {
            format!("{}:{HIDDEN}@", found.get(1).map_or("", |user| user.as_str()))
        });
    }
    if has_space {
        change(&mut text, &SCHEME, |found| format!("{} {HIDDEN}", found.get(1).map_or("", |scheme| scheme.as_str())));
    }
    if text.contains(['=', ':']) {
        change(&mut text, &ASSIGNED, hidden_value);
    }
    if has_space && text.contains('-') {
        change(&mut text, &OPTION, hidden_value);
    }
    text.into_owned()
}

/// What stands before the value, and the quote that it begins with.
fn hidden_value(found: &Captures<'_>) -> String {
    let part = |at| found.get(at).map_or("", |part| part.as_str());
    let quote = part(2).get(..1).filter(|first| matches!(*first, "\"" | "'")).unwrap_or_default();
    format!("{}{quote}{HIDDEN}", part(1))
}

/// Bytes of the shortest secret that is known by its shape alone.
const SHORTEST_SHAPE: usize = 15;

/// A pattern is made when it is first needed. One that did not compile hides everything rather than nothing.
fn change(text: &mut Cow<'_, str>, pattern: &LazyLock<Option<Regex>>, to: impl Fn(&Captures<'_>) -> String) {
    let Some(pattern) = pattern.as_ref() else {
        *text = Cow::Borrowed(HIDDEN);
        return;
    };
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
        assert!(SECRET_NAME.is_some());
        for pattern in [&SHAPES, &URL_PASSWORD, &SCHEME, &ASSIGNED, &OPTION] {
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
    fn what_is_secret_by_its_name_is_so_in_text_too() {
        for name in [
            "MYSQL_PWD",
            "DB_PASS",
            "SMTP_PASS",
            "SENTRY_DSN",
            "REDIS_AUTH",
            "requirepass",
            "SESSION_KEY",
            "JWT",
            "POSTGRES_CONNECTION_STRING",
            "GITHUB_TOKEN",
            "X-Auth",
            "signing.key",
        ] {
            assert!(is_secret_name(name), "{name}");
            for text in [
                format!("{name}=hunter2"),
                format!("|1 {name}=hunter2 HTTP_PORT=80 /bin/sh -c make"),
                format!("/bin/sh -c #(nop)  ENV {name}=hunter2"),
                format!("ENV {name}=\"hunter2 and hunter2\" PORT=80"),
                format!("{name}: hunter2, x"),
                format!(r#"{{"{name}":"hunter2","a":1}}"#),
                format!("{name} := 'hunter2'"),
                format!("run --{name} hunter2 x"),
                format!("run --{} 'hunter2 hunter2' x", name.to_ascii_lowercase()),
                format!("run --{name}=hunter2 x"),
            ] {
                let hidden = secrets(&text);
                assert!(hidden.contains(HIDDEN) && !hidden.contains("hunter2"), "{hidden}");
            }
        }
        for (text, hidden) in [
            ("Authorization: Basic aHVudGVyMg==", "Authorization: <REDACTED>"),
            ("curl -H 'X-Auth: hunter2' x", "curl -H 'X-Auth: <REDACTED>' x"),
            (r#"{"auth": "hunter2", "port": 80}"#, r#"{"auth": "<REDACTED>", "port": 80}"#),
            ("|1 SMTP_PASS=hunter2 PORT=80 /bin/sh -c x", "|1 SMTP_PASS=<REDACTED> PORT=80 /bin/sh -c x"),
        ] {
            assert_eq!(secrets(text), hidden);
        }
    }

    #[test]
    fn what_is_only_called_like_a_secret_stays() {
        for plain in [
            "PATH=/usr/bin:/bin AUTHOR=me COMPASS=north BYPASS=1 KEYBOARD=de",
            "AUTHORS: me",
            "run --compass north --author me --port 80",
            "reg.example:5000/team/auth:1.2 and http://auth:8080/ and private-registry:5000",
            "pull access denied, repository does not exist",
            "unauthorized: authentication required",
            "-e 'DB_PASS=' -e 'PORT=80'",
            "no password, no token; a private network - auth by cookie",
        ] {
            assert_eq!(secrets(plain), plain);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_secret_in_text_if_it_is_by_itself(
            before in "([A-Za-z0-9]{0,3}[_.-]?)?",
            part in "(?i)(db|root|x)?(pass|pwd|dsn|auth|token|secret|cookie|jwt|api_?key|author|compass|word)",
            after in "([_.-]?[A-Za-z0-9]{0,3})?",
        ) {
            let name = format!("{before}{part}{after}");
            // A name begins with a letter or a digit.
            if name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
                proptest::prop_assert_eq!(secrets(&format!("{name}=zzz")).ends_with(HIDDEN), is_secret_name(&name), "{}", name);
                proptest::prop_assert_eq!(secrets(&format!("--{name} zzz")).ends_with(HIDDEN), is_secret_name(&name), "{}", name);
            }
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
