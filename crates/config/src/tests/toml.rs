//! Settings as TOML are the same settings.

use super::World;
use super::errors::everything_in;
use crate::{Settings, SystemEnv, load, parse};
use proptest::prelude::*;
use std::path::Path;

fn good(text: &str) -> Settings {
    parse(text, "/etc/p/portcullis.toml", &World::default()).unwrap()
}

fn bad(text: &str) -> String {
    parse(text, "p.toml", &World::default()).unwrap_err().to_string()
}

#[test]
fn the_example_is_the_same_in_both_formats() {
    let docs = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../docs");
    let [jsonc, toml] = ["example.jsonc", "example.toml"].map(|name| load(&docs.join(name), &SystemEnv).unwrap());
    assert_eq!(jsonc.effective_json(), toml.effective_json());
    let hashes = |settings: &Settings| settings.servers.iter().map(|s| s.hash.clone()).collect::<Vec<_>>();
    assert_eq!(hashes(&jsonc), hashes(&toml));
    assert!(jsonc.warnings.is_empty() && toml.warnings.is_empty(), "{:?} {:?}", jsonc.warnings, toml.warnings);
    let tokens = |settings: &Settings| settings.auth.tokens.iter().map(|t| t.credential.sha256()).collect::<Vec<_>>();
    assert_eq!(tokens(&jsonc), tokens(&toml));
}

#[test]
fn servers_keep_the_order_of_the_file() {
    let settings = good("[mcpServers.z]\ncommand = 'c'\n[mcpServers]\nb.command = 'c'\na = {command = 'c'}");
    assert_eq!(settings.servers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["z", "b", "a"]);
}

#[test]
fn an_error_has_the_line_and_the_key_however_it_is_written() {
    for (text, expected) in [
        ("\nlisten = 5", "p.toml:2: listen: expected a text, found a number"),
        ("[limits]\n\ntimeout = 'soon'", "p.toml:3: limits.timeout: \"soon\" is no duration; "),
        ("limits.per_address.held = -1", "p.toml:1: limits.per_address.held: \"-1\" is no whole number from 0"),
        ("limits = {per_address =\n {held = 1.5}}", "p.toml:2: limits.per_address.held: \"1.5\" is no whole number"),
        ("[[auth.tokens]]\nname = 'a'\nsha256 = 'x'", "p.toml:3: auth.tokens[0].sha256: is no SHA-256"),
        (
            "[[auth.tokens]]\nname = 'a'\ntoken = '0123456789abcdef'\n[[auth.tokens]]\nname = 'b'",
            "p.toml:4: auth.tokens[1]: has no \"token\"",
        ),
        ("[mcpServers.'a b']\ncommand = 'c'", "p.toml:1: mcpServers.\"a b\": \"a b\" cannot be a server's name"),
        ("mcpServers.x.env.A = []\nmcpServers.x.command = 'c'", "p.toml:1: mcpServers.x.env.A: expected a text"),
        ("cors_origins = [\n'https://a.example',\n'*']", "p.toml:3: cors_origins[1]: \"*\" has a wildcard"),
        ("[policy.roles.r]\nalow = []", "p.toml:2: policy.roles.r: unknown key \"alow\"; did you mean \"allow\"?"),
        ("[policy.rolls]", "p.toml:1: policy: \"roles\" is missing"),
        ("sse = 2020-01-01", "p.toml:1: sse: expected true or false, found a text"),
        ("[audit]\nfile = 'a'\nkeep = 0x10", "p.toml:3: audit.keep: \"0x10\" is no whole number"),
        ("[state]\nkey = '${env:NOPE}'", "p.toml:2: state.key: the environment variable NOPE is not set"),
        ("sse = true\nsse = false", "p.toml:2: the key \"sse\" stands here a second time; keep one"),
        ("listen = 127.0.0.1:8000", "p.toml:1: this is not TOML: invalid float; if it is a text, put it in quotes"),
        ("a = 1\nb = 2020-99-99", "p.toml:2: this is not TOML: invalid "),
    ] {
        let found = bad(text);
        assert!(found.lines().any(|line| line.starts_with(expected)), "{text}\n{found}");
    }
}

#[test]
fn a_date_is_a_text_where_a_text_is_wanted() {
    let settings = good("[mcpServers.x]\ncommand = 'c'\nargs = ['--since', 2026-07-28, 8_000]");
    let crate::ServerKind::Child { args, .. } = &settings.servers[0].kind else { panic!("no child") };
    assert_eq!(args.iter().map(crate::Text::expose).collect::<Vec<_>>(), ["--since", "2026-07-28", "8000"]);
}

#[test]
fn the_ending_decides_in_any_case_of_letters() {
    assert!(parse("sse = true", "P.TOML", &World::default()).unwrap().sse);
    assert!(parse("sse = true", "p.json", &World::default()).is_err());
    assert!(parse("{\"sse\": true}", "p.toml", &World::default()).is_err());
}

const DAMAGED: &str = r#"listen = "127.0.0.1:8000" # x
cors_origins = ['https://a', """https://\
  b"""]
[mcpServers]
a = {command = "c", args = ["${env:A}", 1_000, 0x1f, 1.5e3, 2026-07-28T10:00:00Z], env.K = "\u0041"}
b.url = "http://u:p@h/sse?x=y"
[mcpServers.b.headers]
A = '''b'''
[[auth.tokens]]
name = "ci"
token = "${file:f}"
roles = ["r"]
[policy.roles.r]
allow = ["a/tool:*"]
[limits]
per_principal = {rate = "10/s"}
timeout = 1.5
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\"'=#.,:\\\\ \\nA-Za-z0-9$_é\\u{0}\\u{feff}-]{0,60}") {
        everything_in("p.toml", &text)?;
    }

    #[test]
    fn no_tables_panic(lines in proptest::collection::vec("\\[{0,2}[ab'\"](\\.[ab]){0,2}\\]{0,2}( = (1|\\{a\\.b = 1\\}|\\[\\{\\}\\]))?", 0..8)) {
        everything_in("p.toml", &lines.join("\n"))?;
    }

    #[test]
    fn no_damaged_file_panics(at in 0_usize..600, byte in any::<char>()) {
        let mut damaged: String = DAMAGED.chars().take(at).collect();
        damaged.push(byte);
        everything_in("p.toml", &damaged)?;
        damaged.extend(DAMAGED.chars().skip(at + 1));
        everything_in("p.toml", &damaged)?;
    }
}

#[test]
fn the_file_that_is_damaged_was_good() {
    let world = World::default().var("A", "a").file("f", "0123456789abcdef\n");
    parse(DAMAGED, "p.toml", &world).unwrap();
}
