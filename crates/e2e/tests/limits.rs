//! How often and how many.

use e2e::{Client, House, Wire, secret, three, token, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn settings(limits: Value) -> Value {
    let tokens = [token("alice", &[]), token("bob", &[])];
    json!({"mcpServers": three(), "sse": true, "auth": {"tokens": tokens}, "limits": limits})
}

fn limited(answer: &e2e::Answer) {
    assert_eq!((answer.status, answer.error()["code"].as_i64()), (429, Some(1003)), "{}", answer.response());
    let after: u64 = answer.headers["retry-after"].to_str().expect("ascii").parse().expect("seconds");
    assert!(after >= 1);
}

/// Slow enough that nothing comes back in the course of a test.
fn three_calls() -> Value {
    json!({"per_principal": {"rate": "1/h", "burst": 3}})
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let house = House::start(settings(three_calls())).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let elsewhere = house.client("legacy", Some(&secret("alice")));
    // Both eras and all servers count together.
    assert_eq!(alice.call("echo", json!({"message": "x"})).await.status, 200);
    assert_eq!(alice.modern_call("echo", json!({"message": "x"}), json!({})).await.status, 200);
    assert_eq!(elsewhere.call("echo", json!({"message": "x"})).await.status, 200);
    limited(&alice.call("echo", json!({"message": "x"})).await);
    limited(&alice.modern_call("echo", json!({"message": "x"}), json!({})).await);
    limited(&elsewhere.legacy("tools/list", json!({})).await);
    limited(&house.client("", Some(&secret("alice"))).call("builtin__echo", json!({"message": "x"})).await);
    let bob = house.client("builtin", Some(&secret("bob")));
    assert_eq!(bob.call("echo", json!({"message": "x"})).await.status, 200, "somebody else is not held up");
}

#[tokio::test]
async fn who_calls_too_often_is_told_so_on_streams_as_well() {
    // Opening a session is the first of the three.
    let mut local = json!({"limits": three_calls()});
    local["mcpServers"] = settings(json!({}))["mcpServers"].clone();
    let mut stdio = Wire::stdio(local);
    stdio.open(json!({})).await;
    let house = House::start(settings(three_calls())).await;
    let mut sse = Wire::sse(&house, "builtin", Some(&secret("alice"))).await;
    sse.open(json!({})).await;
    for (mut wire, tool) in [(stdio, "builtin__echo"), (sse, "echo")] {
        let mut codes = Vec::new();
        while codes.len() < 3 {
            let id = wire.request("tools/call", json!({"name": tool, "arguments": {"message": "x"}})).await;
            loop {
                let message = wire.next().await.expect("an answer");
                if message["id"] == id {
                    codes.push(message["error"]["code"].as_i64());
                    let wait = &message["error"]["data"]["retryAfterSeconds"];
                    assert!(message.get("result").is_some() || wait.as_u64().is_some_and(|s| s >= 1), "{message}");
                    break;
                }
            }
        }
        assert_eq!(codes[2], Some(1003), "{codes:?}");
    }
}

#[tokio::test]
async fn each_entry_of_a_batch_counts() {
    let house = House::start(settings(three_calls())).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "x"}}});
    let batch: Vec<_> = (0..6).map(call).collect();
    let answer = alice.send(Value::from(batch).to_string()).await;
    assert_eq!(answer.messages.len(), 6);
    assert_eq!(answer.messages.iter().filter(|m| m.get("result").is_some()).count(), 3);
    assert_eq!(answer.messages.iter().filter(|m| m["error"]["code"] == 1003).count(), 3);
}

#[tokio::test]
async fn a_dear_call_costs_more() {
    let house = House::start(settings(json!({"per_principal": {"rate": "1/h", "burst": 10}}))).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    assert_eq!(alice.call("costly", json!({"items": [1, 2, 3, 4, 5, 6, 7, 8]})).await.status, 200);
    limited(&alice.call("costly", json!({"items": [1, 2, 3]})).await);
    assert_eq!(alice.call("costly", json!({"items": [1, 2]})).await.status, 200);
    limited(&alice.call("echo", json!({"message": "x"})).await);
}

#[tokio::test]
async fn opening_sessions_counts_as_well() {
    let house = House::start(settings(three_calls())).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(alice.legacy("initialize", e2e::hello("2025-11-25", json!({}))).await.status);
    }
    assert!(statuses.contains(&429), "one principal opens as many sessions as it likes: {statuses:?}");
}

#[tokio::test]
async fn only_so_many_sessions_of_one_principal_are_open_on_whatever_front() {
    let house = House::start(settings(json!({"per_principal": {"sessions": 2}}))).await;
    let hello = || e2e::hello("2025-11-25", json!({}));
    let mut alice = house.client("builtin", Some(&secret("alice")));
    assert_eq!(alice.open(json!({})).await.status, 200);
    let stream = Wire::sse(&house, "builtin", Some(&secret("alice"))).await;
    let answer = house.client("legacy", Some(&secret("alice"))).legacy("initialize", hello()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    let bob = house.client("builtin", Some(&secret("bob")));
    assert_eq!(bob.legacy("initialize", hello()).await.status, 200, "somebody else has places of their own");
    assert_eq!(alice.call("echo", json!({"message": "x"})).await.status, 200, "what is open goes on");
    drop(stream);
    let again = house.client("legacy", Some(&secret("alice")));
    wait_for("room", async || again.legacy("initialize", hello()).await.status == 200).await;
}

#[tokio::test]
async fn only_so_many_calls_of_one_principal_run_at_a_time() {
    let house = House::start(settings(json!({"per_principal": {"concurrent": 2}}))).await;
    for server in ["builtin", "legacy", "modern"] {
        let alice = house.client(server, Some(&secret("alice")));
        let bob = house.client(server, Some(&secret("bob")));
        let sleeping: Vec<_> = (0..2)
            .map(|_| {
                let request = alice.modern_request(
                    "tools/call",
                    json!({"name": "sleep_until_cancelled", "arguments": {}}),
                    json!({}),
                );
                tokio::spawn(async move { request.send().await })
            })
            .collect();
        wait_for("both calls", async || count(&bob, "started").await == 2).await;
        limited(&alice.call("echo", json!({"message": "x"})).await);
        limited(&alice.modern_call("echo", json!({"message": "x"}), json!({})).await);
        limited(
            &house.client("", Some(&secret("alice"))).call(&format!("{server}__echo"), json!({"message": "x"})).await,
        );
        for call in sleeping {
            call.abort();
        }
        wait_for("their end", async || count(&bob, "dropped").await == 2).await;
        wait_for("room", async || alice.call("echo", json!({"message": "x"})).await.status == 200).await;
    }
}

async fn count(client: &Client, what: &str) -> u64 {
    let answer = client.call("counters", json!({})).await;
    answer.result()["structuredContent"]["sleep_until_cancelled"][what].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn an_address_is_limited_before_anybody_asks_who_it_is() {
    let house = House::start(settings(json!({"per_address": {"rate": "1/h", "burst": 4}}))).await;
    let stranger = house.client("builtin", Some("not-a-token-of-anybody"));
    let alice = house.client("builtin", Some(&secret("alice")));
    for _ in 0..4 {
        assert_eq!(stranger.call("echo", json!({"message": "x"})).await.status, 401);
    }
    for client in [&stranger, &alice] {
        let answer = client.call("echo", json!({"message": "x"})).await;
        assert_eq!(answer.status, 429);
        assert!(answer.headers.contains_key("retry-after"));
    }
    // Nobody gets around it by saying that they are somewhere else.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let elsewhere = alice.post(body).header("x-forwarded-for", "203.0.113.7").header("forwarded", "for=203.0.113.7");
    assert_eq!(elsewhere.send().await.expect("an answer").status(), 429);
    // Probes are not held up.
    let probe = alice.http.get(format!("{}/healthz", house.address)).send().await.expect("an answer");
    assert_eq!(probe.status(), 200);
}

#[tokio::test]
async fn limits_hold_when_many_call_at_once() {
    let house = House::start(settings(json!({"per_principal": {"rate": "1/h", "burst": 20}}))).await;
    let alice = house.client("builtin", Some(&secret("alice")));
    let all = join_all((0..60).map(|_| alice.call("echo", json!({"message": "x"})))).await;
    assert_eq!(all.iter().filter(|a| a.status == 200).count(), 20);
}
