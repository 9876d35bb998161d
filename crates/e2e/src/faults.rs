//! What the tests of faults share: processes as the system sees them, the gateway's vital signs,
//! connections that speak HTTP as badly as they like, and the gateway on stdio.

use crate::{House, PATIENCE, fixture, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A process, told apart from a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: u32,
    born: String,
}

impl Process {
    /// The living process of this number; one that nobody has waited for yet is dead.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (!matches!(stat.state, 'Z' | 'X')).then_some(Self { pid, born: stat.born })
    }

    pub fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Those that live and descend from it.
    pub fn descendants(&self) -> BTreeSet<Self> {
        let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, Stat::read(pid)?.parent)))
            .collect();
        let mut found = BTreeSet::from([self.pid]);
        loop {
            let before = found.len();
            found.extend(
                parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
            );
            if found.len() == before {
                break;
            }
        }
        found.into_iter().filter(|pid| *pid != self.pid).filter_map(Self::of).collect()
    }
}

/// Waits until none of these lives.
pub async fn gone<'a>(what: &str, all: impl IntoIterator<Item = &'a Process> + Clone) {
    wait_for(what, async || all.clone().into_iter().all(|process| !process.lives())).await;
}

struct Stat {
    state: char,
    parent: u32,
    born: String,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold spaces and parentheses; what follows it does not.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            born: (*fields.get(19)?).to_owned(),
        })
    }
}

/// What a process uses.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    pub resident_kb: u64,
    pub threads: u64,
    pub handles: usize,
    pub sockets: usize,
}

impl Vitals {
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let handles: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("handles")
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .collect();
        let sockets = handles.iter().filter(|to| to.to_string_lossy().starts_with("socket:")).count();
        Self { resident_kb: number("VmRSS:"), threads: number("Threads:"), handles: handles.len(), sockets }
    }
}

/// The gateway as it is seen from outside.
impl House {
    pub fn process(&self) -> Process {
        Process::of(self.pid()).expect("the gateway runs")
    }

    pub fn vitals(&self) -> Vitals {
        Vitals::of(self.pid())
    }

    /// The state of each server as `/health` shows it.
    pub async fn health(&self) -> Value {
        let health = self.page("/health").await;
        serde_json::from_str(&health).expect("JSON")
    }

    /// Waits until a server is in a state, and gives the reason for it.
    pub async fn is_in(&self, server: &str, state: &str) -> String {
        let mut reason = String::new();
        wait_for(&format!("{server:?} {state}"), async || {
            let health = self.health().await;
            let server = &health["servers"][server];
            reason = server["reason"].as_str().unwrap_or_default().to_owned();
            server["state"] == state
        })
        .await;
        reason
    }

    /// The numbers at `/metrics` that have no labels.
    pub async fn gauges(&self) -> BTreeMap<String, i64> {
        let text = self.page("/metrics").await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(k, v)| Some((k.to_owned(), v.parse().ok()?)))
            .collect()
    }

    pub async fn gauge(&self, name: &str) -> i64 {
        *self.gauges().await.get(name).unwrap_or_else(|| panic!("no gauge {name}"))
    }

    /// Waits until nothing is under way or open.
    pub async fn is_at_rest(&self) {
        let mut left = Vec::new();
        let resting = async {
            loop {
                let gauges = self.gauges().await;
                let names = ["calls_in_flight", "sessions", "held_calls", "watches"];
                left = names.iter().map(|name| (*name, gauges[&format!("portcullis_{name}")])).collect();
                if left.iter().all(|(_, count)| *count == 0) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let rests = tokio::time::timeout(PATIENCE, resting).await.is_ok();
        assert!(rests, "something is left: {left:?}");
    }

    /// Waits until no more than so many sockets are open.
    pub async fn has_at_most_sockets(&self, most: usize) {
        wait_for("the end of connections", async || self.vitals().sockets <= most).await;
    }

    /// The text of a page, read over a connection that is closed at once.
    pub async fn page(&self, path: &str) -> String {
        let mut connection = Raw::connect(self).await;
        connection
            .send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
            .await;
        connection.rest().await.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}

/// A connection that speaks HTTP as badly as the test likes.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(house: &House) -> Self {
        let address = house.address.trim_start_matches("http://");
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the gateway reads");
    }

    /// The head of a POST, with the end of it.
    pub fn head(path: &str, more: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{more}\r\n\r\n"
        )
    }

    /// All that comes until the gateway closes.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut all)).await;
        if let Err(error) = read.expect("the gateway closes the connection") {
            // What came before a reset counts.
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What comes until this text did.
    pub async fn until(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = tokio::time::timeout(PATIENCE, self.0.read(&mut piece)).await;
            let read = read.unwrap_or_else(|_| panic!("{text:?} does not come")).expect("a connection");
            assert!(read > 0, "the end before {text:?}: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&piece[..read]);
            let so_far = String::from_utf8_lossy(&all);
            if so_far.contains(text) {
                return so_far.into_owned();
            }
        }
    }
}

/// The gateway on standard input and output.
pub struct Piped {
    pub folder: tempfile::TempDir,
    pub process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Piped {
    pub fn start(settings: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("portcullis.jsonc"), settings.to_string()).expect("the settings are written");
        let mut process = Command::new(fixture())
            .args(["serve", "--config", "portcullis.jsonc", "--stdio"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway starts");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { folder, process, input, output }
    }

    pub fn pid(&self) -> u32 {
        self.process.id().expect("running")
    }

    pub async fn send(&mut self, line: &[u8]) {
        let input = self.input.as_mut().expect("open");
        input.write_all(line).await.expect("the gateway reads");
        input.write_all(b"\n").await.expect("the gateway reads");
        input.flush().await.expect("the gateway reads");
    }

    /// Sends a request.
    pub async fn request(&mut self, id: u64, method: &str, params: Value) {
        let request = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(request.to_string().as_bytes()).await;
    }

    /// Sends the call of a tool.
    pub async fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        self.request(id, "tools/call", serde_json::json!({"name": tool, "arguments": arguments})).await;
    }

    /// Takes the input apart from the output, so that both can be used at the same time.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("open")
    }

    /// Ends the input.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// The next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("a message comes");
        line.expect("an output").map(|line| serde_json::from_str(&line).expect("JSON"))
    }

    /// Closes both ends without reading.
    pub fn vanish(self) -> Child {
        self.process
    }

    /// The exit code, once it has ended.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("the gateway ends");
        ended.expect("a status").code()
    }
}
