//! What is hidden in what the engine says: secrets in its attributes, and characters that only steer a terminal or
//! hide words from a person's eyes.

pub(crate) use ::redact::{HIDDEN, is_secret_name, secrets, variable};
use ::redact::{value as hide, words};
use serde_json::Value;
use std::borrow::Cow;

/// The members of what the engine says of a thing that are called like secrets and are none.
const PLAIN: [&str; 4] = ["AuthorizationPlugins", "Private", "PrivatePort", "Authorization"];

/// Everything in what the engine says of a thing.
pub(crate) fn attributes(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if !PLAIN.contains(&name) => *text = hide(name, text),
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
/// without characters that a person does not see (bidirectional controls, zero-width characters, fillers, variation
/// selectors, tags).
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
        | '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
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
    fn attributes_lose_their_secrets_and_keep_everything_else() {
        let mut value = json!({"Config": {
            "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "URL=postgres://a:hunter2@db"],
            "Cmd": ["run", "--password", "hunter2", "--token=hunter2", "--name", "x", "KEY_SECRET=hunter2"],
            "Entrypoint": ["sh", "-c", "mysql --password hunter2 shop; curl -H 'Authorization: Bearer hunter2hunter2'"],
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
        assert_eq!(clean("a\u{fe00}b\u{fe0f}c\u{3164}d\u{ffa0}e\u{e0100}f\u{1160}"), "abcdef");
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
