//! A compose file as somebody wrote it: what Compose would read because of it, and how it is shown.

use crate::fault::Fault;
use crate::redact;
use serde_json::Value;

/// Reads YAML. What is told of an error does not quote the text.
pub(super) fn yaml(text: &str, what: &str) -> Result<Value, Fault> {
    serde_saphyr::from_str(text).map_err(|e| Fault::new(format!("{what} cannot be read: {}.", e.without_snippet())))
}

/// Characters at which some readers of YAML end a line and others do not (YAML 1.1, section 4.1.4; YAML 1.2, section
/// 5.4), and others that none may have: what is a comment for one would be a member for another.
const READ_DIFFERENTLY: [char; 4] = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];

/// Refuses a text that Compose may read in another way than we do.
fn is_read_alike(written: &str) -> Result<(), Fault> {
    let odd = |c: char| READ_DIFFERENTLY.contains(&c) || c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match written.chars().position(odd) {
        None => Ok(()),
        Some(at) => Err(Fault::refused(format!(
            "the compose file has a character that readers of YAML take differently (character {}); write it as an \
             escape in double quotes.",
            at + 1
        ))),
    }
}

/// Refuses a file that has Compose read others of which it would have to be read first what they lead to.
pub(super) fn stands_alone(written: &str) -> Result<(), Fault> {
    is_read_alike(written)?;
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

/// The completed file as it counts. Compose writes every `$` of a value twice, so that it reads them once
/// (Compose Specification, "Interpolation"): what is decided is what it will read.
pub(super) fn completed(text: &str) -> Result<Value, Fault> {
    is_read_alike(text)?;
    let mut model = yaml(text, "what Compose made of the file")?;
    once(&mut model)?;
    Ok(model)
}

fn once(value: &mut Value) -> Result<(), Fault> {
    match value {
        Value::String(text) if text.contains('$') => {
            let read = text.replace("$$", "\0");
            if read.contains('$') || text.contains('\0') {
                return Err(Fault::refused("a variable is left in what Compose made of the file; write it out."));
            }
            *text = read.replace('\0', "$");
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(once),
        Value::Object(members) => members.values_mut().try_for_each(once),
        _ => Ok(()),
    }
}

/// The completed file without its secrets, as JSON, which is YAML, too.
pub(super) fn hidden(mut model: Value) -> String {
    redact::clean_value(&mut model);
    redact::attributes("", &mut model);
    serde_json::to_string_pretty(&model).unwrap_or_default()
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
            "services: {a: {image: b}} # x\u{2028}x: {env_file: /etc/z}",
            "services:\n  a:\n    image: b # x\u{85}    env_file: /etc/z\n",
            "services:\n  a:\n    command: |\n      x\u{2029}    env_file: /etc/z\n",
        ] {
            assert!(stands_alone(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_decided_is_what_compose_reads_in_what_it_wrote() {
        let read = |text: &str| completed(&format!("a: {text:?}")).map(|model| model["a"].clone());
        assert_eq!(read("./$$up $$$$x").unwrap(), "./$up $$x");
        for refused in ["./$up", "$$$up", "${X}", "$$ $"] {
            assert!(read(refused).is_err(), "{refused}");
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
        let text = "services:\n  a:\n    environment:\n      DB_PASSWORD: one\n        hunter2\n      NAME: x\n      URL: postgres://u:hunter2@h\n  b:\n    environment: [SMTP_PASSWORD=hunter2]\n    command: [run, --token, hunter2]\nvolumes:\n  a:\n    driver_opts:\n      o: addr=x,pass=hunter2\n";
        let text = hidden(completed(text).unwrap());
        assert!(!text.contains("hunter2") && text.contains("\"NAME\": \"x\""), "{text}");
    }
}
