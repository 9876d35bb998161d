//! A compose file as somebody wrote it: what Compose would read because of it, and how it is shown.

use crate::fault::Fault;
use crate::redact;
use crate::tools::text;
use serde_json::Value;

/// Reads YAML. What is told of an error does not quote the text.
pub(super) fn yaml(text: &str, what: &str) -> Result<Value, Fault> {
    serde_saphyr::from_str(text).map_err(|e| Fault::new(format!("{what} cannot be read: {}.", e.without_snippet())))
}

/// Files that Compose itself would read because of this file, and whose lines it would show. Those that would have
/// to be read first to know what they lead to are refused.
pub(super) fn read_by_compose(written: &str) -> Result<Vec<String>, Fault> {
    let model = yaml(written, "the compose file")?;
    if !model.get("services").is_some_and(Value::is_object) {
        return Err(Fault::new("the compose file has no services."));
    }
    if model.get("include").is_some() {
        return Err(refused("include"));
    }
    let mut all = Vec::new();
    look(&model, 0, &mut all)?;
    match all.iter().find(|path| path.contains('$') || path.starts_with('~')) {
        Some(path) => Err(refused(&format!("env_file: {path:?} with a variable or ~ in it"))),
        None => Ok(all),
    }
}

fn refused(what: &str) -> Fault {
    Fault::refused(format!(
        "{what} is refused: it would be read before it could be decided; write all services into one file."
    ))
}

/// Levels of a compose file.
const DEEPEST: usize = 64;

/// Wherever such a member stands: it may come to a service by a merge.
fn look(value: &Value, depth: usize, all: &mut Vec<String>) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(Fault::new("the compose file is nested too deeply."));
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("extends", Value::Object(extends)) if extends.contains_key("file") => {
                        return Err(refused("extends with a file"));
                    }
                    ("env_file" | "label_file", Value::String(path)) => all.push(path.clone()),
                    ("env_file" | "label_file", Value::Array(paths)) => {
                        let path = |path: &Value| path.as_str().unwrap_or_else(|| text(path, "path")).to_owned();
                        all.extend(paths.iter().map(path));
                    }
                    ("env_file" | "label_file", Value::Object(one)) if one.contains_key("path") => {
                        all.push(text(value, "path").to_owned());
                    }
                    _ => look(value, depth + 1, all)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| look(item, depth + 1, all)),
        _ => Ok(()),
    }
}

/// The file without its secrets.
pub(super) fn hidden(text: &str) -> String {
    let line = |line: &str| match line.split_once(": ") {
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
    fn what_compose_would_read_is_known_before_it_reads() {
        let files =
            read_by_compose("services: {a: {env_file: x.env}, b: {env_file: [y.env, {path: /etc/z}], label_file: l}}")
                .unwrap();
        assert_eq!(files, ["x.env", "y.env", "/etc/z", "l"]);
        for merged in ["<<: *b", "<<: [*b]"] {
            let text = format!("x-b: &b {{env_file: /etc/z}}\nservices:\n  web:\n    {merged}\n    image: x\n");
            assert!(read_by_compose(&text).unwrap().contains(&"/etc/z".to_owned()), "{merged}");
        }
        for refused in [
            "include: [a.yml]",
            "services: {a: {extends: {file: /x, service: b}}}",
            "services: {a: {env_file: $HOME/x}}",
            "a: [",
            "services: {a: {env_file: ['${X}']}}",
            "services: {a: {env_file: ~/.aws/credentials}}",
            "services: {a: {label_file: ~/.aws/credentials}}",
            "services: {a: {? extends : {? file : /x}}}",
            "services: {}\n---\nservices: {a: {env_file: /x}}",
            "plain words",
            "volumes: {}",
        ] {
            assert!(read_by_compose(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_told_of_a_file_that_is_no_yaml_does_not_quote_it() {
        for text in ["the password is: hunter2: x\nsecond line\n- x: [\n", "a: [hunter2\n"] {
            let Err(Fault::Said(told)) = read_by_compose(text) else { panic!("{text}") };
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_completed_file_is_shown_without_its_secrets() {
        let text = hidden(
            "services:\n  a:\n    environment:\n      DB_PASSWORD: hunter2\n      NAME: x\n      URL: postgres://u:hunter2@h\n",
        );
        assert!(!text.contains("hunter2") && text.contains("NAME: x"), "{text}");
    }
}
