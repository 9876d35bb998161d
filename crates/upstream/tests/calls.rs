//! Calls to a child, as far as the shared instance carries them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use mcp::{Answer, Call, Caller, Error, Raw, Server as _, State};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use support::{PATIENCE, ask, call, caller, healthy, lines, request, run, seen, settings, start, tool, until};
use tokio::time::{Instant, timeout};
use upstream::{Child, Reaper};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_each_get_their_own_answer() {
    let child = start(&[]);
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let child = Arc::clone(&child);
            tokio::spawn(async move {
                let arguments = format!(r#"{{"ms":{},"n":{n}}}"#, n * 7 % 50);
                assert_eq!(call(&child, "sleep", &arguments).await.unwrap()["n"], n);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    child.stop().await;
}

#[tokio::test]
async fn what_passes_through_keeps_its_bytes() {
    let child = start(&[]);
    let params = r#"{"name":"echo", "x-more": {"a" : 1.0e2}, "arguments":{"é":"\u00e9"}, "_meta":{"my/key" : 1.50}}"#;
    let ran = run(&child, request("tools/call", params), caller("p"), |_| Ok(Raw::null())).await;
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.get("unknown").unwrap().bytes().as_ref(), br#"{"n" : 1.50}"#);
    assert_eq!(result.get("params").unwrap().bytes().as_ref(), params.as_bytes());
    let ran = run(&child, request("tools/list", "{}"), caller("p"), |_| Ok(Raw::null())).await;
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.bytes().as_ref(), br#"{"tools":[],"nextCursor":"c","x":1.50}"#);
}

#[tokio::test]
async fn parameters_of_several_lines_are_one_message() {
    let child = start(&[]);
    let params = "{\"name\":\"echo\",\n \"arguments\":{\r\n}}";
    let echo = ask(&child, request("tools/call", params), caller("p")).await.unwrap();
    assert_eq!(echo["params"], json!({ "name": "echo", "arguments": {} }));
}

#[tokio::test]
async fn an_error_of_the_server_is_passed_on_as_it_is() {
    let child = start(&[]);
    let Err(Error::Upstream(error)) = call(&child, "error", "{}").await else { panic!("no error") };
    assert_eq!(
        error.raw().read::<serde_json::Value>().unwrap(),
        json!({"code":-32050,"message":"mine","data":{"n":1}})
    );
}

#[tokio::test]
async fn progress_reaches_only_who_wants_it_and_only_its_own() {
    let child = start(&[]);
    let wants = Caller { wants_progress: true, ..caller("p") };
    let params = r#"{"name":"progress","_meta":{"progressToken":"mine"}}"#;
    let ran = run(&child, request("tools/call", params), wants, |_| Ok(Raw::null())).await;
    assert_eq!(ran.progress, [json!({"progress":1,"x":1}), json!({"progress":2,"x":1})]);
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert!(result.get("token").unwrap().read::<i64>().is_ok(), "the child gets a token of ours");
    let ran = run(&child, request("tools/call", params), caller("p"), |_| Ok(Raw::null())).await;
    assert_eq!(ran.progress.len(), 0);
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.get("token").unwrap(), Raw::null());
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_with_our_id() {
    let child = start(&[]);
    healthy(&child).await;
    for _ in 0..2 {
        let (given_up, _ears) = Call::new(caller("p"), HashMap::new());
        let answering = Arc::clone(&child).answer(tool("sleep", r#"{"ms":200}"#), given_up);
        assert!(timeout(Duration::from_millis(50), answering).await.is_err());
    }
    let mut cancelled = Vec::new();
    until("the cancellation", async || {
        let seen = seen(&child, caller("p")).await;
        cancelled = seen.into_iter().filter(|m| m["method"] == "notifications/cancelled").collect();
        cancelled.len() == 2
    })
    .await;
    assert!(cancelled.iter().all(|note| note["params"]["requestId"].is_i64()));
    until("the late answers", async || child.late_answers() == 2).await;
}

#[tokio::test]
async fn a_call_given_up_before_the_server_is_up_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let calls = directory.path().join("calls");
    let child = start(&[&format!("calls={}", calls.display())]);
    let (given_up, _ears) = Call::new(caller("p"), HashMap::new());
    drop(Arc::clone(&child).answer(tool("sleep", "{}"), given_up));
    call(&child, "echo", "{}").await.unwrap();
    assert_eq!(std::fs::read_to_string(calls).unwrap(), "echo\n");
    let seen = seen(&child, caller("p")).await;
    assert_eq!(support::count(&seen, "notifications/cancelled"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_reads_costs_its_callers_their_deadline_and_us_little() {
    let mut settings = settings(&["deaf-after-start"]);
    settings.queue_bytes = 64 * 1024;
    let child = Child::start(settings, Reaper::none());
    healthy(&child).await;
    let begun = Instant::now();
    let arguments = format!(r#"{{"x":"{}"}}"#, "x".repeat(50_000));
    let before = resident();
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let child = Arc::clone(&child);
            let request = tool("echo", &arguments);
            tokio::spawn(async move {
                let (call, _ears) = Call::new(caller("p"), HashMap::new());
                let answering = child.answer(request, call);
                assert!(timeout(Duration::from_millis(500), answering).await.is_err());
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Their parameters alone were 30 MB with their copies.
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after.saturating_sub(before) < 100 << 20, "{before} to {after}");
    }
    let begun = Instant::now();
    child.stop().await;
    assert!(begun.elapsed() < PATIENCE);
}

fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[tokio::test]
async fn an_answer_longer_than_a_line_may_be_fails_its_call_and_no_other() {
    let mut settings = settings(&[]);
    settings.max_line = 100_000;
    let child = Child::start(settings, Reaper::none());
    let other = tokio::spawn({
        let child = Arc::clone(&child);
        async move { call(&child, "sleep", r#"{"ms":100}"#).await }
    });
    let long = call(&child, "long", r#"{"bytes":1000000}"#).await;
    assert!(matches!(long, Err(Error::TooLarge(_))), "{long:?}");
    assert!(other.await.unwrap().is_ok());
    let fits = call(&child, "long", r#"{"bytes":80000}"#).await.unwrap();
    assert_eq!(fits["text"].as_str().unwrap().len(), 80_000);
}

#[tokio::test]
async fn large_messages_pass_in_both_directions() {
    let child = start(&[]);
    let text = "x".repeat(3 << 20);
    let echo = call(&child, "echo", &format!(r#"{{"text":"{text}"}}"#)).await.unwrap();
    assert_eq!(echo["params"]["arguments"]["text"].as_str().unwrap().len(), text.len());
}

#[tokio::test]
async fn lines_that_are_no_messages_are_skipped() {
    let child = start(&["noise"]);
    for _ in 0..20 {
        assert_eq!(call(&child, "sleep", r#"{"ms":2}"#).await.unwrap()["ms"], 2);
    }
    assert_eq!(child.about().state, State::Healthy);
}

#[tokio::test]
async fn what_a_legacy_child_does_not_know_is_answered_in_its_stead() {
    let child = start(&[]);
    for (method, params) in [
        ("ping", "{}"),
        ("logging/setLevel", r#"{"level":"debug"}"#),
        ("resources/subscribe", r#"{"uri":"a://b"}"#),
        ("resources/unsubscribe", r#"{"uri":"a://b"}"#),
    ] {
        assert_eq!(ask(&child, request(method, params), caller("p")).await.unwrap(), json!({}), "{method}");
    }
    for method in ["server/discover", "subscriptions/listen", "initialize", "roots/list", "notifications/cancelled"] {
        let answer = ask(&child, request(method, "{}"), caller("p")).await;
        assert!(matches!(answer, Err(Error::UnknownMethod(_))), "{method}");
    }
    let seen = seen(&child, caller("p")).await;
    let methods: Vec<_> = seen.iter().map(|m| m["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["server/discover", "initialize", "notifications/initialized"]);
}

#[tokio::test]
async fn what_is_queued_while_the_child_starts_is_answered_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls");
    let child = start(&[&format!("calls={}", file.display())]);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let child = Arc::clone(&child);
            tokio::spawn(async move { call(&child, "echo", "{}").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(lines(&file), 20);
}
