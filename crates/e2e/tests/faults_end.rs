//! The end of the gateway: in good order, or by force. No call is cut off that could be finished,
//! and no process is left.

use e2e::faults::{Piped, Process, Raw, gone};
use e2e::{Answer, Events, House, child, signal, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn bad(mode: &str) -> Value {
    json!({"command": env!("CARGO_BIN_EXE_misbehave"), "args": [mode]})
}

fn text(answer: &Answer) -> &str {
    answer.result()["content"][0]["text"].as_str().expect("a text")
}

/// All processes of a house whose children are up.
async fn processes(house: &House, servers: &[&str]) -> BTreeSet<Process> {
    for server in servers {
        house.is_in(server, "healthy").await;
    }
    let all = house.process().descendants();
    assert!(all.len() > servers.len(), "the children and the reaper: {all:?}");
    all
}

#[tokio::test]
async fn a_gateway_that_is_told_to_end_finishes_the_calls_under_way_and_leaves_no_process() {
    let mut house = House::start(json!({"mcpServers": {
        "builtin": {"type": "fixture"}, "good": child("legacy"), "modern": child("modern"), "stubborn": bad("stubborn")}}))
    .await;
    let mut all = processes(&house, &["good", "modern", "stubborn"]).await;
    let left = house.client("stubborn", None).call("leave", json!({})).await;
    all.insert(Process::of(text(&left).parse().expect("a number")).expect("it lives"));
    let (pid, address) = (house.pid(), house.address.clone());
    let mut session = house.client("good", None);
    session.open(json!({})).await;
    let mut clients = vec![session];
    clients.extend(["builtin", "good", "modern", "good"].map(|server| house.client(server, None)));
    let legacy = clients.iter().map(|client| client.call("slow", json!({"ms": 1500})));
    let modern = clients.iter().skip(1).map(|client| client.modern_call("slow", json!({"ms": 1500}), json!({})));
    let calls = async { tokio::join!(join_all(legacy), join_all(modern)) };
    let ending = async {
        wait_for("the calls", async || house.gauge("portcullis_calls_in_flight").await == 9).await;
        signal(pid, "TERM");
        wait_for("no more connections", async || {
            tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.is_err()
        })
        .await;
    };
    let ((legacy, modern), ()) = tokio::join!(calls, ending);
    for answer in legacy.iter().chain(&modern) {
        assert_eq!(text(answer), "That took 1500 ms.");
    }
    assert_eq!(house.stop().await, Some(0));
    gone("the end of all processes", &all).await;
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_after_the_grace() {
    let mut house =
        House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}})).await;
    let all = processes(&house, &["good"]).await;
    let client = house.client("good", None);
    let hanging = client.post(
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "sleep_until_cancelled"}})
            .to_string(),
    );
    let hanging = tokio::spawn(hanging.send());
    wait_for("the call", async || house.gauge("portcullis_calls_in_flight").await == 1).await;
    let begun = Instant::now();
    assert_eq!(house.stop().await, Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(13), "{took:?}");
    assert!(hanging.await.expect("no panic").is_err(), "the connection broke");
    gone("the end of all processes", &all).await;
}

/// Every client of the legacy era has such a stream; without it, stopping takes no time.
#[tokio::test]
async fn open_streams_of_idle_clients_do_not_hold_up_the_end() {
    let mut house =
        House::start(json!({"sse": true, "mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}}))
            .await;
    let all = processes(&house, &["good"]).await;
    let mut open = Vec::new();
    let mut session = house.client("good", None);
    session.open(json!({})).await;
    let get = |url: &str| session.http.get(url).header("accept", "text/event-stream");
    let general = get(&session.url).header("mcp-session-id", session.session.as_deref().expect("a session"));
    open.push(("a session's own stream", Events::of(general.send().await.expect("a stream"))));
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let listen = house.client("good", None).modern_request("subscriptions/listen", listen, json!({}));
    open.push(("a modern listener", Events::of(listen.send().await.expect("a stream"))));
    open.push(("HTTP+SSE", Events::of(get(&format!("{}/good/sse", house.address)).send().await.expect("a stream"))));
    assert!(open.iter().all(|(_, events)| events.is_stream));
    let idle = Raw::connect(&house).await;
    let begun = Instant::now();
    signal(house.pid(), "TERM");
    let ends = open.iter_mut().map(async |(name, events)| {
        while events.next().await.is_some() {}
        (*name, begun.elapsed())
    });
    let ends = join_all(ends).await;
    assert_eq!(house.stop().await, Some(0));
    let took = begun.elapsed();
    gone("the end of all processes", &all).await;
    drop(idle);
    assert!(took < Duration::from_secs(3), "it took {took:?}; the streams ended after {ends:?}");
}

#[tokio::test]
async fn a_gateway_that_is_killed_leaves_no_child_and_no_grandchild() {
    let mut house = House::start(json!({"mcpServers": {
        "good": child("legacy"), "stubborn": bad("stubborn"), "deaf": bad("deaf"), "silent": bad("silent"),
        "flood": bad("flood-stdout"), "brood": bad("brood")}}))
    .await;
    let mut all = processes(&house, &["good", "stubborn", "deaf", "flood", "brood"]).await;
    for _ in 0..3 {
        let left = house.client("stubborn", None).call("leave", json!({})).await;
        all.insert(Process::of(text(&left).parse().expect("a number")).expect("it lives"));
    }
    // One of a caller's own as well.
    let mut session = house.client("good", None);
    session.open(e2e::all_capabilities()).await;
    session.call("echo", json!({"message": "hi"})).await.result();
    all.extend(house.process().descendants());
    assert!(all.len() >= 12, "{all:?}");
    house.kill().await;
    let begun = Instant::now();
    gone("the end of all processes", &all).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_reaper_that_was_killed_is_replaced_before_it_is_needed() {
    let mut house = House::start(json!({"mcpServers": {"good": child("legacy"), "stubborn": bad("stubborn")}})).await;
    let all = processes(&house, &["good", "stubborn"]).await;
    let is_reaper = |process: &&Process| {
        std::fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).is_ok_and(|line| line.contains("reaper"))
    };
    let reaper = all.iter().find(is_reaper).expect("a reaper").clone();
    signal(reaper.pid, "KILL");
    gone("its end", [&reaper]).await;
    // The next change of the list starts another, which is told of all.
    let mut session = house.client("good", None);
    session.open(e2e::all_capabilities()).await;
    session.call("echo", json!({"message": "hi"})).await.result();
    let all = house.process().descendants();
    assert!(all.iter().any(|process| is_reaper(&process)));
    house.kill().await;
    gone("the end of all processes", &all).await;
}

#[tokio::test]
async fn a_gateway_on_stdio_ends_with_its_input_and_leaves_no_process() {
    let mut house = Piped::start(&json!({"mcpServers": {"good": child("legacy"), "stubborn": bad("stubborn")}}));
    house.call(1, "good__slow", json!({"ms": 700})).await;
    house.call(2, "stubborn__leave", json!({})).await;
    let left = house.next().await.expect("an answer");
    assert_eq!(left["id"], 2);
    let left = left["result"]["content"][0]["text"].as_str().expect("a text").parse().expect("a number");
    let mut all = Process::of(house.pid()).expect("it lives").descendants();
    all.insert(Process::of(left).expect("it lives"));
    house.close();
    // What was under way when the input ended is answered.
    let slow = house.next().await.expect("an answer");
    assert_eq!(slow["result"]["content"][0]["text"], "That took 700 ms.");
    assert_eq!(house.next().await, None);
    assert_eq!(house.ended().await, Some(0));
    gone("the end of all processes", &all).await;
}

#[tokio::test]
async fn a_gateway_on_stdio_that_is_told_to_end_finishes_the_calls_under_way() {
    let mut house = Piped::start(&json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}}));
    house.call(1, "good__echo", json!({"message": "up"})).await;
    assert_eq!(house.next().await.expect("an answer")["id"], 1);
    let all = Process::of(house.pid()).expect("it lives").descendants();
    house.call(2, "good__slow", json!({"ms": 1000})).await;
    // Behind the call on the same pipe, so that it has begun.
    house.call(3, "good__echo", json!({"message": "begun"})).await;
    assert_eq!(house.next().await.expect("an answer")["id"], 3);
    signal(house.pid(), "TERM");
    let answer = house.next().await;
    assert_eq!(house.ended().await, Some(0));
    gone("the end of all processes", &all).await;
    let answer = answer.expect("the call is answered before the end");
    assert_eq!(answer["result"]["content"][0]["text"], "That took 1000 ms.", "{answer}");
}

#[tokio::test]
async fn a_gateway_on_stdio_that_is_killed_leaves_no_process() {
    let mut house = Piped::start(&json!({"mcpServers": {"good": child("legacy"), "stubborn": bad("stubborn")}}));
    house.call(1, "good__echo", json!({"message": "up"})).await;
    house.call(2, "stubborn__leave", json!({})).await;
    for _ in 0..2 {
        assert!(house.next().await.expect("an answer").get("result").is_some());
    }
    let all = Process::of(house.pid()).expect("it lives").descendants();
    assert!(all.len() >= 4, "{all:?}");
    house.process.kill().await.expect("killed");
    gone("the end of all processes", &all).await;
}
