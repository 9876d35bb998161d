//! `./bench`: the gateway side by side with what it is compared to, in one run with the same body.
//! Absolute times say little on a shared machine; the ratios do.

mod load;
mod mcp;
mod peers;
mod rest;
mod table;

use std::path::Path;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|what| what == "axum") {
        return peers::serve_axum_echo().await;
    }
    let seconds: u64 = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(4);
    let what = arguments.next();
    let wants = |name: &str| what.as_deref().is_none_or(|what| what == name);
    let folder = tempfile::tempdir().expect("a folder");
    let node = std::env::var("NODE").unwrap_or_else(|_| "node".into());
    let echo_mjs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/bench/echo.mjs");
    let echo_mjs = echo_mjs.canonicalize().expect("echo.mjs").to_string_lossy().into_owned();
    if wants("mcp") {
        println!("{}", mcp::run(folder.path(), &node, &echo_mjs, seconds).await);
    }
    if wants("rest") {
        println!("{}", rest::run(folder.path(), &node, &echo_mjs, seconds).await);
    }
}
