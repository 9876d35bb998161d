//! The smallest stdio MCP server there can be, compiled: what a gateway in front of it costs shows
//! best with next to nothing behind it. `echo.mjs` is the same for Node.

use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};

fn main() {
    // `tools=N` adds so many that only stand in the list.
    let more = std::env::args().find_map(|arg| arg.strip_prefix("tools=")?.parse().ok()).unwrap_or(1_usize);
    let stdin = std::io::stdin().lock();
    let mut out = std::io::stdout().lock();
    for line in stdin.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = message.get("id") else { continue };
        let schema = json!({"type": "object", "properties": {"message": {"type": "string"}}});
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"}})
            }
            Some("tools/list") => {
                let more = (1..more).map(|n| json!({"name": format!("tool_{n}"), "description": "Does something useful with what it is given, as tools do.", "inputSchema": listed(n)}));
                let all: Vec<Value> =
                    std::iter::once(json!({"name": "echo", "inputSchema": schema})).chain(more).collect();
                json!({ "tools": all })
            }
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

/// A schema as tools commonly have it.
fn listed(n: usize) -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where it is", "minLength": 1},
            "mode": {"type": "string", "enum": ["fast", "thorough"], "default": "fast"},
            "limit": {"type": "integer", "minimum": 1, "maximum": n},
            "filter": {"$ref": "#/$defs/filter"},
        },
        "required": ["path"],
        "$defs": {"filter": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}, "not": {"$ref": "#/$defs/filter"}}}},
    })
}
