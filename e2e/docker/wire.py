#!/usr/bin/env python3
"""`portcullis docker` as its clients meet it: on stdio, over HTTP at /mcp and /, over HTTP+SSE, and as REST.

Starts an engine of its own. Needs dockerd; uses nothing beside Python's standard library.
"""
import http.client
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.expanduser("~/.cache/portcullis/target"))
BINARY = os.environ.get("PORTCULLIS_BIN", os.path.join(TARGET, "debug")) + "/portcullis"
PATIENCE = 60
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number, name, arguments):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def wait_for(what, condition):
    begun = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() - begun > PATIENCE:
            raise SystemExit(f"{what} did not come true")
        time.sleep(0.05)


class Engine:
    """A dockerd in a temporary folder."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="engine", dir="/tmp")
        at = lambda name: os.path.join(self.folder, name)
        self.host = "unix://" + at("docker.sock")
        self.log = open(at("log"), "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "--host", self.host,
             "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "--ip-forward=false",
             "--ip-masq=false", "--shutdown-timeout=2"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        environment = dict(os.environ, DOCKER_HOST=self.host)
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        wait_for("the engine", lambda: subprocess.run(["docker", "version"], **quiet).returncode == 0)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Server:
    """The drop-in over HTTP on a free port."""

    def __init__(self, engine, transport, **variables):
        self.folder = tempfile.mkdtemp(dir="/tmp")
        environment = dict(os.environ, DOCKER_HOST=engine.host, **variables)
        self.process = subprocess.Popen(
            [BINARY, "docker", "--transport", transport, "--port", "0"], cwd=self.folder, env=environment,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.address = None
        for line in self.process.stderr:
            found = re.search(r"listening on http://(\S+)/mcp", line)
            if found:
                self.address = found.group(1)
                break
        assert self.address, "the server did not start"
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode()
        data = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        parsed = [json.loads(one) for one in data if one] or ([json.loads(text)] if text.strip().startswith("{") else [])
        return response.status, dict(response.getheaders()), parsed[-1] if parsed else text


def check_tools(tools, read_only=False):
    names = {tool["name"] for tool in tools}
    assert {"docker_list_containers", "docker_version", "docker_healthcheck"} <= names, names
    assert ("docker_start_container" in names) != read_only
    assert "docker_remove_container" not in names, "destructive tools are off by default"


def on_stdio(engine):
    folder = tempfile.mkdtemp(dir="/tmp")
    before = os.stat(folder).st_mode
    environment = dict(os.environ, DOCKER_HOST=engine.host, SAFETY_ALLOW_MODERATE_OPERATIONS="false")
    process = subprocess.Popen([BINARY, "docker"], cwd=folder, env=environment, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answers = queue.Queue()
    threading.Thread(target=lambda: [answers.put(json.loads(line)) for line in process.stdout], daemon=True).start()

    def ask(message):
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        while "id" in message:
            answer = answers.get(timeout=PATIENCE)
            if answer.get("id") == message["id"]:
                return answer

    ask(INITIALIZE)
    ask(INITIALIZED)
    check_tools(ask({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})["result"]["tools"], read_only=True)
    result = ask(call(3, "docker_version", {}))["result"]
    assert result["structuredContent"]["version"]["Version"], result
    refused = ask(call(4, "docker_start_container", {"container_id": "x"}))
    assert "error" in refused or refused["result"]["isError"], refused
    process.stdin.close()
    process.wait(30)
    assert os.path.exists(os.path.join(folder, "mcp_audit.log")), "the audit is beside its caller"
    assert os.stat(folder).st_mode == before, "and nobody is locked out of the folder"
    audit = [json.loads(line) for line in open(os.path.join(folder, "mcp_audit.log"))]
    assert any(line.get("target") == "docker_version" for line in audit), audit


def over_http(engine):
    with Server(engine, "httpstream") as server:
        for path in ["/mcp", "/"]:
            status, headers, _ = server.post(path, INITIALIZE)
            assert status == 200, (path, status)
            session = {"mcp-session-id": headers.get("Mcp-Session-Id") or headers.get("mcp-session-id")}
            server.post(path, INITIALIZED, **session)
            _, _, listed = server.post(path, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, **session)
            check_tools(listed["result"]["tools"])
            _, _, result = server.post(path, call(3, "docker_list_containers", {"all": True}), **session)
            assert result["result"]["structuredContent"]["count"] == 0, result
        status, _, answer = server.post("/docker_version", {})
        assert status == 200 and "version" in answer, answer
        status, _, _ = server.post("/docker_remove_container", {"container_id": "x"})
        assert status == 404, "a tool that is not allowed is on no path"


def over_sse(engine):
    with Server(engine, "sse") as server:
        stream = http.client.HTTPConnection(server.address, timeout=PATIENCE)
        stream.request("GET", "/sse", headers={"accept": "text/event-stream"})
        response = stream.getresponse()
        assert response.status == 200, response.status
        events = queue.Queue()

        def listen():
            kind = None
            for line in response:
                line = line.decode().strip()
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    events.put((kind, line[5:].strip()))

        threading.Thread(target=listen, daemon=True).start()
        kind, place = events.get(timeout=PATIENCE)
        assert kind == "endpoint" and "/messages" in place, (kind, place)

        def ask(message):
            server.post(place, message)
            while "id" in message:
                _, data = events.get(timeout=PATIENCE)
                answer = json.loads(data)
                if answer.get("id") == message["id"]:
                    return answer

        ask(INITIALIZE)
        ask(INITIALIZED)
        check_tools(ask({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})["result"]["tools"])
        assert ask(call(3, "docker_healthcheck", {}))["result"]["structuredContent"]["healthy"] is True


def off_loopback(engine):
    environment = dict(os.environ, DOCKER_HOST=engine.host)
    refused = subprocess.run([BINARY, "docker", "--transport", "sse", "--host", "0.0.0.0", "--port", "0"], env=environment,
                             cwd=tempfile.mkdtemp(dir="/tmp"), capture_output=True, text=True, timeout=PATIENCE)
    assert refused.returncode == 1 and "SECURITY_AUTH_TOKEN" in refused.stderr, refused.stderr
    for name, value in [("SECURITY_OAUTH_ENABLED", "true"), ("MCP_TLS_ENABLED", "true"), ("SECURITY_ALLOWED_CLIENT_IPS", "10.0.0.1")]:
        refused = subprocess.run([BINARY, "docker"], env=dict(environment, **{name: value}), stdin=subprocess.DEVNULL,
                                 cwd=tempfile.mkdtemp(dir="/tmp"), capture_output=True, text=True, timeout=PATIENCE)
        assert refused.returncode == 1 and name in refused.stderr, refused.stderr


def main():
    with Engine() as engine:
        for test in [on_stdio, over_http, over_sse, off_loopback]:
            test(engine)
            print(f"ok {test.__name__}")
    print("portcullis docker: 4 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
