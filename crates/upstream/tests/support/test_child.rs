//! A server that behaves, or misbehaves, as its arguments say. For tests.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufRead as _, Write as _};
use std::process::{Command, Stdio, exit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

type Object = BTreeMap<String, Box<RawValue>>;

struct Server {
    modern: bool,
    legacy: bool,
    options: HashMap<String, String>,
    /// All that came in, except calls of tools.
    seen: Mutex<Vec<Value>>,
    asked: Mutex<HashMap<u64, mpsc::Sender<Value>>>,
    next: AtomicU64,
    listens: Mutex<Vec<(Value, Value)>>,
    subscribed: Mutex<Vec<String>>,
}

fn main() {
    let options: HashMap<String, String> = std::env::args()
        .skip(1)
        .map(|arg| arg.split_once('=').map_or((arg.clone(), String::new()), |(k, v)| (k.into(), v.into())))
        .collect();
    let has = |name: &str| options.contains_key(name);
    if has("reaper") {
        return upstream::child::reaper_main();
    }
    if has("sleep") {
        thread::sleep(Duration::from_secs(600));
        return;
    }
    if let Some(file) = options.get("gateway") {
        return gateway(file);
    }
    if let Some(file) = options.get("starts") {
        note(file, &std::process::id().to_string());
    }
    let upgraded = has("upgrades") && options.get("starts").is_some_and(|file| lines(file) > 1);
    if let Some(text) = options.get("stderr") {
        eprintln!("{text}");
    }
    if has("flood-stderr") {
        for n in 0..200_000 {
            eprintln!("line {n}");
        }
    }
    if let Some(file) = options.get("grandchild") {
        note(file, &leave().to_string());
    }
    if has("stubborn") {
        stubborn();
    }
    if let Some(code) = options.get("exit") {
        exit(code.parse().unwrap());
    }
    if has("noise") {
        thread::spawn(|| {
            loop {
                println!("this is no message\n\n{{\"nor\": \"this\"}}\n[\n");
                thread::sleep(Duration::from_millis(1));
            }
        });
    }
    let server = Arc::new(Server {
        modern: has("modern") || has("dual") || upgraded,
        legacy: !has("modern") && !upgraded,
        options,
        seen: Mutex::default(),
        asked: Mutex::default(),
        next: AtomicU64::new(1),
        listens: Mutex::default(),
        subscribed: Mutex::default(),
    });
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(line)) = lines.next() {
        server.line(&line);
        if server.options.contains_key("deaf-after-start") && line.contains("notifications/initialized") {
            thread::sleep(Duration::from_secs(600));
        }
    }
    if server.options.contains_key("stubborn") {
        thread::sleep(Duration::from_secs(600));
    }
}

/// A gateway with one child, to be killed.
fn gateway(file: &str) {
    let me = std::env::current_exe().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reaper = upstream::Reaper::start(me.clone(), vec!["reaper".into()]);
        let args = vec![format!("starts={file}"), format!("grandchild={file}"), "stubborn".into()];
        let settings = upstream::Settings::new("s", me.to_string_lossy(), args);
        let _child = upstream::Child::start(settings, reaper);
        std::future::pending::<()>().await;
    });
}

fn note(file: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    writeln!(file, "{text}").unwrap();
}

fn lines(file: &str) -> usize {
    std::fs::read_to_string(file).unwrap().lines().count()
}

/// Leaves a process behind that holds none of our pipes but is in our group.
fn leave() -> u32 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("sleep").stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    command.spawn().unwrap().id()
}

/// From now on SIGTERM does nothing.
fn stubborn() {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
            ready.send(()).unwrap();
            while term.recv().await.is_some() {}
        });
    });
    is_ready.recv().unwrap();
}

fn send(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more misses nothing.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

fn answer(id: &RawValue, result: &str) {
    send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
}

fn fail(id: &RawValue, code: i64, message: &str, data: &Value) {
    let error = json!({ "code": code, "message": message, "data": data });
    send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
}

fn notify(method: &str, params: &Value) {
    send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
}

impl Server {
    fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    fn line(self: &Arc<Self>, line: &str) {
        let message: Object = serde_json::from_str(line).unwrap();
        let Some(method) = message.get("method") else {
            let id: u64 = message["id"].get().parse().unwrap();
            let outcome = message.get("result").or_else(|| message.get("error")).unwrap();
            if let Some(waiting) = self.asked.lock().unwrap().remove(&id) {
                let _ = waiting.send(serde_json::from_str(outcome.get()).unwrap());
            }
            return;
        };
        let method: String = serde_json::from_str(method.get()).unwrap();
        let params = message.get("params").map_or("{}", |p| p.get()).to_owned();
        if method != "tools/call" {
            let params: Value = serde_json::from_str(&params).unwrap();
            self.seen.lock().unwrap().push(json!({ "method": method, "params": params }));
        }
        if let Some(id) = message.get("id") {
            self.request(id.clone(), &method, params);
        } else if method == "notifications/cancelled" {
            let params: Value = serde_json::from_str(&params).unwrap();
            self.listens.lock().unwrap().retain(|(id, _)| *id != params["requestId"]);
        }
    }

    fn request(self: &Arc<Self>, id: Box<RawValue>, method: &str, params: String) {
        let value: Value = serde_json::from_str(&params).unwrap();
        let capabilities = json!({
            "tools": { "listChanged": true }, "resources": { "subscribe": true, "listChanged": true },
            "prompts": {}, "logging": {},
        });
        match method {
            "server/discover" if self.has("dies-on-probe") => exit(9),
            "server/discover" if self.has("silent-on-probe") => {}
            "server/discover" if self.has("foreign") => {
                fail(&id, -32022, "no", &json!({ "supported": ["2099-01-01"], "requested": "2026-07-28" }));
            }
            "server/discover" if self.modern => {
                if let Some(ms) = self.options.get("slow-probe") {
                    thread::sleep(Duration::from_millis(ms.parse().unwrap()));
                }
                let info = json!({ "io.modelcontextprotocol/serverInfo": { "name": "modern child", "version": "2" } });
                let result = json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
                    "instructions": "be modern", "ttlMs": 0, "cacheScope": "private", "_meta": info,
                });
                answer(&id, &result.to_string());
            }
            "initialize" if self.has("mute") => {}
            "initialize" if self.has("picky") && value["protocolVersion"] != "2024-11-05" => {
                fail(&id, -32602, "unsupported", &json!({ "supported": ["2024-11-05"] }));
            }
            "initialize" if self.legacy => {
                let result = json!({
                    "protocolVersion": value["protocolVersion"], "capabilities": capabilities,
                    "serverInfo": { "name": "legacy child", "version": "1" }, "instructions": "be patient",
                });
                answer(&id, &result.to_string());
            }
            "initialize" => fail(&id, -32022, "no", &json!({ "supported": ["2026-07-28"] })),
            "tools/list" => answer(&id, r#"{"tools":[],"nextCursor":"c","x":1.50}"#),
            "tools/call" => {
                let server = Arc::clone(self);
                thread::spawn(move || server.call(&id, &value, &params));
            }
            "logging/setLevel" => answer(&id, "{}"),
            "resources/subscribe" => {
                self.subscribed.lock().unwrap().push(value["uri"].as_str().unwrap().into());
                answer(&id, "{}");
            }
            "resources/unsubscribe" => {
                self.subscribed.lock().unwrap().retain(|uri| *uri != value["uri"]);
                answer(&id, "{}");
            }
            "subscriptions/listen" if self.modern => {
                let number: Value = serde_json::from_str(id.get()).unwrap();
                let meta = json!({ "io.modelcontextprotocol/subscriptionId": number });
                self.listens.lock().unwrap().push((number, value["notifications"].clone()));
                notify("notifications/subscriptions/acknowledged", &json!({ "_meta": meta }));
            }
            _ => fail(&id, -32601, "method not found", &Value::Null),
        }
    }

    fn ask(&self, method: &str, params: &Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel();
        self.asked.lock().unwrap().insert(id, sender);
        send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        if params["takeBack"] == true {
            notify("notifications/cancelled", &json!({ "requestId": id }));
            return json!("taken back");
        }
        receiver.recv().unwrap()
    }

    fn call(&self, id: &RawValue, params: &Value, raw: &str) {
        let arguments = &params["arguments"];
        if let Some(file) = self.options.get("calls") {
            note(file, params["name"].as_str().unwrap());
        }
        let result = match params["name"].as_str().unwrap() {
            "echo" => format!(r#"{{"content":[],"unknown":{{"n" : 1.50}},"params":{raw}}}"#),
            "sleep" => {
                thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap()));
                arguments.to_string()
            }
            "hang" => return,
            "ask" => {
                let answer = self.ask(arguments["method"].as_str().unwrap(), &arguments["params"]);
                json!({ "answer": answer }).to_string()
            }
            "log" => {
                let line = json!({ "level": arguments["level"], "data": arguments["text"] });
                notify("notifications/message", &line);
                "{}".to_owned()
            }
            "progress" => {
                let token = &params["_meta"]["progressToken"];
                for step in 1..=2 {
                    let wrong = json!({ "progressToken": 999_999, "progress": step });
                    notify("notifications/progress", &wrong);
                    notify("notifications/progress", &json!({ "progressToken": token, "progress": step, "x": 1 }));
                }
                json!({ "token": token }).to_string()
            }
            "crash" => {
                eprintln!("about to crash");
                exit(3);
            }
            "die" => {
                // An answer written before the end is an answer.
                answer(id, "{\"last\":true}");
                exit(0);
            }
            "error" => return fail(id, -32050, "mine", &json!({ "n": 1 })),
            "change" => {
                for list in ["tools", "prompts", "resources"] {
                    notify(&format!("notifications/{list}/list_changed"), &json!({}));
                }
                "{}".to_owned()
            }
            "touch" => {
                notify("notifications/resources/updated", &json!({ "uri": arguments["uri"] }));
                "{}".to_owned()
            }
            "end-listens" => {
                for (id, _) in self.listens.lock().unwrap().drain(..) {
                    notify("notifications/cancelled", &json!({ "requestId": id }));
                }
                "{}".to_owned()
            }
            "seen" => json!({ "seen": *self.seen.lock().unwrap() }).to_string(),
            "subscribed" => json!({
                "subscribed": *self.subscribed.lock().unwrap(), "listens": *self.listens.lock().unwrap(),
            })
            .to_string(),
            "long" => {
                let mut text = String::new();
                for n in 0..arguments["bytes"].as_u64().unwrap() / 8 {
                    write!(text, "{n:08}").unwrap();
                }
                json!({ "text": text }).to_string()
            }
            "leave" => json!({ "pid": leave() }).to_string(),
            "slow-whoami" => {
                thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap()));
                json!({ "pid": std::process::id() }).to_string()
            }
            "whoami" => {
                let env: BTreeMap<String, String> = std::env::vars().collect();
                let cwd = std::env::current_dir().unwrap();
                json!({ "pid": std::process::id(), "env": env, "cwd": cwd }).to_string()
            }
            "needs" => {
                if params.get("inputResponses").is_none() {
                    let requests = json!({ "k": { "method": "elicitation/create", "params": {} } });
                    json!({ "resultType": "input_required", "inputRequests": requests, "requestState": "st\"ate" })
                        .to_string()
                } else {
                    format!(r#"{{"resultType":"complete","params":{raw}}}"#)
                }
            }
            _ => return fail(id, -32602, "unknown tool", &Value::Null),
        };
        answer(id, &result);
    }
}
