"""A stdio server of the legacy era with 600 tools on several pages, to have lists that are long."""

import json
import sys

TOOLS = [{"name": f"tool_{n:03}", "inputSchema": {"type": "object"}} for n in range(600)]
PAGE = 250


def answer(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "many", "version": "1"}}
    if method == "tools/list":
        start = int(params.get("cursor", 0))
        more = {"nextCursor": str(start + PAGE)} if start + PAGE < len(TOOLS) else {}
        return {"tools": TOOLS[start:start + PAGE], **more}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": params["name"]}]}
    return {} if method == "ping" else None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    result = answer(message["method"], message.get("params", {}))
    outcome = {"error": {"code": -32601, "message": "unknown method"}} if result is None else {"result": result}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}), flush=True)
