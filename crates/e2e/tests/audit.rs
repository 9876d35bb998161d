//! Every call has its line, whatever becomes of it, and nobody changes one unseen.

use e2e::{Client, House, Wire, all_capabilities, fixture, secret, three, token, wait_for};
use serde_json::{Value, json};
use std::path::Path;

const ALL: [&str; 3] = ["builtin", "legacy", "modern"];

fn settings() -> Value {
    json!({"mcpServers": three(), "sse": true, "audit": {"file": "audit.jsonl", "sync": true},
        "auth": {"tokens": [token("alice", &["reader"]), token("bob", &["reader"])]},
        "policy": {"roles": {"reader": {"allow": ["*/*"], "deny": ["*/tool:destroy"]}}}})
}

fn verify(folder: &Path) -> (bool, String) {
    let ran =
        std::process::Command::new(fixture()).args(["audit", "verify", "audit.jsonl"]).current_dir(folder).output();
    let ran = ran.expect("it runs");
    (ran.status.success(), format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

async fn count(client: &Client, tool: &str, what: &str) -> u64 {
    let answer = client.call("counters", json!({})).await;
    answer.result()["structuredContent"][tool][what].as_u64().unwrap_or_default()
}

/// The lines about a tool of a server.
fn lines(house: &House, server: &str, tool: &str) -> Vec<Value> {
    let mut all = house.audit();
    all.retain(|line| line["target"] == tool && (line["server"] == server || line.get("server").is_none()));
    all
}

#[tokio::test]
async fn a_call_that_is_dropped_refused_or_panics_has_its_line() {
    for server in ALL {
        let house = House::start(settings()).await;
        let alice = house.client(server, Some(&secret("alice")));
        let bob = house.client(server, Some(&secret("bob")));

        let params = json!({"name": "sleep_until_cancelled", "arguments": {}});
        let request = alice.modern_request("tools/call", params, json!({}));
        let gone = tokio::spawn(async move { request.send().await });
        wait_for("the call", async || count(&bob, "sleep_until_cancelled", "started").await == 1).await;
        gone.abort();
        wait_for("its line", async || !lines(&house, server, "sleep_until_cancelled").is_empty()).await;
        let line = lines(&house, server, "sleep_until_cancelled").remove(0);
        assert_eq!(
            (&line["outcome"], &line["decision"], &line["principal"]),
            (&json!("dropped"), &json!("allow"), &json!("alice"))
        );
        assert_eq!(
            (&line["method"], &line["front"], &line["era"]),
            (&json!("tools/call"), &json!("http"), &json!("modern"))
        );

        for client in [&alice, &bob] {
            assert!(client.call("destroy", json!({})).await.response().get("error").is_some());
            let line = lines(&house, server, "destroy").pop().expect("a line");
            let who = if std::ptr::eq(client, &alice) { "alice" } else { "bob" };
            assert_eq!((&line["decision"], &line["principal"]), (&json!("deny"), &json!(who)), "{line}");
        }

        let answer = alice.call("panic", json!({})).await;
        assert_eq!(answer.error()["code"], -32603, "{server}: {}", answer.response());
        assert!(!answer.response().to_string().contains("was called"), "what panicked is nobody's business");
        let line = lines(&house, server, "panic").remove(0);
        let outcome = if server == "builtin" { "internal" } else { "upstream_error" };
        assert_eq!((&line["outcome"], &line["decision"]), (&json!(outcome), &json!("allow")), "{line}");
        assert_eq!(alice.call("echo", json!({"message": "x"})).await.status, 200, "only that call failed");
        let (good, text) = verify(house.folder.path());
        assert!(good, "{text}");
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_or_times_out_has_its_line() {
    let mut settings = settings();
    settings["limits"] = json!({"timeout": "1s"});
    let house = House::start(settings).await;
    let mut alice = house.client("builtin", Some(&secret("alice")));
    assert_eq!(alice.call("slow", json!({"ms": 9000})).await.error()["code"], 1002);
    assert_eq!(lines(&house, "builtin", "slow").pop().expect("a line")["outcome"], "timed_out");
    alice.open(json!({})).await;
    let bob = house.client("builtin", Some(&secret("bob")));
    let canceller = async {
        wait_for("the call", async || count(&bob, "slow", "started").await == 2).await;
        alice.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    };
    let (answer, ()) = tokio::join!(alice.call("slow", json!({"ms": 9000})), canceller);
    assert!(answer.response().get("error").is_some());
    wait_for("its line", async || lines(&house, "builtin", "slow").len() == 2).await;
}

#[tokio::test]
async fn a_tool_that_says_it_failed_did_not_end_well() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        assert_eq!(alice.call("fail", json!({})).await.result()["isError"], true, "{server}");
        // That word in what a tool says is none.
        alice.call("echo", json!({"message": "\"isError\":true"})).await.result();
        let outcome = |tool| lines(&house, server, tool).last().map(|line| line["outcome"].clone());
        assert_eq!((outcome("fail"), outcome("echo")), (Some(json!("failed")), Some(json!("ok"))), "{server}");
    }
}

#[tokio::test]
async fn a_question_and_its_retry_are_two_exchanges_of_one_call() {
    let house = House::start(settings()).await;
    for server in ["builtin", "legacy"] {
        let alice = house.client(server, Some(&secret("alice")));
        let mut params = json!({"name": "ask_held", "arguments": {"key": "k", "message": "m"}});
        let asked = alice.modern("tools/call", params.clone(), all_capabilities()).await;
        let result = asked.result();
        let key = result["inputRequests"].as_object().expect("questions").keys().next().expect("one").clone();
        params["inputResponses"] = json!({key: e2e::accepted(json!({"answer": "a"}))});
        params["requestState"] = result["requestState"].clone();
        alice.modern("tools/call", params.clone(), all_capabilities()).await.result();
        // Nobody's retry goes unseen either.
        house.client(server, Some(&secret("bob"))).modern("tools/call", params, all_capabilities()).await.error();
        let found = lines(&house, server, "ask_held");
        let (mine, theirs): (Vec<_>, Vec<_>) =
            found.iter().filter(|l| l["target"] == "ask_held").partition(|l| l["principal"] == "alice");
        let outcomes: Vec<_> = mine.iter().rev().take(2).rev().map(|l| l["outcome"].as_str().expect("one")).collect();
        assert_eq!(outcomes, ["input_required", "ok"], "{server}");
        let last = &mine[mine.len() - 2..];
        assert_eq!(last[0]["call_id"], last[1]["call_id"], "{server}");
        assert_ne!(last[0]["exchange"], last[1]["exchange"], "{server}");
        let refused = theirs.last().expect("bob's line");
        assert_eq!((&refused["decision"], &refused["outcome"]), (&json!("deny"), &json!("not_resumable")), "{server}");
    }
}

#[tokio::test]
async fn the_chain_verifies_after_a_kill_and_has_every_call_that_was_answered() {
    let mut house = House::start(settings()).await;
    let pid = house.pid();
    let mut callers = Vec::new();
    let answered = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for n in 0..8 {
        let alice = house.client(ALL[n % 3], Some(&secret("alice")));
        let answered = std::sync::Arc::clone(&answered);
        callers.push(tokio::spawn(async move {
            for m in 0.. {
                // A trace id is the only thing of a caller's own that is in the audit.
                let trace = format!("{:032x}", n * 1_000_000 + m + 1);
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "x"}}});
                let request = alice.post(body.to_string()).header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => answered.lock().expect("a list").push(trace),
                    _ => return,
                }
            }
        }));
    }
    wait_for("a few answers", async || answered.lock().expect("a list").len() > 100).await;
    assert_eq!(house.pid(), pid);
    house.kill().await;
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    let House { folder, .. } = house;
    let (good, text) = verify(folder.path());
    assert!(good, "{text}");
    let written = std::fs::read_to_string(folder.path().join("audit.jsonl")).expect("the file");
    for trace in answered.lock().expect("a list").iter() {
        assert!(written.contains(trace), "a call was answered before its line was on disk");
    }
    // A new process goes on with the chain, torn line or not.
    let mut house = House::start_in(folder, settings()).await;
    assert_eq!(house.client("builtin", Some(&secret("alice"))).call("echo", json!({"message": "x"})).await.status, 200);
    house.kill().await;
    let (good, text) = verify(house.folder.path());
    assert!(good, "{text}");
    let after = house.audit();
    let numbers: Vec<_> = after.iter().map(|l| l["seq"].as_u64().expect("a number")).collect();
    assert!(numbers.windows(2).all(|w| w[0] + 1 == w[1]), "no number is missing");
}

#[tokio::test]
async fn a_line_that_was_changed_taken_out_or_added_is_found() {
    let mut house = House::start(settings()).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    for _ in 0..5 {
        alice.call("echo", json!({"message": "x"})).await;
    }
    house.stop().await;
    let file = house.folder.path().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).expect("the file");
    let all: Vec<&str> = text.lines().collect();
    assert!(verify(house.folder.path()).0);
    let changed = text.replacen("\"alice\"", "\"mallory\"", 1);
    let mut without = all.clone();
    without.remove(2);
    let mut twice = all.clone();
    twice.insert(2, all[2]);
    let mut swapped = all.clone();
    swapped.swap(1, 2);
    for wrong in [changed, without.join("\n") + "\n", twice.join("\n") + "\n", swapped.join("\n") + "\n"] {
        std::fs::write(&file, wrong).expect("written");
        assert!(!verify(house.folder.path()).0);
    }
}

#[tokio::test]
async fn what_the_front_refuses_before_it_reads_has_its_line() {
    let house = House::start(settings()).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let send = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    let with = |name: &'static str, value: &str| {
        let mut request = alice.post(ping).build().expect("a request");
        request.headers_mut().insert(name, value.parse().expect("a value"));
        reqwest::RequestBuilder::from_parts(alice.http.clone(), request)
    };
    let mut missing = Vec::new();
    for (what, status, reason, request) in [
        ("a wrong token", 401, "unauthorized", with("authorization", "Bearer nonsense")),
        ("a wrong host", 421, "host", with("host", "evil.example")),
        ("a wrong origin", 403, "origin", with("origin", "https://evil.example")),
        ("a body of another kind", 415, "media_type", with("content-type", "text/plain")),
        ("nothing acceptable", 406, "not_acceptable", with("accept", "image/png")),
        ("another method", 405, "method", alice.http.put(&alice.url).bearer_auth(secret("alice"))),
        (
            "no such place",
            404,
            "not_found",
            alice.http.get(format!("{}/x/y", house.address)).bearer_auth(secret("alice")),
        ),
    ] {
        assert_eq!(send(request).await, status, "{what}");
        let is_it = |line: &Value| line["outcome"] == reason && line["decision"] == "deny";
        wait_for("a line", async || !house.audit().is_empty()).await;
        if tokio::time::timeout(std::time::Duration::from_secs(2), async {
            while !house.audit().iter().any(is_it) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await
        .is_err()
        {
            missing.push(what);
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "no line");
}

#[tokio::test]
async fn what_is_refused_after_it_was_read_has_its_line() {
    let house = House::start(settings()).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let mut bob = house.client("builtin", Some(&secret("bob")));
    bob.open(json!({})).await;
    let mut foreign = alice.clone();
    foreign.session = bob.session.clone();
    let wire = Wire::sse(&house, "builtin", Some(&secret("bob"))).await;
    let mut address = alice.clone();
    address.url = wire.address.clone();
    let echo = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
    let mismatch = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "destroy", "arguments": {}, "_meta": e2e::modern_meta(json!({}))}});
    let mismatch = alice.post(mismatch.to_string()).header("mcp-protocol-version", "2026-07-28");
    let mismatch = mismatch.header("mcp-method", "tools/call").header("mcp-name", "echo");
    let mut missing = Vec::new();
    for (what, request) in [
        ("a session of somebody else", foreign.post(echo)),
        ("a stream of somebody else", address.post(echo)),
        ("no JSON", alice.post("{")),
        (
            "a key that stands twice",
            alice.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"destroy"}}"#),
        ),
        (
            "a head that cannot be read",
            alice.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#),
        ),
        ("a header that says something else", mismatch),
        ("a batch where there is none", bob.post(format!("[{echo}]"))),
        ("a greeting without a version", alice.post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#)),
        (
            "a session's stream without a session",
            alice.http.get(&alice.url).header("accept", "text/event-stream").bearer_auth(secret("alice")),
        ),
        ("the end of no session", alice.http.delete(&alice.url).bearer_auth(secret("alice"))),
        (
            "several requests in the modern era",
            alice
                .post(format!("[{echo}]"))
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call"),
        ),
    ] {
        let before = house.audit().len();
        let status = request.send().await.expect("an answer").status();
        assert!(status.is_client_error() || status == 200, "{what}: {status}");
        if tokio::time::timeout(std::time::Duration::from_secs(1), async {
            while house.audit().len() == before {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await
        .is_err()
        {
            missing.push(what);
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "no line");
}
