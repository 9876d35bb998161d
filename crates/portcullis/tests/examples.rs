//! The examples of the documents are what the program understands.

use std::process::Command;

#[test]
fn the_example_file_is_valid_and_shows_no_secret() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/example.jsonc");
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
