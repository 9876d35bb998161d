//! A compose file as somebody wrote it: what Compose would read because of it, and how it is shown.

use crate::fault::Fault;
use crate::redact;
use crate::tools::text;
use serde_json::{Map, Value};

/// Files that Compose itself would read because of this file, and whose lines it would show. Those that would have
/// to be read first to know what they lead to are refused.
pub(super) fn read_by_compose(written: &str) -> Result<Vec<String>, Fault> {
    let model: Value =
        serde_saphyr::from_str(written).map_err(|e| Fault::new(format!("the compose file cannot be read: {e}.")))?;
    let refused = |what: &str| {
        Fault::refused(format!(
            "{what} is refused: it would be read before it could be decided; write all services into one file."
        ))
    };
    if model.get("include").is_some() {
        return Err(refused("include"));
    }
    let mut all = Vec::new();
    for service in model.get("services").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        if service.get("extends").is_some_and(|extends| extends.get("file").is_some()) {
            return Err(refused("extends with a file"));
        }
        match service.get("env_file") {
            Some(Value::String(path)) => all.push(path.clone()),
            Some(Value::Array(paths)) => {
                all.extend(paths.iter().map(|path| path.as_str().unwrap_or_else(|| text(path, "path")).to_owned()));
            }
            _ => {}
        }
    }
    match all.iter().find(|path| path.contains('$')) {
        Some(path) => Err(refused(&format!("env_file: {path:?} with a variable in it"))),
        None => Ok(all),
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
            read_by_compose("services: {a: {env_file: x.env}, b: {env_file: [y.env, {path: /etc/z}]}}").unwrap();
        assert_eq!(files, ["x.env", "y.env", "/etc/z"]);
        for refused in [
            "include: [a.yml]",
            "services: {a: {extends: {file: /x, service: b}}}",
            "services: {a: {env_file: $HOME/x}}",
            "a: [",
            "services: {a: {env_file: ['${X}']}}",
        ] {
            assert!(read_by_compose(refused).is_err(), "{refused}");
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
