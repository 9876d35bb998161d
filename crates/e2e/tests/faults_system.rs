//! What the system around the gateway does to it: a log that nobody reads, or that was closed, and
//! file handles that run out.

use e2e::faults::{Process, Raw, gone};
use e2e::{Client, House, child, fixture, signal, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// A gateway whose log is ours to read, or not to.
struct Logging {
    _folder: tempfile::TempDir,
    process: Child,
    log: Option<Lines<BufReader<ChildStderr>>>,
    address: String,
}

impl Logging {
    async fn start(mut settings: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        settings["listen"] = "127.0.0.1:0".into();
        std::fs::write(folder.path().join("portcullis.jsonc"), settings.to_string()).expect("the settings are written");
        let mut process = Command::new(fixture())
            .args(["serve", "--config", "portcullis.jsonc"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway starts");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        loop {
            let line = tokio::time::timeout(e2e::PATIENCE, log.next_line()).await.expect("a line");
            let line = line.expect("a log").expect("a line");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address = rest.split_once("/mcp").expect("a path").0.to_owned();
                return Self { _folder: folder, process, log: Some(log), address };
            }
        }
    }

    fn client(&self, path: &str) -> Client {
        let http = reqwest_client();
        Client { http, url: format!("{}{path}", self.address), token: None, session: None }
    }

    /// One request, if it is answered in time.
    async fn status(&self, path: &str) -> Option<u16> {
        let sent = self.client(path).post(call()).send();
        Some(tokio::time::timeout(Duration::from_secs(2), sent).await.ok()?.ok()?.status().as_u16())
    }
}

fn reqwest_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

fn call() -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "hi"}}})
        .to_string()
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nobody() {
    let house = Logging::start(json!({"mcpServers": {"builtin": {"type": "fixture"}}})).await;
    // Each refusal is a line; a pipe holds 64 KB of them.
    for n in 0..1500 {
        let status = house.status("/builtin/nowhere").await;
        assert_eq!(status, Some(404), "the gateway stands still after {n} lines of log");
    }
    assert_eq!(house.status("/builtin/mcp").await, Some(200));
}

#[tokio::test]
async fn a_log_that_was_closed_stops_nobody_and_the_gateway_still_ends_in_good_order() {
    let mut house =
        Logging::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}})).await;
    assert_eq!(house.status("/good/mcp").await, Some(200));
    let pid = house.process.id().expect("it runs");
    let all = Process::of(pid).expect("it runs").descendants();
    house.log = None;
    let mut refused = Vec::new();
    for _ in 0..5 {
        refused.push(house.status("/builtin/nowhere").await);
    }
    assert_eq!(house.status("/good/mcp").await, Some(200));
    signal(pid, "TERM");
    let ended = tokio::time::timeout(e2e::PATIENCE, house.process.wait()).await.expect("it ends").expect("a status");
    gone("the end of all processes", &all).await;
    assert!(refused.iter().all(|status| *status == Some(404)) && ended.code() == Some(0), "{refused:?}, {ended}");
}

#[tokio::test]
async fn file_handles_that_run_out_harm_only_who_comes_too_late_and_come_back() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}})).await;
    // One connection that is kept, and used all the time.
    let client = house.client("good", None);
    client.call("echo", json!({"message": "hi"})).await.result();
    house.is_at_rest().await;
    let before = house.vitals();
    let limit = before.handles + 20;
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &house.pid().to_string(), &format!("--nofile={limit}")])
        .status();
    assert!(limited.expect("prlimit runs").success());
    let many = join_all((0..100).map(|_| Raw::connect(&house))).await;
    wait_for("the last handle", async || house.vitals().handles >= limit).await;
    let begun = Instant::now();
    for n in 0..50 {
        let answer = client.call("echo", json!({"message": n.to_string()})).await;
        assert_eq!(answer.result()["content"][0]["text"], n.to_string());
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(many);
    wait_for("other connections", async || house.vitals().handles <= before.handles).await;
    house.client("builtin", None).call("echo", json!({"message": "hi"})).await.result();
    house.is_at_rest().await;
    let lines = house.log.lock().expect("log").len();
    assert!(lines < 200, "{lines} lines of log");
}
