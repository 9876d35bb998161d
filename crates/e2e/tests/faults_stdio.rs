//! One client on stdio that sends too much at a time, too long lines, or nothing sound.

use e2e::child;
use e2e::faults::Piped;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

fn house() -> Piped {
    Piped::start(&json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}}))
}

fn line(id: usize, tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
        .to_string()
        + "\n"
}

#[tokio::test]
async fn a_huge_number_of_requests_at_once_are_answered_each_exactly_once() {
    let mut house = house();
    house.call(0, "good__echo", json!({"message": "up"})).await;
    house.next().await.expect("an answer");
    let most = 20_000;
    let mut input = house.take_input();
    let writing = tokio::spawn(async move {
        for id in 1..=most {
            let server = if id % 2 == 0 { "builtin" } else { "good" };
            let line = line(id, &format!("{server}__echo"), &json!({"message": id.to_string()}));
            input.write_all(line.as_bytes()).await.expect("the gateway reads");
        }
        input
    });
    let mut open: BTreeSet<u64> = (1..=most as u64).collect();
    let mut refused = 0;
    while !open.is_empty() {
        let answer = house.next().await.expect("an answer");
        let id = answer["id"].as_u64().expect("an id");
        assert!(open.remove(&id), "{id} was answered twice");
        if answer.get("error").is_some() {
            assert!(answer["error"]["message"].as_str().is_some_and(|m| m.contains("too many")), "{answer}");
            refused += 1;
        } else {
            assert_eq!(answer["result"]["content"][0]["text"], id.to_string());
        }
    }
    assert!(refused < most, "some are answered");
    drop(writing.await.expect("no panic"));
    assert_eq!(house.next().await, None);
    assert_eq!(house.ended().await, Some(0));
}

#[tokio::test]
async fn requests_beyond_what_may_be_under_way_are_refused_and_the_others_go_on() {
    let mut house = house();
    for id in 1..=1500 {
        house.call(id, "builtin__sleep_until_cancelled", json!({})).await;
    }
    let mut refused = BTreeSet::new();
    while refused.len() < 476 {
        let answer = house.next().await.expect("an answer");
        assert!(answer["error"]["message"].as_str().is_some_and(|m| m.contains("too many")), "{answer}");
        refused.insert(answer["id"].as_u64().expect("an id"));
    }
    // One that is taken back makes room for one more.
    let taken_back = (1..=1500).find(|id| !refused.contains(id)).expect("one that runs");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": taken_back}});
    house.send(cancel.to_string().as_bytes()).await;
    let begun = Instant::now();
    for id in 2000.. {
        house.call(id, "builtin__echo", json!({"message": "room"})).await;
        let answer = house.next().await.expect("an answer");
        assert_eq!(answer["id"], id);
        if answer.get("result").is_some() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{answer}");
    }
    house.close();
    assert_eq!(house.next().await, None);
    assert_eq!(house.ended().await, Some(0));
}

#[tokio::test]
async fn a_line_above_the_limit_is_refused_and_the_next_one_is_answered() {
    let mut house = house();
    let long = line(1, "builtin__echo", &json!({"message": "x".repeat(6 << 20)}));
    // In pieces, so that no read ever sees its end and its beginning together.
    let mut input = house.take_input();
    let next = [2, 3].map(|id| line(id, "good__echo", &json!({"message": "next"})));
    let writing = tokio::spawn(async move {
        for piece in long.as_bytes().chunks(100_000) {
            input.write_all(piece).await.expect("the gateway reads");
        }
        input.write_all(next[0].as_bytes()).await.expect("the gateway reads");
        // 100 MB in one line.
        let piece = vec![b'y'; 1 << 20];
        for _ in 0..100 {
            input.write_all(&piece).await.expect("the gateway reads");
        }
        input.write_all(b"\n").await.expect("the gateway reads");
        input.write_all(next[1].as_bytes()).await.expect("the gateway reads");
        input
    });
    let pid = house.pid();
    let (mut refused, mut answered) = (0, BTreeSet::new());
    while refused + answered.len() < 4 {
        let message = house.next().await.expect("an answer");
        if message["id"].is_null() {
            assert_eq!(message["error"]["code"], 1005, "{message}");
            refused += 1;
        } else {
            assert_eq!(message["result"]["content"][0]["text"], "next", "{message}");
            answered.insert(message["id"].as_u64());
        }
    }
    assert_eq!(answered, BTreeSet::from([Some(2), Some(3)]));
    let resident = e2e::faults::Vitals::of(pid).resident_kb;
    assert!(resident < 96 * 1024, "{resident} kB");
    drop(writing.await.expect("no panic"));
    assert_eq!(house.next().await, None);
    assert_eq!(house.ended().await, Some(0));
}

#[tokio::test]
async fn what_is_no_sound_message_is_an_error_and_the_next_one_is_answered() {
    let mut house = house();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}1{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let batch = Value::from(vec![json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}); 65]).to_string();
    let cases: [(&[u8], i64); 6] = [
        (deep.as_bytes(), -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\xff\"}", -32700),
        (b"{\"jsonrpc\":", -32700),
        (b"\0\0\0", -32700),
        (b"[]", -32600),
        (batch.as_bytes(), -32600),
    ];
    for (bad, code) in cases {
        house.send(bad).await;
        let refusal = house.next().await.expect("an answer");
        assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&Value::Null, &json!(code)), "{refusal}");
        house.send(b"").await;
        house.call(2, "good__echo", json!({"message": "next"})).await;
        let next = house.next().await.expect("an answer");
        assert_eq!(next["result"]["content"][0]["text"], "next");
    }
    house.close();
    assert_eq!(house.next().await, None);
    assert_eq!(house.ended().await, Some(0));
}

#[tokio::test]
async fn a_client_that_vanishes_without_reading_ends_the_gateway_and_its_children() {
    let mut house = house();
    house.call(1, "good__echo", json!({"message": "up"})).await;
    house.next().await.expect("an answer");
    let all = e2e::faults::Process::of(house.pid()).expect("it lives").descendants();
    for id in 2..200 {
        house.call(id, "good__big", json!({"bytes": 100_000})).await;
    }
    let mut process = house.vanish();
    let ended = tokio::time::timeout(e2e::PATIENCE, process.wait()).await.expect("it ends");
    ended.expect("a status");
    e2e::faults::gone("the end of all processes", &all).await;
}
