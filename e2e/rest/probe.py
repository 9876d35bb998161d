"""A stdio server for the table of mcpo's contract: every kind of result, of error, and of argument."""

import json
import os
import sys

PIXEL = "iVBORw0KGgo="
LINK = {"type": "resource_link", "uri": "probe://a", "name": "a", "mimeType": "text/plain"}
EMBEDDED = {"type": "resource", "resource": {"uri": "probe://b", "mimeType": "text/plain", "text": "kept"}}


def text(value):
    return {"type": "text", "text": value}


# What each tool answers, whatever it is asked.
RESULTS = {
    "text": {"content": [text("plain words")]},
    "number": {"content": [text("123")]},
    "nothing": {"content": [text("null")]},
    "object": {"content": [text('{"b": 2, "a": 1.50}')]},
    "several": {"content": [text("a"), text("1"), text("null"), text('{"x": null, "y": 1}')]},
    "empty": {"content": []},
    "image": {"content": [text("Look:"), {"type": "image", "mimeType": "image/png", "data": PIXEL}]},
    "audio": {"content": [{"type": "audio", "mimeType": "audio/wav", "data": PIXEL}]},
    "link": {"content": [LINK]},
    "embedded": {"content": [EMBEDDED]},
    "structured": {"content": [text("in words")], "structuredContent": {"n": 1, "none": None}},
    "only_structured": {"content": [], "structuredContent": {"n": 2}},
    "boom": {"content": [text("boom")], "isError": True},
    "silent_boom": {"content": [], "isError": True},
}
ERRORS = {"parse": -32700, "request": -32600, "method": -32601, "params": -32602, "internal": -32603, "own": -32050}

TYPED = {
    "type": "object",
    "properties": {
        "s": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "i": {"type": "integer", "minimum": 0, "maximum": 9},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "e": {"type": "string", "enum": ["x", "y"]},
        "l": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        "o": {"type": "object", "properties": {"deep": {"type": "string"}}, "required": ["deep"]},
        "c": {"const": "fixed"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "d": {"type": "integer", "default": 7},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "_under": {"type": "string"},
        "with-dash": {"type": "string"},
    },
    "required": ["s"],
}
ANY = {"type": "object", "properties": {}}


def tools():
    names = [*RESULTS, *(f"error_{name}" for name in ERRORS), "die", "pid"]
    yield {"name": "typed", "title": "A Title", "description": "Answers with its arguments.", "inputSchema": TYPED, "annotations": {"readOnlyHint": True}}
    yield {"name": "environment", "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}
    yield from ({"name": name, "inputSchema": ANY} for name in names)


def call(name, arguments):
    if name == "die":
        os._exit(3)
    if name == "pid":
        return {"result": {"content": [text(str(os.getpid()))]}}
    if name == "typed":
        return {"result": {"content": [text(json.dumps(arguments))]}}
    if name == "environment":
        return {"result": {"content": [text(json.dumps(os.environ.get(arguments["name"])))]}}
    if name.startswith("error_"):
        return {"error": {"code": ERRORS[name[6:]], "message": f"{name[6:]} went wrong", "data": {"why": name}}}
    return {"result": RESULTS[name]}


def answer(method, params):
    if method == "initialize":
        info = {"name": "probe", "title": "Probe", "version": "7.8.9"}
        return {"result": {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info, "instructions": "Ask me."}}
    if method == "tools/list":
        return {"result": {"tools": list(tools())}}
    if method == "tools/call":
        return call(params["name"], params.get("arguments"))
    return {"result": {}} if method == "ping" else {"error": {"code": -32601, "message": "unknown method"}}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params", {}))}), flush=True)
