//! Nobody sees what is somebody else's.

use e2e::{Client, Events, House, Talk, Wire, accepted, all_capabilities, secret, three, token, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};

fn settings() -> Value {
    json!({"mcpServers": three(), "sse": true, "auth": {"tokens": [token("alice", &[]), token("bob", &[])]},
        "limits": {"per_principal": {"held": 64}, "timeout": "10s"}})
}

/// Several questions, log lines and steps of progress, all with the marker; nothing else may be
/// heard, and nothing may be missing.
async fn chatter(label: String, mut talk: Talk, marker: String) {
    talk.wants_logs("debug").await;
    for round in 0..3 {
        let held = json!({"name": "ask_held", "arguments": {"key": format!("k{round}"), "message": marker},
            "_meta": {"progressToken": marker}});
        let heard = talk.converse("tools/call", held, |_| accepted(json!({"answer": marker}))).await;
        assert_eq!(heard.questions.len(), 1, "{label}: {heard:?}");
        only(&label, &heard.everything(), &marker);
        assert_eq!(
            heard.text(),
            format!("User response: action=accept, content={}", json!({"answer": marker})),
            "{label}"
        );

        let said = json!({"name": "log_and_progress", "arguments": {"lines": 5, "marker": marker},
            "_meta": {"progressToken": marker, "io.modelcontextprotocol/logLevel": "debug"}});
        let heard = talk.converse("tools/call", said, |q| panic!("{label} was asked {q}")).await;
        only(&label, &heard.everything(), &marker);
        let logs = heard.notes.iter().filter(|n| n["method"] == "notifications/message").count();
        assert_eq!(logs, 5, "{label} hears all its log lines: {heard:?}");
        let steps: Vec<_> = heard.notes.iter().filter(|n| n["method"] == "notifications/progress").collect();
        assert!(steps.iter().all(|s| s["params"]["progressToken"] == marker.as_str()), "{label}: {steps:?}");
        assert_eq!(steps.last().expect("progress")["params"]["progress"], 5.0, "{label}");
    }
}

fn only(label: &str, text: &str, marker: &str) {
    for found in text.split("marker-").skip(1) {
        assert!(format!("marker-{found}").starts_with(marker), "{label} ({marker}) heard of somebody else: {text}");
    }
}

#[tokio::test]
async fn two_principals_never_hear_each_others_questions_log_lines_or_progress() {
    let house = House::start(settings()).await;
    let mut all = Vec::new();
    for server in ["builtin", "legacy", "modern"] {
        for who in ["alice", "bob"] {
            let token = secret(who);
            let (token, capabilities) = (Some(token.as_str()), all_capabilities());
            let talks = [
                ("legacy", Talk::legacy(&house, server, token, capabilities.clone()).await),
                // A second session of the same person is another place all the same.
                ("again", Talk::legacy(&house, server, token, capabilities.clone()).await),
                ("modern", Talk::modern(&house, server, token, capabilities.clone())),
                ("sse", Talk::sse(&house, server, token, capabilities.clone()).await),
            ];
            for (front, talk) in talks {
                let marker = format!("marker-{who}-{front}.");
                all.push(chatter(format!("{server}, {front}"), talk, marker));
            }
        }
    }
    join_all(all).await;
}

#[tokio::test]
async fn on_stdio_everything_of_a_call_is_heard_in_its_course() {
    let all = ["builtin", "legacy", "modern"].map(|server| async move {
        let alone = json!({"mcpServers": {server: three()[server]}});
        let legacy = Talk::stdio(alone.clone(), all_capabilities()).await;
        chatter(format!("{server}, stdio legacy"), legacy, "marker-stdio.".into()).await;
        let modern = Talk::modern_stdio(alone, all_capabilities());
        chatter(format!("{server}, stdio modern"), modern, "marker-stdio.".into()).await;
    });
    join_all(all).await;
}

/// A modern call that ended with a question: the key, what was asked, and the state.
async fn asked(client: &Client, tool: &str, arguments: Value) -> (String, Value, Value) {
    let answer = client.modern_call(tool, arguments, all_capabilities()).await;
    question_of(answer.result())
}

fn question_of(result: &Value) -> (String, Value, Value) {
    assert_eq!(result["resultType"], "input_required", "{result}");
    let requests = result["inputRequests"].as_object().expect("questions");
    assert_eq!(requests.len(), 1, "{requests:?}");
    let (key, question) = requests.iter().next().expect("one");
    (key.clone(), question.clone(), result["requestState"].clone())
}

#[tokio::test]
async fn a_question_reaches_the_call_that_caused_it_however_many_calls_one_principal_has() {
    let house = House::start(settings()).await;
    let alice = secret("alice");
    for server in ["builtin", "modern", "legacy"] {
        let client = house.client(server, Some(&alice));
        let mut first = Vec::new();
        for _ in 0..8 {
            first.push(asked(&client, "ask_twice", json!({})).await);
        }
        for (n, (key, question, state)) in first.into_iter().enumerate() {
            assert_eq!(question["params"]["message"], "First?");
            let answers = json!({key: accepted(json!({"answer": "one"}))});
            let params =
                json!({"name": "ask_twice", "arguments": {}, "inputResponses": answers, "requestState": state});
            let answer = client.modern("tools/call", params, all_capabilities()).await;
            let result = answer.response().get("result");
            let result = result.unwrap_or_else(|| panic!("{server}, call {n}: {}", answer.response()));
            let (key, question, state) = question_of(result);
            assert_eq!(question["params"]["message"], "Second?", "{server}");
            let answers = json!({key: accepted(json!({"answer": "two"}))});
            let params =
                json!({"name": "ask_twice", "arguments": {}, "inputResponses": answers, "requestState": state});
            let answer = client.modern("tools/call", params, all_capabilities()).await;
            assert_eq!(answer.result()["content"][0]["text"], "first=one, second=two", "{server}");
        }
    }
}

/// A legacy call that asks, up to its question.
async fn question(client: &Client, message: &str) -> (Events, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "ask_held", "arguments": {"key": "k", "message": message}}});
    let mut events = Events::of(client.post(body.to_string()).send().await.expect("an answer"));
    let question = events.next().await.expect("a question");
    assert_eq!(question["params"]["message"], message);
    (events, question)
}

fn answer(question: &Value, text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": question["id"], "result": accepted(json!({"answer": text}))}).to_string()
}

#[tokio::test]
async fn an_answer_counts_only_in_the_session_that_was_asked() {
    let house = House::start(settings()).await;
    for server in ["builtin", "legacy", "modern"] {
        let mut alice = house.client(server, Some(&secret("alice")));
        let mut bob = house.client(server, Some(&secret("bob")));
        let mut other = house.client(server, Some(&secret("alice")));
        for client in [&mut alice, &mut bob, &mut other] {
            client.open(all_capabilities()).await;
        }
        let (mut events, asked) = question(&alice, "for alice").await;
        for wrong in [&bob, &other] {
            // There may be none of that id there, which is no reason to refuse the message.
            assert_eq!(wrong.send(answer(&asked, "intruder")).await.status, 202);
        }
        // Nor does it count without a session.
        let mut nowhere = alice.clone();
        nowhere.session = None;
        nowhere.send(answer(&asked, "intruder")).await;
        assert_eq!(alice.send(answer(&asked, "alice")).await.status, 202);
        let response = events.next().await.expect("the response");
        let text = response["result"]["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains("alice") && !text.contains("intruder"), "{server}: {text}");
    }
}

#[tokio::test]
async fn a_session_is_nobody_elses_and_of_one_address_only() {
    let house = House::start(settings()).await;
    let mut alice = house.client("builtin", Some(&secret("alice")));
    alice.open(all_capabilities()).await;
    let mut bob = house.client("builtin", Some(&secret("bob")));
    bob.session = alice.session.clone();
    let mut elsewhere = vec![bob];
    for server in ["legacy", "modern", ""] {
        let mut client = house.client(server, Some(&secret("alice")));
        client.session = alice.session.clone();
        elsewhere.push(client);
    }
    for client in &elsewhere {
        let called = client.call("echo", json!({"message": "x"})).await;
        assert_eq!(called.status, 404, "{}", client.url);
        assert_eq!(client.listen(None).await.status(), 404, "{}", client.url);
        assert_eq!(client.listen(Some("1-0")).await.status(), 404, "{}", client.url);
        let note =
            client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
        assert_eq!(note.status, 404, "{}", client.url);
        let ended = client.http.delete(&client.url).bearer_auth(client.token.as_deref().expect("one"));
        let ended =
            ended.header("mcp-session-id", alice.session.as_deref().expect("one")).send().await.expect("an answer");
        assert_eq!(ended.status(), 404, "{}", client.url);
    }
    // A session that was tampered with is none.
    let mut forged = alice.clone();
    let session = alice.session.clone().expect("one");
    let last = if session.ends_with('A') { "B" } else { "A" };
    forged.session = Some(format!("{}{last}", &session[..session.len() - 1]));
    assert_eq!(forged.call("echo", json!({"message": "x"})).await.status, 404);
    assert_eq!(alice.call("echo", json!({"message": "x"})).await.status, 200, "it lives on");
}

#[tokio::test]
async fn the_address_of_an_sse_stream_is_nobody_elses_and_of_one_server_only() {
    let house = House::start(settings()).await;
    let mut alice = Wire::sse(&house, "builtin", Some(&secret("alice"))).await;
    alice.open(all_capabilities()).await;
    let post = async |url: String, token: Option<String>| {
        let mut client = house.client("builtin", token.as_deref());
        client.url = url;
        client.send(r#"{"jsonrpc":"2.0","id":99,"method":"ping"}"#).await.status
    };
    assert_eq!(post(alice.address.clone(), Some(secret("bob"))).await, 404);
    assert_eq!(post(alice.address.clone(), None).await, 401);
    let elsewhere = alice.address.replace("/builtin/", "/legacy/");
    assert_eq!(post(elsewhere, Some(secret("alice"))).await, 404, "a stream of one server is none of another");
}

#[tokio::test]
async fn a_cancellation_counts_only_in_its_own_session() {
    let house = House::start(settings()).await;
    for server in ["builtin", "legacy", "modern"] {
        let mut alice = house.client(server, Some(&secret("alice")));
        let mut bob = house.client(server, Some(&secret("bob")));
        alice.open(json!({})).await;
        bob.open(json!({})).await;
        let slow = alice.call("slow", json!({"ms": 700}));
        let mischief = async {
            wait_for("the call", async || count(&bob, "slow", "started").await == 1).await;
            let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
            assert_eq!(bob.send(cancel).await.status, 202);
        };
        let (answer, ()) = tokio::join!(slow, mischief);
        assert_eq!(answer.result()["content"][0]["text"], "That took 700 ms.", "{server}");
    }
}

async fn count(client: &Client, tool: &str, what: &str) -> u64 {
    let answer = client.call("counters", json!({})).await;
    answer.result()["structuredContent"][tool][what].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn what_one_caller_adds_in_its_own_instance_is_there_for_that_caller_alone_and_under_policy() {
    let mut settings = settings();
    let tokens = [token("alice", &["all"]), token("bob", &["all"]), token("carol", &["few"])];
    settings["auth"]["tokens"] = json!(tokens);
    settings["policy"] = json!({"roles": {
        "all": {"allow": ["*/*"]},
        "few": {"allow": ["*/*"], "deny": ["legacy/tool:dynamic_tool"]},
    }});
    let house = House::start(settings).await;
    let session = async |name: &str| {
        let mut client = house.client("legacy", Some(&secret(name)));
        client.open(all_capabilities()).await;
        client
    };
    let (alice, bob, carol) = (session("alice").await, session("bob").await, session("carol").await);
    let has = async |client: &Client| {
        let list = client.legacy("tools/list", json!({})).await;
        let tools = list.result()["tools"].as_array().expect("tools").clone();
        tools.iter().any(|tool| tool["name"] == "dynamic_tool")
    };
    let mut stream = Events::of(alice.listen(None).await);
    for client in [&alice, &carol] {
        assert_eq!(client.call("test_trigger_tool_change", json!({})).await.status, 200);
    }
    let told = stream.next_patiently().await.expect("the change is told");
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert!(has(&alice).await && !has(&bob).await && !has(&carol).await);
    assert!(alice.call("dynamic_tool", json!({})).await.response().get("result").is_some());
    for client in [&bob, &carol] {
        assert_eq!(client.call("dynamic_tool", json!({})).await.error()["code"], -32602);
    }
    // Another session of the same principal is another conversation.
    assert!(!has(&session("alice").await).await);
}
