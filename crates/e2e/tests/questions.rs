//! Questions: single use, bound to their request and principal, and the clock that stands still.

use e2e::{Answer, Client, Events, House, accepted, all_capabilities, everywhere, secret, three, token, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const ALL: [&str; 3] = ["builtin", "legacy", "modern"];

fn settings() -> Value {
    json!({"mcpServers": three(), "sse": true, "auth": {"tokens": [token("alice", &[]), token("bob", &[])]}})
}

/// A call in the modern era that ended with a question.
#[derive(Clone)]
struct Asked {
    key: String,
    state: String,
    method: &'static str,
    params: Value,
}

async fn asked(client: &Client, method: &'static str, params: Value) -> Asked {
    let answer = client.modern(method, params.clone(), all_capabilities()).await;
    of(&answer, method, params)
}

fn of(answer: &Answer, method: &'static str, params: Value) -> Asked {
    let result = answer.result();
    assert_eq!(result["resultType"], "input_required", "{result}");
    let (key, _) = result["inputRequests"].as_object().expect("questions").iter().next().expect("one");
    Asked { key: key.clone(), state: result["requestState"].as_str().expect("a state").to_owned(), method, params }
}

impl Asked {
    fn answered(&self) -> Value {
        let mut params = self.params.clone();
        params["inputResponses"] = json!({&self.key: accepted(json!({"answer": "yes", "context": "yes"}))});
        params["requestState"] = self.state.clone().into();
        params
    }

    async fn retry(&self, client: &Client) -> Answer {
        client.modern(self.method, self.answered(), all_capabilities()).await
    }
}

fn refused(answer: &Answer, why: &str) {
    assert_eq!(answer.error()["code"], 1006, "{why}: {}", answer.response());
}

fn tool(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

/// Tools that ask in each way: replayed, held, and passed through by a modern server.
fn tools() -> [Value; 2] {
    [tool("ask_twice", json!({"x": 1})), tool("ask_held", json!({"key": "k", "message": "Really?"}))]
}

#[tokio::test]
async fn a_retry_with_another_request_is_refused_and_spends_nothing() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        for params in tools() {
            let asked = asked(&alice, "tools/call", params).await;
            let mut other = asked.clone();
            other.params["arguments"]["message"] = "Something else".into();
            refused(&other.retry(&alice).await, server);
            let mut other = asked.clone();
            other.params["name"] = "destroy".into();
            refused(&other.retry(&alice).await, server);
            let mut other = asked.clone();
            other.params["name"] = "ask_held_".into();
            refused(&other.retry(&alice).await, server);
            let mut other = asked.clone();
            other.method = "prompts/get";
            refused(&other.retry(&alice).await, server);
            let good = asked.retry(&alice).await;
            assert!(good.result().get("content").is_some() || good.result().get("inputRequests").is_some());
        }
    }
}

#[tokio::test]
async fn a_retry_by_another_principal_is_refused_and_spends_nothing() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        let bob = house.client(server, Some(&secret("bob")));
        for params in tools() {
            let asked = asked(&alice, "tools/call", params).await;
            refused(&asked.retry(&bob).await, server);
            let good = asked.retry(&alice).await;
            assert!(good.result().get("content").is_some() || good.result().get("inputRequests").is_some());
        }
    }
}

#[tokio::test]
async fn a_question_is_answered_once() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        for params in tools() {
            let asked = asked(&alice, "tools/call", params).await;
            // Both at once: one of them it is.
            let (one, two) = tokio::join!(asked.retry(&alice), asked.retry(&alice));
            let refusals = [&one, &two].iter().filter(|a| a.response()["error"]["code"] == 1006).count();
            assert_eq!(refusals, 1, "{server}: {} {}", one.response(), two.response());
            refused(&asked.retry(&alice).await, server);
        }
    }
}

#[tokio::test]
async fn state_that_was_not_made_for_this_is_refused() {
    let house = House::start(settings()).await;
    let mut session = house.client("builtin", Some(&secret("alice")));
    session.open(all_capabilities()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        let asked = asked(&alice, "tools/call", tools()[1].clone()).await;
        let flip = |at: usize| {
            let mut state = asked.state.clone().into_bytes();
            state[at] = if state[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(state).expect("ascii")
        };
        let wrong = [
            flip(0),
            flip(40),
            flip(asked.state.len() - 2),
            String::new(),
            "x".repeat(100_000),
            format!("{}AAAA", asked.state),
            session.session.clone().expect("one"),
        ];
        for state in wrong {
            refused(&Asked { state, ..asked.clone() }.retry(&alice).await, server);
        }
        assert!(asked.retry(&alice).await.result().get("content").is_some());
    }
}

#[tokio::test]
async fn a_question_of_one_server_is_none_of_another() {
    let mut wrong = Vec::new();
    let two = |kind: Value| json!({"one": kind.clone(), "two": kind});
    for (server, kind) in ALL.iter().zip([json!({"type": "fixture"}), e2e::child("legacy"), e2e::child("modern")]) {
        let mut settings = settings();
        settings["mcpServers"] = two(kind);
        settings["audit"] = json!({"file": "audit.jsonl", "sync": true});
        let house = House::start(settings).await;
        let one = house.client("one", Some(&secret("alice")));
        let other = house.client("two", Some(&secret("alice")));
        for params in tools() {
            let asked = asked(&one, "tools/call", params).await;
            let answer = asked.retry(&other).await;
            // Refused by us: what one server said must not even be shown to another.
            let line = house.audit().pop().expect("a line");
            if answer.response()["error"]["code"] != 1006 || line["decision"] != "deny" {
                wrong.push(format!("{server}, {}: {}, {line}", asked.params["name"], answer.response()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_held_call_ends_when_its_token_is_removed() {
    let house = House::start(settings()).await;
    let bob = house.client("builtin", Some(&secret("bob")));
    let alice = house.client("builtin", Some(&secret("alice")));
    let asked = asked(&alice, "tools/call", tools()[1].clone()).await;
    let mut without = settings();
    without["auth"]["tokens"] = json!([token("bob", &[])]);
    house.reload(without).await;
    assert_eq!(asked.retry(&alice).await.status, 401);
    refused(&asked.retry(&bob).await, "somebody else");
    wait_for("the end of the call", async || counters(&bob).await["ask_held"]["dropped"] == 1).await;
    // The same name and token come back: the call does not.
    house.reload(settings()).await;
    refused(&asked.retry(&alice).await, "its token was removed meanwhile");
    assert_eq!(counters(&bob).await["ask_held"]["completed"], 0);
}

async fn counters(client: &Client) -> Value {
    client.call("counters", json!({})).await.result()["structuredContent"].clone()
}

#[tokio::test]
async fn policy_is_asked_again_on_a_retry() {
    let prompt = json!({"name": "test_input_required_result_prompt"});
    let mut wrong = Vec::new();
    for server in ALL {
        for (method, params, what) in [
            ("tools/call", tools()[1].clone(), "tool:ask_held"),
            ("tools/call", tools()[0].clone(), "tool:ask_twice"),
            ("prompts/get", prompt.clone(), "prompt:test_input_required_result_prompt"),
        ] {
            for joint in [false, true] {
                let with = |deny: Value| {
                    let mut settings = settings();
                    settings["auth"]["tokens"] = json!([token("alice", &["r"])]);
                    settings["policy"] = json!({"roles": {"r": {"allow": ["*/*"], "deny": deny}}});
                    settings
                };
                let house = House::start(with(json!([]))).await;
                let (address, mut params) = (if joint { "" } else { server }, params.clone());
                if joint {
                    params["name"] = format!("{server}__{}", params["name"].as_str().expect("a name")).into();
                }
                let alice = house.client(address, Some(&secret("alice")));
                let asked = asked(&alice, method, params).await;
                house.reload(with(json!([format!("{server}/{what}")]))).await;
                let answer = asked.retry(&alice).await;
                if answer.response().get("error").is_none() {
                    wrong.push(format!("{server}, {what}, joint: {joint}: {}", answer.response()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_policy_allows_by_its_exact_name_is_continued_at_the_joint_address() {
    for server in ALL {
        let mut settings = settings();
        settings["auth"]["tokens"] = json!([token("alice", &["r"])]);
        let name = "test_input_required_result_prompt";
        let allow = [format!("{server}/prompt:{name}"), format!("{server}/tool:ask_held")];
        settings["policy"] = json!({"roles": {"r": {"allow": allow}}});
        let house = House::start(settings).await;
        let alice = house.client("", Some(&secret("alice")));
        let mut params = tools()[1].clone();
        params["name"] = format!("{server}__ask_held").into();
        let answer = asked(&alice, "tools/call", params).await.retry(&alice).await;
        assert!(answer.result().get("content").is_some(), "{server}");
        let asked = asked(&alice, "prompts/get", json!({"name": format!("{server}__{name}")})).await;
        let answer = asked.retry(&alice).await;
        assert!(answer.response().get("result").is_some(), "{server}: {}", answer.response());
    }
}

#[tokio::test]
async fn a_retry_without_the_answer_is_asked_again() {
    let house = House::start(settings()).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        let first = asked(&alice, "tools/call", tools()[1].clone()).await;
        let mut params = first.answered();
        params["inputResponses"] = json!({});
        let answer = alice.modern("tools/call", params, all_capabilities()).await;
        let again = of(&answer, "tools/call", first.params.clone());
        assert_eq!(again.retry(&alice).await.result()["content"][0]["text"], TEXT, "{server}");
    }
}

const TEXT: &str = r#"User response: action=accept, content={"answer":"yes","context":"yes"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn the_deadline_does_not_run_while_a_question_is_open() {
    let settings = json!({"each": {"limits": {"timeout": "2s"}}, "limits": {"timeout": "2s"}});
    let (_house, talks) = everywhere(settings, "", all_capabilities()).await;
    let mut all = Vec::new();
    for (front, mut talk) in talks {
        // Where each session has its process, that is started first.
        while talk.call("echo", json!({"message": "x"})).await.code().is_some() {}
        all.push(tokio::spawn(async move {
            let params = json!({"name": "ask_held", "arguments": {"key": "k", "message": "m"}});
            let think = |_: &Value| {
                // Longer than the deadline.
                tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(2300)));
                accepted(json!({"answer": "late"}))
            };
            let heard = talk.converse("tools/call", params, think).await;
            assert!(heard.response.get("result").is_some(), "{front}: {heard:?}");
        }));
    }
    for one in all {
        one.await.expect("the answer came in time");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_servers_deadline_on_every_front() {
    let settings = json!({"each": {"limits": {"timeout": "1s"}}});
    let (house, talks) = everywhere(settings, "", json!({})).await;
    let all = talks.into_iter().map(|(front, mut talk)| async move {
        let heard = talk.call("slow", json!({"ms": 5000})).await;
        (heard.code() != Some(1002)).then(|| format!("{front}: {}", heard.response))
    });
    let mut wrong: Vec<_> = futures_util::future::join_all(all).await.into_iter().flatten().collect();
    for server in ALL {
        let answer = house.client("", None).call(&format!("{server}__slow"), json!({"ms": 5000})).await;
        if answer.response()["error"]["code"] != 1002 {
            wrong.push(format!("{server} at the joint address: {}", answer.response()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn no_more_calls_than_allowed_wait_for_a_person() {
    let mut settings = settings();
    settings["limits"] = json!({"per_principal": {"held": 2}});
    let house = House::start(settings).await;
    for server in ["builtin", "legacy"] {
        let alice = house.client(server, Some(&secret("alice")));
        let params = tools()[1].clone();
        let one = asked(&alice, "tools/call", params.clone()).await;
        let two = asked(&alice, "tools/call", params.clone()).await;
        let third = alice.modern("tools/call", params.clone(), all_capabilities()).await;
        assert_eq!((third.status, third.error()["code"].as_i64()), (429, Some(1003)), "{server}");
        assert!(third.headers.contains_key("retry-after"));
        // Somebody else has places of their own.
        let bob = house.client(server, Some(&secret("bob")));
        let his = asked(&bob, "tools/call", params.clone()).await;
        // A place is free again when its question is answered.
        assert!(one.retry(&alice).await.result().get("content").is_some());
        let three = asked(&alice, "tools/call", params.clone()).await;
        for (asked, who) in [(two, &alice), (three, &alice), (his, &bob)] {
            assert!(asked.retry(who).await.result().get("content").is_some());
        }
    }
}

/// A legacy call that asks, up to its question.
async fn question(client: &Client, id: u64) -> (Events, Value) {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": tools()[1]});
    let mut events = Events::of(client.post(body.to_string()).send().await.expect("an answer"));
    let question = events.next().await.expect("a message");
    (events, question)
}

fn reply(question: &Value) -> String {
    let result = accepted(json!({"answer": "yes", "context": "yes"}));
    json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string()
}

#[tokio::test]
async fn no_more_questions_than_allowed_are_open_on_streams() {
    let mut settings = settings();
    settings["limits"] = json!({"per_principal": {"held": 2}});
    let house = House::start(settings).await;
    for server in ALL {
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(all_capabilities()).await;
        let (mut first, one) = question(&alice, 1).await;
        let (_second, _) = question(&alice, 2).await;
        let third = alice.legacy("tools/call", tools()[1].clone());
        let third = tokio::time::timeout(Duration::from_secs(5), third).await.expect("a third question is refused");
        assert!(third.response().get("error").is_some() || third.result()["isError"] == true, "{server}");
        assert!(third.messages.iter().all(|m| m["method"] != "elicitation/create"), "{server}");
        assert_eq!(alice.send(reply(&one)).await.status, 202);
        assert_eq!(first.next().await.expect("a response")["result"]["content"][0]["text"], TEXT, "{server}");
        let (_third, again) = question(&alice, 3).await;
        assert_eq!(again["method"], "elicitation/create", "{server}");
        let ended = alice.http.delete(&alice.url).bearer_auth(secret("alice"));
        let ended =
            ended.header("mcp-session-id", alice.session.as_deref().expect("one")).send().await.expect("an answer");
        assert_eq!(ended.status(), 204);
        // The places come back when the session is gone.
        let modern = house.client(server, Some(&secret("alice")));
        wait_for("room", async || {
            let answer = modern.modern("tools/call", tools()[1].clone(), all_capabilities()).await;
            if answer.status != 429 {
                of(&answer, "tools/call", tools()[1].clone()).retry(&modern).await;
            }
            answer.status != 429
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_thinks_about_a_question_can_call_something_else_meanwhile() {
    let mut settings = settings();
    settings["limits"] = json!({"per_principal": {"concurrent": 1}});
    let house = House::start(settings).await;
    for server in ALL {
        let mut legacy = house.client(server, Some(&secret("alice")));
        legacy.open(all_capabilities()).await;
        let (mut events, question) = question(&legacy, 7).await;
        let modern = house.client(server, Some(&secret("bob")));
        let asked = asked(&modern, "tools/call", tools()[1].clone()).await;
        for client in [&legacy, &modern] {
            let mut client = client.clone();
            client.session = None;
            let echo = client.call("echo", json!({"message": "hi"})).await;
            assert_eq!(echo.result()["content"][0]["text"], "hi", "{server}");
        }
        assert_eq!(legacy.send(reply(&question)).await.status, 202);
        assert_eq!(events.next().await.expect("a response")["result"]["content"][0]["text"], TEXT);
        assert_eq!(asked.retry(&modern).await.result()["content"][0]["text"], TEXT);
    }
}

#[tokio::test]
async fn a_question_survives_a_broken_connection() {
    let house = House::start(settings()).await;
    for server in ALL {
        let mut alice = house.client(server, Some(&secret("alice")));
        alice.open(all_capabilities()).await;
        let (events, question) = question(&alice, 3).await;
        let last = events.last_id.clone().expect("an event id");
        drop(events);
        assert_eq!(alice.send(reply(&question)).await.status, 202);
        let mut again = Events::of(alice.listen(Some(&last)).await);
        let response = again.next().await.expect("the response");
        assert_eq!((&response["id"], &response["result"]["content"][0]["text"]), (&json!(3), &json!(TEXT)), "{server}");
        assert!(again.next().await.is_none(), "that stream is over");
    }
}

#[tokio::test]
async fn who_cannot_be_asked_is_told_so() {
    let (_house, talks) = everywhere(json!({}), "", json!({})).await;
    for (front, mut talk) in talks {
        let heard = talk.call("ask_held", json!({"key": "k", "message": "m"})).await;
        assert!(
            heard.response.get("error").is_some() || heard.response["result"]["isError"] == true,
            "{front}: {heard:?}"
        );
    }
}
