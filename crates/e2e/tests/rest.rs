//! Tools as REST: who may call, what is answered, and that it is the same gate.

use e2e::faults::Raw;
use e2e::{Events, House, child, secret, three, token, wait_for};
use serde_json::{Value, json};

fn settings() -> Value {
    json!({
        "mcpServers": three(),
        "auth": {"tokens": [token("alice", &["all"]), token("bob", &["few"])]},
        "policy": {"roles": {
            "all": {"allow": ["*/*"]},
            "few": {"allow": ["builtin/tool:echo", "legacy/tool:echo"]},
        }},
        "audit": {"file": "audit.jsonl"},
    })
}

/// A REST caller.
struct Caller<'h> {
    house: &'h House,
    token: Option<String>,
    http: reqwest::Client,
}

fn caller<'h>(house: &'h House, token: Option<&str>) -> Caller<'h> {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    Caller { house, token: token.map(str::to_owned), http }
}

impl Caller<'_> {
    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.house.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, path).json(&body)).await
    }

    async fn text(&self, path: &str, body: &'static str) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, path).header("content-type", "application/json").body(body)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn every_kind_of_server_answers_with_the_value_and_not_with_the_envelope() {
    let house = House::start(settings()).await;
    let alice = caller(&house, Some(&secret("alice")));
    for server in ["builtin", "legacy", "modern"] {
        let at = |tool: &str| format!("/{server}/{tool}");
        // Structured content is the value.
        assert_eq!(alice.post(&at("echo"), json!({"message": "x"})).await, (200, json!({"message": "x"})));
        assert_eq!(alice.post(&at("tools/echo"), json!({"message": "x"})).await.0, 200);
        // Text alone is a text, and JSON if it is that.
        let (status, contents) = alice.post(&at("test_multiple_content_types"), json!({})).await;
        assert_eq!(status, 200);
        assert!(contents[1].as_str().expect("an image").starts_with("data:image/png;base64,"), "{contents}");
        assert_eq!(contents[2]["type"], "resource", "{contents}");
        assert!(contents[2]["resource"]["uri"].is_string(), "nothing of it is lost: {contents}");
        let (_, audio) = alice.post(&at("test_audio_content"), json!({})).await;
        assert!(audio.as_str().expect("audio").starts_with("data:audio/wav;base64,"), "{audio}");
    }
}

#[tokio::test]
async fn what_goes_wrong_has_the_status_and_the_body_that_mcpos_callers_know() {
    let house = House::start(settings()).await;
    let alice = caller(&house, Some(&secret("alice")));
    let detail = |text: &str| json!({"detail": text});
    for server in ["builtin", "legacy", "modern"] {
        let echo = format!("/{server}/echo");
        let missing =
            json!({"detail": [{"type": "missing", "loc": ["body", "message"], "msg": "Field required", "input": {}}]});
        assert_eq!(alice.post(&echo, json!({})).await, (422, missing));
        let (status, wrong) = alice.post(&echo, json!({"message": 5})).await;
        assert_eq!((status, &wrong["detail"][0]["type"]), (422, &json!("string_type")), "{wrong}");
        let (status, broken) = alice.text(&echo, "{\"message\": ").await;
        assert_eq!((status, &broken["detail"][0]["type"]), (422, &json!("json_invalid")), "{broken}");
        let (status, twice) = alice.text(&echo, r#"{"message":"a","message":"b"}"#).await;
        assert_eq!((status, &twice["detail"][0]["type"]), (422, &json!("json_invalid")), "{twice}");
        let (status, empty) = alice.text(&echo, "").await;
        assert_eq!((status, &empty["detail"][0]["loc"]), (422, &json!(["body"])), "{empty}");
        // A tool that says that it failed, and one that answers with an error object.
        let (status, failed) = alice.post(&format!("/{server}/fail"), json!({})).await;
        assert_eq!(
            (status, failed),
            (500, json!({"detail": {"message": "This tool always fails. Call another one."}}))
        );
        let (status, error) = alice.post(&format!("/{server}/error_object"), json!({})).await;
        assert_eq!((status, &error["detail"]["message"]), (500, &json!("an error of the fixture's own")));
        assert_eq!(error["detail"]["data"]["known"], 1.5);
        // One that has to ask somebody.
        let (status, asks) = alice.post(&format!("/{server}/ask_held"), json!({"key": "k", "message": "?"})).await;
        assert!(status >= 400 && asks["detail"]["message"].is_string(), "{status} {asks}");
        // Addresses that are none.
        assert_eq!(alice.post(&format!("/{server}/nope"), json!({})).await, (404, detail("Not Found")));
        assert_eq!(alice.get(&echo).await, (405, detail("Method Not Allowed")));
        assert_eq!(alice.get(&format!("/{server}/nope")).await, (404, detail("Not Found")));
        let typed = alice.request(reqwest::Method::POST, &echo).header("content-type", "text/plain").body("{}");
        assert_eq!(answer(typed).await.0, 415);
    }
    assert_eq!(alice.post("/nobody/echo", json!({})).await, (404, detail("Not Found")));
    let large = alice.request(reqwest::Method::POST, "/builtin/echo").json(&json!({"message": "x".repeat(5 << 20)}));
    assert_eq!(answer(large).await.0, 413);
}

#[tokio::test]
async fn who_shows_no_token_or_a_wrong_one_is_told_so_as_mcpo_does() {
    let house = House::start(settings()).await;
    let nobody = caller(&house, None);
    let missing = (401, json!({"detail": "Missing or invalid Authorization header"}));
    assert_eq!(nobody.post("/builtin/echo", json!({"message": "x"})).await, missing);
    assert_eq!(nobody.get("/openapi.json").await, missing);
    assert_eq!(nobody.get("/builtin/openapi.json").await, missing, "a document tells what there is");
    let wrong = caller(&house, Some("wrong-token"));
    assert_eq!(wrong.post("/builtin/echo", json!({"message": "x"})).await, (403, json!({"detail": "Invalid API key"})));
    // The page asks for the token; it says nothing by itself, not even which servers there are.
    let (status, page) = nobody.get("/docs").await;
    assert_eq!(status, 200);
    assert!(!page.as_str().expect("a page").contains("echo"));
    assert_eq!(nobody.get("/builtin/docs").await.1, nobody.get("/nobody/docs").await.1);
    let denied = || house.audit().into_iter().filter(|line| line["front"] == "rest").collect::<Vec<_>>();
    wait_for("four lines", async || denied().len() == 4).await;
    assert!(denied().iter().all(|line| line["decision"] == "deny"));
}

#[tokio::test]
async fn policy_decides_about_calls_and_about_documents_alike() {
    let house = House::start(settings()).await;
    let (alice, bob) = (caller(&house, Some(&secret("alice"))), caller(&house, Some(&secret("bob"))));
    for server in ["builtin", "legacy"] {
        assert_eq!(bob.post(&format!("/{server}/echo"), json!({"message": "x"})).await.0, 200);
        let forbidden = bob.post(&format!("/{server}/destroy"), json!({"what": "x"})).await;
        assert_eq!(forbidden, bob.post(&format!("/{server}/nope"), json!({})).await, "it does not exist");
        for spelling in ["tools/destroy", "%64estroy", "Destroy", "destroy%00", "tools%2Fdestroy", "./destroy"] {
            assert_eq!(bob.post(&format!("/{server}/{spelling}"), json!({"what": "x"})).await.0, 404, "{spelling}");
        }
        let (_, document) = bob.get(&format!("/{server}/openapi.json")).await;
        let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().collect();
        assert_eq!(paths, ["/echo"]);
        let (_, document) = alice.get(&format!("/{server}/openapi.json")).await;
        assert!(document["paths"].as_object().expect("paths").contains_key("/destroy"));
    }
    assert_eq!(bob.get("/modern/openapi.json").await.0, 404);
    let (_, joint) = bob.get("/openapi.json").await;
    let paths: Vec<_> = joint["paths"].as_object().expect("paths").keys().collect();
    assert_eq!(paths, ["/builtin/echo", "/legacy/echo"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_its_call() {
    let house = House::start(settings()).await;
    let alice = caller(&house, Some(&secret("alice")));
    for server in ["builtin", "legacy", "modern"] {
        let count = async |what: &str| {
            let (_, counters) = alice.post(&format!("/{server}/counters"), json!({})).await;
            counters["sleep_until_cancelled"][what].as_u64().unwrap_or_default()
        };
        let path = format!("/{server}/sleep_until_cancelled");
        let request = alice.request(reqwest::Method::POST, &path).json(&json!({}));
        let sleeping = tokio::spawn(request.send());
        wait_for("the call", async || count("started").await == 1).await;
        sleeping.abort();
        wait_for("its end", async || count("dropped").await == 1).await;
        // The same for who reads events.
        let request = alice.request(reqwest::Method::POST, &path).header("accept", "text/event-stream");
        let stream = request.json(&json!({})).send().await.expect("a stream");
        wait_for("the call", async || count("started").await == 2).await;
        drop(stream);
        wait_for("its end", async || count("dropped").await == 2).await;
    }
}

#[tokio::test]
async fn who_accepts_events_is_told_the_progress_and_then_the_result() {
    let house = House::start(settings()).await;
    let alice = caller(&house, Some(&secret("alice")));
    for server in ["builtin", "legacy", "modern"] {
        let request = alice.request(reqwest::Method::POST, &format!("/{server}/test_tool_with_progress"));
        let response = request.header("accept", "text/event-stream").json(&json!({})).send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.expect("events");
        let kinds: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(kinds, ["progress", "progress", "progress", "result"], "{text}");
        assert!(text.ends_with("data: \"Tool with progress completed.\"\n\n"), "{text}");
        let request = alice.request(reqwest::Method::POST, &format!("/{server}/fail"));
        let failed = request.header("accept", "text/event-stream").json(&json!({})).send().await.expect("an answer");
        let mut events = Events::of(failed);
        let error: Value = serde_json::from_str(&events.next_data().await.expect("an error")).expect("JSON");
        assert_eq!(error["status"], 500);
        assert!(error["detail"]["message"].is_string());
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_503_with_the_reason_and_harms_nobody() {
    let mut settings = settings();
    settings["mcpServers"]["broken"] = json!({"command": "/nonexistent/server"});
    let house = House::start(settings).await;
    let alice = caller(&house, Some(&secret("alice")));
    let request = alice.request(reqwest::Method::POST, "/broken/x").json(&json!({}));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.expect("JSON");
    let message = body["detail"]["message"].as_str().expect("a message");
    assert!(message.contains("was not found") && !message.contains("/nonexistent"), "{message}");
    let (status, document) = alice.get("/broken/openapi.json").await;
    assert_eq!((status, &document["paths"]), (200, &json!({})));
    let (_, joint) = alice.get("/openapi.json").await;
    assert!(joint["paths"].as_object().expect("paths").contains_key("/builtin/echo"));
    assert_eq!(alice.post("/builtin/echo", json!({"message": "x"})).await.0, 200);
}

#[tokio::test]
async fn a_call_whose_server_dies_in_the_middle_is_502_and_does_not_invite_to_run_it_again() {
    let bad = json!({"command": env!("CARGO_BIN_EXE_misbehave"), "args": ["good"]});
    let house = House::start(json!({"mcpServers": {"bad": bad}})).await;
    let anybody = caller(&house, None);
    let request = anybody.request(reqwest::Method::POST, "/bad/crash").json(&json!({}));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 502);
    assert!(!response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.expect("JSON");
    let message = body["detail"]["message"].as_str().expect("a message");
    assert!(message.contains("exited with status 9"), "{message}");
    assert!(message.ends_with("it is not known whether the call was carried out"), "{message}");
}

#[tokio::test]
async fn limits_and_deadlines_hold_for_rest_as_for_everything() {
    let mut settings = json!({"mcpServers": three(), "limits": {"per_principal": {"rate": "1/h", "burst": 2}}});
    settings["mcpServers"]["builtin"]["limits"] = json!({"timeout": "300ms"});
    let house = House::start(settings).await;
    let anybody = caller(&house, None);
    let (status, late) = anybody.post("/builtin/sleep_until_cancelled", json!({})).await;
    assert_eq!(status, 504, "{late}");
    assert_eq!(anybody.post("/legacy/echo", json!({"message": "x"})).await.0, 200);
    let request = anybody.request(reqwest::Method::POST, "/modern/echo").json(&json!({"message": "x"}));
    let limited = request.send().await.expect("an answer");
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn rest_can_be_switched_off() {
    let house = House::start(json!({"rest": false, "mcpServers": {"one": child("legacy")}})).await;
    let anybody = caller(&house, None);
    for path in ["/openapi.json", "/docs", "/one/openapi.json", "/one/docs", "/assets/docs.js"] {
        assert_eq!(anybody.get(path).await.0, 404, "{path}");
    }
    assert_eq!(anybody.post("/one/echo", json!({"message": "x"})).await.0, 404);
}

#[tokio::test]
async fn a_document_follows_what_the_server_offers() {
    let house = House::start(settings()).await;
    let alice = caller(&house, Some(&secret("alice")));
    for server in ["builtin", "legacy", "modern"] {
        let has = async || {
            let (_, document) = alice.get(&format!("/{server}/openapi.json")).await;
            document["paths"].as_object().expect("paths").contains_key("/dynamic_tool")
        };
        assert!(!has().await);
        assert_eq!(alice.post(&format!("/{server}/test_trigger_tool_change"), json!({})).await.0, 200);
        wait_for("the new tool", has).await;
        assert_eq!(alice.post(&format!("/{server}/dynamic_tool"), json!({})).await.0, 200);
    }
}

#[tokio::test]
async fn a_token_that_is_taken_away_while_a_body_is_under_way_opens_nothing() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"destroy","arguments":{"what":"x"}}}"#;
    for (path, body) in [("/builtin/mcp", call), ("/builtin/destroy", r#"{"what":"x"}"#)] {
        let house = House::start(settings()).await;
        let mut slow = Raw::connect(&house).await;
        let alice = secret("alice");
        let head = format!(
            "authorization: Bearer {alice}\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {}",
            body.len()
        );
        // Asked for the body, it was let in.
        slow.send(Raw::head(path, &head).replace("accept: application/json, text/event-stream\r\n", "").as_bytes())
            .await;
        slow.until("100 Continue").await;
        let mut without = settings();
        without["auth"]["tokens"] = json!([token("bob", &["all"])]);
        house.reload(without).await;
        slow.send(body.as_bytes()).await;
        let answer = slow.rest().await;
        assert!(answer.contains("the token was taken away"), "{path}: {answer}");
        let bob = caller(&house, Some(&secret("bob")));
        let (_, counters) = bob.post("/builtin/counters", json!({})).await;
        assert!(counters.get("destroy").is_none_or(|destroy| destroy["started"] == 0), "{counters}");
    }
}
