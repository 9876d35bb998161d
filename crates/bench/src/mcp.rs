//! MCP over HTTP: a built-in tool, and stdio servers, beside a bare axum echo and mcp-proxy.

use crate::load::{self, Target};
use crate::peers::{self, Process};
use crate::table::{Row, group};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

pub const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello, portcullis"}}}"#;
const CLIENTS: [usize; 3] = [1, 8, 32];
const TOKEN: &str = "Bearer bench-token-0123456789";

/// Settings with the whole gate on: token, policy, limits, audit, metrics.
pub fn settings(servers: Value, audit: &str) -> Value {
    json!({
        "listen": "127.0.0.1:0",
        "mcpServers": servers,
        "auth": {"tokens": [{"name": "bench", "token": TOKEN.trim_start_matches("Bearer "), "roles": ["all"]}]},
        "policy": {"roles": {"all": {"allow": ["*/*"]}}},
        "limits": {"per_principal": {"rate": "1000000/s", "burst": 1000000, "concurrent": 1000}, "per_address": {"rate": "1000000/s", "burst": 1000000}},
        "audit": {"file": audit, "max_bytes": "64MiB", "keep": 1},
    })
}

pub fn with_token(mut target: Target) -> Target {
    target.headers.insert("authorization", TOKEN.parse().expect("a value"));
    target
}

/// All groups; gives their tables and whether their floors are held.
pub async fn run(folder: &Path, node: &str, echo_mjs: &str, seconds: u64) -> String {
    let echo_child = peers::bin("echo-child").to_string_lossy().into_owned();
    let servers = json!({
        "fixture": {"type": "fixture"},
        "node": {"command": node, "args": [echo_mjs]},
        "compiled": {"command": echo_child},
    });
    let (_quiet, quiet) =
        peers::gateway(folder, "quiet", "warn,portcullis::serve=info", &settings(servers.clone(), "audit.jsonl"));
    let (_info, info) = peers::gateway(folder, "info", "info", &settings(servers, "audit-info.jsonl"));
    // Children are started by their first call.
    for path in ["/node/mcp", "/compiled/mcp"] {
        for address in [quiet, info] {
            load::once(&with_token(legacy(address, path, None, "echo"))).await;
        }
    }
    let (_axum, axum) = peers::axum_echo();
    let groups = [
        ("built-in echo", "/fixture/mcp", None),
        ("before a Node stdio echo", "/node/mcp", Some((node.to_owned(), vec![echo_mjs.to_owned()]))),
        ("before a compiled stdio echo", "/compiled/mcp", Some((echo_child.clone(), Vec::new()))),
    ];
    let (mut text, mut verdicts) = (String::new(), String::new());
    for (title, path, child) in groups {
        let row = |name: &str, target| Row { name: name.into(), target };
        let mut rows = vec![
            row("axum, bare JSON echo", Target { path: "/".into(), ..legacy(axum, "/", None, "echo") }),
            row("portcullis, one bare POST", with_token(legacy(quiet, path, None, "echo"))),
            row("portcullis, 2026-07-28", with_token(modern(quiet, path))),
            row("portcullis, `info` spans on", with_token(legacy(info, path, None, "echo"))),
        ];
        let mut _kept: Option<Process> = None;
        if let Some((command, args)) = &child {
            match peers::mcp_proxy(folder, command, args).await {
                Some((process, address)) => {
                    let session = session(address, "/").await;
                    rows.push(row("mcp-proxy 0.6", legacy(address, "/", session.as_deref(), "echo/echo")));
                    _kept = Some(process);
                }
                None => eprintln!("mcp-proxy is not installed (cargo install mcp-proxy@0.6.0): left out"),
            }
        }
        let (table, cells) = group(title, &rows, &CLIENTS, seconds).await;
        text += &table;
        let ratio = |a: usize, b: usize| cells[a][2].rate_to(&cells[b][2]);
        let floor = match title {
            "built-in echo" => Some(0.6),
            "before a Node stdio echo" => Some(0.37),
            _ => None,
        };
        if let Some(floor) = floor {
            let verdict = if ratio(1, 0) >= floor { "held" } else { "MISSED" };
            verdicts +=
                &format!("{title}, 32 clients: {:.2} of axum's rate; the floor of {floor} is {verdict}\n", ratio(1, 0));
        }
        if cells.len() > 4 {
            verdicts += &format!("{title}, 32 clients: {:.1} times mcp-proxy's rate\n", ratio(1, 4));
        }
    }
    text + "\n" + &verdicts
}

/// Opens a legacy session; gives its id.
async fn session(address: SocketAddr, path: &str) -> Option<String> {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
    let mut target = Target {
        address,
        path: path.into(),
        headers: headers(&[]),
        body: Bytes::from_static(body.as_bytes()),
        expect: "",
    };
    let (answer, _) = load::once(&target).await;
    let id = answer.get("mcp-session-id")?.to_str().ok()?.to_owned();
    target.headers = headers(&[("mcp-session-id", &id)]);
    target.body = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    load::once(&target).await;
    Some(id)
}

fn legacy(address: SocketAddr, path: &str, session: Option<&str>, tool: &str) -> Target {
    let body = BODY.replace("\"name\":\"echo\"", &format!("\"name\":\"{tool}\""));
    let pairs: Vec<(&'static str, &str)> = session.map(|s| ("mcp-session-id", s)).into_iter().collect();
    Target { address, path: path.into(), headers: headers(&pairs), body: body.into(), expect: "hello, portcullis" }
}

fn modern(address: SocketAddr, path: &str) -> Target {
    let mut body: Value = serde_json::from_str(BODY).expect("json");
    body["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers =
        headers(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")]);
    Target { address, path: path.into(), headers, body: body.to_string().into(), expect: "hello, portcullis" }
}

pub fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    usual.iter().chain(pairs).map(|(k, v)| (k.parse().expect("a name"), v.parse().expect("a value"))).collect()
}
