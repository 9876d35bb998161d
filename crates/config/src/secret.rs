//! Values that do not show themselves.

use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;

/// How a secret is shown.
pub(crate) const HIDDEN: &str = "[secret]";

/// A secret: its `Debug` is `[secret]`, it has no `Display`, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the value in.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The value itself. Not for messages.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A text that may have a secret in it, like a URL or an argument of a command: shown as it was
/// written (`--key=${env:KEY}`), used as it was completed. It has no `Display`.
#[derive(Clone)]
pub struct Text {
    value: SecretString,
    shown: Box<str>,
}

impl Text {
    /// A text that is shown as another.
    pub fn new(value: String, shown: impl Into<Box<str>>) -> Self {
        Self { value: SecretString::from(value), shown: shown.into() }
    }

    /// The text itself. Not for messages.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// What may be shown of it.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl From<&str> for Text {
    /// A text with nothing to hide.
    fn from(value: &str) -> Self {
        Self::new(value.to_owned(), value)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown(), f)
    }
}

/// The arguments of a command as they may be shown: people write secrets straight into them
/// (`--header "Authorization: Bearer …"`, `--api-key …`, `-e GITHUB_TOKEN=…`). A guess, on the safe
/// side: what looks like a secret, or follows an option that looks as if it took one, is hidden.
pub(crate) fn mask_arguments(written: &[String]) -> Vec<String> {
    let mut after_secret_option = false;
    written
        .iter()
        .map(|argument| {
            let option = argument.starts_with('-');
            let hide = after_secret_option && !option;
            after_secret_option = option && !argument.contains('=') && names_a_secret(argument);
            if hide {
                return HIDDEN.to_owned();
            }
            for between in ['=', ':'] {
                if let Some((name, value)) = argument.split_once(between)
                    && names_a_secret(name)
                    && !name.contains("${")
                    && !value.is_empty()
                    && !value.starts_with("//")
                    && !only_templates(value)
                {
                    return format!("{name}{between}{HIDDEN}");
                }
            }
            if argument.to_ascii_lowercase().contains("bearer ") && !argument.contains("${") {
                return HIDDEN.to_owned();
            }
            crate::url::mask(argument)
        })
        .collect()
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token",
        "secret",
        "password",
        "passwd",
        "apikey",
        "api-key",
        "api_key",
        "authorization",
        "credential",
        "access-key",
        "access_key",
        "private",
    ]
    .iter()
    .any(|word| name.contains(word))
        || name.ends_with("-key")
        || name.ends_with("_key")
}

/// Whether a text is only references to variables and files.
pub(crate) fn only_templates(text: &str) -> bool {
    text.starts_with("${") && text.ends_with('}') && text.matches('}').count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::from("s3cret")), "[secret]");
        assert_eq!(format!("{:?}", Text::new("k=s3cret".to_owned(), "k=${env:K}")), "\"k=${env:K}\"");
        assert_eq!(Secret::from("s3cret").expose(), "s3cret");
    }

    #[test]
    fn secrets_written_into_arguments_are_hidden() {
        let masked =
            |arguments: &[&str]| mask_arguments(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            masked(&["-y", "mcp-remote", "http://127.0.0.1:8000/mcp", "--header", "Authorization:Bearer abc"]),
            ["-y", "mcp-remote", "http://127.0.0.1:8000/mcp", "--header", "Authorization:[secret]"]
        );
        assert_eq!(
            masked(&["-e", "GITHUB_TOKEN=ghp", "-e", "TZ=UTC"]),
            ["-e", "GITHUB_TOKEN=[secret]", "-e", "TZ=UTC"]
        );
        assert_eq!(masked(&["--api-key", "abc", "x"]), ["--api-key", "[secret]", "x"]);
        assert_eq!(masked(&["--token=abc", "--token=${env:T}"]), ["--token=[secret]", "--token=${env:T}"]);
        assert_eq!(masked(&["X-Custom: Bearer abc"]), ["[secret]"]);
        assert_eq!(masked(&["postgres://u:p@h/db"]), ["postgres://[secret]@h/db"]);
        assert_eq!(masked(&["--token", "--verbose"]), ["--token", "--verbose"]);
    }
}
