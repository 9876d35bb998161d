//! What is refused, and how it is said.

use super::{World, bad, errors, good};
use crate::{SystemEnv, load, parse};
use proptest::prelude::*;
use std::path::Path;

#[test]
fn an_unknown_key_is_answered_with_its_line_and_the_nearest() {
    assert_eq!(
        bad("{\n  // ours\n  \"listen\": \"127.0.0.1:1\",\n  \"polcy\": {}\n}"),
        "portcullis.jsonc:4: unknown key \"polcy\"; did you mean \"policy\"?"
    );
    assert_eq!(
        bad(r#"{"auth": {"tokenz": []}}"#),
        "portcullis.jsonc:1: auth: unknown key \"tokenz\"; did you mean \"tokens\"?"
    );
    assert_eq!(
        bad(r#"{"audit": {"file": "a", "colour": 1}}"#),
        "portcullis.jsonc:1: audit: unknown key \"colour\"; known here: \"file\", \"sync\", \"max_bytes\", \"max_age\", \"keep\" and \"arguments\""
    );
}

#[test]
fn unknown_keys_are_refused_in_every_section() {
    for text in [
        r#"{"auth": {"tokens": [{"name": "a", "sha256": "x", "nope": 1}]}}"#,
        r#"{"policy": {"roles": {}, "nope": 1}}"#,
        r#"{"policy": {"roles": {"r": {"nope": 1}}}}"#,
        r#"{"limits": {"nope": 1}}"#,
        r#"{"limits": {"per_principal": {"nope": 1}}}"#,
        r#"{"limits": {"per_tool": {"a/*": {"nope": 1}}}}"#,
        r#"{"telemetry": {"nope": 1}}"#,
        r#"{"telemetry": {"log": {"nope": 1}}}"#,
        r#"{"state": {"nope": 1}}"#,
    ] {
        assert!(bad(text).contains("unknown key \"nope\""), "{text}");
    }
}

#[test]
fn all_errors_are_reported_in_the_order_of_the_file() {
    let text = "{\n\"listen\": \":8000\",\n\"body_limit\": \"huge\",\n\"sse\": \"yes\",\n\"mcpServers\": {\"docs\": {}},\n\"limits\": {\"timeout\": \"soon\"},\n\"cors_origins\": [\"*\", \"https://fine.example\", \"x\"]\n}";
    let found: Vec<_> = errors(text).into_iter().map(|e| (e.place().line, e.place().key.clone())).collect();
    let expected = [
        (2, "listen"),
        (3, "body_limit"),
        (4, "sse"),
        (5, "mcpServers.docs"),
        (5, "mcpServers.docs"),
        (6, "limits.timeout"),
        (7, "cors_origins[0]"),
        (7, "cors_origins[2]"),
    ];
    assert_eq!(found, expected.map(|(line, key)| (Some(line), key.to_owned())));
}

#[test]
fn messages_are_lower_case_and_end_without_a_full_stop() {
    for text in [
        "",
        "{",
        "[]",
        "{\"a\": '1'}",
        r#"{"listen": 1, "sse": 1, "body_limit": "x", "state": {"key": "", "max_sessions": 0}}"#,
        r#"{"auth": {"tokens": [{}, {"name": "a b", "token": " "}], "jwt": {}}}"#,
        r#"{"allowed_hosts": ["*"], "trusted_proxies": ["x"], "policy": {"roles": {"r": {"allow": ["x"]}}}}"#,
    ] {
        for error in errors(text) {
            let message = error.message();
            assert!(!message.ends_with('.') && !message.is_empty(), "{message}");
            assert!(!message.starts_with(|c: char| c.is_uppercase()), "{message}");
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_an_error_anywhere() {
    assert_eq!(
        bad("{\"mcpServers\": {\n\"time\": {\"command\": \"a\"},\n\"time\": {\"command\": \"b\"}}}"),
        "portcullis.jsonc:3: mcpServers: the key \"time\" stands here twice, first in line 2; keep one"
    );
    assert!(
        bad(r#"{"mcpServers": {"x": {"command": "c", "foreign": {"deep": [{"k": 1, "k": 2}]}}}}"#)
            .contains("mcpServers.x.foreign.deep[0]")
    );
    assert!(bad(r#"{"sse": true, "sse": false}"#).contains("stands here twice"));
}

#[test]
fn reserved_and_unusable_server_names_are_refused() {
    for name in crate::RESERVED.iter().copied().chain(["", "a b", "a__b", "x/y", "0123456789012345678901234567890123"])
    {
        let text = format!("{{\"mcpServers\": {{\"{name}\": {{\"command\": \"c\"}}}}}}");
        assert!(bad(&text).contains("name"), "{name}");
    }
}

#[test]
fn wildcard_origins_and_hosts_are_refused() {
    for entry in ["*", " * ", "\\\"*\\\"", "*:*", "http://*", "https://*", "*."] {
        for key in ["cors_origins", "allowed_hosts"] {
            assert!(bad(&format!("{{\"{key}\": [\"{entry}\"]}}")).contains(&format!("{key}[0]")), "{entry}");
        }
    }
    assert!(bad(r#"{"cors_origins": "*"}"#).contains("expected a list, found a text"));
}

#[test]
fn a_wildcard_from_outside_is_refused_too() {
    let world = World::default().var("ORIGIN", "*");
    let text = super::bad_in(&world, r#"{"cors_origins": ["${env:ORIGIN}"]}"#);
    assert!(text.contains("\"${env:ORIGIN}\" has a wildcard"), "{text}");
}

#[test]
fn blank_tokens_are_refused_and_short_ones_warned_about() {
    for token in ["", " ", "\\t\\n", "\u{a0}"] {
        let text = format!(r#"{{"auth": {{"tokens": [{{"name": "a", "token": "{token}"}}]}}}}"#);
        assert!(bad(&text).contains("auth.tokens[0].token: is blank"), "{token:?}");
    }
    let world = World::default().var("EMPTY", "").file("empty", "\n");
    for token in ["${env:EMPTY}", "${file:empty}"] {
        let text = format!(r#"{{"auth": {{"tokens": [{{"name": "a", "token": "{token}"}}]}}}}"#);
        assert!(super::bad_in(&world, &text).contains("is blank"), "{token}");
    }
    let warnings = super::warnings(r#"{"auth": {"tokens": [{"name": "a", "token": "fifteen-letters"}]}}"#);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("shorter than 16 characters") && !warnings[0].contains("fifteen"), "{warnings:?}");
    assert!(good(r#"{"auth": {"tokens": [{"name": "a", "token": "sixteen-letters!"}]}}"#).warnings.is_empty());
}

#[test]
fn tokens_that_nobody_can_present_are_refused() {
    for token in [" 0123456789abcdef", "0123456789abcdef\\n", "01234567\\u000089abcdef"] {
        let text = format!(r#"{{"auth": {{"tokens": [{{"name": "a", "token": "{token}"}}]}}}}"#);
        assert!(bad(&text).contains("which callers cannot present"), "{token}");
    }
}

#[test]
fn a_token_is_given_as_itself_or_as_its_hash() {
    use crate::auth::Credential;
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"; // of "test"
    let settings =
        good(&format!(r#"{{"auth": {{"tokens": [{{"name": "a", "sha256": "{}"}}]}}}}"#, digest.to_uppercase()));
    assert_eq!(settings.auth.tokens[0].credential.sha256(), Credential::Plain("test".into()).sha256());
    assert!(bad(r#"{"auth": {"tokens": [{"name": "a"}]}}"#).contains("has no \"token\""));
    assert!(bad(r#"{"auth": {"tokens": [{"token": "0123456789abcdef"}]}}"#).contains("\"name\" is missing"));
    assert!(
        bad(&format!(r#"{{"auth": {{"tokens": [{{"name": "a", "token": "t", "sha256": "{digest}"}}]}}}}"#))
            .contains("has both")
    );
    for sha in ["", "abc", &digest[1..], &digest.replace('9', "g")] {
        assert!(
            bad(&format!(r#"{{"auth": {{"tokens": [{{"name": "a", "sha256": "{sha}"}}]}}}}"#))
                .contains("is no SHA-256")
        );
    }
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(
        bad(&format!(r#"{{"auth": {{"tokens": [{{"name": "a", "sha256": "{nothing}"}}]}}}}"#))
            .contains("SHA-256 of nothing")
    );
}

#[test]
fn two_tokens_of_one_name_or_one_value_are_refused() {
    let name = bad(
        "{\"auth\": {\"tokens\": [\n{\"name\": \"a\", \"token\": \"0123456789abcdef\"},\n{\"name\": \"a\", \"token\": \"x123456789abcdef\"}]}}",
    );
    assert_eq!(
        name,
        "portcullis.jsonc:3: auth.tokens[1]: the name \"a\" is taken by the token in line 2; give each its own"
    );
    let value = bad(
        "{\"auth\": {\"tokens\": [\n{\"name\": \"a\", \"token\": \"test\"},\n{\"name\": \"b\", \"sha256\": \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}]}}",
    );
    assert_eq!(
        value,
        "portcullis.jsonc:3: auth.tokens[1]: is the same token as in line 2; give each principal its own"
    );
}

#[test]
fn a_role_that_policy_does_not_define_is_refused() {
    let token = r#""auth": {"tokens": [{"name": "ci", "token": "0123456789abcdef", "roles": ["raeder"]}]}"#;
    assert_eq!(
        bad(&format!(r#"{{{token}, "policy": {{"roles": {{"reader": {{}}, "admin": {{}}}}}}}}"#)),
        "portcullis.jsonc:1: auth.tokens: token \"ci\" has the role \"raeder\", which policy does not define; did you mean \"reader\"?; defined are \"admin\" and \"reader\""
    );
    assert!(bad(&format!("{{{token}}}")).contains("but there is no policy"));
}

#[test]
fn a_token_without_roles_that_may_do_nothing_is_pointed_out() {
    let text = |role: &str| {
        format!(
            r#"{{"auth": {{"tokens": [{{"name": "ci", "token": "0123456789abcdef"}}]}}, "policy": {{"roles": {{"{role}": {{}}}}}}}}"#
        )
    };
    assert!(super::warnings(&text("reader"))[0].contains("it may do nothing"));
    assert!(super::warnings(&text("default")).is_empty());
}

#[test]
fn a_policy_is_never_lost() {
    for policy in [
        "{}",
        "[]",
        "true",
        "\"x\"",
        r#"{"roles": []}"#,
        r#"{"roles": {"r": []}}"#,
        r#"{"roles": {"r": {"allow": "a/*"}}}"#,
        r#"{"role": {}}"#,
    ] {
        bad(&format!("{{\"policy\": {policy}}}"));
    }
    assert!(good(r#"{"policy": {"roles": {}}}"#).policy.unwrap().roles.is_empty());
}

#[test]
fn what_this_version_cannot_do_for_security_is_an_error() {
    assert!(
        bad(r#"{"auth": {"jwt": {"issuer": "https://sso.example.com"}}}"#).contains("auth.jwt: is not in this version")
    );
}

#[test]
fn bad_patterns_name_their_place() {
    assert!(
        bad(r#"{"policy": {"roles": {"r": {"deny": ["wiki"]}}}}"#)
            .contains("policy.roles.r.deny[0]: \"wiki\" does not say what")
    );
    assert!(
        bad(r#"{"limits": {"per_tool": {"wiki": {}}}}"#).contains("limits.per_tool.wiki: \"wiki\" does not say what")
    );
}

#[test]
fn numbers_have_bounds() {
    for text in [
        r#"{"limits": {"per_principal": {"concurrent": 0}}}"#,
        r#"{"limits": {"per_principal": {"rate": "1/s", "burst": 0}}}"#,
        r#"{"limits": {"per_principal": {"held": -1}}}"#,
        r#"{"limits": {"per_principal": {"held": 1.5}}}"#,
        r#"{"limits": {"per_principal": {"held": 4294967296}}}"#,
        r#"{"limits": {"per_principal": {"held": "8"}}}"#,
        r#"{"limits": {"timeout": 0}}"#,
        r#"{"body_limit": 0}"#,
        r#"{"state": {"max_sessions": 0}}"#,
        r#"{"state": {"session_idle": "-1s"}}"#,
        r#"{"trusted_proxies": ["10.0.0.0/33"]}"#,
        r#"{"trusted_proxies": ["*"]}"#,
    ] {
        bad(text);
    }
}

#[test]
fn trusting_every_machine_is_pointed_out() {
    assert!(super::warnings(r#"{"trusted_proxies": ["0.0.0.0/0"]}"#)[0].contains("trusts every machine"));
}

#[test]
fn the_file_must_be_there_and_be_an_object() {
    let missing = load(Path::new("/nowhere/portcullis.jsonc"), &SystemEnv).unwrap_err().to_string();
    assert_eq!(missing, "/nowhere/portcullis.jsonc: cannot read the settings: there is no such file");
    assert_eq!(bad(""), "portcullis.jsonc:1: the file is empty; write at least {}");
    assert_eq!(bad("// nothing\n"), "portcullis.jsonc:1: the file is empty; write at least {}");
    assert_eq!(bad("[]"), "portcullis.jsonc:1: expected an object, found a list");
    assert_eq!(bad("{\n\"a\": }"), "portcullis.jsonc:2: this is not JSON: unexpected close brace");
}

/// JSON that looks like settings.
pub(super) fn like_settings() -> impl Strategy<Value = String> {
    const WORDS: [&str; 34] = [
        "listen",
        "allowed_hosts",
        "cors_origins",
        "trusted_proxies",
        "body_limit",
        "mcpServers",
        "auth",
        "policy",
        "limits",
        "audit",
        "telemetry",
        "state",
        "sse",
        "tokens",
        "name",
        "token",
        "roles",
        "allow",
        "deny",
        "tier",
        "per_tool",
        "rate",
        "burst",
        "file",
        "log",
        "level",
        "type",
        "command",
        "args",
        "env",
        "url",
        "headers",
        "tools",
        "paths",
    ];
    const TEXTS: [&str; 22] = [
        "zim",
        "docker",
        "openapi",
        "sse",
        "safe",
        "10/s",
        "4MiB",
        "30s",
        "127.0.0.1:8000",
        "*",
        "https://h",
        "a/tool:b",
        "a/*",
        "${env:A}",
        "${file:f}",
        "$${",
        "${",
        "${env:",
        "}",
        "é\u{0}",
        "",
        "::1",
    ];
    let name = prop_oneof![4 => proptest::sample::select(WORDS.as_slice()).prop_map(str::to_owned), 1 => ".{0,6}"];
    let text = prop_oneof![4 => proptest::sample::select(TEXTS.as_slice()).prop_map(str::to_owned), 1 => ".{0,12}"];
    let leaf = prop_oneof![
        text.prop_map(|t| serde_json::Value::from(t).to_string()),
        any::<f64>().prop_map(|n| serde_json::Value::from(n).to_string()),
        any::<i32>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            4 => proptest::collection::vec((name.clone(), inner), 0..6).prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(k, v)| format!("{}: {v}", serde_json::Value::from(k)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(",\n"))
            }),
        ]
    })
}

fn everything(text: &str) -> Result<(), TestCaseError> {
    everything_in("p.json", text)
}

pub(super) fn everything_in(origin: &str, text: &str) -> Result<(), TestCaseError> {
    let world = World::default().var("A", "the value of A").file("f", "the text of f\n");
    match parse(text, origin, &world) {
        Ok(settings) => {
            let _ = (format!("{settings:?}"), settings.effective_json(), settings.check_safe_bind(&[]));
        }
        Err(errors) => {
            let shown = errors.to_string();
            prop_assert!(!shown.is_empty());
            prop_assert!(!shown.contains("the value of A") && !shown.contains("the text of f"), "{}", shown);
            for error in errors {
                prop_assert!(
                    error.place().line.is_some_and(|line| line >= 1 && line <= text.matches('\n').count() + 1)
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_settings_panic_and_no_error_shows_what_came_from_outside(text in like_settings()) {
        everything(&text)?;
    }

    #[test]
    fn no_entry_panics(entry in like_settings()) {
        everything(&format!("{{\"mcpServers\": {{\"x\": {entry}}}}}"))?;
        everything(&format!("{{\"auth\": {{\"tokens\": [{entry}]}}, \"policy\": {entry}, \"limits\": {entry}}}"))?;
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:/*\\\\ \\nA-Za-z0-9$é\\u{0}.-]{0,60}") {
        everything(&text)?;
    }

    #[test]
    fn no_damaged_file_panics(at in 0_usize..600, byte in any::<char>()) {
        let text = r#"{"listen": "127.0.0.1:8000", /* x */ "mcpServers": {"a": {"command": "c", "args": ["${env:A}"], "env": {"K": "\u0041"}},
            "b": {"url": "http://u:p@h/sse?x=y", "headers": {"A": "b"}}}, "auth": {"tokens": [{"name": "ci", "token": "${file:f}", "roles": ["r"]}]},
            "policy": {"roles": {"r": {"allow": ["a/tool:*"]}}}, "limits": {"per_principal": {"rate": "10/s"}, "timeout": 1.5}, // y
            "audit": {"file": "x"}}"#;
        let mut damaged: String = text.chars().take(at).collect();
        damaged.push(byte);
        everything(&damaged)?;
        damaged.extend(text.chars().skip(at + 1));
        everything(&damaged)?;
    }
}
