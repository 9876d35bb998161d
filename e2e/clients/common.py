"""What the clients' checks share: the gateway they run against, the report, and raw requests.

`python3 common.py` starts a gateway, prints where it is as one line of JSON, and ends when its
input ends: that is how the scripts that are not Python run alone.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from house import CACHE, FIXTURE, MODULES, NODE, House, child, wait_for  # noqa: E402

TOKEN = "token-of-the-clients-0123456789abcdef"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
SEPARATOR = " · "
# The servers that are the fixture, by what stands behind the gateway.
FIXTURES = ["fixture", "legacy", "modern"]
# What no revision knows, as the fixture writes it. Space between tokens may change on the way.
RESULT = [
    r"known \u00e9", '"x-block": {"deep": [1.50, null]}', '"annotations": {"priority": 0.50, "x-annotation": 1}',
    '"_meta": {"example.org/block": true}', '"known": 1.0, "large": 12345678901234567890123, "x-structured": [ ]',
    '"x-result": {"b": 2, "a": 1}', '"example.org/result": {"kept": 1e2}',
]
ERROR = [
    '"code": -31999', '"message": "an error of the fixture\'s own"',
    r'"data": {"known": 1.50, "x-unknown": {"deep": [null, "\u00e9"]}}, "x-error": true',
]
ENTRY = ['{"readOnlyHint": true, "x-annotation": 1.50}', r'"x-tool":{"b": 2, "a": [1.0, "\u00e9"]}', '{"example.org/tool": {"kept": 1e2}}']


def settings():
    everything = MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    return {
        "sse": True,
        "auth": {"tokens": [{"name": "clients", "token": TOKEN}]},
        "mcpServers": {
            "fixture": {"type": "fixture"},
            "legacy": child("legacy"),
            "modern": child("modern"),
            "time": {"command": str(CACHE / "py1" / "bin" / "mcp-server-time"), "args": ["--local-timezone", "UTC"]},
            "everything": {"command": str(NODE), "args": [str(everything), "stdio"]},
            "many": {"command": sys.executable, "args": [str(Path(__file__).parent / "many.py")]},
        },
    }


@contextlib.contextmanager
def gateway():
    """The gateway that the environment names, or one of our own: its address, token and settings."""
    if address := os.environ.get("PORTCULLIS_ADDRESS"):
        yield address, os.environ["PORTCULLIS_TOKEN"], os.environ["PORTCULLIS_CONFIG"]
        return
    with House(settings()) as house:
        healthy(house.address)
        yield house.address, TOKEN, str(house.config)


def healthy(address):
    """Waits until all servers are up, so that checks do not measure how long they take to start."""
    def is_up():
        _, body = Http(address, TOKEN).exchange("GET", "/health", None, {})
        servers = json.loads(body).get("servers") or {}
        states = servers.values() if isinstance(servers, dict) else servers
        return states and all((s if isinstance(s, str) else s.get("state", s.get("status"))) in ("healthy", "up", "ok") for s in states)
    wait_for(is_up, "that all servers are up", 60)


def environment(address, token, config):
    return {**os.environ, "PORTCULLIS_ADDRESS": address, "PORTCULLIS_TOKEN": token, "PORTCULLIS_CONFIG": config}


class Report:
    """Prints one line a check and counts them."""

    def __init__(self, client):
        self.client, self.passed, self.failed = client, 0, 0
        self.lock = threading.Lock()

    def line(self, ok, leg, name, why="", took=0.0):
        with self.lock:
            self.passed, self.failed = self.passed + ok, self.failed + (not ok)
        text = SEPARATOR.join([self.client, *leg, name])
        slow = f"  ({took:.1f} s)" if took > 2 else ""
        print(f"ok   {text}{slow}" if ok else f"FAIL {text}: {why}", flush=True)

    def check(self, leg, name, run):
        start = time.monotonic()
        try:
            run()
        except Exception as error:
            self.line(False, leg, name, reason(error))
        else:
            self.line(True, leg, name, took=time.monotonic() - start)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def reason(error):
    """An exception in one line, with the line of the check that raised it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    here = Path(__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == here]
    at = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}".split())[:700] + at


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def contains(text, fragments):
    """Whether JSON has these pieces as they are; only space between tokens may differ."""
    squeeze = lambda s: s.replace(": ", ":").replace(", ", ",").replace("\n", "").replace("    ", "")  # noqa: E731
    missing = [f for f in fragments if squeeze(f) not in squeeze(text)]
    assert not missing, f"{missing} are not in {text[:1500]}"


def meta(era, capabilities=None, **more):
    """The `_meta` of a modern request."""
    if era == LEGACY:
        return {}
    prefix = "io.modelcontextprotocol/"
    info = {"name": "raw", "version": "1"}
    return {"_meta": {prefix + "protocolVersion": era, prefix + "clientInfo": info, prefix + "clientCapabilities": capabilities or {}, **more}}


def request(method, params, era, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, **meta(era)}}


class Http:
    """Requests without an SDK. Every answer is text, as it came."""

    def __init__(self, address, token):
        self.host, self.token = urlsplit(address).netloc, token

    def connection(self, method, path, body, headers):
        """An answer whose body is still to be read. Closing it closes its connection."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.token}", "Connection": "close", **headers})
        return connection.getresponse()

    def exchange(self, method, path, body, headers):
        with contextlib.closing(self.connection(method, path, body, headers)) as answer:
            return answer.status, answer.read().decode()

    def ask(self, path, method, params, era):
        """One request at an MCP address. The answer may be JSON or a stream."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if era == MODERN:
            headers |= {"MCP-Protocol-Version": era, "Mcp-Method": method}
            if name := params.get("name", params.get("uri")):
                headers["Mcp-Name"] = name
        _, text = self.exchange("POST", path, json.dumps(request(method, params, era)), headers)
        if text.startswith("{"):
            return text
        return [data for data in map(event_data, text.split("\n\n")) if data][-1]

    def ask_over_sse(self, server, method, params):
        """One request over the legacy transport: the answer comes on a stream of its own."""
        stream = http.client.HTTPConnection(self.host, timeout=20)
        with contextlib.closing(stream):
            stream.request("GET", f"/{server}/sse", headers={"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"})
            lines = stream.getresponse()
            endpoint = next_event(lines)
            hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
            for number, (what, with_params) in enumerate([("initialize", hello), (method, params)], 1):
                status, _ = self.exchange("POST", endpoint, json.dumps(request(what, with_params, LEGACY, number)), {"Content-Type": "application/json"})
                equal(status, 202)
                answer = next_event(lines)
            return answer


def event_data(event):
    return "\n".join(line[5:].removeprefix(" ") for line in event.splitlines() if line.startswith("data:"))


def next_event(lines):
    found = []
    while True:
        line = lines.readline().decode()
        assert line, "the stream ended"
        if line.strip():
            found.append(line)
        elif data := event_data("".join(found)):
            return data
        else:
            found = []


class Stdio:
    """Lines without an SDK, all of one era."""

    def __init__(self, config, era):
        self.process = subprocess.Popen(stdio_command(config), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.era, self.number = era, 0
        if era == LEGACY:
            self.ask("initialize", {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}})
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method, params):
        self.number += 1
        self.send(request(method, params, self.era, self.number))
        for line in self.process.stdout:
            if json.loads(line).get("id") == self.number:
                return line
        raise AssertionError("the process ended")

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)


def stdio_command(config):
    return [str(FIXTURE), "serve", "--config", config, "--stdio"]


def check_raw(report, address, token, config, eras):
    """What SDKs strip or read anew is checked byte for byte, by requests without them."""
    plain = Http(address, token)
    for era in eras:
        with Stdio(config, era) as lines:
            for server in FIXTURES:
                one, joint = f"/{server}/mcp", f"{server}__"
                check_raw_leg(report, ("/mcp", era, server), joint, lambda m, p: plain.ask("/mcp", m, p, era))  # noqa: B023
                check_raw_leg(report, ("/<server>/mcp", era, server), "", lambda m, p: plain.ask(one, m, p, era))  # noqa: B023
                check_raw_leg(report, ("stdio", era, server), joint, lines.ask)
                if era == LEGACY:
                    check_raw_leg(report, ("/<server>/sse", era, server), "", lambda m, p: plain.ask_over_sse(server, m, p))  # noqa: B023


def check_raw_leg(report, leg, prefix, ask):
    def call(tool):
        return ask("tools/call", {"name": prefix + tool, "arguments": {}})

    report.check(leg, "raw: unknown members of a result arrive as they were written", lambda: contains(call("unknown_fields"), RESULT))
    report.check(leg, "raw: unknown members of an error arrive as they were written", lambda: contains(call("error_object"), ERROR))
    report.check(leg, "raw: unknown members of a tool arrive as they were written", lambda: contains(entry(ask, prefix + "unknown_fields"), ENTRY))


def entry(ask, name):
    """The entry of a tool as it was written."""
    cursor = {}
    while True:
        text = ask("tools/list", cursor)
        at = text.index('"tools"') + len('"tools"')
        while (at := text.find("{", at)) >= 0:
            tool, end = json.JSONDecoder().raw_decode(text, at)
            if tool.get("name") == name:
                return text[at:end]
            at = end
            if text[end] != ",":
                break
        cursor = {"cursor": json.loads(text)["result"]["nextCursor"]}


if __name__ == "__main__":
    with gateway() as (address, token, config):
        print(json.dumps({"address": address, "token": token, "config": config, "fixture": str(FIXTURE)}), flush=True)
        sys.stdin.read()
