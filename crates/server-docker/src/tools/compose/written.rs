//! A compose file as somebody wrote it: what Compose would read because of it, and how it is shown.

use crate::fault::Fault;
use crate::redact;
use serde_json::Value;

/// Reads YAML. What is told of an error does not quote the text.
pub(super) fn yaml(text: &str, what: &str) -> Result<Value, Fault> {
    serde_saphyr::from_str(text).map_err(|e| Fault::new(format!("{what} cannot be read: {}.", e.without_snippet())))
}

/// Refuses a file that has Compose read others of which it would have to be read first what they lead to.
pub(super) fn stands_alone(written: &str) -> Result<(), Fault> {
    let model = yaml(written, "the compose file")?;
    if !model.get("services").is_some_and(Value::is_object) {
        return Err(Fault::new("the compose file has no services."));
    }
    if model.get("include").is_some() {
        return Err(refused("include"));
    }
    look(&model, 0)
}

fn refused(what: &str) -> Fault {
    Fault::refused(format!(
        "{what} is refused: it would be read before it could be decided; write all services into one file."
    ))
}

/// Levels of a compose file.
const DEEPEST: usize = 64;

/// Wherever such a member stands: it may come to a service by a merge.
fn look(value: &Value, depth: usize) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(Fault::new("the compose file is nested too deeply."));
    }
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name == "extends" && value.get("file").is_some() {
                return Err(refused("extends with a file"));
            }
            look(value, depth + 1)
        }),
        Value::Array(items) => items.iter().try_for_each(|item| look(item, depth + 1)),
        _ => Ok(()),
    }
}

/// The file without its secrets.
pub(super) fn hidden(text: &str) -> String {
    let line = |line: &str| match line.split_once(": ") {
        Some((key, value)) if key.trim() == "o" => format!("{key}: {}", redact::mount_options(value)),
        Some((key, value))
            if redact::is_secret_name(key.trim().trim_matches(['"', '\''])) && !value.trim().is_empty() =>
        {
            format!("{key}: {}", redact::HIDDEN)
        }
        _ => redact::variable(line),
    };
    let text: Vec<_> = redact::clean(text).lines().map(line).collect();
    redact::secrets(&text.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_to_be_read_first_is_refused() {
        assert!(stands_alone("services: {a: {env_file: x, extends: {service: b}}, b: {}}").is_ok());
        for refused in [
            "include: [a.yml]\nservices: {}",
            "services: {a: {extends: {file: /x, service: b}}}",
            "a: [",
            "services: {a: {? extends : {? file : /x}}}",
            "services: {}\n---\nservices: {a: {env_file: /x}}",
            "plain words",
            "volumes: {}",
        ] {
            assert!(stands_alone(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_told_of_a_file_that_is_no_yaml_does_not_quote_it() {
        for text in ["the password is: hunter2: x\nsecond line\n- x: [\n", "a: [hunter2\n"] {
            let Err(Fault::Said(told)) = stands_alone(text) else { panic!("{text}") };
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_completed_file_is_shown_without_its_secrets() {
        let text = hidden(
            "services:\n  a:\n    environment:\n      DB_PASSWORD: hunter2\n      NAME: x\n      URL: postgres://u:hunter2@h\nvolumes:\n  a:\n    driver_opts:\n      o: addr=x,pass=hunter2\n",
        );
        assert!(!text.contains("hunter2") && text.contains("NAME: x"), "{text}");
    }
}
