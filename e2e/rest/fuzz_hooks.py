"""What schemathesis is told about our tools. It loads this file itself, see fuzz.py."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import schemathesis

sys.path.append(str(Path(__file__).resolve().parent))
from common import mcp  # noqa: E402

TOKEN = os.environ["PORTCULLIS_TOKEN"]


@schemathesis.check
def failure_is_the_tools_own(ctx, response, case):
    """A 5xx must be what the tool itself says: the same call over MCP has `isError` and the same text.

    Stands for `not_a_server_error`, which cannot tell a tool's failures from a gateway's.
    """
    if response.status_code < 500:
        return
    assert response.status_code == 500, f"{response.status_code} is no tool's own answer: {response.text[:300]}"
    address = urlsplit(response.request.url)
    server, tool = (unquote(segment) for segment in address.path.strip("/").split("/"))
    body = response.request.body
    arguments = json.loads(body) if body else {}
    result = mcp(f"{address.scheme}://{address.netloc}", f"/{server}/mcp", "tools/call", {"name": tool, "arguments": arguments}, TOKEN)
    assert result.get("isError") is True, f"over MCP the same call succeeds: {json.dumps(result)[:300]}"
    text = "\n".join(item["text"] for item in result["content"] if "text" in item)
    own = {"detail": {"message": text or "Unknown tool execution error"}}
    assert response.json() == own, f"over MCP the same call says {own}, here {response.text[:300]}"


@schemathesis.hook
def before_call(context, case, kwargs):
    # It sleeps as long as it is told, in as many steps: hours, if a number is large.
    if case.path == "/trigger-long-running-operation" and isinstance(case.body, dict):
        for argument, most in [("duration", 0.01), ("steps", 3)]:
            value = case.body.get(argument, most)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                case.body[argument] = min(value, most)
