//! How the era of a server is found out, and calls across eras.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use mcp::{Answer, Caller, Era, Error, Raw, Resume, Server as _, State};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::{
    PATIENCE, ask, askable, call, caller, count, healthy, lines, listener, raw, request, run, seen, settings, start,
    tool, until,
};
use tokio::time::Instant;
use upstream::{Child, Reaper};

async fn name(child: &Arc<Child>) -> String {
    healthy(child).await;
    child.about().info.get_text("name").unwrap()
}

#[tokio::test]
async fn a_server_is_asked_whether_it_is_modern_first() {
    for (args, expected) in [(&[][..], "legacy child"), (&["modern"], "modern child"), (&["dual"], "modern child")] {
        let child = start(args);
        assert_eq!(name(&child).await, expected, "{args:?}");
        assert!(child.about().capabilities.logging);
        call(&child, "echo", "{}").await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_dies_of_the_question_is_started_again_without_it_and_that_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("starts");
    let child = start(&["dies-on-probe", &format!("starts={}", file.display())]);
    assert_eq!(name(&child).await, "legacy child");
    assert_eq!(lines(&file), 2);
    let _ = call(&child, "crash", "{}").await;
    until("it is up again", async || child.about().incarnation == 2).await;
    assert_eq!(lines(&file), 3);
    let seen = seen(&child, caller("p")).await;
    assert_eq!(count(&seen, "server/discover"), 0);
}

#[tokio::test]
async fn a_server_that_became_modern_is_asked_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("starts");
    let child = start(&["upgrades", &format!("starts={}", file.display())]);
    assert_eq!(name(&child).await, "legacy child");
    let _ = call(&child, "crash", "{}").await;
    until("it is up again", async || child.about().incarnation == 2).await;
    assert_eq!(name(&child).await, "modern child");
    call(&child, "echo", "{}").await.unwrap();
}

#[tokio::test]
async fn a_server_that_ignores_the_question_is_legacy_after_a_while() {
    let mut settings = settings(&["silent-on-probe"]);
    settings.discover_timeout = Duration::from_millis(100);
    let child = Child::start(settings, Reaper::none());
    assert_eq!(name(&child).await, "legacy child");
    let seen = seen(&child, caller("p")).await;
    assert_eq!(count(&seen, "notifications/cancelled"), 0, "it must not be told anything before `initialize`");
}

#[tokio::test]
async fn a_modern_server_that_is_slow_to_start_is_modern() {
    let mut settings = settings(&["modern", "slow-probe=300"]);
    settings.discover_timeout = Duration::from_millis(50);
    let child = Child::start(settings, Reaper::none());
    assert_eq!(name(&child).await, "modern child");
    call(&child, "echo", "{}").await.unwrap();
}

#[tokio::test]
async fn a_server_of_an_unknown_revision_is_down_and_says_so() {
    let child = start(&["foreign"]);
    let Err(Error::Unavailable { reason, .. }) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert!(reason.contains("unknown here") && reason.contains("2099-01-01"), "{reason}");
    assert_eq!(child.about().state, State::Down);
}

#[tokio::test]
async fn a_server_that_refuses_our_revision_is_greeted_in_its_own() {
    let child = start(&["picky"]);
    assert_eq!(name(&child).await, "legacy child");
}

#[tokio::test]
async fn a_forced_era_is_not_asked_for() {
    let mut legacy = settings(&["dual"]);
    legacy.era = Some(Era::Legacy);
    let child = Child::start(legacy, Reaper::none());
    assert_eq!(name(&child).await, "legacy child");
    assert_eq!(count(&seen(&child, caller("p")).await, "server/discover"), 0);
    let mut modern = settings(&[]);
    modern.era = Some(Era::Modern);
    let child = Child::start(modern, Reaper::none());
    let Err(Error::Unavailable { reason, .. }) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert!(reason.contains("server/discover"), "{reason}");
}

#[tokio::test]
async fn a_modern_child_is_told_of_its_caller_in_each_request() {
    let child = start(&["modern"]);
    let caller = Caller { trace: Some(raw(r#"{"traceparent":"00-a-b-01"}"#)), ..askable("p", Some("1")) };
    let echo = ask(&child, tool("echo", "{}"), caller).await.unwrap();
    let meta = &echo["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "portcullis");
    assert!(meta["io.modelcontextprotocol/clientCapabilities"]["elicitation"].is_object());
    assert_eq!(meta["traceparent"], "00-a-b-01");
    assert!(meta.get("progressToken").is_none());
}

#[tokio::test]
async fn questions_of_a_modern_child_are_passed_through_and_answered_by_a_retry() {
    let child = start(&["modern"]);
    let ran = run(&child, tool("needs", "{}"), askable("p", Some("1")), |_| Ok(Raw::null())).await;
    let Ok(Answer::NeedsInput { requests, state }) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(requests.0.get("k").unwrap().get_text("method").as_deref(), Some("elicitation/create"));
    assert_eq!(state.as_deref(), Some("st\"ate"));
    let mut retry = tool("needs", "{}");
    retry.resume = Some(Resume { responses: Some(raw(r#"{"k":{"action":"accept"}}"#)), state: state.map(Into::into) });
    let result = ask(&child, retry, askable("p", Some("1"))).await.unwrap();
    assert_eq!(result["params"]["inputResponses"], json!({ "k": { "action": "accept" } }));
    assert_eq!(result["params"]["requestState"], "st\"ate");
}

#[tokio::test]
async fn what_a_modern_child_does_not_know_is_answered_in_its_stead() {
    let child = start(&["modern"]);
    for (method, params) in
        [("ping", "{}"), ("logging/setLevel", r#"{"level":"debug"}"#), ("resources/subscribe", r#"{"uri":"a://b"}"#)]
    {
        assert_eq!(ask(&child, request(method, params), caller("p")).await.unwrap(), json!({}), "{method}");
    }
    for method in ["initialize", "subscriptions/listen"] {
        let answer = ask(&child, request(method, "{}"), caller("p")).await;
        assert!(matches!(answer, Err(Error::UnknownMethod(_))), "{method}");
    }
    let seen = seen(&child, caller("p")).await;
    assert_eq!(count(&seen, "ping") + count(&seen, "initialize"), 0);
}

#[tokio::test]
async fn log_lines_of_a_modern_child_reach_only_the_caller_who_wants_them() {
    let child = start(&["modern"]);
    let log = r#"{"level":"info","text":"x"}"#;
    let ran = run(&child, tool("log", log), listener("p", mcp::Level::Debug), |_| Ok(Raw::null())).await;
    assert_eq!(ran.logs, [json!({ "level": "info", "data": "x" })]);
    let ran = run(&child, tool("log", log), caller("p"), |_| Ok(Raw::null())).await;
    assert!(ran.outcome.is_ok() && ran.logs.is_empty());
    let echo = ask(&child, tool("echo", "{}"), listener("p", mcp::Level::Debug)).await.unwrap();
    assert_eq!(echo["params"]["_meta"]["io.modelcontextprotocol/logLevel"], "debug");
}

#[tokio::test]
async fn a_server_that_starts_slowly_keeps_its_calls_waiting() {
    let mut settings = settings(&["modern", "slow-probe=200"]);
    settings.discover_timeout = PATIENCE;
    let child = Child::start(settings, Reaper::none());
    let begun = Instant::now();
    call(&child, "echo", "{}").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
}
