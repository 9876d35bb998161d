//! Instances of one caller's own: questions, log lines, limits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use mcp::{Answer, Caller, Capabilities, Era, Error, ErrorObject, Level, Method, Note, Raw, Server as _};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use support::{ask, askable, caller, count, healthy, listener, lives, raw, run, seen, settings, start, tool, until};
use upstream::{Child, Reaper};

const ELICIT: &str = r#"{"method":"elicitation/create","params":{"message":"?"}}"#;

async fn pid(child: &Arc<Child>, caller: Caller) -> u64 {
    ask(child, tool("whoami", "{}"), caller).await.unwrap()["pid"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_reach_only_the_caller_whose_call_asks() {
    let child = start(&[]);
    let callers: Vec<_> = (0..8)
        .map(|n| {
            let child = Arc::clone(&child);
            tokio::spawn(async move {
                let session = (n % 2 == 0).then(|| format!("session {n}"));
                let caller = askable(&format!("p{n}"), session.as_deref());
                for round in 0..5 {
                    let message = format!("{n}.{round}");
                    let arguments =
                        json!({ "method": "elicitation/create", "params": { "message": message } }).to_string();
                    let ran = run(&child, tool("ask", &arguments), caller.clone(), |question| {
                        Ok(Raw::of(&json!({ "echo": question["message"] })))
                    })
                    .await;
                    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
                    assert_eq!(result.read::<Value>().unwrap(), json!({ "answer": { "echo": message } }));
                    let [(key, question)] = ran.questions.as_slice() else { panic!("{:?}", ran.questions) };
                    assert_eq!(question, &json!({ "message": message }));
                    assert!(key.starts_with('q'));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn all_three_kinds_of_questions_reach_a_modern_caller_too() {
    let child = start(&[]);
    for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        let modern = Caller { era: Era::Modern, ..askable("p", None) };
        let arguments = json!({ "method": method, "params": { "m": 1 } }).to_string();
        let ran = run(&child, tool("ask", &arguments), modern, |_| Ok(raw(r#"{"fine":1.0}"#))).await;
        assert!(ran.outcome.is_ok());
        assert_eq!(ran.questions.len(), 1, "{method}");
    }
}

#[tokio::test]
async fn the_clients_error_reaches_the_child_as_it_is() {
    let child = start(&[]);
    let ran = run(&child, tool("ask", ELICIT), askable("p", Some("1")), |_| Err(ErrorObject::new(-1, "no"))).await;
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.read::<Value>().unwrap(), json!({ "answer": { "code": -1, "message": "no" } }));
}

#[tokio::test]
async fn a_caller_who_cannot_be_asked_is_not() {
    let child = start(&[]);
    let ran = run(&child, tool("ask", ELICIT), caller("p"), |_| Ok(Raw::null())).await;
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.get("answer").unwrap().get_text("message").as_deref(), Some("this client cannot be asked"));
    assert_eq!(ran.questions, []);
    // Neither for what was not declared, on an instance that may ask other things.
    let roots = Capabilities::read(&raw(r#"{"roots":{}}"#)).unwrap();
    let ran =
        run(&child, tool("ask", ELICIT), Caller { capabilities: roots, ..caller("p") }, |_| Ok(Raw::null())).await;
    let Ok(Answer::Complete(result)) = ran.outcome else { panic!("{:?}", ran.outcome) };
    assert_eq!(result.get("answer").unwrap().read::<Value>().unwrap()["code"], -32601);
    assert_eq!(ran.questions, []);
}

#[tokio::test]
async fn a_question_may_be_taken_back() {
    let child = start(&[]);
    let arguments = r#"{"method":"elicitation/create","params":{"takeBack":true}}"#;
    let result = ask(&child, tool("ask", arguments), askable("p", Some("1"))).await.unwrap();
    assert_eq!(result["answer"], "taken back");
}

#[tokio::test]
async fn a_question_ends_with_the_call_that_asks() {
    let child = start(&[]);
    let (call, mut ears) = mcp::Call::new(askable("p", Some("1")), HashMap::new());
    let mut answering = Arc::clone(&child).answer(tool("ask", ELICIT), call);
    let said = tokio::select! {
        said = std::future::poll_fn(|cx| ears.poll_said(cx)) => said,
        answer = &mut answering => panic!("{answer:?}"),
    };
    drop((answering, ears, said));
    // The child gets an answer, so its tool ends, and the cancellation was told.
    until("the cancellation", async || {
        count(&seen(&child, askable("p", Some("1"))).await, "notifications/cancelled") == 1
    })
    .await;
    until("the late answer", async || child.late_answers() == 1).await;
}

#[tokio::test]
async fn the_child_is_told_what_its_caller_can_be_asked() {
    let child = start(&[]);
    for (who, expected) in [(caller("p"), 0), (askable("p", Some("1")), 3)] {
        let seen = seen(&child, who).await;
        let hello = seen.iter().find(|m| m["method"] == "initialize").unwrap();
        assert_eq!(hello["params"]["capabilities"].as_object().unwrap().len(), expected);
        assert_eq!(hello["params"]["clientInfo"]["name"], "portcullis");
    }
}

#[tokio::test]
async fn log_lines_reach_only_the_caller_whose_instance_says_them() {
    let child = start(&[]);
    let log = r#"{"level":"warning","text":"mine"}"#;
    let (one, other, plain) = tokio::join!(
        run(&child, tool("log", log), listener("one", Level::Info), |_| Ok(Raw::null())),
        run(&child, tool("sleep", r#"{"ms":300}"#), listener("other", Level::Debug), |_| Ok(Raw::null())),
        run(&child, tool("log", log), caller("third"), |_| Ok(Raw::null())),
    );
    assert!(one.outcome.is_ok() && other.outcome.is_ok() && plain.outcome.is_ok());
    assert_eq!(one.logs, [json!({ "level": "warning", "data": "mine" })]);
    assert_eq!((other.logs.len(), plain.logs.len()), (0, 0));
    let ran = run(&child, tool("log", log), listener("one", Level::Error), |_| Ok(Raw::null())).await;
    assert_eq!(ran.logs.len(), 0, "below the level");
    let seen = seen(&child, listener("one", Level::Error)).await;
    let levels: Vec<_> =
        seen.iter().filter(|m| m["method"] == "logging/setLevel").map(|m| &m["params"]["level"]).collect();
    assert_eq!(levels, ["info", "error"]);
}

#[tokio::test]
async fn a_session_has_one_instance_for_all_its_calls() {
    let child = start(&[]);
    let sleep = |session: &'static str| {
        let child = Arc::clone(&child);
        async move {
            let ran =
                run(&child, tool("sleep", r#"{"ms":50}"#), askable("p", Some(session)), |_| Ok(Raw::null())).await;
            ran.outcome.unwrap();
            pid(&child, askable("p", Some(session))).await
        }
    };
    let pids = futures_util::future::join_all((0..20).map(|n| sleep(if n % 2 == 0 { "a" } else { "b" }))).await;
    let distinct: BTreeSet<_> = pids.iter().collect();
    assert_eq!(distinct.len(), 2);
    assert_ne!(pids[0], pid(&child, askable("q", Some("a"))).await, "another principal's session is another session");
}

#[tokio::test]
async fn calls_without_a_session_have_an_instance_each_up_to_a_limit() {
    let mut settings = settings(&[]);
    settings.asking_per_principal = 2;
    let child = Child::start(settings, Reaper::none());
    let who = || askable("p", None);
    let first = pid(&child, who()).await;
    assert_eq!(pid(&child, who()).await, first, "an idle one is taken again");
    // Each call says in which process it ran, and takes long enough to meet the others.
    let slow = async || {
        let ran = run(&child, tool("slow-whoami", r#"{"ms":200}"#), who(), |_| Ok(Raw::null())).await;
        let Answer::Complete(result) = ran.outcome.unwrap() else { panic!("a question") };
        result.read::<Value>().unwrap()["pid"].as_u64().unwrap()
    };
    let begun = tokio::time::Instant::now();
    let all = futures_util::future::join_all((0..4).map(|_| slow())).await;
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), 2, "two at a time: {all:?}");
    assert!(begun.elapsed() >= Duration::from_millis(400), "the others waited");
}

#[tokio::test]
async fn the_number_of_instances_is_limited_and_idle_ones_make_room() {
    let mut settings = settings(&[]);
    settings.max_asking = 2;
    let child = Child::start(settings, Reaper::none());
    let first = pid(&child, askable("a", Some("1"))).await;
    let busy = tokio::spawn({
        let child = Arc::clone(&child);
        async move { ask(&child, tool("sleep", r#"{"ms":1500}"#), askable("b", Some("1"))).await }
    });
    until("it is busy", async || {
        let result = ask(&child, tool("seen", "{}"), askable("b", Some("1"))).await;
        result.is_ok()
    })
    .await;
    // The idle one makes room.
    let arguments = r#"{"ms":1500}"#;
    let other = tokio::spawn({
        let child = Arc::clone(&child);
        async move { ask(&child, tool("sleep", arguments), askable("c", Some("1"))).await }
    });
    until("the idle one ends", async || !lives(first)).await;
    // Both are busy now: who comes next waits until one of them is not.
    let next = ask(&child, tool("echo", "{}"), askable("d", Some("1"))).await;
    assert!(next.is_ok() && (busy.is_finished() || other.is_finished()));
    assert!(busy.await.unwrap().is_ok() && other.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_idle_instance_is_stopped() {
    let mut settings = settings(&[]);
    settings.idle_stop = Duration::from_millis(200);
    let child = Child::start(settings, Reaper::none());
    let shared = pid(&child, caller("p")).await;
    let personal = pid(&child, askable("p", Some("1"))).await;
    assert_ne!(shared, personal);
    until("it is stopped", async || !lives(personal)).await;
    assert!(lives(shared));
    assert_ne!(pid(&child, askable("p", Some("1"))).await, personal);
}

#[tokio::test]
async fn the_death_of_one_callers_instance_is_nobody_elses() {
    let child = start(&[]);
    healthy(&child).await;
    let (shared, other) = tokio::join!(pid(&child, caller("p")), pid(&child, askable("q", Some("1"))));
    let crashed = ask(&child, tool("crash", "{}"), askable("p", Some("1"))).await;
    let Err(Error::Lost { reason, .. }) = crashed else { panic!("{crashed:?}") };
    assert!(reason.contains("about to crash"));
    assert_eq!(pid(&child, caller("p")).await, shared);
    assert_eq!(pid(&child, askable("q", Some("1"))).await, other);
    assert_eq!(child.about().incarnation, 1);
    assert!(ask(&child, tool("echo", "{}"), askable("p", Some("1"))).await.is_ok(), "the next call has a new one");
}

#[tokio::test]
async fn changed_roots_are_told_to_the_callers_own_instance_only() {
    let child = start(&[]);
    for who in [caller("p"), askable("p", Some("1")), askable("p", Some("2"))] {
        ask(&child, tool("echo", "{}"), who).await.unwrap();
    }
    let (call, _ears) = mcp::Call::new(askable("p", Some("1")), HashMap::new());
    child.tell(Note { method: Method::RootsChanged, params: Raw::empty_object() }, &call);
    child.tell(Note { method: Method::ToolsChanged, params: Raw::empty_object() }, &call);
    until("it is told", async || {
        count(&seen(&child, askable("p", Some("1"))).await, "notifications/roots/list_changed") == 1
    })
    .await;
    for who in [caller("p"), askable("p", Some("2"))] {
        assert_eq!(count(&seen(&child, who).await, "notifications/roots/list_changed"), 0);
    }
}
