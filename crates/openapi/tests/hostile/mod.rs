//! Schemas that servers should not send, as tools: those of `data/hostile.json`, and those that are
//! too large to be written down.

// Each of the tests that share this uses a part of it.
#![allow(dead_code, clippy::unwrap_used)]

use mcp::{Limits, Raw};
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
