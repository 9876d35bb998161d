//! A legacy MCP server on stdio that misbehaves as its first argument says. For tests.
//!
//! | mode | what it does |
//! |---|---|
//! | `good` | nothing wrong by itself; see the tools |
//! | `exit` | says why on stderr and exits with status 3 before it reads anything |
//! | `silent` | reads everything, answers nothing, not even the handshake |
//! | `lists-nothing` | shakes hands, and never answers a list |
//! | `deaf` | reads nothing more once it has told its tools |
//! | `flood-stdout` | once it is up, writes lines that are no messages, without end |
//! | `flood-line` | the same as one line without end |
//! | `flood-notes` | the same as sound notifications that its lists changed |
//! | `flood-stderr` | the same on stderr |
//! | `stubborn` | ends neither by SIGTERM nor when its input ends |
//! | `brood` | leaves a process behind that holds its pipes, and writes its number to the file `brood` |
//! | `linger` | no server: sleeps, for as long as any test lasts |
//!
//! Tools: `echo` (`message`), `whoami` (its process id), `hang` (never answers), `crash` (exits with
//! status 9), `leave` (starts a process that lingers; its id), `broken` (answers with invalid UTF-8),
//! `deep` (answers with a result of 100,000 levels), `long` (answers with a line of so many `bytes`,
//! its members in the `order` `usual`, `sorted`, or with the id `last`).

use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "linger" => linger(),
        "exit" => {
            eprintln!("there is no database");
            exit(3);
        }
        "stubborn" => ignore_terminate(),
        "brood" => std::fs::write("brood", leave().to_string()).expect("a file"),
        _ => {}
    }
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if mode == "silent" || message.get("id").is_none() {
            continue;
        }
        answer(&mode, &message);
        if message["method"] == "tools/list" {
            match mode.as_str() {
                "deaf" => linger(),
                flood if flood.starts_with("flood") => start_flood(flood),
                _ => {}
            }
        }
    }
    if mode == "stubborn" {
        linger();
    }
}

fn answer(mode: &str, request: &Value) {
    let arguments = &request["params"]["arguments"];
    let result = match request["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": "misbehave", "version": "1"}}),
        "ping" => json!({}),
        "tools/list" if mode == "lists-nothing" => return,
        "tools/list" => {
            let names = ["echo", "whoami", "hang", "crash", "leave", "broken", "deep", "long"];
            let tool = |name: &&str| json!({"name": name, "inputSchema": {"type": "object"}});
            json!({"tools": names.iter().map(tool).collect::<Vec<_>>()})
        }
        "tools/call" => match request["params"]["name"].as_str().unwrap_or_default() {
            "echo" => text(arguments["message"].as_str().unwrap_or_default()),
            "whoami" => text(&std::process::id().to_string()),
            "hang" => return,
            "crash" => {
                eprintln!("about to crash");
                exit(9);
            }
            "leave" => text(&leave().to_string()),
            "broken" => {
                let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[],"x":""#, request["id"]);
                return write(&[head.as_bytes(), b"\xff\xfe\"}}"].concat());
            }
            "deep" => {
                let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
                let line = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"x":{open}{close}}}}}"#, request["id"]);
                return write(line.as_bytes());
            }
            "long" => {
                let bytes = usize::try_from(arguments["bytes"].as_u64().unwrap_or(0)).unwrap_or(0);
                let (id, result) = (&request["id"], text(&"x".repeat(bytes)));
                let line = match arguments["order"].as_str() {
                    Some("sorted") => format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{result}}}"#),
                    Some("last") => format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#),
                    _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
                };
                return write(line.as_bytes());
            }
            _ => text("?"),
        },
        _ => {
            let error = json!({"code": -32601, "message": "method not found"});
            return write(json!({"jsonrpc": "2.0", "id": request["id"], "error": error}).to_string().as_bytes());
        }
    };
    write(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string().as_bytes());
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn write(line: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

/// From another thread, so that calls are still answered.
fn start_flood(kind: &str) {
    let piece = match kind {
        "flood-line" => "x".repeat(64 * 1024),
        "flood-notes" => {
            format!("{}\n", json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).repeat(500)
        }
        _ => "this is no message\n{\"nor\": \"this\"}\n[\n".repeat(1000),
    };
    let to_stderr = kind == "flood-stderr";
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(move || {
            loop {
                let written = if to_stderr {
                    std::io::stderr().write_all(piece.as_bytes())
                } else {
                    std::io::stdout().write_all(piece.as_bytes())
                };
                if written.is_err() {
                    exit(0);
                }
            }
        });
    });
}

/// Leaves a process behind that is in our group and holds our output.
fn leave() -> u32 {
    let me = std::env::current_exe().expect("a program");
    Command::new(me).arg("linger").stdin(Stdio::null()).spawn().expect("a process").id()
}

fn linger() {
    std::thread::sleep(Duration::from_secs(600));
}

/// From now on SIGTERM does nothing.
fn ignore_terminate() {
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut signal =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
            ready.send(()).expect("somebody waits");
            while signal.recv().await.is_some() {}
        });
    });
    is_ready.recv().expect("a thread");
}
