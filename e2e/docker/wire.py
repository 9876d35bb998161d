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
    """A dockerd in a temporary folder, with further arguments."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="engine", dir="/tmp")
        at = lambda name: os.path.join(self.folder, name)
        self.host = "unix://" + at("docker.sock")
        self.log = open(at("log"), "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "--host", self.host,
             "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "--ip-forward=false",
             "--ip-masq=false", "--shutdown-timeout=2", *self.arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        environment = dict(os.environ, DOCKER_HOST=self.host)
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        wait_for("the engine", lambda: subprocess.run(["docker", "version"], **quiet).returncode == 0)
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def import_busybox(self):
        """An image with busybox and nothing else, as busybox:latest."""
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            os.makedirs(folder + "/bin")
            shutil.copy("/bin/busybox", folder + "/bin/busybox")
            for applet in ["sh", "seq", "sleep", "touch", "true"]:
                os.symlink("busybox", f"{folder}/bin/{applet}")
            tar = subprocess.run(["tar", "-C", folder, "-c", "."], capture_output=True, check=True).stdout
        environment = dict(os.environ, DOCKER_HOST=self.host)
        subprocess.run(["docker", "import", "-", "busybox:latest"], input=tar, env=environment, check=True, stdout=subprocess.DEVNULL)


class Server:
    """The drop-in over HTTP on a free port, or another command that listens."""

    def __init__(self, engine, transport, host="127.0.0.1", command=None, **variables):
        self.folder = tempfile.mkdtemp(dir="/tmp")
        command = command or ["docker", "--transport", transport, "--host", host, "--port", "0"]
        self.process = subprocess.Popen(
            [BINARY, *command], cwd=self.folder, env=dict(os.environ, DOCKER_HOST=engine.host, **variables),
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.address = None
        for line in self.process.stderr:
            found = re.search(r"listening on http://(\S+)/mcp", line)
            if found:
                self.address = found.group(1).replace("0.0.0.0", "127.0.0.1")
                break
        assert self.address, "the server did not start"
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def get(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

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


def stdio(engine, folder, person=None, **variables):
    """The drop-in on stdio: its process, and a function that asks it. A person is asked what the server asks."""
    process = subprocess.Popen([BINARY, "docker"], cwd=folder, env=dict(os.environ, DOCKER_HOST=engine.host, **variables), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answers = queue.Queue()
    threading.Thread(target=lambda: [answers.put(json.loads(line)) for line in process.stdout], daemon=True).start()

    def send(message):
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()

    def ask(message):
        send(message)
        while "id" in message:
            answer = answers.get(timeout=PATIENCE)
            if "method" in answer and "id" in answer:
                send({"jsonrpc": "2.0", "id": answer["id"], "result": person(answer["method"], answer["params"])})
            elif answer.get("id") == message["id"]:
                return answer

    return process, ask


def on_stdio(engine):
    folder = tempfile.mkdtemp(dir="/tmp")
    before = os.stat(folder).st_mode
    process, ask = stdio(engine, folder, SAFETY_ALLOW_MODERATE_OPERATIONS="false")
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


def as_its_folder_and_machine_say(engine):
    """Settings in .env of the current folder count, and tools that nothing here can do are absent."""
    def names(folder, **variables):
        process, ask = stdio(engine, folder, **variables)
        ask(INITIALIZE)
        ask(INITIALIZED)
        tools = ask({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})["result"]["tools"]
        process.stdin.close()
        process.wait(30)
        return {tool["name"] for tool in tools}

    folder = tempfile.mkdtemp(dir="/tmp")
    with open(folder + "/.env", "w") as file:
        file.write('SAFETY_ALLOWED_TOOLS="docker_version,docker_system_df"\nSAFETY_DENIED_TOOLS=docker_system_df\n')
    assert names(folder) == {"docker_version"}
    assert names(folder, SAFETY_ALLOWED_TOOLS="docker_system_info") == {"docker_system_info"}, "the environment comes first"
    folder = tempfile.mkdtemp(dir="/tmp")
    bare = names(folder, PATH="/nonexistent", HOME="/nonexistent")
    assert names(folder) - bare == {f"docker_compose_{verb}" for verb in ["config", "up", "stop", "ps", "logs"]}, bare


def in_the_demo(engine):
    """The demo offers an engine that answers, for reading only, and nothing of one that does not."""
    demo = ["demo", "--listen", "127.0.0.1:0"]
    with Server(engine, None, command=demo) as server:
        assert server.post("/docker/docker_version", {}, accept="application/json")[0] == 200
        assert server.post("/docker/docker_start_container", {"container_id": "x"})[0] == 404
    nobody = type("Nobody", (), {"host": "unix:///nonexistent/engine.sock"})
    with Server(nobody, None, command=demo) as server:
        assert server.post("/docker/docker_version", {})[0] == 404


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


def asks_in_both_eras(engine):
    """The person is asked before something goes, by clients of either era, and nothing goes if they do not agree."""
    asked = []

    def person(answer):
        def answers(method, params):
            asked.append((method, params["message"]))
            return {"action": answer, **({"content": {"confirm": True}} if answer == "accept" else {})}
        return answers

    def made(name):
        environment = dict(os.environ, DOCKER_HOST=engine.host)
        subprocess.run(["docker", "volume", "create", name], env=environment, check=True, stdout=subprocess.DEVNULL)

    def there(name):
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, DOCKER_HOST=engine.host))
        return subprocess.run(["docker", "volume", "inspect", name], **quiet).returncode == 0

    variables = dict(SAFETY_ALLOW_DESTRUCTIVE_OPERATIONS="true")
    able = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**INITIALIZE["params"], "capabilities": {"elicitation": {}}}}
    for answer in ["decline", "accept"]:
        made("legacy")
        process, ask = stdio(engine, tempfile.mkdtemp(dir="/tmp"), person(answer), **variables)
        ask(able)
        ask(INITIALIZED)
        result = ask(call(2, "docker_remove_volume", {"volume_name": "legacy"}))["result"]
        assert result.get("isError", False) == (answer == "decline") == there("legacy"), result
        process.stdin.close()
        process.wait(30)
    assert len(asked) == 2 and all(method == "elicitation/create" and "volume legacy" in text for method, text in asked), asked

    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
            "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"}}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "docker_remove_volume"}
    with Server(engine, "httpstream", **variables) as server:
        for answer in ["decline", "accept"]:
            made("modern")
            message = call(1, "docker_remove_volume", {"volume_name": "modern"})
            message["params"]["_meta"] = meta
            _, _, first = server.post("/mcp", message, **headers)
            assert first["result"]["resultType"] == "input_required", first
            [(key, question)] = first["result"]["inputRequests"].items()
            assert question["method"] == "elicitation/create" and "volume modern" in question["params"]["message"], question
            assert there("modern"), "nothing goes before the answer"
            content = {"content": {"confirm": True}} if answer == "accept" else {}
            message["params"].update(inputResponses={key: {"action": answer, **content}}, requestState=first["result"]["requestState"])
            _, _, second = server.post("/mcp", message, **headers)
            assert second["result"].get("isError", False) == (answer == "decline") == there("modern"), second


def off_loopback(engine):
    with Server(engine, "sse", "0.0.0.0", SECURITY_AUTH_TOKEN="a-token-of-32-characters-or-more!") as server:
        mine = {"authorization": "Bearer a-token-of-32-characters-or-more!"}
        for path in ["/mcp", "/"]:
            assert server.post(path, INITIALIZE)[0] == 401, path
            assert server.post(path, INITIALIZE, **mine)[0] == 200, path
        for headers, status in [({}, 401), (mine, 200)]:
            stream = http.client.HTTPConnection(server.address, timeout=PATIENCE)
            stream.request("GET", "/sse", headers={"accept": "text/event-stream", **headers})
            assert stream.getresponse().status == status, headers
            stream.close()
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
        tests = [on_stdio, as_its_folder_and_machine_say, over_http, over_sse, asks_in_both_eras, in_the_demo, off_loopback]
        for test in tests:
            test(engine)
            print(f"ok {test.__name__}")
    print(f"portcullis docker: {len(tests)} passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
