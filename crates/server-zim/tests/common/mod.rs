//! What tests of the server need: a caller, and archives in folders.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests"
)]

use mcp::{Answer, Call, Caller, Era, Raw, Request, Server};
use serde_json::{Value, json};
use server_zim::Settings;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub fn call() -> Call {
    let caller = Caller {
        principal: "p".into(),
        session: None,
        era: Era::Modern,
        capabilities: mcp::Capabilities::none(),
        log_level: None,
        wants_progress: false,
        trace: None,
    };
    let (call, ears) = Call::new(caller, HashMap::new());
    // Kept open for the test: dropping the ears cancels.
    std::mem::forget(ears);
    call
}

pub async fn ask(server: &Arc<dyn Server>, method: &str, params: Value) -> Value {
    let request = Request::read(method, Some(Raw::of(&params))).unwrap();
    match Arc::clone(server).answer(request, call()).await.unwrap() {
        Answer::Complete(raw) => raw.read().unwrap(),
        Answer::NeedsInput { .. } => panic!("the server asks nothing"),
    }
}

/// The structured result, which the text block repeats.
pub async fn tool(server: &Arc<dyn Server>, name: &str, arguments: Value) -> Value {
    let result = ask(server, "tools/call", json!({ "name": name, "arguments": arguments })).await;
    assert_ne!(result["isError"], true, "{result}");
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, result["structuredContent"]);
    text
}

/// The error of a tool that fails.
pub async fn fault(server: &Arc<dyn Server>, name: &str, arguments: Value) -> Value {
    let result = ask(server, "tools/call", json!({ "name": name, "arguments": arguments })).await;
    assert_eq!(result["isError"], true, "{result}");
    let fault: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(fault["error"], true);
    fault
}

pub fn folder(archives: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in archives {
        put(folder.path(), name, bytes);
    }
    folder
}

/// Written beside and moved, as downloads are.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path.with_extension("part"), bytes).unwrap();
    std::fs::rename(path.with_extension("part"), path).unwrap();
}

pub fn quick(folder: &TempDir) -> Settings {
    let mut settings = Settings::of([folder.path().to_owned()]);
    settings.rescan = Duration::ZERO;
    settings
}
