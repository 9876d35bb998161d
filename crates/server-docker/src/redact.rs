//! What is hidden in what the engine says: secrets in its attributes, and characters that only steer a terminal or
//! hide words from a person's eyes.

pub(crate) use ::redact::{HIDDEN, clean, is_secret_name, secrets, variable};
use ::redact::{is_unseen, value as hide, words};
use serde_json::Value;
use std::borrow::Cow;

/// The members of what the engine says of a thing that are called like secrets and are none.
const PLAIN: [&str; 4] = ["AuthorizationPlugins", "Private", "PrivatePort", "Authorization"];

/// Everything in what the engine says of a thing, and Compose in its file.
pub(crate) fn attributes(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if name == "o" => *text = mount_options(text),
        Value::String(text) if !PLAIN.contains(&name) => *text = hide(name, text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::Array(items) if ["Env", "environment", "args"].contains(&name) => {
            for item in items {
                if let Value::String(entry) = item {
                    *entry = variable(entry);
                }
            }
        }
        Value::Array(items) => {
            if ["Cmd", "Entrypoint", "Args", "Test", "Shell", "Command", "command", "entrypoint", "test"]
                .contains(&name)
            {
                words(items);
            } else {
                items.iter_mut().for_each(|item| attributes(name, item));
            }
        }
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| attributes(name, value)),
    }
}

/// Options of a mount, as a volume has them under `o`: `username=a,password=b`, and `user=a%b` of cifs.
pub(crate) fn mount_options(text: &str) -> String {
    let one = |option: &str| match option.split_once('=') {
        Some((name @ ("user" | "username"), who)) => {
            let (user, password) = who.split_once('%').unwrap_or((who, ""));
            if password.is_empty() { variable(option) } else { format!("{name}={user}%{HIDDEN}") }
        }
        _ => variable(option),
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
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
            if members.keys().any(|name| name.chars().any(is_unseen)) {
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
    use serde_json::json;

    #[test]
    fn attributes_lose_their_secrets_and_keep_everything_else() {
        let mut value = json!({"Config": {
            "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "URL=postgres://a:hunter2@db"],
            "Cmd": ["run", "--password", "hunter2", "--token=hunter2", "--name", "x", "KEY_SECRET=hunter2"],
            "Entrypoint": ["sh", "-c", "mysql --password hunter2 shop; curl -H 'Authorization: Bearer hunter2hunter2'"],
            "Labels": {"com.example.secret": "hunter2", "com.example.team": "web"},
            "Unknown": {"New": [1, true, null]}
        }, "Options": {"type": "cifs", "device": "//host/share", "o": "addr=10.0.0.1,user=me%hunter2,pass=hunter2,password=hunter2,vers=3"}, "HostConfig": {"LogConfig": {"Config": {"splunk-token": "hunter2", "max-size": "10m"}}}});
        attributes("", &mut value);
        let text = value.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        for kept in [
            "addr=10.0.0.1,user=me%<REDACTED>,pass=<REDACTED>,password=<REDACTED>,vers=3",
            "PATH=/bin",
            "--name",
            "\"x\"",
            "web",
            "10m",
            "[1,true,null]",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
