//! What the end-to-end tests share: the real binary as a process, clients of both eras, and
//! conditions that are waited for instead of times.
//!
//! The binary is the test fixture's, which is `portcullis` with one more built-in server (type
//! `fixture`); see `crates/fixture/src/lib.rs` for its tools. `fixture stdio [legacy|modern]` is
//! the same server as a child process.

pub mod faults;

mod talk;

pub use talk::{Heard, Talk, Wire, everywhere, three};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The fixture binary: beside the test binary, built by cargo on demand.
pub fn fixture() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let test = std::env::current_exe().expect("a test has a program");
            let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps").to_owned();
            let mut build = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build
                .args(["build", "--quiet", "-p", "fixture"])
                .current_dir(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
            build.env("CARGO_TARGET_DIR", folder.parent().expect("target"));
            if folder.file_name().is_some_and(|profile| profile == "release") {
                build.arg("--release");
            }
            assert!(build.status().expect("cargo runs").success(), "the fixture does not build");
            folder.join("fixture")
        })
        .clone()
}

/// Settings of the fixture as a child of one era.
pub fn child(era: &str) -> Value {
    json!({ "command": fixture(), "args": ["stdio", era] })
}

/// A running gateway. Ends with the value, by SIGKILL if it was not stopped.
pub struct House {
    pub folder: tempfile::TempDir,
    pub address: String,
    pub log: Arc<Mutex<Vec<String>>>,
    process: Child,
}

impl House {
    /// Starts the gateway with these settings on a free port.
    pub async fn start(settings: Value) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), settings).await
    }

    /// Starts it in a folder where another one may have stood.
    pub async fn start_in(folder: tempfile::TempDir, settings: Value) -> Self {
        write_settings(folder.path(), settings);
        let mut process = Command::new(fixture())
            .args(["serve", "--config", "portcullis.jsonc"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (found, address) = tokio::sync::oneshot::channel();
        tokio::spawn({
            let log = Arc::clone(&log);
            let mut found = Some(found);
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some((_, rest)) = line.split_once("listening on ")
                        && let Some((address, _)) = rest.split_once("/mcp")
                        && let Some(found) = found.take()
                    {
                        let _ = found.send(address.to_owned());
                    }
                    log.lock().expect("log").push(line);
                }
            }
        });
        let address = tokio::time::timeout(PATIENCE, address).await;
        let address = address.ok().and_then(Result::ok);
        let address = address.unwrap_or_else(|| panic!("the gateway did not start: {:?}", log.lock().expect("log")));
        Self { folder, address, log, process }
    }

    /// The process id of the gateway.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("running")
    }

    /// Changes the settings and sends SIGHUP; returns when they are in force (or refused).
    pub async fn reload(&self, settings: Value) {
        self.reload_text(&listening(settings).to_string()).await;
    }

    /// The same with a text that may be no settings.
    pub async fn reload_text(&self, text: &str) {
        std::fs::write(self.folder.path().join("portcullis.jsonc"), text).expect("the settings are written");
        let before = self.reloads();
        signal(self.pid(), "HUP");
        wait_for("the reload", async || self.reloads() > before).await;
    }

    fn reloads(&self) -> usize {
        let log = self.log.lock().expect("log");
        log.iter().filter(|l| l.contains("read anew") || l.contains("nothing was changed")).count()
    }

    /// Ends the gateway in good order; gives its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        signal(self.pid(), "TERM");
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("the gateway ends");
        ended.expect("a status").code()
    }

    /// Ends the gateway with SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("killed");
    }

    /// The lines of the audit file `audit.jsonl`.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether the log has a line with this text.
    pub fn logged(&self, text: &str) -> bool {
        self.log.lock().expect("log").iter().any(|line| line.contains(text))
    }

    /// A client of the address `/{server}/mcp`, or `/mcp` if the name is empty.
    pub fn client(&self, server: &str, token: Option<&str>) -> Client {
        let path = if server.is_empty() { "/mcp".to_owned() } else { format!("/{server}/mcp") };
        Client {
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            url: format!("{}{path}", self.address),
            token: token.map(str::to_owned),
            session: None,
        }
    }
}

fn write_settings(folder: &Path, settings: Value) {
    std::fs::write(folder.join("portcullis.jsonc"), listening(settings).to_string()).expect("the settings are written");
}

/// On a free port, if nothing else is said.
fn listening(mut settings: Value) -> Value {
    if settings.get("listen").is_none() {
        settings["listen"] = "127.0.0.1:0".into();
    }
    settings
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits for a condition.
pub async fn wait_for(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client over HTTP.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub token: Option<String>,
    /// The legacy session.
    pub session: Option<String>,
}

/// What came back on a POST.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// All messages of the body, in order: one of JSON, or those of a stream.
    pub messages: Vec<Value>,
    /// The body as text, if it was neither.
    pub text: String,
}

impl Answer {
    /// The response: the message with a result or an error.
    pub fn response(&self) -> &Value {
        let is_response = |m: &&Value| m.get("result").is_some() || m.get("error").is_some();
        self.messages
            .iter()
            .rfind(is_response)
            .unwrap_or_else(|| panic!("no response in {:?} {}", self.messages, self.text))
    }

    pub fn result(&self) -> &Value {
        self.response().get("result").unwrap_or_else(|| panic!("no result: {}", self.response()))
    }

    pub fn error(&self) -> &Value {
        self.response().get("error").unwrap_or_else(|| panic!("no error: {}", self.response()))
    }
}

/// `_meta` of a modern request.
pub fn modern_meta(capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
    })
}

/// Parameters of `initialize`.
pub fn hello(revision: &str, capabilities: Value) -> Value {
    json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "e2e", "version": "1"}})
}

/// The result of an elicitation that was accepted.
pub fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// A token of the settings.
pub fn token(name: &str, roles: &[&str]) -> Value {
    json!({"name": name, "token": secret(name), "roles": roles})
}

/// The token of this principal.
pub fn secret(name: &str) -> String {
    format!("{name}-secret-0123456789")
}

/// Capabilities of a client that can be asked anything.
pub fn all_capabilities() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

impl Client {
    /// A POST with the usual headers, before it is sent.
    pub fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let mut request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    /// Sends a body as it is.
    pub async fn send(&self, body: impl Into<reqwest::Body>) -> Answer {
        read(self.post(body).send().await.expect("an answer")).await
    }

    /// A legacy request with the id 1.
    pub async fn legacy(&self, method: &str, params: Value) -> Answer {
        self.send(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
    }

    /// Calls a tool in the legacy era.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.legacy("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Opens a legacy session.
    pub async fn open(&mut self, capabilities: Value) -> Answer {
        self.open_as("2025-11-25", capabilities).await
    }

    /// Opens a legacy session of this revision.
    pub async fn open_as(&mut self, revision: &str, capabilities: Value) -> Answer {
        let answer = self.legacy("initialize", hello(revision, capabilities)).await;
        self.session = answer.headers.get("mcp-session-id").map(|v| v.to_str().expect("ascii").to_owned());
        assert!(self.session.is_some(), "no session: {:?} {}", answer.messages, answer.text);
        let ready = self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        assert_eq!(ready.status, 202);
        answer
    }

    /// A GET of the session's own stream, or of the stream that this event was on.
    pub async fn listen(&self, last_event_id: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(&self.url).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        request.send().await.expect("an answer")
    }

    /// A modern request before it is sent: `params` gets `_meta` unless it has one.
    pub fn modern_request(&self, method: &str, mut params: Value, capabilities: Value) -> reqwest::RequestBuilder {
        if params.get("_meta").is_none() {
            params["_meta"] = modern_meta(capabilities);
        }
        let name = params.get("name").or(params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request =
            self.post(body.to_string()).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// A modern request with the id 1.
    pub async fn modern(&self, method: &str, params: Value, capabilities: Value) -> Answer {
        read(self.modern_request(method, params, capabilities).send().await.expect("an answer")).await
    }

    /// Calls a tool in the modern era.
    pub async fn modern_call(&self, tool: &str, arguments: Value, capabilities: Value) -> Answer {
        self.modern("tools/call", json!({"name": tool, "arguments": arguments}), capabilities).await
    }
}

/// Reads a whole answer.
pub async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut events = Events::of(response);
    if events.is_stream {
        let mut messages = Vec::new();
        while let Some(message) = events.next().await {
            messages.push(message);
        }
        return Answer { status, headers, messages, text: String::new() };
    }
    let text = events.rest().await;
    let messages = match serde_json::from_str(&text) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    Answer { status, headers, messages, text }
}

/// The messages of a stream, one after the other. Dropping it breaks the connection.
pub struct Events {
    pub is_stream: bool,
    pub headers: reqwest::header::HeaderMap,
    /// The last event id that was seen.
    pub last_id: Option<String>,
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = Vec<u8>> + Send>>,
    buffer: Vec<u8>,
}

impl Events {
    pub fn of(response: reqwest::Response) -> Self {
        let headers = response.headers().clone();
        let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_stream = kind.starts_with("text/event-stream");
        let body = response.bytes_stream().filter_map(|piece| async { piece.ok().map(|p| p.to_vec()) });
        Self { is_stream, headers, last_id: None, body: Box::pin(body), buffer: Vec::new() }
    }

    /// The next message; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let data = self.next_data().await?;
            if let Ok(message) = serde_json::from_str(&data) {
                return Some(message);
            }
        }
    }

    /// The data of the next event; `None` at the end of the stream.
    pub async fn next_data(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..at + 2).collect();
                let text = String::from_utf8_lossy(&event).into_owned();
                if let Some(id) = text.lines().find_map(|l| l.strip_prefix("id: ")) {
                    self.last_id = Some(id.to_owned());
                }
                return Some(text.lines().filter_map(|l| l.strip_prefix("data: ")).collect());
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream goes on")?;
            self.buffer.extend(piece);
        }
    }

    /// The next message, however long it takes.
    pub async fn next_patiently(&mut self) -> Option<Value> {
        loop {
            while let Some(at) = self.buffer.windows(2).position(|w| w == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..at + 2).collect();
                let text = String::from_utf8_lossy(&event).into_owned();
                let data: String = text.lines().filter_map(|l| l.strip_prefix("data: ")).collect();
                if let Ok(message) = serde_json::from_str(&data) {
                    return Some(message);
                }
            }
            let piece = self.body.next().await?;
            self.buffer.extend(piece);
        }
    }

    pub(crate) async fn rest(&mut self) -> String {
        while let Some(piece) = self.body.next().await {
            self.buffer.extend(piece);
        }
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}
