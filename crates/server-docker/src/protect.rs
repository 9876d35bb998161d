//! What is never removed: things with labels and names that the settings protect.

use crate::fault::Fault;
use crate::settings::Safety;
use serde_json::Value;

/// Whether a text is what a pattern says; `*` stands for any letters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Refuses the removal of a thing with these names and labels if it is protected.
pub(crate) fn check<'a>(
    safety: &Safety,
    kind: &str,
    names: impl IntoIterator<Item = &'a str>,
    labels: Option<&Value>,
) -> Result<(), Fault> {
    match why(safety, names, labels.unwrap_or(&Value::Null)) {
        Some(why) => Err(Fault::refused(format!("this {kind} is not removed: {why}."))),
        None => Ok(()),
    }
}

/// Why a thing with these names and labels is protected.
pub(crate) fn why<'a>(safety: &Safety, names: impl IntoIterator<Item = &'a str>, labels: &Value) -> Option<String> {
    for name in names {
        if let Some(pattern) = safety.protect_names.iter().find(|pattern| matches(pattern, name)) {
            return Some(format!("its name {name:?} is protected by {pattern:?}"));
        }
    }
    let labels = labels.as_object()?;
    for (key, value) in labels {
        let value = value.as_str().unwrap_or_default();
        let is_meant = |pattern: &&String| match pattern.split_once('=') {
            Some((name, wanted)) => matches(name, key) && matches(wanted, value),
            None => matches(pattern, key),
        };
        if let Some(pattern) = safety.protect_labels.iter().find(is_meant) {
            return Some(format!("its label {key:?} is protected by {pattern:?}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_have_stars() {
        for (pattern, text) in
            [("db", "db"), ("prod-*", "prod-1"), ("*", ""), ("*-db", "a-db"), ("a*b*c", "axxbyyc"), ("a**", "ab")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("db", "db2"), ("prod-*", "pro"), ("*-db", "a-db2"), ("a*b*c", "acb"), ("", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn labels_are_meant_by_key_or_by_key_and_value() {
        let safety = Safety {
            protect_labels: vec!["keep".into(), "env=prod*".into()],
            protect_names: vec!["prod-*".into()],
            ..Safety::default()
        };
        assert!(why(&safety, ["x"], &json!({"keep": ""})).is_some());
        assert!(why(&safety, ["x"], &json!({"env": "production"})).is_some());
        assert!(why(&safety, ["prod-db"], &json!(null)).is_some());
        assert!(why(&safety, ["x"], &json!({"env": "test"})).is_none());
    }
}
