"""What the checks of REST share: gateways to check, requests without a library, the report.

`python3 common.py` starts the gateways of the docs page, prints where they are as one line of JSON,
and ends when its input ends.
"""

import contextlib
import http.client
import json
import os
import re
import sys
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from house import CACHE, MODULES, NODE, PORTCULLIS, House, wait_for  # noqa: E402

TOKEN = "token-of-the-judges-0123456789abcdef"
SEPARATOR = " · "

TIME = {"command": str(CACHE / "py1" / "bin" / "mcp-server-time"), "args": ["--local-timezone", "America/New_York"]}
EVERYTHING = {"command": str(NODE), "args": [str(MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"), "stdio"]}
HOSTILE = {"command": sys.executable, "args": [str(HERE / "hostile.py")]}
PROBE = {"command": sys.executable, "args": [str(HERE / "probe.py")]}


def in_judges(folder="py3"):
    """Goes on in the Python that has the judges."""
    python = CACHE / folder / "bin" / "python"
    if not python.exists():
        sys.exit("the judges are not installed; run e2e/setup.sh")
    if Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])


def words(server):
    """The command line of a server."""
    return [server["command"], *server["args"]]


class Serve(House):
    """`portcullis serve`, with a token."""

    def __init__(self, servers, **settings):
        tokens = {"auth": {"tokens": [{"name": "judge", "token": TOKEN}]}}
        super().__init__({**tokens, **settings, "mcpServers": servers}, binary=PORTCULLIS)


class DropIn(House):
    """`portcullis openapi` with these flags, and with a command or a file of servers."""

    def __init__(self, *flags, command=(), servers=None, binary=(PORTCULLIS, "openapi"), env=None):
        self.flags, self.words, self.has_file = flags, list(command), servers is not None
        super().__init__({"mcpServers": servers or {}}, binary=binary, env=env)

    def write(self, settings):
        # Nothing of ours: a file that mcpo or a desktop client has.
        self.config = self.path / "config.json"
        self.config.write_text(json.dumps(settings))

    def command(self):
        file = ["--config", str(self.config)] if self.has_file else []
        return [*map(str, self.binary), "--port", "0", *self.flags, *file, *(["--", *self.words] if self.words else [])]

    def start(self):
        super().start()
        self.bound = urlsplit(self.address).hostname
        self.address = self.address.replace("0.0.0.0", "127.0.0.1")
        return self


class Answer:
    """An answer over HTTP."""

    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.text[:600]}"


def ask(address, method, path, body=None, *, key=None, headers=None, timeout=30):
    """One request. `body` is a value to send as JSON, or bytes as they are."""
    sent = {} if key is None else {"Authorization": f"Bearer {key}"}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        sent["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=timeout)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
        if body is not None or method == "POST":
            sent["Content-Length"] = str(len(body or b""))
        for name, value in {**sent, **(headers or {})}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        response = connection.getresponse()
        return Answer(response, response.read())


def mcp(address, path, method, params, key=TOKEN):
    """One MCP request; its result, or its error as an exception."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "judge", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Accept": "application/json, text/event-stream"}
    if name := params.get("name"):
        headers["Mcp-Name"] = header_text(name)
    answer = ask(address, "POST", path, message, key=key, headers=headers)
    text = answer.text
    if not text.startswith("{"):
        text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
    reply = json.loads(text)
    if "error" in reply:
        raise RpcError(reply["error"])
    return reply["result"]


def header_text(name):
    """A name as a header may carry it (2026-07-28, "Mcp-Name")."""
    if name.isascii() and name.isprintable() and name == name.strip() and not name.startswith("=?"):
        return name
    import base64
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error["code"]


def tools(address, path, key=TOKEN):
    """All pages of a list."""
    found, cursor = [], {}
    while True:
        page = mcp(address, path, "tools/list", cursor, key)
        found += page["tools"]
        if not (next_one := page.get("nextCursor")):
            return found
        cursor = {"cursor": next_one}


def documents_are_there(house, *paths, key=None):
    """Waits until servers have told what they can do."""
    for path in paths:
        def has_tools(path=path):
            answer = ask(house.address, "GET", path, key=key)
            return answer.status == 200 and answer.json.get("paths")
        wait_for(has_tools, f"that {path} has tools", 60)


class Report:
    """Prints one line a check and counts them.

    What is known to fail stands in known-gaps.json: by the script and a pattern of the line, with
    the reason. An entry that fits nothing any more is a failure.
    """

    def __init__(self, script):
        self.script, self.passed, self.failures = script, 0, []
        self.begun = time.monotonic()
        self.gaps = [gap for gap in json.loads((HERE / "known-gaps.json").read_text()) if gap["script"] == script]

    def check(self, name, run):
        start = time.monotonic()
        try:
            run()
        except Exception as error:
            self.fail(name, reason(error))
        else:
            self.ok(name, time.monotonic() - start)

    def ok(self, name, took=0.0):
        self.passed += 1
        slow = f"  ({took:.1f} s)" if took > 2 else ""
        print(f"ok   {self.script}{SEPARATOR}{name}{slow}", flush=True)

    def fail(self, name, why):
        self.failures.append(f"{self.script}{SEPARATOR}{name}: {why}")
        is_known = any(re.search(gap["check"], self.failures[-1]) for gap in self.gaps)
        print(f"{'gap ' if is_known else 'FAIL'} {self.failures[-1]}", flush=True)

    def end(self):
        fits = [[f for f in self.failures if re.search(gap["check"], f)] for gap in self.gaps]
        known = {f for found in fits for f in found}
        stale = [gap["check"] for gap, found in zip(self.gaps, fits) if not found]
        for check in stale:
            print(f"FAIL known-gaps.json: {check!r} fits nothing any more")
        for gap, found in zip(self.gaps, fits):
            print(f"{len(found)} checks fail for a known reason: {gap['because']}")
        failed = len(self.failures) - len(known) + len(stale)
        print(f"{self.script} took {time.monotonic() - self.begun:.0f} s")
        print(f"{self.passed} passed, {failed} failed")
        sys.exit(1 if failed else 0)


def reason(error):
    """An exception in one line, with the line of the check that raised it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == HERE]
    at = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}".split())[:700] + at


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def main():
    with contextlib.ExitStack() as stack:
        servers = {"time": TIME, "everything": EVERYTHING}
        serve = stack.enter_context(Serve(servers))
        single = stack.enter_context(DropIn("--api-key", TOKEN, "--strict-auth", command=words(TIME)))
        public = stack.enter_context(DropIn(command=words(TIME)))
        documents_are_there(serve, "/time/openapi.json", "/everything/openapi.json", key=TOKEN)
        documents_are_there(single, "/openapi.json", key=TOKEN)
        documents_are_there(public, "/openapi.json")
        counts = {name: len(tools(serve.address, f"/{name}/mcp")) for name in servers}
        print(json.dumps({"serve": serve.address, "strict": single.address, "open": public.address, "token": TOKEN, "tools": counts}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
