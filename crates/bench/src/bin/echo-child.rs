//! The smallest stdio MCP server there can be, compiled: what a gateway in front of it costs shows
//! best with next to nothing behind it. `echo.mjs` is the same for Node.

use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};

fn main() {
    let stdin = std::io::stdin().lock();
    let mut out = std::io::stdout().lock();
    for line in stdin.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = message.get("id") else { continue };
        let schema = json!({"type": "object", "properties": {"message": {"type": "string"}}});
        let result = match message["method"].as_str() {
            Some("initialize") => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"}}),
            Some("tools/list") => json!({"tools": [{"name": "echo", "inputSchema": schema}]}),
            Some("tools/call") => {
                json!({"content": [{"type": "text", "text": message["params"]["arguments"]["message"]}]})
            }
            Some("ping") => json!({}),
            _ => {
                let error = json!({"code": -32601, "message": "method not found"});
                let _ = writeln!(out, "{}", json!({"jsonrpc": "2.0", "id": id, "error": error}));
                let _ = out.flush();
                continue;
            }
        };
        if writeln!(out, "{}", json!({"jsonrpc": "2.0", "id": id, "result": result}))
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}
