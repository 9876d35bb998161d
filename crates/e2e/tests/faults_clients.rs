//! Clients that vanish, send too much, too little, too deep or nothing, or never read: they get a
//! clear error where there is somebody to tell, nobody else notices, and nothing of them is left.

use e2e::faults::Raw;
use e2e::{Events, House, child, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

async fn house() -> House {
    House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}})).await
}

/// Calls are answered, and not late.
async fn others_go_on(house: &House) {
    let begun = Instant::now();
    for server in ["builtin", "good"] {
        let answer = house.client(server, None).call("echo", json!({"message": "hi"})).await;
        assert_eq!(answer.result()["content"][0]["text"], "hi", "{server}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "others took {took:?}");
}

fn call(tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
        .to_string()
}

/// A whole POST.
fn post(path: &str, body: &str) -> String {
    Raw::head(path, &format!("content-length: {}", body.len())) + body
}

/// A POST of the modern era.
fn modern_post(path: &str, tool: &str, arguments: &Value, more: &Value) -> String {
    let mut meta = e2e::modern_meta(json!({}));
    for (key, value) in more.as_object().expect("members") {
        meta[key] = value.clone();
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta}})
    .to_string();
    let head = format!(
        "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\ncontent-length: {}",
        body.len()
    );
    Raw::head(path, &head) + &body
}

/// What the fixture counts of a tool.
async fn count(house: &House, server: &str, tool: &str, what: &str) -> u64 {
    let answer = house.client(server, None).call("counters", json!({})).await;
    answer.result()["structuredContent"][tool][what].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn two_hundred_clients_that_connect_and_vanish_leave_nothing() {
    let house = house().await;
    others_go_on(&house).await;
    house.is_at_rest().await;
    let before = house.vitals();
    let arrive = async |n: usize| {
        let mut connection = Raw::connect(&house).await;
        let body = call("sleep_until_cancelled", &json!({}));
        let whole = post("/good/mcp", &body);
        match n % 5 {
            // Nothing, half a head, half a body, a call, a modern call.
            0 => {}
            1 => connection.send(whole.split_at(20).0.as_bytes()).await,
            2 => connection.send(whole.split_at(whole.len() - 10).0.as_bytes()).await,
            3 => connection.send(whole.as_bytes()).await,
            _ => {
                let modern = modern_post("/good/mcp", "sleep_until_cancelled", &json!({}), &json!({}));
                connection.send(modern.as_bytes()).await;
            }
        }
        connection
    };
    let connections = join_all((0..200).map(arrive)).await;
    wait_for("80 calls", async || count(&house, "good", "sleep_until_cancelled", "started").await == 80).await;
    assert!(house.vitals().sockets >= before.sockets + 200);
    others_go_on(&house).await;
    for (n, connection) in connections.into_iter().enumerate() {
        if n % 2 == 0 {
            // Vanishes with a reset, as a process that is killed with unread data does.
            connection.0.set_zero_linger().expect("a socket");
        }
        drop(connection);
    }
    house.is_at_rest().await;
    // The child was told as well.
    wait_for("their ends", async || count(&house, "good", "sleep_until_cancelled", "dropped").await == 80).await;
    house.has_at_most_sockets(before.sockets).await;
    let after = house.vitals();
    assert!(after.handles <= before.handles && after.threads <= before.threads, "{before:?} {after:?}");
    others_go_on(&house).await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_and_never_held() {
    let house = house().await;
    others_go_on(&house).await;
    let before = house.vitals().resident_kb;
    let piece = vec![b'x'; 1 << 20];
    // As its size says, or in chunks whose sum nobody knows before.
    for (kind, head) in [("sized", "content-length: 104857600"), ("chunked", "transfer-encoding: chunked")] {
        let sending = async {
            let mut connection = Raw::connect(&house).await;
            connection.send(Raw::head("/builtin/mcp", head).as_bytes()).await;
            let (mut reading, mut writing) = connection.0.into_split();
            let write = async {
                for _ in 0..100 {
                    let chunk = if kind == "chunked" {
                        [b"100000\r\n", piece.as_slice(), b"\r\n"].concat()
                    } else {
                        piece.clone()
                    };
                    if writing.write_all(&chunk).await.is_err() {
                        break;
                    }
                }
                std::future::pending::<()>().await;
            };
            let read = async {
                let mut text = Vec::new();
                while !text.windows(4).any(|w| w == b"\r\n\r\n") {
                    let read = tokio::io::AsyncReadExt::read_buf(&mut reading, &mut text).await.expect("an answer");
                    assert!(read > 0, "{kind}: no answer");
                }
                String::from_utf8(text).expect("text")
            };
            tokio::select! { answer = read => answer, () = write => unreachable!() }
        };
        let (answer, ()) = tokio::join!(sending, others_go_on(&house));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{kind}: {answer}");
    }
    let after = house.vitals().resident_kb;
    assert!(after < before + 24 * 1024, "from {before} to {after} kB");
    house.is_at_rest().await;
    others_go_on(&house).await;
}

/// Many clients (Python's `urllib`, now and then Node's `fetch`) write all of a body before they read,
/// and give up if they cannot: a server that answers early and closes resets their connection.
#[tokio::test]
async fn a_client_that_writes_all_of_a_body_before_it_reads_still_learns_that_it_is_too_large() {
    let house = house().await;
    let request = post("/builtin/mcp", &call("echo", &json!({"message": "x".repeat(6 << 20)})));
    let mut lost = Vec::new();
    for _ in 0..5 {
        let mut connection = Raw::connect(&house).await;
        let written = tokio::time::timeout(e2e::PATIENCE, connection.0.write_all(request.as_bytes())).await;
        match written.expect("the gateway reads or closes") {
            Ok(()) => assert!(connection.until("\r\n\r\n").await.starts_with("HTTP/1.1 413 ")),
            Err(error) => lost.push(error.kind()),
        }
    }
    assert!(lost.is_empty(), "{} of 5 could not write to the end: {lost:?}", lost.len());
}

#[tokio::test]
async fn slow_heads_and_half_bodies_cost_a_socket_each_and_delay_nobody() {
    let house = house().await;
    others_go_on(&house).await;
    house.is_at_rest().await;
    let before = house.vitals();
    let whole = post("/good/mcp", &call("echo", &json!({"message": "late"})));
    let (most, rest) = whole.split_at(whole.len() - 20);
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut connection = Raw::connect(&house).await;
        let part = if n % 2 == 0 { most } else { whole.split_at(30).0 };
        connection.send(part.as_bytes()).await;
        slow.push(connection);
    }
    // Those of the calls before may only just be closing.
    wait_for("the connections", async || house.vitals().sockets >= before.sockets + 295).await;
    for _ in 0..5 {
        others_go_on(&house).await;
        // A byte now and then is what such clients live on.
        for connection in slow.iter_mut().skip(1).step_by(2).take(20) {
            connection.send(b"x").await;
        }
    }
    let during = house.vitals();
    assert!(during.sockets <= before.sockets + 305, "{before:?} {during:?}");
    assert!(during.threads <= before.threads, "{before:?} {during:?}");
    assert!(during.resident_kb < before.resident_kb + 32 * 1024, "{before:?} {during:?}");
    assert_eq!(house.gauge("portcullis_calls_in_flight").await, 0, "half a request is none");
    // One of them ends what it began, and is answered.
    let mut late = slow.swap_remove(0);
    late.send(rest.as_bytes()).await;
    assert!(late.until("late").await.starts_with("HTTP/1.1 200 "));
    drop((slow, late));
    house.has_at_most_sockets(before.sockets).await;
    house.is_at_rest().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let house = house().await;
    let whole = post("/builtin/mcp", &call("destroy", &json!({"target": "all"})));
    let mut connection = Raw::connect(&house).await;
    connection.send(whole.split_at(whole.len() - 1).0.as_bytes()).await;
    connection.0.shutdown().await.expect("a socket");
    let answer = connection.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(count(&house, "builtin", "destroy", "started").await, 0);
    house.is_at_rest().await;
}

#[tokio::test]
async fn what_is_no_sound_json_is_refused_with_its_reason() {
    let house = house().await;
    let deep = |open: &str, close: &str, n: usize| {
        let (open, close) = (open.repeat(n), close.repeat(n));
        call("echo", &json!({"message": "hi", "x": "DEEP"}))
            .replace("\"DEEP\"", &format!("{open}1{close}"))
            .into_bytes()
    };
    let cut = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{".to_vec();
    let utf8 = [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":\"", &b"\xc3\x28\xff"[..], b"\"}}}"].concat();
    let twice = call("echo", &json!({"message": "a"})).replacen('{', r#"{"method":"ping","#, 1).into_bytes();
    let cases = [
        ("arrays", deep("[", "]", 100_000), "nested deeper than"),
        ("objects", deep("{\"a\":", "}", 100_000), "nested deeper than"),
        ("never closed", [b"[".repeat(1 << 20)].concat(), "nested deeper than"),
        ("UTF-8", utf8, "not valid UTF-8"),
        ("half", cut, "expected"),
        ("a key twice", twice, "twice"),
        ("nothing", Vec::new(), "expected"),
        ("zeros", vec![0; 1000], "expected"),
        (
            "a lone surrogate",
            call("echo", &json!({"message": "S"})).replace("\"S\"", r#""\ud800""#).into_bytes(),
            "surrogate",
        ),
    ];
    for server in ["builtin", "good"] {
        let mut session = house.client(server, None);
        session.open(json!({})).await;
        for client in [house.client(server, None), session] {
            for (name, body, reason) in &cases {
                let begun = Instant::now();
                let answer = client.send(body.clone()).await;
                assert!(begun.elapsed() < Duration::from_secs(1), "{name}: {:?}", begun.elapsed());
                assert_eq!(answer.status, 400, "{name}");
                assert_eq!(answer.error()["code"], -32700, "{name}");
                let message = answer.error()["message"].as_str().expect("a message");
                assert!(message.contains(reason), "{name}: {message}");
            }
        }
    }
    house
        .client("builtin", None)
        .call("echo", json!({"message": "deep enough", "x": [[[[[[[[1]]]]]]]]}))
        .await
        .result();
    others_go_on(&house).await;
}

#[tokio::test]
async fn a_batch_of_too_many_is_refused_and_one_that_is_allowed_is_answered() {
    let house = house().await;
    let mut client = house.client("good", None);
    let entry = |n: usize| {
        json!({"jsonrpc": "2.0", "id": n, "method": "tools/call",
        "params": {"name": "slow", "arguments": {"ms": 1}}})
    };
    let batch = |n: usize| Value::from((0..n).map(entry).collect::<Vec<_>>()).to_string();
    // 2025-03-26, which is the revision without a header, has batches.
    let answer = client.send(batch(64)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.messages.len(), 64);
    assert!(answer.messages.iter().all(|m| m.get("result").is_some()));
    for many in [65, 5000] {
        let answer = client.send(batch(many)).await;
        assert_eq!((answer.status, &answer.error()["code"]), (400, &json!(-32600)));
        assert!(answer.error()["message"].as_str().is_some_and(|m| m.contains("64")), "{}", answer.error());
    }
    assert_eq!(client.send("[]").await.error()["code"], -32600);
    assert_eq!(count(&house, "good", "slow", "started").await, 64);
    client.open(json!({})).await;
    let answer = client.send(batch(2)).await;
    assert_eq!((answer.status, &answer.error()["code"]), (400, &json!(-32600)));
    assert_eq!(house.gauge("portcullis_calls_in_flight").await, 0);
}

/// Both eras: a client that asked for a stream and never reads it.
#[tokio::test]
async fn a_stream_that_is_never_read_holds_bounded_memory_and_nobody_else() {
    let house = house().await;
    others_go_on(&house).await;
    house.is_at_rest().await;
    let before = house.vitals();
    let mut streams = Vec::new();
    for n in 0..20 {
        let marked = json!({"lines": 1500, "marker": "m".repeat(2000)});
        let mut connection = Raw::connect(&house).await;
        if n % 2 == 0 {
            let token = json!({"progressToken": 7, "io.modelcontextprotocol/logLevel": "debug"});
            let request = modern_post("/builtin/mcp", "log_and_progress", &marked, &token);
            connection.send(request.as_bytes()).await;
        } else {
            let mut session = house.client("builtin", None);
            session.open(json!({})).await;
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
                {"name": "log_and_progress", "arguments": marked, "_meta": {"progressToken": 7}}})
            .to_string();
            let id = session.session.expect("a session");
            let head = format!("mcp-session-id: {id}\r\ncontent-length: {}", body.len());
            connection.send((Raw::head("/builtin/mcp", &head) + &body).as_bytes()).await;
        }
        streams.push(connection);
    }
    for stream in &mut streams {
        stream.until("text/event-stream").await;
    }
    others_go_on(&house).await;
    let during = house.vitals();
    assert!(during.resident_kb < before.resident_kb + 64 * 1024, "{before:?} {during:?}");
    drop(streams);
    wait_for("the end of the calls", async || house.gauge("portcullis_calls_in_flight").await == 0).await;
    house.has_at_most_sockets(before.sockets).await;
    others_go_on(&house).await;
}

/// The deadline is the call's, whether its client reads or not: else it keeps its place among the
/// calls of its principal, and its server works for nobody.
#[tokio::test]
async fn a_call_whose_client_never_reads_ends_at_its_deadline() {
    let house =
        House::start(json!({"mcpServers": {"builtin": {"type": "fixture", "limits": {"timeout": "2s"}}}})).await;
    let marked = json!({"lines": 1_000_000, "marker": "m".repeat(2000)});
    let token = json!({"progressToken": 7, "io.modelcontextprotocol/logLevel": "debug"});
    let mut connection = Raw::connect(&house).await;
    connection.send(modern_post("/builtin/mcp", "log_and_progress", &marked, &token).as_bytes()).await;
    connection.until("text/event-stream").await;
    assert_eq!(house.gauge("portcullis_calls_in_flight").await, 1);
    let begun = Instant::now();
    wait_for("the end of the call", async || {
        house.gauge("portcullis_calls_in_flight").await == 0 || begun.elapsed() > Duration::from_secs(4)
    })
    .await;
    assert_eq!(house.gauge("portcullis_calls_in_flight").await, 0, "still under way after {:?}", begun.elapsed());
    drop(connection);
}

/// A watch tells of changes as they come; one that nobody reads must not keep them.
#[tokio::test]
async fn a_listener_that_never_reads_holds_nothing_up() {
    let house = house().await;
    others_go_on(&house).await;
    let before = house.vitals();
    let mut silent = Vec::new();
    for n in 0..10 {
        let mut connection = Raw::connect(&house).await;
        if n % 2 == 0 {
            let params = json!({"_meta": e2e::modern_meta(json!({})), "notifications":
                {"toolsListChanged": true, "resourceSubscriptions": ["test://static-text"]}});
            let body =
                json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}).to_string();
            let head = format!(
                "mcp-protocol-version: 2026-07-28\r\nmcp-method: subscriptions/listen\r\ncontent-length: {}",
                body.len()
            );
            connection.send((Raw::head("/builtin/mcp", &head) + &body).as_bytes()).await;
        } else {
            let mut session = house.client("builtin", None);
            session.open(json!({})).await;
            let subscribed = session.legacy("resources/subscribe", json!({"uri": "test://static-text"})).await;
            subscribed.result();
            let id = session.session.expect("a session");
            let get = format!(
                "GET /builtin/mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {id}\r\n\r\n"
            );
            connection.send(get.as_bytes()).await;
        }
        connection.until("text/event-stream").await;
        silent.push(connection);
    }
    let client = house.client("builtin", None);
    // Somebody who reads hears of it all the same.
    let params = json!({"notifications": {"resourceSubscriptions": ["test://static-text"]}});
    let listening = client.modern_request("subscriptions/listen", params, json!({})).send().await.expect("a stream");
    let mut listening = Events::of(listening);
    listening.next().await.expect("the acknowledgement");
    for _ in 0..2000 {
        client.call("touch", json!({"uri": "test://static-text"})).await.result();
    }
    let heard = listening.next().await.expect("a change");
    assert_eq!(heard["method"], "notifications/resources/updated");
    let during = house.vitals();
    assert!(during.resident_kb < before.resident_kb + 32 * 1024, "{before:?} {during:?}");
    drop((silent, listening));
    wait_for("the end of the watches of the modern era", async || house.gauge("portcullis_watches").await <= 10).await;
    house.has_at_most_sockets(before.sockets + 1).await;
    others_go_on(&house).await;
}
