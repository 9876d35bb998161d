//! Starts, ends and restarts of a child.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use futures_util::FutureExt as _;
use mcp::{Error, Server as _, State};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::{PATIENCE, ask, askable, call, caller, healthy, lines, lives, numbers, settings, start, tool, until};
use tokio::time::{Instant, timeout};
use upstream::{Backoff, Child, Reaper, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn death_fails_what_is_pending_at_once_and_nothing_is_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls");
    let child = start(&[&format!("calls={}", file.display())]);
    healthy(&child).await;
    let hanging: Vec<_> = (0..10)
        .map(|_| {
            let child = Arc::clone(&child);
            tokio::spawn(async move { call(&child, "hang", "{}").await })
        })
        .collect();
    until("all calls arrive", async || lines(&file) == 10).await;
    let crashed = call(&child, "crash", "{}").await;
    for answer in
        [crashed].into_iter().chain(futures_util::future::join_all(hanging).await.into_iter().map(Result::unwrap))
    {
        let Err(Error::Lost { server, reason }) = answer else { panic!("{answer:?}") };
        assert_eq!(server, "s");
        assert_eq!(reason, "it exited with status 3", "its last words may be about somebody else's call");
    }
    until("it is up again", async || child.about().incarnation == 2).await;
    call(&child, "echo", "{}").await.unwrap();
    let told = std::fs::read_to_string(file).unwrap();
    assert_eq!(told.matches("hang").count(), 10);
    assert_eq!(told.matches("crash").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_call_that_never_reached_a_server_that_ended_may_be_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls");
    let child = start(&[&format!("calls={}", file.display())]);
    let pid = call(&child, "whoami", "{}").await.unwrap()["pid"].as_u64().unwrap();
    let hanging = tokio::spawn({
        let child = Arc::clone(&child);
        async move { call(&child, "hang", "{}").await }
    });
    until("it arrives", async || lines(&file) == 2).await;
    // From here on it reads nothing, and more than a pipe holds stands before the last call.
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20));
    let mut stuck = Box::pin(call(&child, "echo", &large));
    assert!((&mut stuck).now_or_never().is_none());
    let mut waiting = Box::pin(call(&child, "echo", "{}"));
    assert!((&mut waiting).now_or_never().is_none());
    child.stop().await;
    let Err(lost) = hanging.await.unwrap() else { panic!("it answered") };
    assert!(matches!(lost, Error::Lost { .. }), "{lost:?}");
    assert!(lost.to_string().ends_with("it is not known whether the call was carried out"), "{lost}");
    for never_read in [waiting.await, call(&child, "echo", "{}").await] {
        assert!(matches!(never_read, Err(Error::Unavailable { retry_after: Some(_), .. })), "{never_read:?}");
    }
}

#[tokio::test]
async fn an_answer_written_before_the_end_is_an_answer() {
    let child = start(&[]);
    for _ in 0..10 {
        healthy(&child).await;
        // The restart may be under way while the state is still the old one.
        match call(&child, "die", "{}").await {
            Ok(answer) => assert_eq!(answer["last"], true),
            Err(Error::Unavailable { .. } | Error::Lost { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        until("it falls", async || child.about().state == State::Down).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_start_is_down_says_why_and_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("starts");
    let starts = format!("starts={}", file.display());
    let mut settings = settings(&["exit=7", "stderr=no module named x, key s3cr3t-key", &starts]);
    settings.env = vec![("KEY".into(), "s3cr3t-key".into())];
    let child = Child::start(settings, Reaper::none());
    assert_eq!(child.about().state, State::Starting);
    let begun = Instant::now();
    // Waits for the first start to fail, and no longer.
    let Err(Error::Unavailable { reason, retry_after, .. }) = call(&child, "echo", "{}").await else {
        panic!("it answered")
    };
    assert_eq!(reason, "it exited with status 7; last lines on stderr: no module named x, key ${KEY}");
    assert!(retry_after.is_some());
    let about = child.about();
    assert_eq!((about.state, about.reason.as_str()), (State::Down, reason.as_str()));
    until("it is tried again", async || lines(&file) >= 8).await;
    // 2 starts a round, and pauses of at least 10, 20 and 40 ms between 4 rounds.
    assert!(begun.elapsed() >= Duration::from_millis(70), "{:?}", begun.elapsed());
    assert!(call(&child, "echo", "{}").await.is_err());
    child.stop().await;
    let stopped = lines(&file);
    assert!(call(&child, "echo", "{}").await.is_err());
    assert_eq!(lines(&file), stopped);
    assert_eq!(child.about().reason, "it was stopped");
}

#[tokio::test]
async fn calls_fail_at_once_while_a_server_that_failed_is_tried_again() {
    let mut settings = settings(&["mute"]);
    settings.era = Some(mcp::Era::Legacy);
    settings.start_timeout = Duration::from_millis(300);
    settings.backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(1) };
    let child = Child::start(settings, Reaper::none());
    let Err(Error::Unavailable { reason, .. }) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert_eq!(reason, "it was not ready within 0.3 s");
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(call(&child, "echo", "{}").await.is_err());
        assert!(begun.elapsed() < Duration::from_millis(200));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named_without_its_path() {
    let child = Child::start(Settings::new("s", "/secret/place/no-such-program", Vec::new()), Reaper::none());
    let Err(error) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert_eq!(error.to_string(), "the server \"s\" is down: the command \"no-such-program\" was not found");
    let mut settings = settings(&[]);
    settings.cwd = Some(PathBuf::from("/no/such/directory"));
    let child = Child::start(settings, Reaper::none());
    let Err(error) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert_eq!(error.to_string(), "the server \"s\" is down: its working directory does not exist");
}

#[tokio::test]
async fn a_child_has_the_environment_and_directory_it_was_given_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let mut settings = settings(&[]);
    settings.env = vec![("ONLY".into(), "this $HOME".into())];
    settings.cwd = Some(directory.clone());
    let child = Child::start(settings, Reaper::none());
    let who = call(&child, "whoami", "{}").await.unwrap();
    assert_eq!(who["env"], serde_json::json!({ "ONLY": "this $HOME" }));
    assert_eq!(who["cwd"], directory.to_str().unwrap());
}

#[tokio::test]
async fn what_a_child_started_ends_with_it() {
    let child = start(&[]);
    let mut left = Vec::new();
    for end in ["crash", "die"] {
        let pid = call(&child, "leave", "{}").await.unwrap()["pid"].as_u64().unwrap();
        assert!(lives(pid));
        let incarnation = child.about().incarnation;
        let begun = Instant::now();
        let _ = call(&child, end, "{}").await;
        assert!(begun.elapsed() < Duration::from_secs(5), "a grandchild that holds the pipe delays nobody");
        until("the grandchild ends", async || !lives(pid)).await;
        until("the restart", async || child.about().incarnation > incarnation && child.about().state.answers()).await;
        left.push(pid);
    }
    let pid = call(&child, "leave", "{}").await.unwrap()["pid"].as_u64().unwrap();
    let personal = ask(&child, tool("leave", "{}"), askable("p", Some("1"))).await.unwrap()["pid"].as_u64().unwrap();
    child.stop().await;
    assert!(!lives(pid) && !lives(personal), "stopping waits for all of them");
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_after_the_grace() {
    let child = start(&["stubborn"]);
    let pid = call(&child, "whoami", "{}").await.unwrap()["pid"].as_u64().unwrap();
    let begun = Instant::now();
    timeout(PATIENCE, child.stop()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert!(!lives(pid));
}

#[tokio::test]
async fn stopping_fails_what_is_pending_and_can_be_done_at_any_time() {
    let child = start(&[]);
    child.stop().await;
    assert!(call(&child, "echo", "{}").await.is_err());
    let child = start(&["mute"]);
    timeout(PATIENCE, child.stop()).await.unwrap();
    let child = start(&[]);
    let hanging = tokio::spawn({
        let child = Arc::clone(&child);
        async move { call(&child, "hang", "{}").await }
    });
    healthy(&child).await;
    let (one, two) = tokio::join!(child.stop(), child.stop());
    assert_eq!((one, two), ((), ()));
    // It may have been stopped before the call reached it.
    assert!(matches!(hanging.await.unwrap(), Err(Error::Unavailable { .. } | Error::Lost { .. })));
}

#[tokio::test]
async fn a_dropped_child_ends() {
    let child = start(&[]);
    let pid = call(&child, "whoami", "{}").await.unwrap()["pid"].as_u64().unwrap();
    let left = call(&child, "leave", "{}").await.unwrap()["pid"].as_u64().unwrap();
    drop(child);
    until("it ends", async || !lives(pid) && !lives(left)).await;
}

#[test]
fn a_child_ends_with_its_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (child, pids) = runtime.block_on(async {
        let child = start(&["stubborn"]);
        let pid = call(&child, "whoami", "{}").await.unwrap()["pid"].as_u64().unwrap();
        let left = call(&child, "leave", "{}").await.unwrap()["pid"].as_u64().unwrap();
        (child, [pid, left])
    });
    drop(runtime);
    drop(child);
    let latest = std::time::Instant::now() + PATIENCE;
    while pids.iter().any(|pid| lives(*pid)) {
        assert!(std::time::Instant::now() < latest, "something is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn nothing_is_left_when_the_gateway_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("grandchild");
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_test-child"))
        .arg(format!("gateway={}", file.display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("the child and the grandchild run", async || numbers(&file).len() == 2).await;
    let pids = numbers(&file);
    assert!(pids.iter().all(|pid| lives(*pid)));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    until("they end", async || !pids.iter().any(|pid| lives(*pid))).await;
}

#[tokio::test]
async fn a_flood_on_stderr_is_bounded_and_its_end_is_shown() {
    // Why it does not start is for everybody.
    let child = start(&["flood-stderr", "exit=3"]);
    let Err(Error::Unavailable { reason, .. }) = call(&child, "echo", "{}").await else { panic!("it answered") };
    assert!(reason.ends_with("line 199999"), "{reason}");
    assert!(reason.len() < 500);
    // Of an instance of its own, a caller is told its last words.
    let child = start(&[]);
    let crashed = ask(&child, tool("crash", "{}"), askable("ann", Some("1"))).await;
    let Err(Error::Lost { reason, .. }) = crashed else { panic!("it answered") };
    assert!(reason.ends_with("about to crash"), "{reason}");
}

#[tokio::test]
async fn one_that_does_not_start_delays_no_other() {
    let mut hopeless = settings(&["mute"]);
    hopeless.start_timeout = PATIENCE * 2;
    hopeless.era = Some(mcp::Era::Legacy);
    let hopeless = Child::start(hopeless, Reaper::none());
    let child = start(&[]);
    ask(&child, tool("echo", "{}"), caller("p")).await.unwrap();
    assert_eq!(hopeless.about().state, State::Starting);
}
