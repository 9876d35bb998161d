//! `./bench`: the gateway side by side with what it is compared to, in one run with the same body.
//! Absolute times say little on a shared machine; the ratios do.

mod load;

use axum::{Json, Router, routing::post};
use bytes::Bytes;
use http::HeaderMap;
use load::Target;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello, portcullis"}}}"#;
const CLIENTS: [usize; 3] = [1, 8, 32];

/// A process that ends with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    usual.iter().chain(pairs).map(|(k, v)| (k.parse().expect("a name"), v.parse().expect("a value"))).collect()
}

fn bin(name: &str) -> PathBuf {
    std::env::current_exe().expect("a program").with_file_name(name)
}

/// The gateway with these settings; `info` is whether it writes a log line for each call.
fn gateway(folder: &Path, name: &str, log: &str, settings: &Value) -> (Process, SocketAddr) {
    let file = folder.join(format!("{name}.jsonc"));
    std::fs::write(&file, settings.to_string()).expect("settings");
    let mut child = Command::new(bin("fixture"))
        .args(["serve", "--config"])
        .arg(&file)
        .env("RUST_LOG", log)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the gateway");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("listening on http://")?;
        rest.split_once("/mcp")?.0.parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    (Process(child), address.expect("an address"))
}

/// What a table row is about.
struct Row {
    group: &'static str,
    name: String,
    target: Target,
}

async fn axum_echo() -> SocketAddr {
    let app = Router::new().route("/", post(async |Json(body): Json<Value>| Json(body)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let listener = axum::serve::ListenerExt::tap_io(listener, |s: &mut tokio::net::TcpStream| {
        let _ = s.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
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

/// mcp-proxy in front of a stdio server, if it is installed.
async fn mcp_proxy(folder: &Path, command: &str, args: &[String]) -> Option<(Process, SocketAddr)> {
    let program = std::env::var_os("MCP_PROXY").map_or_else(|| PathBuf::from("mcp-proxy"), PathBuf::from);
    let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let text = format!(
        "[proxy]\nname = \"bench\"\nseparator = \"/\"\n[proxy.listen]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [[backends]]\nname = \"echo\"\ntransport = \"stdio\"\ncommand = {command:?}\nargs = {args:?}\n"
    );
    let file = folder.join(format!("proxy-{port}.toml"));
    std::fs::write(&file, text).ok()?;
    let child = Command::new(program)
        .arg("--config")
        .arg(file)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let process = Process(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Some((process, address));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

#[tokio::main]
async fn main() {
    let seconds: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(4);
    let folder = tempfile::tempdir().expect("a folder");
    let node = std::env::var("NODE").unwrap_or_else(|_| "node".into());
    let echo_mjs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/bench/echo.mjs");
    let echo_mjs = echo_mjs.canonicalize().expect("echo.mjs").to_string_lossy().into_owned();
    let echo_child = bin("echo-child").to_string_lossy().into_owned();
    let settings = json!({
        "listen": "127.0.0.1:0",
        "mcpServers": {
            "fixture": {"type": "fixture"},
            "node": {"command": node, "args": [echo_mjs]},
            "compiled": {"command": echo_child},
        },
        "auth": {"tokens": [{"name": "bench", "token": "bench-token-0123456789", "roles": ["all"]}]},
        "policy": {"roles": {"all": {"allow": ["*/*"]}}},
        "limits": {"per_principal": {"rate": "1000000/s", "burst": 1000000, "concurrent": 1000}, "per_address": {"rate": "1000000/s", "burst": 1000000}},
        "audit": {"file": "audit.jsonl", "max_bytes": "64MiB", "keep": 1},
    });
    // The whole gate is on: token, policy, limits, audit, metrics.
    let (_quiet, quiet) = gateway(folder.path(), "quiet", "warn,portcullis::serve=info", &settings);
    let mut logged = settings.clone();
    logged["audit"]["file"] = "audit-info.jsonl".into();
    let (_info, info) = gateway(folder.path(), "info", "info,gate=debug", &logged);
    let token = "Bearer bench-token-0123456789";
    let with_token = |mut target: Target| {
        target.headers.insert("authorization", token.parse().expect("a value"));
        target
    };
    // Children are started by their first call.
    for path in ["/node/mcp", "/compiled/mcp"] {
        for address in [quiet, info] {
            load::once(&with_token(legacy(address, path, None, "echo"))).await;
        }
    }
    let axum = axum_echo().await;
    let mut rows = vec![
        Row {
            group: "built-in echo",
            name: "axum, bare JSON echo".into(),
            target: Target { path: "/".into(), ..legacy(axum, "/", None, "echo") },
        },
        Row {
            group: "built-in echo",
            name: "portcullis, one bare POST".into(),
            target: with_token(legacy(quiet, "/fixture/mcp", None, "echo")),
        },
        Row {
            group: "built-in echo",
            name: "portcullis, 2026-07-28".into(),
            target: with_token(modern(quiet, "/fixture/mcp")),
        },
        Row {
            group: "built-in echo",
            name: "portcullis, `info` spans on".into(),
            target: with_token(legacy(info, "/fixture/mcp", None, "echo")),
        },
    ];
    let mut kept = Vec::new();
    for (group, path, command, args) in [
        ("before a Node stdio echo", "/node/mcp", node.clone(), vec![echo_mjs.clone()]),
        ("before a compiled stdio echo", "/compiled/mcp", echo_child.clone(), vec![]),
    ] {
        rows.push(Row {
            group,
            name: "axum, bare JSON echo".into(),
            target: Target { path: "/".into(), ..legacy(axum, "/", None, "echo") },
        });
        rows.push(Row {
            group,
            name: "portcullis, one bare POST".into(),
            target: with_token(legacy(quiet, path, None, "echo")),
        });
        rows.push(Row { group, name: "portcullis, 2026-07-28".into(), target: with_token(modern(quiet, path)) });
        rows.push(Row {
            group,
            name: "portcullis, `info` spans on".into(),
            target: with_token(legacy(info, path, None, "echo")),
        });
        match mcp_proxy(folder.path(), &command, &args).await {
            Some((process, address)) => {
                let session = session(address, "/").await;
                rows.push(Row {
                    group,
                    name: "mcp-proxy 0.6".into(),
                    target: legacy(address, "/", session.as_deref(), "echo/echo"),
                });
                kept.push(process);
            }
            None => eprintln!("mcp-proxy is not installed (cargo install mcp-proxy@0.6.0): left out"),
        }
    }
    let mut table = String::new();
    let mut group = "";
    let mut base = [0.0; CLIENTS.len()];
    let mut floors = Vec::new();
    for row in &rows {
        if row.group != group {
            group = row.group;
            let _ = write!(
                table,
                "\n**{group}**\n\n| | clients | calls/s | of axum | p50 µs | p99 µs |\n|---|---|---|---|---|---|\n"
            );
        }
        for (n, clients) in CLIENTS.into_iter().enumerate() {
            let (warm_up, time) = (Duration::from_millis(500), Duration::from_secs(seconds));
            let figures = load::run(&row.target, clients, warm_up, time).await;
            if row.name.starts_with("axum") {
                base[n] = figures.rate;
            }
            let ratio = figures.rate / base[n];
            let line = format!(
                "| {} | {clients} | {:.0} | {ratio:.2} | {} | {} |",
                row.name,
                figures.rate,
                figures.p50.as_micros(),
                figures.p99.as_micros()
            );
            eprintln!("{group}: {line}");
            let _ = writeln!(table, "{line}");
            if clients == 32 && row.name.contains("bare POST") {
                floors.push((row.group, ratio));
            }
        }
    }
    println!("{table}");
    for (group, floor) in [("built-in echo", 0.6), ("before a Node stdio echo", 0.37)] {
        if let Some((_, ratio)) = floors.iter().find(|(g, _)| *g == group) {
            let verdict = if *ratio >= floor { "held" } else { "MISSED" };
            println!("{group}, 32 clients: {ratio:.2} of axum's rate; the floor of {floor} is {verdict}");
        }
    }
}
