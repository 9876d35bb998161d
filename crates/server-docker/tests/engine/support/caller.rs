//! Somebody who calls the server.

use super::Engine;
use mcp::{Answer, Call, Capabilities, Ears, Era, Method, Raw, Request, Said, Server, Tier};
use serde_json::{Value, json};
use server_docker::{Host, Settings, server};
use std::collections::HashMap;
use std::sync::Arc;

pub struct Caller {
    pub server: Arc<dyn Server>,
}

/// What somebody was asked and told during a call.
#[derive(Default, Debug)]
pub struct Asked {
    pub questions: Vec<Value>,
    pub progress: Vec<String>,
}

/// A caller of a server with all tools and no confirmation, over the engine of all tests.
pub fn caller(engine: &Engine, change: impl FnOnce(&mut Settings)) -> Caller {
    let mut settings = Settings::default();
    settings.host = Some(Host::Unix(engine.socket.clone()));
    settings.safety.tier = Tier::Destructive;
    settings.safety.confirm = false;
    settings.retry = std::time::Duration::from_millis(100);
    change(&mut settings);
    Caller { server: server(settings) }
}

fn new_call(capabilities: &str, principal: &str) -> (Call, Ears) {
    let capabilities: Value = serde_json::from_str(capabilities).unwrap();
    let caller = mcp::Caller {
        principal: principal.into(),
        session: None,
        era: Era::Modern,
        capabilities: Capabilities::read(&Raw::of(&capabilities)).unwrap(),
        log_level: None,
        wants_progress: true,
        trace: None,
    };
    Call::new(caller, HashMap::new())
}

impl Caller {
    /// The result of a method.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        self.try_ask(method, params).await.unwrap()
    }

    pub async fn try_ask(&self, method: &str, params: Value) -> Result<Value, mcp::Error> {
        let request = Request::read(method, Some(Raw::of(&params))).unwrap();
        let (call, ears) = new_call("{}", "tester");
        let answer = Arc::clone(&self.server).answer(request, call).await;
        drop(ears);
        match answer? {
            Answer::Complete(raw) => Ok(raw.read().unwrap()),
            Answer::NeedsInput { .. } => panic!("a built-in server asks through the call"),
        }
    }

    pub async fn tools(&self) -> Vec<Value> {
        self.ask("tools/list", json!({})).await["tools"].as_array().unwrap().clone()
    }

    /// The structured result of a tool, which must succeed and repeat itself as text.
    pub async fn tool(&self, name: &str, arguments: Value) -> Value {
        let result = self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await;
        assert_ne!(result["isError"], true, "{name} {arguments}: {result}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"]);
        text
    }

    /// What a tool says that fails.
    pub async fn fault(&self, name: &str, arguments: Value) -> String {
        let result = self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await;
        assert_eq!(result["isError"], true, "{name} {arguments}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Calls a tool as somebody who can be asked, answers each question with this, and listens.
    pub async fn listening(&self, name: &str, arguments: Value, answer: Value) -> (Value, Asked) {
        let params = json!({ "name": name, "arguments": arguments });
        let request = Request::read("tools/call", Some(Raw::of(&params))).unwrap();
        let (call, mut ears) = new_call(r#"{"elicitation": {}}"#, "tester");
        let mut answering = Arc::clone(&self.server).answer(request, call);
        let mut asked = Asked::default();
        let outcome = loop {
            tokio::select! {
                outcome = &mut answering => break outcome,
                said = std::future::poll_fn(|cx| ears.poll_said(cx)) => asked.hear(said, &answer),
            }
        };
        while let Some(said) = ears.try_said() {
            asked.hear(said, &answer);
        }
        let Answer::Complete(raw) = outcome.unwrap() else { panic!("a built-in server asks through the call") };
        (raw.read().unwrap(), asked)
    }

    /// Calls a tool as another person who cannot be asked.
    pub async fn as_other(&self, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        let request = Request::read("tools/call", Some(Raw::of(&params))).unwrap();
        let (call, _ears) = new_call("{}", "other");
        let Answer::Complete(raw) = Arc::clone(&self.server).answer(request, call).await.unwrap() else { panic!() };
        raw.read().unwrap()
    }

    /// Begins a call and drops it when this comes true.
    pub async fn abandon(&self, name: &str, arguments: Value, when: impl Future<Output = ()>) {
        let params = json!({ "name": name, "arguments": arguments });
        let request = Request::read("tools/call", Some(Raw::of(&params))).unwrap();
        let (call, _ears) = new_call("{}", "tester");
        let answering = Arc::clone(&self.server).answer(request, call);
        tokio::select! {
            outcome = answering => match outcome {
                Ok(Answer::Complete(raw)) => panic!("it ended by itself: {}", raw.read::<Value>().unwrap()),
                other => panic!("it ended by itself: {other:?}"),
            },
            () = when => {}
        }
    }

    /// Runs a container of busybox in the background.
    pub async fn run(&self, name: &str, command: &str, mut more: Value) -> String {
        let arguments = more.as_object_mut().unwrap();
        arguments.insert("image".into(), "busybox".into());
        arguments.insert("name".into(), name.into());
        arguments.insert("command".into(), json!(["sh", "-c", command]));
        let ran = self.tool("docker_run_container", more).await;
        ran["container_id"].as_str().unwrap().to_owned()
    }

    pub async fn remove(&self, name: &str) {
        self.tool("docker_remove_container", json!({ "container_id": name, "force": true })).await;
    }
}

impl Asked {
    fn hear(&mut self, said: Said, answer: &Value) {
        match said {
            Said::Progress(raw) => self.progress.extend(raw.get_text("message")),
            Said::Log(..) => {}
            Said::Question(question) => {
                assert_eq!(question.method, Method::Elicit);
                self.questions.push(question.params.read().unwrap());
                question.reply.send(Ok(Raw::of(answer)));
            }
        }
    }
}
