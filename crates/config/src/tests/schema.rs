//! The schema accepts what the reader accepts, and refuses what is wrong with one key or value.

use super::errors::like_settings;
use super::shape::{definition, entries, items, schema};
use super::{World, bad};
use crate::parse;
use jsonschema::Validator;
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft202012::new(&schema().json()).unwrap());

/// What the schema has against a text, one a line.
fn problems(text: &str) -> String {
    let (root, _) = crate::jsonc::parse(text).ok().unwrap();
    let instance = root.json();
    VALIDATOR
        .iter_errors(&instance)
        .map(|error| {
            format!(
                "{}: {error}
",
                error.instance_path()
            )
        })
        .collect()
}

pub(super) fn assert_valid(text: &str) {
    let problems = problems(text);
    assert!(problems.is_empty(), "the schema refuses {text}\n{problems}");
}

#[test]
fn the_schema_is_one_of_draft_2020_12() {
    assert!(jsonschema::meta::is_valid(&schema().json()));
    assert!(crate::schema().starts_with("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\""));
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let docs = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../docs");
    assert_valid(&std::fs::read_to_string(docs.join("example.jsonc")).unwrap());
    let toml = std::fs::read_to_string(docs.join("example.toml")).unwrap();
    assert_valid(&crate::toml::parse(&toml).ok().unwrap().0.json().to_string());
}

#[test]
fn what_is_bad_for_the_reader_is_bad_for_the_schema() {
    let server = |entry: &str| format!("{{\"mcpServers\": {{\"x\": {entry}}}}}");
    let token = |rest: &str| format!("{{\"auth\": {{\"tokens\": [{{\"name\": \"a\", {rest}}}]}}}}");
    let texts = [
        // Keys that nobody knows.
        r#"{"nope": 1}"#,
        r#"{"listen": "127.0.0.1:1", "polcy": {}}"#,
        r#"{"mcpServers": {}, "sse": false, "globalShortcut": "x"}"#,
        r#"{"auth": {"tokenz": []}}"#,
        r#"{"auth": {"jwt": {"issuer": "https://sso.example.com"}}}"#,
        r#"{"policy": {"roles": {}, "nope": 1}}"#,
        r#"{"policy": {"roles": {"r": {"nope": 1}}}}"#,
        r#"{"limits": {"nope": 1}}"#,
        r#"{"limits": {"per_principal": {"nope": 1}}}"#,
        r#"{"limits": {"per_tool": {"a/*": {"nope": 1}}}}"#,
        r#"{"audit": {"file": "a", "colour": 1}}"#,
        r#"{"telemetry": {"nope": 1}}"#,
        r#"{"telemetry": {"log": {"nope": 1}}}"#,
        r#"{"state": {"nope": 1}}"#,
        // Values of another kind, or out of bounds.
        r#"[]"#,
        r#"{"listen": 5}"#,
        r#"{"listen": ":8000"}"#,
        r#"{"listen": "8000"}"#,
        r#"{"listen": "http://127.0.0.1:8000"}"#,
        r#"{"listen": "::1:8000"}"#,
        r#"{"allowed_hosts": "h"}"#,
        r#"{"allowed_hosts": ["*.example.com"]}"#,
        r#"{"allowed_hosts": ["https://h"]}"#,
        r#"{"allowed_hosts": [""]}"#,
        r#"{"cors_origins": ["*"]}"#,
        r#"{"cors_origins": ["https://a/"]}"#,
        r#"{"cors_origins": ["app.example.com"]}"#,
        r#"{"trusted_proxies": ["*"]}"#,
        r#"{"trusted_proxies": [1]}"#,
        r#"{"body_limit": 0}"#,
        r#"{"body_limit": "huge"}"#,
        r#"{"body_limit": "1.5MiB"}"#,
        r#"{"body_limit": "0KB"}"#,
        r#"{"sse": "yes"}"#,
        r#"{"rest": 1}"#,
        r#"{"mcpServers": []}"#,
        r#"{"auth": []}"#,
        r#"{"auth": {"tokens": {}}}"#,
        r#"{"auth": {"tokens": [{"token": "0123456789abcdef"}]}}"#,
        r#"{"auth": {"tokens": [{"name": "a b", "token": "0123456789abcdef"}]}}"#,
        r#"{"policy": {}}"#,
        r#"{"policy": true}"#,
        r#"{"policy": {"roles": []}}"#,
        r#"{"policy": {"roles": {"r": []}}}"#,
        r#"{"policy": {"roles": {"a b": {}}}}"#,
        r#"{"policy": {"roles": {"r": {"allow": "a/*"}}}}"#,
        r#"{"policy": {"roles": {"r": {"allow": ["wiki"]}}}}"#,
        r#"{"policy": {"roles": {"r": {"deny": ["wiki/tools:x"]}}}}"#,
        r#"{"policy": {"roles": {"r": {"deny": ["wiki/tool: x"]}}}}"#,
        r#"{"policy": {"roles": {"r": {"tier": "harmless"}}}}"#,
        r#"{"limits": {"timeout": 0}}"#,
        r#"{"limits": {"timeout": "soon"}}"#,
        r#"{"limits": {"timeout": "0s"}}"#,
        r#"{"limits": {"timeout": "-1s"}}"#,
        r#"{"limits": {"timeout": "1y"}}"#,
        r#"{"limits": {"timeout": true}}"#,
        r#"{"limits": {"per_principal": {"rate": "0/s"}}}"#,
        r#"{"limits": {"per_principal": {"rate": "10/d"}}}"#,
        r#"{"limits": {"per_principal": {"rate": -1}}}"#,
        r#"{"limits": {"per_principal": {"rate": "1/s", "burst": 0}}}"#,
        r#"{"limits": {"per_principal": {"concurrent": 0}}}"#,
        r#"{"limits": {"per_principal": {"held": -1}}}"#,
        r#"{"limits": {"per_principal": {"held": 1.5}}}"#,
        r#"{"limits": {"per_principal": {"held": 4294967296}}}"#,
        r#"{"limits": {"per_principal": {"held": "8"}}}"#,
        r#"{"limits": {"per_principal": {"sessions": 0}}}"#,
        r#"{"limits": {"per_tool": {"wiki": {}}}}"#,
        r#"{"audit": {}}"#,
        r#"{"audit": {"file": " "}}"#,
        r#"{"audit": {"file": "a", "arguments": "all"}}"#,
        r#"{"audit": {"file": "a", "keep": -1}}"#,
        r#"{"telemetry": {"metrics": "yes"}}"#,
        r#"{"telemetry": {"otlp": "ftp://h"}}"#,
        r#"{"telemetry": {"log": {"level": "loud"}}}"#,
        r#"{"telemetry": {"log": {"format": "xml"}}}"#,
        r#"{"state": {"key": " "}}"#,
        r#"{"state": {"max_sessions": 0}}"#,
        r#"{"state": {"session_idle": "-1s"}}"#,
        // Tokens.
        &token(r#""roles": []"#),
        &token(r#""token": " ""#),
        &token(r#""token": " 0123456789abcdef""#),
        &token(r#""token": "01234567\u000089abcdef""#),
        &token(r#""sha256": "abc""#),
        &token(r#""token": "t", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#),
        &token(r#""token": "0123456789abcdef", "nope": 1"#),
        // Servers.
        r#"{"mcpServers": {"a__b": {"command": "c"}}}"#,
        r#"{"mcpServers": {"x/y": {"command": "c"}}}"#,
        r#"{"mcpServers": {"0123456789012345678901234567890123": {"command": "c"}}}"#,
        &server("{}"),
        &server("\"uvx\""),
        &server(r#"{"comand": "uvx"}"#),
        &server(r#"{"command": ""}"#),
        &server(r#"{"command": 1}"#),
        &server(r#"{"command": "a\u0000b"}"#),
        &server(r#"{"command": "c", "args": "a"}"#),
        &server(r#"{"command": "c", "args": [{}]}"#),
        &server(r#"{"command": "c", "env": {"A=B": "x"}}"#),
        &server(r#"{"command": "c", "env": {"A": ["x"]}}"#),
        &server(r#"{"command": "c", "disabled": "no"}"#),
        &server(r#"{"command": "c", "limits": {"timout": 1}}"#),
        &server(r#"{"command": "c", "tools": {"t": {"disabeld": true}}}"#),
        &server(r#"{"command": "c", "disabledTools": [""]}"#),
        &server(r#"{"command": "c", "timeout": "soon"}"#),
        &server(r#"{"type": "stdio", "url": "http://h"}"#),
        &server(r#"{"type": "sse"}"#),
        &server(r#"{"type": "websocket", "url": "http://h"}"#),
        &server(r#"{"type": "a b"}"#),
        &server(r#"{"url": "ftp://h"}"#),
        &server(r#"{"url": "http://h", "headers": {"A B": "x"}}"#),
        &server(r#"{"url": "http://h", "headers": {"A": "x\r\nB: y"}}"#),
        &server(r#"{"type": "openapi"}"#),
        &server(r#"{"type": "zim"}"#),
        &server(r#"{"type": "zim", "paths": []}"#),
        &server(r#"{"type": "docker", "safety": "none"}"#),
    ];
    for text in texts {
        bad(text);
        assert!(!problems(text).is_empty(), "the schema accepts {text}");
    }
    for word in crate::RESERVED {
        let text = format!("{{\"mcpServers\": {{\"{word}\": {{\"command\": \"c\"}}}}}}");
        assert!(!problems(&text).is_empty(), "the schema accepts {text}");
    }
}

#[test]
fn the_schema_knows_the_same_reserved_names_and_sections() {
    let reserved = definition("server_name").unwrap().get("not").unwrap().get("enum").unwrap();
    assert_eq!(items(reserved).iter().map(|word| word.text().unwrap()).collect::<Vec<_>>(), crate::RESERVED);
    let keys = |of: &'static crate::tree::Node| {
        let keys = entries(of.get("properties").unwrap()).map(|(key, _)| key);
        keys.filter(|key| !matches!(*key, "mcpServers" | "$schema")).collect::<std::collections::BTreeSet<_>>()
    };
    let ours = crate::settings::OURS.into_iter().collect();
    assert_eq!(keys(schema()), ours);
    assert_eq!(keys(schema().get("if").unwrap()), ours, "what makes a file ours");
}

#[test]
fn what_comes_from_outside_may_stand_for_any_text() {
    let world = World::default().var("A", "10.0.0.1:80").var("D", "30s").var("T", "safe").var("M", "public");
    super::good_in(
        &world,
        r#"{"listen": "${env:A}", "limits": {"timeout": "${env:D}"}, "telemetry": {"metrics": "${env:M}"},
            "policy": {"roles": {"r": {"tier": "${env:T}"}}}}"#,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_reader_accepts_the_schema_accepts(name in "listen|limits|telemetry|audit|state|policy|auth|mcpServers", inner in like_settings()) {
        let world = World::default().var("A", "the value of A").file("f", "the text of f\n");
        for text in [format!("{{\"{name}\": {inner}}}"), format!("{{\"mcpServers\": {{\"x\": {inner}}}}}"), inner] {
            // Null where nobody would write it is the one exception.
            if !text.contains("null") && parse(&text, "p.json", &world).is_ok() {
                let problems = problems(&text);
                prop_assert!(problems.is_empty(), "{}\n{}", text, problems);
            }
        }
    }

    // Of the byte order mark JavaScript thinks that it is white space.
    #[test]
    fn a_value_that_the_reader_accepts_the_schema_accepts(
        number in "[ +]?[0-9.]{1,4}(e[0-9])?", unit in " ?(ms|s|m|min|h|d|MiB|kib|B|gb|)(/ ?(s|min|h))? ?",
        host in "(\\[[0-9a-f:]{2,6}\\]|[a-zA-Z0-9.-]{1,6})(:[0-9*]{1,4})?", scheme in "(https|HTTP|x-y)://",
        pattern in "[a-z*?.-]{1,3}/(\\*|tool:[a-z *é.]{1,4}|method:[a-z/]{1,4}|prompt:[^\\u{feff}]{1,2})", text in "[^\\u{feff}]{1,4}",
    ) {
        for (before, value, after) in [
            (r#"{"limits": {"timeout": "#, format!("{number}{unit}"), "}}"),
            (r#"{"limits": {"per_address": {"rate": "#, format!("{number}{unit}"), "}}}"),
            (r#"{"body_limit": "#, format!("{number}{unit}"), "}"),
            (r#"{"mcpServers": {"x": {"command": "c", "timeout": "#, format!("{number}{unit}"), "}}}"),
            (r#"{"listen": "#, host.clone(), "}"),
            (r#"{"allowed_hosts": ["#, host.clone(), "]}"),
            (r#"{"trusted_proxies": ["#, host.trim_matches(['[', ']']).replace(':', "::"), "]}"),
            (r#"{"cors_origins": ["#, format!("{scheme}{host}"), "]}"),
            (r#"{"telemetry": {"otlp": "#, format!("{scheme}{host}/x?y"), "}}"),
            (r#"{"policy": {"roles": {"r": {"allow": ["#, pattern.clone(), "]}}}}"),
            (r#"{"state": {"key": "#, text.clone(), "}}"),
            (r#"{"audit": {"file": "#, text.clone(), "}}"),
            (r#"{"auth": {"tokens": [{"name": "a", "token": "#, text.clone(), "}]}}"),
            (r#"{"mcpServers": {"x": {"url": "http://h", "headers": {"A": "#, text.clone(), "}}}}"),
            (r#"{"mcpServers": {"x": {"command": "#, text.clone(), "}}}"),
            (r#"{"mcpServers": {"x": {"command": "c", "type": "#, text.clone(), "}}}"),
            (r#"{"mcpServers": {"x": {"type": "#, text, "}}}"),
        ] {
            let text = format!("{before}{}{after}", serde_json::Value::from(value));
            if parse(&text, "p.json", &World::default()).is_ok() {
                let problems = problems(&text);
                prop_assert!(problems.is_empty(), "{}\n{}", text, problems);
            }
        }
    }
}
