//! Nothing is left of what is over: sessions, calls, memory, handles, threads.

use e2e::faults::Vitals;
use e2e::{Client, Events, House, child, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// `initialize` of a session, whatever is answered.
async fn initialize(client: &Client) -> Opened {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}});
    let answer = client.legacy("initialize", params).await;
    let header = |name: &str| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
    Opened { status: answer.status, session: header("mcp-session-id"), retry_after: header("retry-after") }
}

struct Opened {
    status: u16,
    session: Option<String>,
    retry_after: Option<String>,
}

async fn delete(client: &Client) {
    let request =
        client.http.delete(&client.url).header("mcp-session-id", client.session.as_deref().expect("a session"));
    assert_eq!(request.send().await.expect("an answer").status(), 204);
}

#[tokio::test]
async fn a_flood_of_sessions_is_refused_beyond_the_limit_and_idle_ones_make_room_later() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}},
        "state": {"max_sessions": 20, "session_idle": "6s"}}))
    .await;
    let client = house.client("builtin", None);
    // The flood must be over before the first one is idle, on a busy machine too.
    let begun = Instant::now();
    let opened = join_all((0..60).map(|_| initialize(&client))).await;
    let taken: Vec<_> = opened.iter().filter(|o| o.status == 200).collect();
    assert_eq!(taken.len(), 20);
    assert!(taken.iter().all(|o| o.session.is_some()));
    for refused in opened.iter().filter(|o| o.status != 200) {
        assert_eq!(refused.status, 503);
        assert!(refused.session.is_none());
        assert!(refused.retry_after.as_deref().and_then(|s| s.parse::<u32>().ok()).is_some_and(|s| s > 0));
    }
    assert_eq!(house.gauge("portcullis_sessions").await, 20);
    // Those that are there and those without a session are served all the same.
    let mut busy = house.client("builtin", None);
    busy.session.clone_from(&taken[0].session);
    wait_for("room", async || {
        busy.call("echo", json!({"message": "hi"})).await.result();
        client.modern_call("echo", json!({"message": "hi"}), json!({})).await.result();
        initialize(&client).await.status == 200
    })
    .await;
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(30), "{took:?}");
    // The one that was used is still there; the idle ones are not, and say so.
    busy.call("echo", json!({"message": "hi"})).await.result();
    wait_for("the end of the idle ones", async || house.gauge("portcullis_sessions").await <= 2).await;
    let mut old = house.client("builtin", None);
    old.session.clone_from(&taken[19].session);
    let ended = old.legacy("ping", json!({})).await;
    assert_eq!((ended.status, ended.error()["message"].as_str()), (404, Some("Session not found")));
    house.is_at_rest().await;
}

#[tokio::test]
async fn a_session_that_is_used_or_read_is_not_idle() {
    let house =
        House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}}, "state": {"session_idle": "1s"}})).await;
    let open = async || {
        let mut client = house.client("builtin", None);
        client.open(json!({})).await;
        client
    };
    let (idle, calling, reading) = (open().await, open().await, open().await);
    let id = reading.session.as_deref().expect("a session");
    let get = reading.http.get(&reading.url).header("accept", "text/event-stream").header("mcp-session-id", id);
    let stream = Events::of(get.send().await.expect("a stream"));
    assert!(stream.is_stream);
    let slow = calling.call("slow", json!({"ms": 3000}));
    let swept = wait_for("the end of the idle one", async || house.gauge("portcullis_sessions").await == 2);
    let (slow, ()) = tokio::join!(slow, swept);
    assert_eq!(slow.status, 200);
    assert_eq!(idle.legacy("ping", json!({})).await.status, 404);
    assert_eq!(reading.legacy("ping", json!({})).await.status, 200);
    drop(stream);
}

/// Most clients open a session's own stream at once, and vanish without a DELETE. What watched for
/// them must not keep their session, or the places for sessions run out for everybody.
#[tokio::test]
async fn a_session_whose_client_vanished_with_its_stream_ends_when_it_is_idle() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}},
        "state": {"max_sessions": 5, "session_idle": "1s"}}))
    .await;
    for n in 0..5 {
        let mut client = house.client("builtin", None);
        client.open(json!({})).await;
        if n == 0 {
            client.legacy("resources/subscribe", json!({"uri": "test://static-text"})).await.result();
        }
        let id = client.session.as_deref().expect("a session");
        let get = client.http.get(&client.url).header("accept", "text/event-stream").header("mcp-session-id", id);
        assert!(Events::of(get.send().await.expect("a stream")).is_stream);
    }
    let client = house.client("builtin", None);
    let begun = Instant::now();
    wait_for("room", async || initialize(&client).await.status == 200 || begun.elapsed() > Duration::from_secs(6))
        .await;
    let left = house.gauges().await;
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "nobody can open a session any more: {} sessions, {} watches",
        left["portcullis_sessions"],
        left["portcullis_watches"]
    );
    house.is_at_rest().await;
}

/// One session as clients make them: opened, its stream read, calls of all kinds, closed.
async fn life(house: &House, server: &str, n: usize) {
    let mut client = house.client(server, None);
    client.open(json!({})).await;
    let id = client.session.clone().expect("a session");
    let get = client.http.get(&client.url).header("accept", "text/event-stream").header("mcp-session-id", &id);
    let stream = Events::of(get.send().await.expect("a stream"));
    assert!(stream.is_stream);
    let marked =
        json!({"name": "log_and_progress", "arguments": {"lines": 5, "marker": "m"}, "_meta": {"progressToken": n}});
    client.legacy("tools/call", marked).await.result();
    if n.is_multiple_of(5) {
        client.legacy("resources/subscribe", json!({"uri": "test://static-text"})).await.result();
    }
    if n.is_multiple_of(7) {
        client.call("fail", json!({})).await.result();
    }
    // Some go without a word while a call is under way.
    if n % 10 == 3 {
        let hanging = client.call("sleep_until_cancelled", json!({}));
        let _ = tokio::time::timeout(Duration::from_millis(20), hanging).await;
    }
    drop(stream);
    delete(&client).await;
}

async fn calls(house: &House, count: usize) {
    let bodies = |server: &'static str| {
        let client = house.client(server, None);
        async move {
            for n in 0..count / 16 {
                let answer = if n % 4 == 0 {
                    client.modern_call("echo", json!({"message": "hi", "n": n}), json!({})).await
                } else {
                    client.call("echo", json!({"message": "hi", "n": n})).await
                };
                assert_eq!(answer.result()["structuredContent"]["n"], n);
            }
        }
    };
    join_all((0..16).map(|n| bodies(["builtin", "good"][n % 2]))).await;
}

async fn settled(house: &House) -> Vitals {
    house.is_at_rest().await;
    house.vitals()
}

#[tokio::test]
async fn memory_handles_and_threads_stay_flat_over_20000_calls_and_500_sessions() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}})).await;
    let round = async |n: usize, sessions: usize| {
        calls(&house, n).await;
        for some in (0..sessions).collect::<Vec<_>>().chunks(20) {
            join_all(some.iter().map(|n| life(&house, ["builtin", "good"][n % 2], *n))).await;
        }
    };
    round(4000, 100).await;
    let before = settled(&house).await;
    round(20_000, 500).await;
    let mut after = settled(&house).await;
    wait_for("the end of connections", async || {
        after = house.vitals();
        after.handles <= before.handles
    })
    .await;
    assert!(after.threads <= before.threads, "{before:?} {after:?}");
    let grown = after.resident_kb.saturating_sub(before.resident_kb);
    assert!(grown < 6 * 1024, "{grown} kB more: {before:?} {after:?}");
    let counters = house.client("good", None).call("counters", json!({})).await;
    let hung: &Value = &counters.result()["structuredContent"]["sleep_until_cancelled"];
    assert_eq!(hung["started"], hung["dropped"], "the child was told of what is over");
    assert_eq!(house.process().descendants().len(), 2, "the child and the reaper");
}
