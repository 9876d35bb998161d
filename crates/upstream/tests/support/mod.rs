//! What the tests of children share.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use mcp::{
    Answer, Call, Caller, Capabilities, Era, Error, ErrorObject, Level, Limits, Raw, Request, Said, Server as _, State,
};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use upstream::{Backoff, Child, Reaper, Settings};

pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn settings(args: &[&str]) -> Settings {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut settings = Settings::new("s", env!("CARGO_BIN_EXE_test-child"), args);
    settings.backoff = Backoff { first: Duration::from_millis(20), most: Duration::from_millis(200) };
    settings.stop_grace = Duration::from_millis(500);
    settings
}

pub fn start(args: &[&str]) -> Arc<Child> {
    Child::start(settings(args), Reaper::none())
}

pub fn raw(text: &str) -> Raw {
    Raw::parse(bytes::Bytes::copy_from_slice(text.as_bytes()), &Limits::INBOUND).unwrap()
}

pub fn caller(principal: &str) -> Caller {
    Caller {
        principal: principal.into(),
        session: None,
        era: Era::Legacy,
        capabilities: Capabilities::none(),
        log_level: None,
        wants_progress: false,
        trace: None,
    }
}

/// A caller that can be asked anything.
pub fn askable(principal: &str, session: Option<&str>) -> Caller {
    let all = raw(r#"{"elicitation":{},"sampling":{},"roots":{"listChanged":true}}"#);
    Caller { session: session.map(Into::into), capabilities: Capabilities::read(&all).unwrap(), ..caller(principal) }
}

pub fn listener(principal: &str, level: Level) -> Caller {
    Caller { log_level: Some(level), ..caller(principal) }
}

pub fn tool(name: &str, arguments: &str) -> Request {
    request("tools/call", &format!(r#"{{"name":"{name}","arguments":{arguments}}}"#))
}

pub fn request(method: &str, params: &str) -> Request {
    Request::read(method, Some(raw(params))).unwrap()
}

/// What came of a call, and what was said meanwhile. Questions are answered by `reply`.
pub struct Ran {
    pub outcome: Result<Answer, Error>,
    pub progress: Vec<Value>,
    pub logs: Vec<Value>,
    pub questions: Vec<(String, Value)>,
}

pub async fn run(
    child: &Arc<Child>,
    request: Request,
    caller: Caller,
    reply: impl Fn(&Value) -> Result<Raw, ErrorObject>,
) -> Ran {
    let (call, mut ears) = Call::new(caller, HashMap::new());
    let mut answering = Arc::clone(child).answer(request, call);
    let (mut progress, mut logs, mut questions) = (Vec::new(), Vec::new(), Vec::new());
    let mut hear = |said| match said {
        Said::Progress(params) => progress.push(params.read().unwrap()),
        Said::Log(_, params) => logs.push(params.read().unwrap()),
        Said::Question(question) => {
            let params: Value = question.params.read().unwrap();
            question.reply.send(reply(&params));
            questions.push((question.key, params));
        }
    };
    let outcome = timeout(PATIENCE, async {
        loop {
            tokio::select! {
                biased;
                said = std::future::poll_fn(|cx| ears.poll_said(cx)) => hear(said),
                outcome = &mut answering => return outcome,
            }
        }
    })
    .await
    .expect("the call hangs");
    while let Some(said) = ears.try_said() {
        hear(said);
    }
    Ran { outcome, progress, logs, questions }
}

pub async fn ask(child: &Arc<Child>, request: Request, caller: Caller) -> Result<Value, Error> {
    let ran = run(child, request, caller, |_| Ok(Raw::null())).await;
    ran.outcome.map(|answer| match answer {
        Answer::Complete(result) => result.read().unwrap(),
        Answer::NeedsInput { .. } => panic!("it needs input"),
    })
}

pub async fn call(child: &Arc<Child>, name: &str, arguments: &str) -> Result<Value, Error> {
    ask(child, tool(name, arguments), caller("p")).await
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let latest = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < latest, "{what} does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

pub async fn healthy(child: &Arc<Child>) {
    until("it becomes healthy", async || child.about().state == State::Healthy).await;
}

/// Whether a process lives; one that only waits to be waited for does not.
pub fn lives(pid: u64) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        return !Path::new("/proc/self/stat").exists() && rustix::process::test_kill_process(pid).is_ok();
    };
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.starts_with(['Z', 'X'])
}

/// The numbers that were written to a file, one a line.
pub fn numbers(file: &Path) -> Vec<u64> {
    std::fs::read_to_string(file).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
}

pub fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// Methods of the messages that an instance has seen, except calls of tools.
pub async fn seen(child: &Arc<Child>, caller: Caller) -> Vec<Value> {
    let result = ask(child, tool("seen", "{}"), caller).await.unwrap();
    result["seen"].as_array().unwrap().clone()
}

pub fn count(seen: &[Value], method: &str) -> usize {
    seen.iter().filter(|message| message["method"] == method).count()
}
