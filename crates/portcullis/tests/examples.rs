//! The examples of the documents are what the program understands.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The blocks of a language in the README.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    README.split(start.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// What the program says about a settings file.
fn check(name: &str, text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", "--config"])
        .arg(&file)
        .env("CI_TOKEN", "a-token-for-the-example-only")
        .env("OPS_TOKEN", "another-token-for-the-example-only")
        .output()
        .unwrap();
    (checked.status.success(), String::from_utf8_lossy(&checked.stderr).into_owned())
}

#[test]
fn the_example_in_toml_is_valid_too() {
    let text = include_str!("../../../docs/example.toml");
    let (is_valid, said) = check("portcullis.toml", text);
    assert!(is_valid, "{said}");
}

#[test]
fn every_file_of_the_page_about_docker_is_served_and_offers_what_the_page_says() {
    for (text, role, offered, absent) in [
        (include_str!("../../../docs/docker-monitoring.jsonc"), "", "docker_list_containers", "docker_start_container"),
        (include_str!("../../../docs/docker-desktop.jsonc"), "", "docker_remove_container", "docker_no_such_tool"),
        (include_str!("../../../docs/docker-team.jsonc"), "CI_TOKEN", "docker_version", "docker_stop_container"),
        (include_str!("../../../docs/docker-team.jsonc"), "OPS_TOKEN", "docker_system_prune", "docker_no_such_tool"),
    ] {
        let (is_valid, said) = check("portcullis.jsonc", text);
        assert!(is_valid, "{said}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.jsonc");
        std::fs::write(&file, text).unwrap();
        let mut served = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .env("CI_TOKEN", "a-token-for-the-example-only")
            .env("OPS_TOKEN", "another-token-for-the-example-only")
            .env("DOCKER_HOST", "unix:///nonexistent/engine.sock")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(served.stderr.take().unwrap()).lines();
        let _served = Process(served);
        let said =
            lines.find_map(|line| line.unwrap().split_once("listening on http://").map(|(_, rest)| rest.to_owned()));
        let address = said.unwrap().split_once("/mcp").unwrap().0.to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        let token = match role {
            "CI_TOKEN" => "a-token-for-the-example-only",
            "OPS_TOKEN" => "another-token-for-the-example-only",
            _ => "",
        };
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let head = if token.is_empty() { head.replace("Authorization: Bearer \r\n", "") } else { head };
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let names = |name: &str| answer.contains(&format!("\"{name}\""));
        assert!(answer.starts_with("HTTP/1.1 200") && names(offered) && !names(absent), "{offered}: {answer}");
    }
}

#[test]
fn the_schema_is_printed_for_editors() {
    let printed = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["check", "--schema"]).output().unwrap();
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.status.success() && text.contains("\"$schema\"") && text.contains("mcpServers"), "{text}");
}

#[test]
fn every_settings_file_of_the_readme_is_valid() {
    let files: Vec<_> = blocks("jsonc").into_iter().chain(blocks("json")).collect();
    assert_eq!(files.len(), 2);
    for text in files {
        let (is_valid, said) = check("portcullis.jsonc", text);
        assert!(is_valid, "{text}\n{said}");
    }
    let written = README.split("echo '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(check("portcullis.jsonc", written).0, "{written}");
}

/// A process that ends with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_two_commands_of_the_readme_work() {
    let commands: Vec<_> = blocks("sh")[0].lines().collect();
    assert_eq!(commands[0], "cargo run --release -- demo");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["demo", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let _demo = Process(demo);
    let said = lines.find_map(|line| line.unwrap().split_once("listening on http://").map(|(_, rest)| rest.to_owned()));
    let address = said.unwrap().split_once("/mcp").unwrap().0.to_owned();
    std::thread::spawn(move || lines.for_each(drop));
    // curl -s http://127.0.0.1:8000<path> -H '<header>' -d '<body>'
    let path = commands[1].split("127.0.0.1:8000").nth(1).unwrap().split(' ').next().unwrap();
    let quoted: Vec<_> = commands[1].split('\'').collect();
    let (header, body) = (quoted[1], quoted[3]);
    let mut stream = TcpStream::connect(&address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""title":"Security""#), "{answer}");
}

#[test]
fn the_example_file_is_valid_and_shows_no_secret() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let file = &format!("{here}/../../docs/example.jsonc");
    let checked = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["check", "--config", file]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{err}");
    assert!(out.contains("mcpServers") && !out.contains("a-token-for-the-example-only"), "{out}");
}

#[test]
fn a_file_that_is_wrong_exits_with_1_and_says_where() {
    let folder = std::env::temp_dir().join(format!("portcullis-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("wrong.jsonc");
    std::fs::write(&file, "{\n  \"polcy\": {}\n}").unwrap();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["check", "--config"]).arg(&file).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("wrong.jsonc:2") && said.contains("policy"), "{said}");
}
