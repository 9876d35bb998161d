//! One way to talk to the gateway on every front, so that a test can be the same for all of them.

use crate::{Client, Events, House, PATIENCE, child, fixture, hello, modern_meta, secret, write_settings};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

/// Settings of the fixture as each kind of server: built in, and as a child of either era.
pub fn three() -> Value {
    json!({"builtin": {"type": "fixture"}, "legacy": child("legacy"), "modern": child("modern")})
}

/// One client on a pair of message streams: stdio, or the legacy HTTP+SSE transport.
pub struct Wire {
    out: Out,
    arriving: mpsc::UnboundedReceiver<Value>,
    next_id: i64,
    /// Where to post, on HTTP+SSE.
    pub address: String,
    _ends_with_us: Box<dyn std::any::Any + Send>,
}

enum Out {
    Stdin(ChildStdin),
    Post(Client),
}

impl Wire {
    /// Starts a gateway on stdio with these settings.
    pub fn stdio(settings: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_settings(folder.path(), settings);
        let mut process = Command::new(fixture())
            .args(["serve", "--config", "portcullis.jsonc", "--stdio"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway starts");
        let stdin = process.stdin.take().expect("piped");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let (sender, arriving) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let message = serde_json::from_str(&line).expect("nothing but messages on stdout");
                let _ = sender.send(message);
            }
        });
        let _ends_with_us = Box::new((process, folder));
        Self { out: Out::Stdin(stdin), arriving, next_id: 1, address: String::new(), _ends_with_us }
    }

    /// Opens the stream of a server over HTTP+SSE.
    pub async fn sse(house: &House, server: &str, token: Option<&str>) -> Self {
        let mut client = house.client(server, token);
        client.url = format!("{}/{server}/sse", house.address);
        let response = client.listen(None).await;
        assert_eq!(response.status(), 200);
        let mut events = Events::of(response);
        let path = events.next_data().await.expect("the address");
        client.url = format!("{}{path}", house.address);
        let address = client.url.clone();
        let (sender, arriving) = mpsc::unbounded_channel();
        let reading = tokio::spawn(async move {
            // Until the stream ends; a silent one is no reason to fail here.
            while let Some(message) = events.next_patiently().await {
                let _ = sender.send(message);
            }
        });
        let _ends_with_us = Box::new(AbortOnDrop(reading));
        Self { out: Out::Post(client), arriving, next_id: 1, address, _ends_with_us }
    }

    /// Sends text as one message.
    pub async fn send_text(&mut self, text: &str) {
        match &mut self.out {
            Out::Stdin(stdin) => {
                stdin.write_all(format!("{text}\n").as_bytes()).await.expect("written");
                stdin.flush().await.expect("written");
            }
            Out::Post(client) => {
                let sent = client.send(text.to_owned()).await;
                assert_eq!(sent.status, 202, "{}", sent.text);
            }
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    /// The next message of the gateway; `None` when there can be none any more.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.arriving.recv()).await.expect("a message arrives")
    }

    /// An id that was not used before.
    pub fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a request; gives its id.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        let id = self.id();
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// Opens a legacy session.
    pub async fn open(&mut self, capabilities: Value) {
        self.open_as("2025-11-25", capabilities).await;
    }

    /// Opens a legacy session of this revision.
    pub async fn open_as(&mut self, revision: &str, capabilities: Value) {
        self.request("initialize", hello(revision, capabilities)).await;
        let welcome = self.next().await.expect("an answer");
        assert!(welcome.get("result").is_some(), "{welcome}");
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client of one server on one front.
pub struct Talk {
    line: Line,
    capabilities: Value,
}

enum Line {
    Legacy(Client),
    Modern(Client),
    Wire(Wire),
    ModernWire(Wire),
}

/// What a client hears in the course of a request.
#[derive(Debug)]
pub struct Heard {
    /// Notifications, in order.
    pub notes: Vec<Value>,
    /// What was asked: `method` and `params`.
    pub questions: Vec<Value>,
    /// The last message.
    pub response: Value,
}

impl Heard {
    /// The text of the result's first block.
    pub fn text(&self) -> &str {
        self.response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {}", self.response))
    }

    /// Everything that was heard, as text.
    pub fn everything(&self) -> String {
        format!("{:?} {:?} {}", self.notes, self.questions, self.response)
    }

    pub fn code(&self) -> Option<i64> {
        self.response["error"]["code"].as_i64()
    }
}

impl Talk {
    /// The legacy era over HTTP, in a session.
    pub async fn legacy(house: &House, server: &str, token: Option<&str>, capabilities: Value) -> Self {
        let mut client = house.client(server, token);
        client.open(capabilities.clone()).await;
        Self { line: Line::Legacy(client), capabilities }
    }

    /// The modern era over HTTP.
    pub fn modern(house: &House, server: &str, token: Option<&str>, capabilities: Value) -> Self {
        Self { line: Line::Modern(house.client(server, token)), capabilities }
    }

    /// The legacy HTTP+SSE transport.
    pub async fn sse(house: &House, server: &str, token: Option<&str>, capabilities: Value) -> Self {
        let mut wire = Wire::sse(house, server, token).await;
        wire.open(capabilities.clone()).await;
        Self { line: Line::Wire(wire), capabilities }
    }

    /// Standard input and output, the legacy era.
    pub async fn stdio(settings: Value, capabilities: Value) -> Self {
        let mut wire = Wire::stdio(settings);
        wire.open(capabilities.clone()).await;
        Self { line: Line::Wire(wire), capabilities }
    }

    /// Standard input and output, the modern era.
    pub fn modern_stdio(settings: Value, capabilities: Value) -> Self {
        Self { line: Line::ModernWire(Wire::stdio(settings)), capabilities }
    }

    pub const fn is_modern(&self) -> bool {
        matches!(self.line, Line::Modern(_) | Line::ModernWire(_))
    }

    /// Parameters as this era wants them.
    fn dressed(&self, mut params: Value) -> Value {
        if self.is_modern() {
            let mut meta = modern_meta(self.capabilities.clone());
            if let Some(own) = params.get("_meta").and_then(Value::as_object) {
                for (key, value) in own {
                    meta[key] = value.clone();
                }
            }
            params["_meta"] = meta;
        }
        params
    }

    /// Wants log lines from this level on: parameters to put into a modern request, or a request of
    /// its own.
    pub async fn wants_logs(&mut self, level: &str) {
        if !self.is_modern() {
            let heard = self.request("logging/setLevel", json!({"level": level})).await;
            assert!(heard.response.get("result").is_some(), "{heard:?}");
        }
    }

    /// Sends a request that asks nothing.
    pub async fn request(&mut self, method: &str, params: Value) -> Heard {
        self.converse(method, params, |question| panic!("was asked {question}")).await
    }

    /// Calls a tool that asks nothing.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Heard {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Sends a request and answers what it asks.
    pub async fn converse(&mut self, method: &str, params: Value, mut answer: impl FnMut(&Value) -> Value) -> Heard {
        let mut params = self.dressed(params);
        let mut heard = Heard { notes: Vec::new(), questions: Vec::new(), response: Value::Null };
        loop {
            heard.response = self.exchange(method, &params, &mut heard.notes, &mut heard.questions, &mut answer).await;
            if heard.response["result"]["resultType"] != "input_required" {
                return heard;
            }
            let asked = heard.response["result"]["inputRequests"].as_object().cloned().unwrap_or_default();
            let mut answers = json!({});
            for (key, question) in asked {
                answers[key] = answer(&question);
                heard.questions.push(question);
            }
            params["inputResponses"] = answers;
            params["requestState"] = heard.response["result"]["requestState"].clone();
        }
    }

    async fn exchange(
        &mut self,
        method: &str,
        params: &Value,
        notes: &mut Vec<Value>,
        questions: &mut Vec<Value>,
        answer: &mut impl FnMut(&Value) -> Value,
    ) -> Value {
        match &mut self.line {
            Line::Modern(client) => {
                let request = client.modern_request(method, params.clone(), json!({}));
                let answered = crate::read(request.send().await.expect("an answer")).await;
                let response = answered.response().clone();
                notes.extend(answered.messages.into_iter().filter(|m| m.get("method").is_some()));
                response
            }
            Line::Legacy(client) => {
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
                let mut events = Events::of(client.post(body.to_string()).send().await.expect("an answer"));
                if !events.is_stream {
                    let text = events.rest().await;
                    return serde_json::from_str(&text).unwrap_or_else(|_| panic!("no message: {text}"));
                }
                while let Some(message) = events.next().await {
                    match Kind::of(&message) {
                        Kind::Response => return message,
                        Kind::Note => notes.push(message),
                        Kind::Question => {
                            let reply = answer_to(&message, answer);
                            questions.push(message);
                            assert_eq!(client.send(reply.to_string()).await.status, 202);
                        }
                    }
                }
                panic!("the stream ended without a response");
            }
            Line::Wire(wire) | Line::ModernWire(wire) => {
                let id = wire.request(method, params.clone()).await;
                while let Some(message) = wire.next().await {
                    match Kind::of(&message) {
                        Kind::Response if message["id"] == id => return message,
                        Kind::Response => panic!("a response to something else: {message}"),
                        Kind::Note => notes.push(message),
                        Kind::Question => {
                            let reply = answer_to(&message, answer);
                            questions.push(message);
                            wire.send(reply).await;
                        }
                    }
                }
                panic!("the stream ended without a response");
            }
        }
    }

    /// Sends text as one message; gives what answers it: a response, or `null` if it was refused
    /// without one. `name` is what the header says in the modern era over HTTP.
    pub async fn raw(&mut self, text: &str, name: &str) -> Value {
        match &mut self.line {
            Line::Legacy(client) => {
                let answer = client.send(text.to_owned()).await;
                answer.messages.last().cloned().unwrap_or_default()
            }
            Line::Modern(client) => {
                let request = client
                    .post(text.to_owned())
                    .header("mcp-protocol-version", "2026-07-28")
                    .header("mcp-method", "tools/call")
                    .header("mcp-name", name);
                let answer = crate::read(request.send().await.expect("an answer")).await;
                answer.messages.last().cloned().unwrap_or_default()
            }
            Line::Wire(wire) | Line::ModernWire(wire) => {
                wire.send_text(text).await;
                let parsed = serde_json::from_str::<Value>(text);
                if parsed.is_ok_and(|message| message.is_object() && message.get("id").is_none()) {
                    return Value::Null;
                }
                wire.next().await.expect("an answer")
            }
        }
    }

    /// The `_meta` that belongs into what is sent raw, as text.
    pub fn meta(&self) -> String {
        if self.is_modern() { modern_meta(self.capabilities.clone()).to_string() } else { "{}".into() }
    }
}

enum Kind {
    Response,
    Note,
    Question,
}

impl Kind {
    fn of(message: &Value) -> Self {
        match (message.get("method").is_some(), message.get("id").is_some()) {
            (false, _) => Self::Response,
            (true, false) => Self::Note,
            (true, true) => Self::Question,
        }
    }
}

fn answer_to(question: &Value, answer: &mut impl FnMut(&Value) -> Value) -> Value {
    json!({"jsonrpc": "2.0", "id": question["id"], "result": answer(question)})
}

/// A client on every front of each kind of server: `builtin`, `legacy` and `modern`. The settings
/// are those of everything but the servers; what stands at the key `each` there goes into each
/// server's settings. On stdio the person has the role `default`.
pub async fn everywhere(mut settings: Value, who: &str, capabilities: Value) -> (House, Vec<(String, Talk)>) {
    let each = settings.as_object_mut().expect("an object").remove("each").unwrap_or_else(|| json!({}));
    let mut servers = three();
    for (_, server) in servers.as_object_mut().expect("an object") {
        for (key, value) in each.as_object().expect("an object") {
            server[key] = value.clone();
        }
    }
    settings["mcpServers"] = servers.clone();
    settings["sse"] = true.into();
    let house = House::start(settings.clone()).await;
    let token = settings.get("auth").is_some().then(|| secret(who));
    let token = token.as_deref();
    let mut talks = Vec::new();
    for name in ["builtin", "legacy", "modern"] {
        talks
            .push((format!("{name} over HTTP, legacy"), Talk::legacy(&house, name, token, capabilities.clone()).await));
        talks.push((format!("{name} over HTTP, modern"), Talk::modern(&house, name, token, capabilities.clone())));
        talks.push((format!("{name} over HTTP+SSE"), Talk::sse(&house, name, token, capabilities.clone()).await));
        let mut alone = settings.clone();
        alone["mcpServers"] = json!({name: servers[name]});
        let talk = Talk::stdio(alone.clone(), capabilities.clone()).await;
        talks.push((format!("{name} on stdio, legacy"), talk));
        talks.push((format!("{name} on stdio, modern"), Talk::modern_stdio(alone, capabilities.clone())));
    }
    (house, talks)
}
