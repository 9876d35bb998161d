"""The Inspector's command line as a client of every front, in both eras. Needs only Python.

Each command is a process and a connection of its own, so there are few of them.
"""

import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from common import FIXTURES, LEGACY, MODERN, MODULES, NODE, Http, Report, equal, gateway, request, stdio_command

CLI = [str(NODE), str(MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"), "--cli"]
AUTH, TOOL_ERROR = 3, 5


class Inspector:
    def __init__(self, address, token, config, front, era, server, home):
        self.prefix = f"{server}__" if front in ("/mcp", "stdio") else ""
        self.leg, self.token, self.home = (front, era, server), token, home
        path = front.replace("<server>", server)
        self.target = [*stdio_command(config)] if front == "stdio" else [address + path]
        self.options = [] if front == "stdio" else ["--transport", "sse" if front.endswith("/sse") else "http"]

    def run(self, *options, token=True):
        headers = ["--header", f"Authorization: Bearer {self.token}"] if token and self.options else []
        era = "legacy" if self.leg[1] == LEGACY else "modern"
        # What stands after the target of a process would be its argument.
        command = [*CLI, "--format", "json", "--quiet", "--protocol-era", era, *self.options, *options, *headers]
        command += ["--", *self.target] if not self.options else ["--server-url", *self.target]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env={**os.environ, "HOME": self.home})

    def result(self, *options, code=0):
        done = self.run(*options)
        assert done.returncode == code, f"exit code {done.returncode}: {done.stderr or done.stdout}"
        return json.loads(done.stdout)["result"]

    def call(self, tool, arguments=None, code=0):
        given = ["--tool-args-json", json.dumps(arguments or {})]
        return self.result("--method", "tools/call", "--tool-name", self.prefix + tool, *given, code=code)


def lists(cli):
    tools = [t["name"] for t in cli.result("--method", "tools/list")["tools"]]
    equal(len(tools), len(set(tools)))
    assert cli.prefix + "unknown_fields" in tools, tools


def echoes(cli):
    arguments = {"message": "ä", "n": 1.5}
    result = cli.call("echo", arguments)
    equal((result["content"], result["structuredContent"]), ([{"type": "text", "text": "ä"}], arguments))


def keeps_unknown(cli):
    result = cli.call("unknown_fields")
    equal((result["x-result"], result["_meta"]["example.org/result"]), ({"b": 2, "a": 1}, {"kept": 100}))


def fails(cli):
    equal(cli.call("fail", code=TOOL_ERROR)["isError"], True)


def shows_errors(cli):
    done = cli.run("--method", "tools/call", "--tool-name", cli.prefix + "error_object")
    equal((done.returncode, json.loads(done.stderr)["error"]["message"]), (1, "an error of the fixture's own"))


def reads(cli):
    found = cli.result("--method", "resources/read", "--uri", "test://template/42/data")["contents"][0]
    equal(json.loads(found["text"])["id"], "42")


def prompts(cli):
    name = cli.prefix + "test_prompt_with_arguments"
    got = cli.result("--method", "prompts/get", "--prompt-name", name, "--prompt-args", "arg1=a", "arg2=b")
    equal(got["messages"][0]["content"]["text"], "Prompt with arguments: arg1='a', arg2='b'")


def refused(cli):
    equal(cli.run("--method", "tools/list", token=False).returncode, AUTH)


def load(cli):
    options = ["--method", "tools/call", "--tool-name", cli.prefix + "echo", "--tool-arg", "message=hi"]
    result = cli.result(*options, "--load", "--load-requests", "300", "--load-concurrency", "20")
    equal((result["ok"], result["errors"], result["toolErrors"]), (300, 0, 0))


def tells_time(cli):
    equal(json.loads(cli.call("get_current_time", {"timezone": "UTC"})["content"][0]["text"])["timezone"], "UTC")


def adds(cli):
    equal(cli.call("get-sum", {"a": 2, "b": 3})["content"][0]["text"], "The sum of 2 and 3 is 5.")


CHECKS = {
    "lists every tool once": lists,
    "calls echo and gets text and structured content": echoes,
    "unknown members of a result arrive": keeps_unknown,
    "a tool that fails is shown as a tool error": fails,
    "the message of an error object is shown": shows_errors,
    "reads a resource of a template": reads,
    "gets a prompt with arguments": prompts,
}
ON_HTTP = {"without a token it is refused": refused, "300 calls, 20 at a time, all succeed": load}


def jobs():
    for front, era in [(f, e) for e in (MODERN, LEGACY) for f in ("/mcp", "/<server>/mcp", "/<server>/sse", "stdio")]:
        if front == "/<server>/sse" and era == MODERN:
            continue
        # Processes cost: where names are joint, one server shows what there is to see.
        for server in FIXTURES if front == "/<server>/mcp" else FIXTURES[:1]:
            wanted = {**CHECKS, **ON_HTTP} if front == "/<server>/mcp" else CHECKS
            yield from ((front, era, server, name, run) for name, run in wanted.items())
        if front != "/<server>/sse":
            yield front, era, "time", "mcp-server-time tells the time", tells_time
            yield front, era, "everything", "server-everything adds", adds


def places(plain):
    """Clients that are killed do not end their sessions; theirs is the token of the one that comes."""
    path, headers = "/fixture/mcp", {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    for _ in range(40):
        connection = plain.connection("POST", path, json.dumps(request("initialize", hello, LEGACY)), headers)
        session = {"Mcp-Session-Id": connection.getheader("Mcp-Session-Id"), **headers}
        connection.close()
        plain.connection("POST", path, json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}), session).close()
        plain.connection("GET", path, None, session).close()
    wanted = json.dumps(request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, MODERN))
    answer = plain.connection("POST", path, wanted, {**headers, "MCP-Protocol-Version": MODERN, "Mcp-Method": "subscriptions/listen"})
    equal((answer.status, answer.readline()[:5]), (200, b"event"))
    answer.close()


def main():
    report = Report("inspector 2.12.0")
    with gateway() as (address, token, config), tempfile.TemporaryDirectory() as home, ThreadPoolExecutor(3) as pool:
        def one(job):
            front, era, server, name, run = job
            cli = Inspector(address, token, config, front, era, server, home)
            report.check(cli.leg, name, lambda: run(cli))
        list(pool.map(one, jobs()))
        # Last, because it would take the places of the others.
        leg = ("/<server>/mcp", MODERN, "fixture")
        report.check(leg, "raw: forty legacy clients that went away take no place from one that comes", lambda: places(Http(address, token)))
    report.end()


if __name__ == "__main__":
    main()
