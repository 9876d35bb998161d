//! What ends with what: calls with their connections, streams with their tokens, and what can be
//! read again.

use e2e::{Client, Events, House, Wire, all_capabilities, read, secret, three, token, wait_for};
use serde_json::{Value, json};

const ALL: [&str; 3] = ["builtin", "legacy", "modern"];

fn settings() -> Value {
    json!({"mcpServers": three(), "sse": true, "auth": {"tokens": [token("alice", &[]), token("bob", &[])]}})
}

async fn count(client: &Client, tool: &str, what: &str) -> u64 {
    let answer = client.call("counters", json!({})).await;
    answer.result()["structuredContent"][tool][what].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn a_legacy_client_that_is_gone_cancels_nothing() {
    let house = House::start(settings()).await;
    for server in ALL {
        let bob = house.client(server, Some(&secret("bob")));
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(json!({})).await;
        let gone = tokio::spawn({
            let alice = alice.clone();
            async move { alice.call("slow", json!({"ms": 600})).await.status }
        });
        wait_for("the call", async || count(&bob, "slow", "started").await == 1).await;
        gone.abort();
        wait_for("the end", async || count(&bob, "slow", "completed").await == 1).await;
        assert_eq!(count(&bob, "slow", "dropped").await, 0, "{server}");
    }
}

#[tokio::test]
async fn a_legacy_batch_of_a_client_that_is_gone_goes_on() {
    let house = House::start(settings()).await;
    for server in ALL {
        let bob = house.client(server, Some(&secret("bob")));
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open_as("2025-03-26", json!({})).await;
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {"ms": 600}}});
        let gone = tokio::spawn({
            let alice = alice.clone();
            async move { alice.send(json!([call]).to_string()).await.status }
        });
        wait_for("the call", async || count(&bob, "slow", "started").await == 1).await;
        gone.abort();
        wait_for("the end", async || {
            count(&bob, "slow", "completed").await + count(&bob, "slow", "dropped").await == 1
        })
        .await;
        assert_eq!(count(&bob, "slow", "dropped").await, 0, "{server}: in this era only the notification cancels");
    }
}

#[tokio::test]
async fn a_modern_client_that_is_gone_cancels_its_call() {
    let house = House::start(settings()).await;
    for server in ALL {
        let bob = house.client(server, Some(&secret("bob")));
        let alice = house.client(server, Some(&secret("alice")));
        // With a stream and without one.
        for (n, accept) in ["application/json, text/event-stream", "application/json"].into_iter().enumerate() {
            let params = json!({"name": "sleep_until_cancelled", "arguments": {}});
            let mut request = alice.modern_request("tools/call", params, json!({})).build().expect("a request");
            request.headers_mut().insert("accept", accept.parse().expect("a value"));
            let http = alice.http.clone();
            let gone = tokio::spawn(async move { http.execute(request).await });
            let n = n as u64;
            wait_for("the call", async || count(&bob, "sleep_until_cancelled", "started").await == n + 1).await;
            gone.abort();
            wait_for("its end", async || count(&bob, "sleep_until_cancelled", "dropped").await == n + 1).await;
        }
    }
}

#[tokio::test]
async fn a_notification_cancels_on_legacy_fronts_and_on_stdio() {
    let house = House::start(settings()).await;
    for server in ALL {
        let bob = house.client(server, Some(&secret("bob")));
        let started =
            async |n| wait_for("the call", async || count(&bob, "sleep_until_cancelled", "started").await == n).await;
        let dropped =
            async |n| wait_for("its end", async || count(&bob, "sleep_until_cancelled", "dropped").await == n).await;
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(json!({})).await;
        let call = tokio::spawn({
            let alice = alice.clone();
            async move { alice.call("sleep_until_cancelled", json!({})).await.response().clone() }
        });
        started(1).await;
        let cancel =
            |id: i64| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        assert_eq!(alice.send(cancel(1).to_string()).await.status, 202);
        dropped(1).await;
        assert!(call.await.expect("an answer").get("error").is_some());

        let mut wire = Wire::sse(&house, server, Some(&secret("alice"))).await;
        wire.open(json!({})).await;
        let id = wire.request("tools/call", json!({"name": "sleep_until_cancelled", "arguments": {}})).await;
        started(2).await;
        wire.send(cancel(id)).await;
        dropped(2).await;
        // The stream's end ends what is under way, too: nobody can come back to it.
        wire.request("tools/call", json!({"name": "sleep_until_cancelled", "arguments": {}})).await;
        started(3).await;
        drop(wire);
        dropped(3).await;
    }
}

#[tokio::test]
async fn a_notification_cancels_on_stdio() {
    for server in ALL {
        let mut wire = Wire::stdio(json!({"mcpServers": {server: three()[server]}}));
        wire.open(json!({})).await;
        let id = wire.request("tools/call", json!({"name": "sleep_until_cancelled", "arguments": {}})).await;
        let mut cancelled = false;
        wait_for("the call and its end", async || {
            let asked = wire.request("tools/call", json!({"name": "counters", "arguments": {}})).await;
            let answer = wire.next().await.expect("an answer");
            assert_eq!(answer["id"], asked, "{server}: who cancelled does not want an answer");
            let counts = &answer["result"]["structuredContent"]["sleep_until_cancelled"];
            if counts["started"] == 1 && !std::mem::replace(&mut cancelled, true) {
                let params = json!({"requestId": id});
                wire.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
            }
            counts["dropped"] == 1
        })
        .await;
    }
}

/// The events of a call with three steps of progress, up to the first.
async fn begun(client: &Client, id: u64) -> Events {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": id}}});
    let mut events = Events::of(client.post(body.to_string()).send().await.expect("an answer"));
    let first = events.next().await.expect("a first step");
    assert_eq!(first["params"]["progress"], 0.0, "{first}");
    events
}

async fn rest(mut events: Events) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(message) = events.next().await {
        all.push(message);
    }
    all
}

#[tokio::test]
async fn a_stream_that_broke_is_read_on_and_nothing_else_with_it() {
    let house = House::start(settings()).await;
    for server in ALL {
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(json!({})).await;
        let (one, two) = (begun(&alice, 11).await, begun(&alice, 22).await);
        let last = (one.last_id.clone().expect("an id"), two.last_id.clone().expect("an id"));
        drop((one, two));
        for (id, last) in [(11, &last.0), (22, &last.1)] {
            let missed = rest(Events::of(alice.listen(Some(last)).await)).await;
            let (response, steps) = missed.split_last().expect("the response at least");
            assert_eq!((&response["id"], response.get("result").is_some()), (&json!(id), true), "{server}: {missed:?}");
            assert!(steps.iter().all(|s| s["params"]["progressToken"] == id), "{server}: {steps:?}");
            assert!(steps.iter().any(|s| s["params"]["progress"] == 100.0), "{server}: {steps:?}");
            // And once more, as often as the client likes.
            assert_eq!(rest(Events::of(alice.listen(Some(last)).await)).await, missed);
        }
    }
}

#[tokio::test]
async fn an_event_id_opens_only_streams_of_its_own_session() {
    let house = House::start(settings()).await;
    let mut alice = house.client("builtin", Some(&secret("alice")));
    let mut other = house.client("builtin", Some(&secret("alice")));
    let mut bob = house.client("builtin", Some(&secret("bob")));
    for client in [&mut alice, &mut other, &mut bob] {
        client.open(json!({})).await;
    }
    let last = begun(&alice, 11).await.last_id.expect("an id");
    for client in [&other, &bob] {
        // There is no such stream: what they get is their own one, on which nothing was said. The
        // session's end is what ends it.
        let answer = client.listen(Some(&last)).await;
        let session = client.session.clone().expect("one");
        let ended = client.http.delete(&client.url).bearer_auth(client.token.as_deref().expect("one"));
        assert_eq!(ended.header("mcp-session-id", session).send().await.expect("an answer").status(), 204);
        assert_eq!(rest(Events::of(answer)).await, Vec::<Value>::new());
    }
    assert!(!rest(Events::of(alice.listen(Some(&last)).await)).await.is_empty());
}

#[tokio::test]
async fn an_event_id_that_makes_no_sense_does_no_harm() {
    let house = House::start(settings()).await;
    let mut alice = house.client("builtin", Some(&secret("alice")));
    alice.open(json!({})).await;
    let good = begun(&alice, 11).await.last_id.expect("an id");
    let stream = good.split('-').next().expect("its number").to_owned();
    for seq in ["18446744073709551615", "18446744073709551614", "999"] {
        let request = alice.http.get(&alice.url).header("accept", "text/event-stream").bearer_auth(secret("alice"));
        let request = request.header("mcp-session-id", alice.session.as_deref().expect("one"));
        let answer = request.header("last-event-id", format!("{stream}-{seq}")).send().await;
        assert!(answer.is_ok_and(|a| a.status() == 200), "{seq} broke the connection");
    }
    assert!(!rest(Events::of(alice.listen(Some(&good)).await)).await.is_empty());
    assert!(!house.logged("panicked"), "{:?}", house.log.lock());
}

/// Everything that stays open for a principal. Each is told when it ends.
struct Open {
    session: Client,
    general: Events,
    listening: Events,
    sse: Wire,
}

async fn open_everything(house: &House, who: &str) -> Open {
    let mut session = house.client("builtin", Some(&secret(who)));
    session.open(all_capabilities()).await;
    let general = Events::of(session.listen(None).await);
    let modern = house.client("builtin", Some(&secret(who)));
    let params =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://watched-resource"]}});
    let request = modern.modern_request("subscriptions/listen", params, json!({}));
    let mut listening = Events::of(request.send().await.expect("an answer"));
    let acknowledged = listening.next().await.expect("a first message");
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    let mut sse = Wire::sse(house, "builtin", Some(&secret(who))).await;
    sse.open(all_capabilities()).await;
    Open { session, general, listening, sse }
}

impl Open {
    /// Waits until all of it has ended; says what has not.
    async fn ends(mut self) -> Vec<&'static str> {
        let patience = std::time::Duration::from_secs(5);
        let mut open = Vec::new();
        let end = async |events: &mut Events| while events.next_patiently().await.is_some() {};
        if tokio::time::timeout(patience, end(&mut self.general)).await.is_err() {
            open.push("the session's stream");
        }
        if tokio::time::timeout(patience, end(&mut self.listening)).await.is_err() {
            open.push("subscriptions/listen");
        }
        let end = async { while self.sse.next().await.is_some() {} };
        if tokio::time::timeout(patience, end).await.is_err() {
            open.push("the SSE stream");
        }
        open
    }
}

#[tokio::test]
async fn sessions_and_streams_end_when_their_token_is_removed() {
    let house = House::start(settings()).await;
    let alices = open_everything(&house, "alice").await;
    let session = alices.session.clone();
    let bobs = open_everything(&house, "bob").await;
    let call = tokio::spawn({
        let session = session.clone();
        async move { session.call("sleep_until_cancelled", json!({})).await.status }
    });
    let bob = bobs.session.clone();
    wait_for("the call", async || count(&bob, "sleep_until_cancelled", "started").await == 1).await;
    let mut without = settings();
    without["auth"]["tokens"] = json!([token("bob", &[])]);
    house.reload(without).await;
    assert_eq!(session.call("echo", json!({"message": "x"})).await.status, 401);
    assert_eq!(alices.ends().await, Vec::<&str>::new(), "still open");
    wait_for("the end of the call", async || count(&bob, "sleep_until_cancelled", "dropped").await == 1).await;
    let _ = call.await;
    // The session is gone even when the token comes back.
    house.reload(settings()).await;
    assert_eq!(session.call("echo", json!({"message": "x"})).await.status, 404);
    assert_eq!(bobs.session.call("echo", json!({"message": "x"})).await.status, 200, "bob's goes on");
}

#[tokio::test]
async fn streams_end_when_their_token_is_replaced_by_another_of_the_same_name() {
    let house = House::start(settings()).await;
    let alices = open_everything(&house, "alice").await;
    let mut rotated = settings();
    rotated["auth"]["tokens"][0]["token"] = "alice-another-0123456789".into();
    house.reload(rotated).await;
    assert_eq!(alices.session.call("echo", json!({"message": "x"})).await.status, 401);
    assert_eq!(alices.ends().await, Vec::<&str>::new(), "whoever has the old token goes on listening");
}

#[tokio::test]
async fn changes_are_told_by_the_roles_that_the_principal_has_now() {
    let with = |role: &str| {
        let mut settings = settings();
        settings["auth"]["tokens"] = json!([token("alice", &[role]), token("bob", &["all"])]);
        settings["policy"] = json!({"roles": {"all": {"allow": ["*/*"]},
            "narrow": {"allow": ["*/tool:*"], "deny": ["*/resource:*"]}}});
        settings
    };
    for server in ALL {
        let house = House::start(with("all")).await;
        let bob = house.client(server, Some(&secret("bob")));
        let alice = house.client(server, Some(&secret("alice")));
        let params = json!({"notifications": {"toolsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": ["test://watched-resource"]}});
        let request = alice.modern_request("subscriptions/listen", params, json!({}));
        let mut events = Events::of(request.send().await.expect("an answer"));
        events.next().await.expect("acknowledged");
        // While she may, she is told.
        let touched = async |events: &mut Events| {
            bob.call("touch", json!({"uri": "test://watched-resource"})).await;
            // The change of the list comes at least 100 ms later than a change of a resource.
            bob.call("test_trigger_tool_change", json!({})).await;
            let mut methods = Vec::new();
            loop {
                let message = events.next().await.expect("a change");
                let method = message["method"].as_str().unwrap_or_default().to_owned();
                methods.push(method.clone());
                if method == "notifications/tools/list_changed" {
                    return methods;
                }
            }
        };
        let updated = "notifications/resources/updated".to_owned();
        wait_for("the subscription", async || touched(&mut events).await.contains(&updated)).await;
        house.reload(with("narrow")).await;
        assert_eq!(
            read(
                alice
                    .modern_request("resources/read", json!({"uri": "test://watched-resource"}), json!({}))
                    .send()
                    .await
                    .expect("an answer")
            )
            .await
            .error()["code"],
            -32602
        );
        // What was on its way at the reload is drained by the first.
        touched(&mut events).await;
        let told = touched(&mut events).await;
        assert!(!told.contains(&updated), "{server}: she hears of what she may no longer read: {told:?}");
    }
}

#[tokio::test]
async fn a_session_can_subscribe_to_more_resources_than_it_may_have_streams() {
    let mut settings = settings();
    settings["limits"] = json!({"per_principal": {"watches": 4}});
    let house = House::start(settings).await;
    for server in ALL {
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(json!({})).await;
        let mut general = Events::of(alice.listen(None).await);
        let bob = house.client(server, Some(&secret("bob")));
        for n in 0..8 {
            let uri = format!("test://template/{n}/data");
            assert!(alice.legacy("resources/subscribe", json!({"uri": uri})).await.response().get("result").is_some());
            // Once: what changes after the answer is told.
            bob.call("touch", json!({"uri": uri})).await;
            let message = general.next_patiently().await.expect("a change");
            assert_eq!(message["params"]["uri"], uri.as_str(), "{server}");
        }
    }
}

#[tokio::test]
async fn what_changes_after_a_subscription_was_acknowledged_is_told() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        let bob = house.client(server, Some(&secret("bob")));
        for n in 0..8 {
            let uri = format!("test://template/{n}/data");
            let listen = json!({"notifications": {"resourceSubscriptions": [uri]}});
            let stream =
                alice.modern_request("subscriptions/listen", listen, json!({})).send().await.expect("an answer");
            let mut events = Events::of(stream);
            let first = events.next_patiently().await.expect("an acknowledgement");
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{server}: {first}");
            bob.call("touch", json!({"uri": uri})).await;
            let message = events.next_patiently().await.expect("a change");
            assert_eq!(message["params"]["uri"], uri.as_str(), "{server}");
        }
    }
}

#[tokio::test]
async fn saying_twice_that_one_is_ready_is_told_changes_once() {
    let house = House::start(settings()).await;
    let mut wire = Wire::sse(&house, "builtin", Some(&secret("alice"))).await;
    wire.open(json!({})).await;
    wire.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let mut told = 0;
    let call = wire.request("tools/call", json!({"name": "test_trigger_tool_change", "arguments": {}})).await;
    let mut answered = false;
    // Changes are gathered for 100 ms; the second toggle comes after the first was told.
    while !answered || told == 0 {
        let message = wire.next().await.expect("a message");
        answered |= message["id"] == call;
        told += u32::from(message["method"] == "notifications/tools/list_changed");
    }
    let slow = wire.request("tools/call", json!({"name": "slow", "arguments": {"ms": 400}})).await;
    loop {
        let message = wire.next().await.expect("a message");
        if message["id"] == slow {
            break;
        }
        told += u32::from(message["method"] == "notifications/tools/list_changed");
    }
    assert_eq!(told, 1);
}
