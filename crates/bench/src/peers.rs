//! What is measured: the gateway, and what it is compared to, as processes that end with their value.

use axum::{Json, Router, routing::post};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that ends with the value.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Its resident memory in MiB.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") / 1024.0
    }
}

pub fn bin(name: &str) -> PathBuf {
    std::env::current_exe().expect("a program").with_file_name(name)
}

/// The gateway with these settings; `info` is whether it writes a log line for each call.
pub fn gateway(folder: &Path, name: &str, log: &str, settings: &Value) -> (Process, SocketAddr) {
    let file = folder.join(format!("{name}.jsonc"));
    std::fs::write(&file, settings.to_string()).expect("settings");
    let mut child = Command::new(bin("fixture"))
        .args(["serve", "--config"])
        .arg(&file)
        .env("RUST_LOG", log)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the gateway");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("listening on http://")?;
        rest.split_once("/mcp")?.0.parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    (Process(child), address.expect("an address"))
}

/// The axum echo as a process of its own, like all that it is compared to.
pub fn axum_echo() -> (Process, SocketAddr) {
    let mut child = Command::new(bin("bench")).arg("axum").stdout(Stdio::piped()).spawn().expect("the axum echo");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok());
    (Process(child), address.expect("an address"))
}

/// Serves the echo that everything is compared to, until it is ended.
pub async fn serve_axum_echo() {
    let app = Router::new().route("/", post(async |Json(body): Json<Value>| Json(body)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |s: &mut tokio::net::TcpStream| {
        let _ = s.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("it serves");
}

/// mcp-proxy in front of a stdio server, if it is installed.
pub async fn mcp_proxy(folder: &Path, command: &str, args: &[String]) -> Option<(Process, SocketAddr)> {
    let program = std::env::var_os("MCP_PROXY").map_or_else(|| PathBuf::from("mcp-proxy"), PathBuf::from);
    let port = free_port()?;
    let text = format!(
        "[proxy]\nname = \"bench\"\nseparator = \"/\"\n[proxy.listen]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [[backends]]\nname = \"echo\"\ntransport = \"stdio\"\ncommand = {command:?}\nargs = {args:?}\n"
    );
    let file = folder.join(format!("proxy-{port}.toml"));
    std::fs::write(&file, text).ok()?;
    let child = Command::new(program)
        .arg("--config")
        .arg(file)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let process = Process(child);
    Some((process, listening(port).await?))
}

/// mcpo in front of a stdio server, if it is installed.
pub async fn mcpo(command: &str, args: &[String]) -> Option<(Process, SocketAddr)> {
    let program = std::env::var_os("MCPO")?;
    let port = free_port()?;
    let child = Command::new(program)
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--log-level", "ERROR", "--", command])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let process = Process(child);
    Some((process, listening(port).await?))
}

/// The address of a process, once it listens there.
async fn listening(port: u16) -> Option<SocketAddr> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..400 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Some(address);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

fn free_port() -> Option<u16> {
    Some(std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port())
}
