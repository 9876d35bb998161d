"""A stdio server that offers every hostile schema of crates/openapi as a tool, and tools of odd names.

Each answers with its arguments. Schemas are sent as they are written in the test data: some are
JSON that no library writes (numbers beyond floats, one key twice, half a surrogate pair).
"""

import json
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent.parent / "crates" / "openapi" / "tests" / "data" / "hostile.json"
# Words that mean something else as a path, and names that paths are not made for.
NAMES = [
    "docs", "openapi.json", "mcp", "sse", "tools", "health", "healthz", "readyz", "messages", "metrics", "redoc", "oauth",
    "favicon.ico", ".well-known", "tools/docs", "assets/docs.js", "dot.name/slash x", "a/b", "a b", "a.b", "a_b", "a-b",
    "/", "/a", "a/", "//", "...", "%2F", "%", "a+b", "a?b", "a#b", "a;b=c", "a:b", "{a}", "日本語", "naïve 😀", "e\u0301", "\u00e9", "x" * 200,
]


def members(text):
    """The members of an object, each value as it is written."""
    decoder, at = json.JSONDecoder(strict=False), text.index("{") + 1
    while True:
        while text[at] in " \n\r\t,":
            at += 1
        if text[at] == "}":
            return
        key, at = decoder.raw_decode(text, at)
        at = text.index(":", at) + 1
        while text[at] in " \n\r\t":
            at += 1
        _, end = decoder.raw_decode(text, at)
        # One message is one line; text in JSON has no line breaks.
        yield key, text[at:end].replace("\n", " ")
        at = end


def chain(length, times):
    """Schemas of which each names the next one, so often."""
    steps = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * times} for i in range(length)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**steps, f"d{length}": {"type": "string"}}}


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def made():
    """Those that are too large to be written down."""
    deep = "[" * 120 + "]" * 120
    arm = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    thousand = {f"p{i}": {"$ref": f"#/$defs/d{i}"} for i in range(1000)}
    return {
        "a thousand properties": json.dumps({"type": "object", "properties": {f"p{i}": {"type": "integer", "minimum": i} for i in range(1000)}}),
        "a thousand references": json.dumps({"properties": thousand, "$defs": {f"d{i}": {"const": i} for i in range(1000)}}),
        "a large enumeration": json.dumps({"type": "object", "properties": {"a": {"enum": [f"value {i}" for i in range(20_000)]}}}),
        "nested as deep as can be": json.dumps(nested(60)),
        "deep values": '{"properties":{"a":{"default":%s,"type":"array"},"b":{"x-deep":%s}}}' % (deep, deep),
        "a chain of sixty references": json.dumps(chain(60, 1)),
        "forty schemas that each name the next one twice": json.dumps(chain(40, 2)),
        "a recursive choice": json.dumps({"anyOf": [arm, arm]}),
    }


def schemas():
    """Name and text of each."""
    return {**dict(members(DATA.read_text())), **made()}


def entries():
    """The tools as JSON. What is null in the data is left out."""
    for name, schema in schemas().items():
        both = "" if schema == "null" else f',"inputSchema":{schema},"outputSchema":{schema}'
        yield f'{{"name":{json.dumps(name)}{both}}}'
    for name in NAMES:
        yield json.dumps({"name": name, "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}})


def answer(method, params):
    if method == "initialize":
        return json.dumps({"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "hostile", "version": "1"}})
    if method == "tools/list":
        return '{"tools":[' + ",".join(entries()) + "]}"
    if method == "tools/call":
        return json.dumps({"content": [{"type": "text", "text": json.dumps({"tool": params["name"], "arguments": params.get("arguments")})}]})
    return "{}" if method == "ping" else None


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        result = answer(message["method"], message.get("params", {}))
        outcome = f'"result":{result}' if result else '"error":{"code":-32601,"message":"unknown method"}'
        print(f'{{"jsonrpc":"2.0","id":{json.dumps(message["id"])},{outcome}}}', flush=True)


if __name__ == "__main__":
    main()
