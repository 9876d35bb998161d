//! Schemas that servers should not send, as tools: those of `data/hostile.json`, and those that are
//! too large to be written down.

// Each of the tests that share this uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use mcp::{Limits, Raw};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::Write as _;

/// Name and schema of each.
pub(crate) fn schemas() -> Vec<(String, Raw)> {
    let written = read(include_str!("../data/hostile.json"));
    let mut all: Vec<_> = written.members().map(|m| (m.key.into_owned(), m.value)).collect();
    all.extend(made().into_iter().map(|(name, text)| (name.to_owned(), read(&text))));
    all
}

/// The tool that has this schema for both of its ends. A schema of `null` is left out.
pub(crate) fn tool(name: &str, schema: &Raw) -> Raw {
    let name = Raw::of(name);
    let members = [("name", &name), ("inputSchema", schema), ("outputSchema", schema)];
    let kept = if schema.bytes().as_ref() == b"null" { 1 } else { 3 };
    Raw::object(members.into_iter().take(kept))
}

pub(crate) fn read(text: &str) -> Raw {
    Raw::parse(text.as_bytes().to_vec().into(), &Limits::OUTBOUND).unwrap()
}

/// Every reference resolves, every name stands once, and nothing is left that means something only
/// in the schema it came from.
pub(crate) fn assert_sound(name: &str, document: &Value) {
    fn walk(name: &str, document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, inner) in members {
                    match (key.as_str(), inner) {
                        ("enum" | "const" | "default" | "example" | "examples", _) => {}
                        ("$ref", Value::String(reference)) => {
                            let target = reference.strip_prefix('#').and_then(|p| document.pointer(p));
                            assert!(target.is_some(), "{name}: {reference} leads to nothing");
                        }
                        ("discriminator", Value::Object(discriminator)) => {
                            let mapping = discriminator.get("mapping").and_then(Value::as_object);
                            for reference in mapping.iter().flat_map(|m| m.values()).filter_map(Value::as_str) {
                                assert!(document.pointer(&reference[1..]).is_some(), "{name}: {reference}");
                            }
                        }
                        (
                            "$schema" | "$id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef",
                            Value::String(_),
                        ) => {
                            panic!("{name}: {key} is left");
                        }
                        _ => walk(name, document, inner),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(name, document, item)),
            _ => {}
        }
    }
    walk(name, document, document);
    let mut ids = HashSet::new();
    for path in document["paths"].as_object().unwrap().values() {
        assert!(ids.insert(path["post"]["operationId"].as_str().unwrap()), "{name}");
    }
    for component in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(component.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}: {component}");
    }
}

fn made() -> Vec<(&'static str, String)> {
    vec![
        ("a thousand properties", object(1000, |i| format!(r#""p{i}":{{"type":"integer","minimum":{i}}}"#))),
        ("a thousand references", thousand_references()),
        ("a large enumeration", large_enumeration()),
        ("nested as deep as can be", nested()),
        ("deep values", deep_value()),
        ("a chain of sixty references", chain(60, 1)),
        ("forty schemas that each name the next one twice", chain(40, 2)),
        ("a recursive choice", recursive_choice()),
    ]
}

fn object(count: usize, member: impl Fn(usize) -> String) -> String {
    let members: Vec<_> = (0..count).map(member).collect();
    format!(r#"{{"type":"object","properties":{{{}}}}}"#, members.join(","))
}

fn thousand_references() -> String {
    let properties: Vec<_> = (0..1000).map(|i| format!(r##""p{i}":{{"$ref":"#/$defs/d{i}"}}"##)).collect();
    let definitions: Vec<_> = (0..1000).map(|i| format!(r#""d{i}":{{"const":{i}}}"#)).collect();
    format!(r#"{{"properties":{{{}}},"$defs":{{{}}}}}"#, properties.join(","), definitions.join(","))
}

fn large_enumeration() -> String {
    let values: Vec<_> = (0..20_000).map(|i| format!("\"value {i}\"")).collect();
    format!(r#"{{"type":"object","properties":{{"a":{{"enum":[{}]}}}}}}"#, values.join(","))
}

/// To the very depth that is accepted from servers.
fn nested() -> String {
    let levels = 60;
    let mut text = String::new();
    for _ in 0..levels {
        text.push_str(r#"{"properties":{"a":"#);
    }
    text.push_str(r#"{"type":"string"}"#);
    text.push_str(&"}}".repeat(levels));
    text
}

fn deep_value() -> String {
    let value = "[".repeat(120) + &"]".repeat(120);
    format!(r#"{{"properties":{{"a":{{"default":{value},"type":"array"}},"b":{{"x-deep":{value}}}}}}}"#)
}

/// Schemas of which each names the next one, so often.
pub(crate) fn chain(length: usize, times: usize) -> String {
    let mut text = String::from(r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{"##);
    for i in 0..length {
        let reference = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, i + 1);
        let _ = write!(text, r#""d{i}":{{"anyOf":[{}]}},"#, vec![reference; times].join(","));
    }
    let _ = write!(text, r#""d{length}":{{"type":"string"}}}}}}"#);
    text
}

fn recursive_choice() -> String {
    let arm = r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##;
    format!(r#"{{"anyOf":[{arm},{arm}]}}"#)
}
