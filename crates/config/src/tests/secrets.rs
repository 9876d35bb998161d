//! Secrets come in, and do not come out.

use super::{World, bad, bad_in, good_in};
use crate::{ServerKind, Settings};

const SECRET: &str = "s3cret-0123456789";

fn world() -> World {
    World::default()
        .var("KEY", SECRET)
        .file("/etc/p/key", &format!("{SECRET}\n"))
        .file("/run/key", &format!("{SECRET}\r\n\n"))
}

fn header(value: &str) -> String {
    let text = format!(r#"{{"mcpServers": {{"x": {{"url": "http://h", "headers": {{"A": "{value}"}}}}}}}}"#);
    match &good_in(&world(), &text).servers[0].kind {
        ServerKind::Remote { headers, .. } => headers["A"].expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn references_are_completed_whole_and_inside_a_text() {
    assert_eq!(header("${env:KEY}"), SECRET);
    assert_eq!(header("Bearer ${env:KEY}, ${env:KEY}!"), format!("Bearer {SECRET}, {SECRET}!"));
    assert_eq!(header("${file:key}"), SECRET, "from the directory of the file, one newline less");
    assert_eq!(header("$${env:KEY}"), "${env:KEY}");
    assert_eq!(header("$5 $$ {x} $$${env:KEY}"), "$5 $$ {x} $${env:KEY}");
}

#[test]
fn only_one_newline_is_trimmed() {
    let text = r#"{"mcpServers": {"x": {"command": "c", "env": {"A": "${file:/run/key}"}}}}"#;
    let ServerKind::Child { env, .. } = good_in(&world(), text).servers.remove(0).kind else { panic!("no child") };
    assert_eq!(env["A"].expose(), format!("{SECRET}\r\n"));
}

#[test]
fn what_comes_in_is_not_looked_at_again() {
    let world = World::default().var("KEY", "${env:OTHER}").var("OTHER", "x");
    let text = r#"{"mcpServers": {"x": {"command": "c", "env": {"A": "${env:KEY}"}}}}"#;
    let ServerKind::Child { env, .. } = good_in(&world, text).servers.remove(0).kind else { panic!("no child") };
    assert_eq!(env["A"].expose(), "${env:OTHER}");
}

#[test]
fn a_missing_variable_or_file_is_named_with_its_line() {
    assert_eq!(
        bad("{\"mcpServers\": {\"x\": {\"url\": \"http://h\", \"headers\":\n{\"A\": \"Bearer ${env:NOTES_KEY}\"}}}}"),
        "portcullis.jsonc:2: mcpServers.x.headers.A: the environment variable NOTES_KEY is not set; set it, or take ${env:NOTES_KEY} out"
    );
    assert_eq!(
        bad("{\"state\":\n\n{\"key\": \"${file:/run/secrets/key}\"}}"),
        "portcullis.jsonc:3: state.key: cannot read the file \"/run/secrets/key\": there is no such file"
    );
}

#[test]
fn a_misspelt_reference_in_our_own_sections_is_refused() {
    for reference in ["${ENV:KEY}", "${KEY}", "${evn:KEY}", "${env:}", "${file:}", "${env:KEY", "${}", "${env:A=B}"] {
        let text = format!(r#"{{"auth": {{"tokens": [{{"name": "a", "token": "{reference}"}}]}}}}"#);
        assert!(bad_in(&world(), &text).contains("auth.tokens[0].token"), "{reference}");
    }
}

#[test]
fn errors_quote_what_was_written_not_what_came_in() {
    for text in [
        r#"{"listen": "${env:KEY}"}"#,
        r#"{"listen": "127.0.0.1:${env:KEY}"}"#,
        r#"{"allowed_hosts": ["${env:KEY}/"], "cors_origins": ["${env:KEY}"], "trusted_proxies": ["${env:KEY}"]}"#,
        r#"{"body_limit": "${env:KEY}", "limits": {"timeout": "${env:KEY}", "per_principal": {"rate": "${env:KEY}"}}}"#,
        r#"{"auth": {"tokens": [{"name": "a${env:KEY}/", "token": "${env:KEY} "}, {"name": "b", "sha256": "${env:KEY}"}]}}"#,
        r#"{"policy": {"roles": {"r": {"allow": ["${env:KEY}"], "tier": "${env:KEY}"}}}, "telemetry": {"otlp": "${env:KEY}"}}"#,
        r#"{"mcpServers": {"x": {"url": "${env:KEY}"}, "y": {"url": "http://${env:KEY}:x/"}, "z": {"type": "${env:KEY}!"}}}"#,
        r#"{"auth": {"tokens": [{"name": "a", "token": "0123456789abcdef", "roles": ["r"]}]}, "state": {"key": "${env:KEY}\n${env:NO}"}}"#,
    ] {
        let shown = bad_in(&world(), text);
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

fn full_of_secrets() -> Settings {
    good_in(
        &world(),
        r#"{
          "auth": {"tokens": [{"name": "a", "token": "${env:KEY}"}, {"name": "b", "token": "s3cret-literal-0123456789"}]},
          "state": {"key": "s3cret-0123456789-0123456789-0123456789"},
          "telemetry": {"otlp": "http://u:s3cret@h"},
          "mcpServers": {
            "a": {"command": "c${env:KEY}", "args": ["--x=${env:KEY}", "--api-key", "s3cret"], "env": {"A": "s3cret", "B": "${env:KEY}"}},
            "b": {"url": "https://u:s3cret@h/${env:KEY}?key=s3cret", "headers": {"A": "s3cret"}},
            "c": {"type": "openapi", "url": "https://h?k=${file:key}", "document": "https://h/?k=s3cret", "headers": {"A": "s3cret"}}
          }
        }"#,
    )
}

#[test]
fn no_secret_is_in_debug_warnings_or_the_effective_settings() {
    let settings = full_of_secrets();
    for shown in [format!("{settings:?}"), format!("{settings:#?}"), settings.effective_json()] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("[secret]"));
        for server in &settings.servers {
            assert!(!shown.contains(&server.hash), "a hash lets a guess be checked");
        }
    }
    assert!(settings.effective_json().contains("--x=${env:KEY}"), "where a secret comes from may be seen");
    let ServerKind::Child { args, .. } = &settings.servers[0].kind else { panic!("no child") };
    assert_eq!(args[0].expose(), format!("--x={SECRET}"));
}
