//! REST: the same echo behind mcpo and behind us, the documents of many tools, the start, memory.

use crate::load::{self, Target};
use crate::mcp::{headers, settings, with_token};
use crate::peers;
use crate::table::{Row, group};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const CLIENTS: [usize; 3] = [1, 16, 64];
const BODY: &str = r#"{"message":"hello, portcullis"}"#;

fn echo(address: SocketAddr, path: &str) -> Target {
    Target { address, path: path.into(), headers: headers(&[]), body: BODY.into(), expect: "hello, portcullis" }
}

/// The tables and verdicts.
pub async fn run(folder: &Path, node: &str, echo_mjs: &str, seconds: u64) -> String {
    let servers = json!({"node": {"command": node, "args": [echo_mjs]}});
    let (_gateway, address) =
        peers::gateway(folder, "rest", "warn,portcullis::serve=info", &settings(servers, "audit-rest.jsonl"));
    let mut ours = with_token(echo(address, "/node/echo"));
    ours.headers.insert("accept", "application/json".parse().expect("a value"));
    load::once(&ours).await;
    let mut rows = vec![Row { name: "portcullis, whole gate on".into(), target: ours }];
    let peer = peers::mcpo(node, &[echo_mjs.to_owned()]).await;
    match &peer {
        Some((_, address)) => rows.push(Row { name: "mcpo 0.0.20".into(), target: echo(*address, "/echo") }),
        None => eprintln!("mcpo is not installed (./bench installs it where there is Python 3): left out"),
    }
    let (mut text, cells) = group("REST before a Node stdio echo", &rows, &CLIENTS, seconds).await;
    if let [ours, mcpo] = cells.as_slice() {
        text.push('\n');
        for (n, clients) in CLIENTS.iter().enumerate() {
            let (rate, p99) = (ours[n].rate_to(&mcpo[n]), mcpo[n].p99_to(&ours[n]));
            text += &format!("REST, {clients} clients: {rate:.1} times mcpo's rate, its p99 is {p99:.1} times ours\n");
        }
        let (rate, p99) = (ours[1].rate_to(&mcpo[1]), mcpo[1].p99_to(&ours[1]));
        let verdict = if rate >= 15.0 && p99 >= 12.0 { "held" } else { "MISSED" };
        text += &format!("the floors of 15 times the rate and 12 times the p99, at 16 clients, are {verdict}\n");
    }
    text + &documents(folder).await + &start(folder).await
}

/// The document of 50 servers with 2,000 tools, for the first time and again.
async fn documents(folder: &Path) -> String {
    let child = peers::bin("echo-child").to_string_lossy().into_owned();
    let server = || json!({"command": child, "args": ["tools=40"]});
    let servers: Map<String, Value> = (0..50).map(|n| (format!("s{n}"), server())).collect();
    let settings = settings(servers.into(), "audit-many.jsonl");
    let (gateway, address) = peers::gateway(folder, "many", "warn,portcullis::serve=info", &settings);
    let get = async || {
        let target = with_token(echo(address, "/openapi.json"));
        let begun = Instant::now();
        let text = load::get(&target).await;
        (begun.elapsed(), text)
    };
    let all_there = Instant::now() + Duration::from_secs(60);
    while get().await.1.matches("\"operationId\"").count() < 2000 {
        assert!(Instant::now() < all_there, "not all servers came up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut again = Vec::new();
    for _ in 0..9 {
        again.push(get().await.0);
    }
    again.sort_unstable();
    let target = with_token(echo(address, "/s7/openapi.json"));
    let begun = Instant::now();
    let one = load::get(&target).await.len();
    let first = begun.elapsed();
    format!(
        "\nthe document of 50 servers with 2,000 tools, {} KiB: {:.1} ms (median of 9, from the cache); that of one of \
         them, {} KiB, for the first time: {:.1} ms; the gateway then has {:.0} MiB\n",
        get().await.1.len() / 1024,
        again[4].as_secs_f64() * 1e3,
        one / 1024,
        first.as_secs_f64() * 1e3,
        gateway.resident()
    )
}

/// From the start of the process to its first answer, and what it holds when idle.
async fn start(folder: &Path) -> String {
    let mut times = Vec::new();
    let mut resident = 0.0;
    for n in 0..5 {
        let settings = settings(json!({"fixture": {"type": "fixture"}}), &format!("audit-start-{n}.jsonl"));
        let begun = Instant::now();
        let (gateway, address) =
            peers::gateway(folder, &format!("start-{n}"), "warn,portcullis::serve=info", &settings);
        load::once(&with_token(echo(address, "/fixture/echo"))).await;
        times.push(begun.elapsed());
        resident = gateway.resident();
    }
    times.sort_unstable();
    format!(
        "from the start of the process to its first answer: {:.0} ms (median of 5); resident when idle: {resident:.0} MiB\n",
        times[2].as_secs_f64() * 1e3
    )
}
