#!/usr/bin/env python3
"""Every tool of `portcullis docker` on a real engine, over MCP and over REST, in success and in failure.

One table of calls is sent both ways, and both must say the same: the same result, or a failure with the same reason
(`isError` there, a status that is no 2xx here). A tool of tools/list without both cases fails the test. At the end the
engine is stopped, and every tool is called once more. The audit must have told of all that.

Starts an engine, two registries (with and without a password) and an index of its own. Needs dockerd, docker-registry
and docker-compose.
"""
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import wire

# `docker` with the password `hunter2`, by bcrypt.
HTPASSWD = "docker:$2b$05$wS/CBTwqjYvkvhBsYwPW4en8AZUwhqlmr8DphxSOShnGo8n3jD.Ki"
TOKEN = re.compile(r'confirm_token=\\?"([0-9a-f]+)')
COMPOSE = """version: '3'
services:
  web:
    image: busybox:latest
    command: ['sh', '-c', 'echo up and running; sleep 1000']
    stop_grace_period: 0s
"""


class Failed(Exception):
    """What a tool said that failed."""


class Mcp:
    name = "wayone"

    def __init__(self, server):
        self.server = server

    def call(self, tool, arguments):
        status, _, answer = self.server.post("/mcp", wire.call(1, tool, arguments))
        assert status == 200, (tool, status, answer)
        if "error" in answer:
            raise Failed(answer["error"]["message"])
        result = answer["result"]
        if result.get("isError"):
            raise Failed(result["content"][0]["text"])
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"], tool
        return result["structuredContent"]


class Rest:
    name = "waytwo"

    def __init__(self, server):
        self.server = server

    def call(self, tool, arguments):
        # Whoever also takes events gets progress as events, and the status in the last.
        status, _, answer = self.server.post("/" + tool, arguments, accept="application/json")
        if 200 <= status < 300:
            return answer
        assert status >= 400, (tool, status, answer)
        detail = answer["detail"]
        if isinstance(detail, dict):
            detail = detail["message"]
        raise Failed(detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False))


# The table: a name for what is kept, or None; what is expected; the tool; its arguments; and what must stand in the
# answer. In texts, {t} is a word that only this way has. A function gets what was kept. Steps in a list go one way, and
# then the other.
OK, NO, UNTIL, DESTROY = "ok", "no", "until", "destroy"


def table():
    missing = {"container_id": "{t}-nothing"}
    c = {"container_id": "{t}-c"}
    compose = {"path": "{dir}/compose", "project": "{t}"}
    mine = {"label": "t={t}"}
    yield OK, "docker_version", {}, "linux"
    yield NO, "docker_version", {"verbose": True}, "verbose"
    yield OK, "docker_healthcheck", {}, "true"
    yield NO, "docker_healthcheck", {"deep": True}, "deep"
    yield OK, "docker_system_info", {}, "Containers"
    yield NO, "docker_system_info", {"verbose": True}, "verbose"
    yield OK, "docker_system_df", {}, "Images"
    yield NO, "docker_system_df", {"verbose": True}, "verbose"

    # Images.
    yield OK, "docker_tag_image", {"image": "busybox", "repository": "{t}-app", "tag": "v1"}, "{t}-app:v1"
    yield NO, "docker_tag_image", {"image": "busybox", "repository": "UPPER"}, "lower case"
    yield OK, "docker_list_images", {"filters": {"reference": "{t}-app:*"}}, '"count": 1'
    yield NO, "docker_list_images", {"filters": {"nonsense": "x"}}, "filter"
    yield OK, "docker_inspect_image", {"image_name": "{t}-app:v1"}, "{t}-app:v1"
    yield NO, "docker_inspect_image", {"image_name": "{t}-nothing"}, "No such image"
    yield OK, "docker_image_history", {"image": "{t}-app:v1"}, '"count": 1'
    yield NO, "docker_image_history", {"image": "{t}-nothing"}, "No such image"
    yield OK, "docker_save_image", {"image": "{t}-app:v1", "path": "{dir}/{t}.tar"}, "bytes"
    yield NO, "docker_save_image", {"image": "{t}-app:v1", "path": "/etc/image.tar"}, "is refused"
    yield OK, "docker_load_image", {"path": "{dir}/{t}.tar"}, "{t}-app:v1"
    yield NO, "docker_load_image", {"path": "{dir}/nowhere.tar"}, "nowhere.tar"
    yield OK, "docker_build_image", {"path": "{dir}/good", "tag": "{t}-built:v1", "network": "none", "builder": "buildkit",
                                     "nocache": True, "labels": {"t": "{t}"}}, "{t}-built:v1"
    yield NO, "docker_build_image", {"path": "{dir}/bad", "network": "none"}, "the build failed"
    yield OK, "docker_search_images", {"term": "{index}/busybox"}, "from the index"
    yield NO, "docker_search_images", {"term": " "}, "term"

    # Registries.
    yield OK, "docker_tag_image", {"image": "busybox", "repository": "{open}/{t}", "tag": "v1"}, "v1"
    yield OK, "docker_push_image", {"image": "{open}/{t}:v1"}, "pushed"
    yield OK, "docker_pull_image", {"image": "{open}/{t}", "tag": "v1"}, "{t}:v1"
    yield NO, "docker_pull_image", {"image": "{open}/{t}", "tag": "v9"}, "not found|unknown"
    yield OK, "docker_tag_image", {"image": "busybox", "repository": "{locked}/{t}", "tag": "v1"}, "v1"
    yield NO, "docker_push_image", {"image": "{locked}/{t}:v1"}, "docker_login"
    yield NO, "docker_login", {"registry": "{locked}", "username": "docker", "password": "wrong-secret"}, "does not accept"
    yield OK, "docker_login", {"registry": "{locked}", "username": "docker", "password": "hunter2"}, "docker"
    yield OK, "docker_push_image", {"image": "{locked}/{t}:v1"}, "pushed"
    yield OK, "docker_logout", {"registry": "{locked}"}, "true"
    yield NO, "docker_logout", {"registry": "no registry"}, "is none"

    # A container, from its creation to its end.
    yield OK, "docker_create_container", {
        "image": "busybox", "name": "{t}-c", "command": ["sh", "-c", "echo out; touch /made; sleep 1000"], "labels": {"t": "{t}"},
        "environment": {"DB_PASSWORD": "hunter2", "URL": "postgres://me:hunter2@db/x"}, "stop_timeout": 0}, "{t}-c"
    yield NO, "docker_create_container", {"image": "busybox", "name": "{t}-never", "privileged": True}, "privileged is refused"
    yield NO, "docker_create_container", {"image": "busybox", "volumes": {"/etc": {"bind": "/x", "mode": "rw"}}}, "hands over the host"
    yield OK, "docker_start_container", c, "running"
    yield NO, "docker_start_container", missing, "No such container"
    yield OK, "docker_run_container", {"image": "busybox", "name": "{t}-run", "detach": False, "remove": True, "command": ["sh", "-c", "echo hi; exit 3"]}, '"exit_code": 3'
    yield NO, "docker_run_container", {"image": "busybox", "name": "{t}-no", "command": "/no/such/program"}, "no such file"
    yield OK, "docker_list_containers", {"filters": mine}, "{t}-c"
    yield NO, "docker_list_containers", {"filters": {"status": "nonsense"}}, "filter|status"
    yield OK, "docker_inspect_container", c, "{t}-c"
    yield NO, "docker_inspect_container", missing, "No such container"
    yield UNTIL, "docker_container_logs", c, "out"
    yield OK, "docker_container_logs", {**c, "tail": 1}, "out"
    yield NO, "docker_container_logs", {**c, "since": "yesterday"}, "since"
    yield OK, "docker_container_stats", c, "memory_bytes"
    yield NO, "docker_container_stats", missing, "No such container"
    # What starts the command is still there for a moment.
    yield UNTIL, "docker_container_top", c, "sleep"
    yield OK, "docker_container_top", c, "sleep"
    yield NO, "docker_container_top", missing, "No such container"
    yield UNTIL, "docker_container_diff", c, "/made"
    yield OK, "docker_container_diff", c, "/made"
    yield NO, "docker_container_diff", missing, "No such container"
    yield OK, "docker_exec_command", {**c, "command": ["sh", "-c", "echo $A; exit 4"], "environment": {"A": "b"}}, '"exit_code": 4'
    yield NO, "docker_exec_command", {**c, "command": "true", "privileged": True}, "privileged is refused"
    yield OK, "docker_exec_command", {**c, "command": "seq 1 3000"}, "output_id", "long"
    rest = lambda kept: {"output_id": kept["long"]["truncation_info"]["output_id"], "offset": kept["long"]["truncation_info"]["truncated_size"]}
    yield OK, "docker_output_rest", rest, "600"
    yield OK, "docker_output_rest", lambda kept: {"output_id": kept["long"]["truncation_info"]["output_id"]}, "600"
    yield NO, "docker_output_rest", {"output_id": "0123456789ab"}, "no longer there"
    yield OK, "docker_copy_to_container", {**c, "path": "/note.txt", "content": "héllo\n"}, '"bytes": 7'
    yield NO, "docker_copy_to_container", {**c, "path": "relative", "content": "x"}, "relative|absolute"
    yield OK, "docker_copy_from_container", {**c, "path": "/note.txt"}, "héllo"
    yield NO, "docker_copy_from_container", {**c, "path": "/nowhere"}, "nowhere"
    yield OK, "docker_commit_container", {**c, "repository": "{t}-committed"}, "{t}-committed"
    yield NO, "docker_commit_container", {**missing, "repository": "{t}-x"}, "No such container"
    yield OK, "docker_pause_container", c, "paused"
    yield NO, "docker_pause_container", missing, "No such container"
    yield OK, "docker_unpause_container", c, "running"
    yield NO, "docker_unpause_container", missing, "No such container"
    yield OK, "docker_update_container", {**c, "cpu_shares": 256}, "{t}-c"
    yield NO, "docker_update_container", c, "nothing is to be changed"
    yield OK, "docker_rename_container", {**c, "new_name": "{t}-d"}, "{t}-d"
    yield NO, "docker_rename_container", {**missing, "new_name": "{t}-e"}, "No such container"
    d = {"container_id": "{t}-d"}
    yield OK, "docker_restart_container", {**d, "timeout": 0}, "running"
    yield NO, "docker_restart_container", missing, "No such container"
    yield OK, "docker_kill_container", {**d, "signal": "SIGKILL"}, "{t}-d"
    yield OK, "docker_wait_container", {**d, "timeout": 30}, '"exit_code": 137'
    yield NO, "docker_wait_container", missing, "No such container"
    yield NO, "docker_kill_container", d, "is not running"
    yield OK, "docker_stop_container", d, "exited"
    yield NO, "docker_stop_container", missing, "No such container"
    yield OK, "docker_events", {"since": "5m", "filters": {"container": "{t}-d", "event": "kill"}}, "kill"
    yield NO, "docker_events", {"since": "never"}, "since"

    # Networks.
    yield OK, "docker_create_network", {"name": "{t}-net", "labels": {"t": "{t}"}}, "{t}-net"
    yield NO, "docker_create_network", {"name": "{t}-wire", "driver": "macvlan"}, "is refused"
    yield OK, "docker_list_networks", {"filters": {"name": "{t}-net"}}, '"count": 1'
    yield NO, "docker_list_networks", {"filters": {"nonsense": "x"}}, "filter"
    yield OK, "docker_inspect_network", {"network_id": "{t}-net"}, "{t}-net"
    yield NO, "docker_inspect_network", {"network_id": "{t}-nothing"}, "not found"
    yield OK, "docker_connect_container", {"network_id": "{t}-net", "container_id": "{t}-d"}, "connected"
    yield NO, "docker_connect_container", {"network_id": "{t}-nothing", "container_id": "{t}-d"}, "not found"
    yield OK, "docker_disconnect_container", {"network_id": "{t}-net", "container_id": "{t}-d"}, "disconnected"
    yield NO, "docker_disconnect_container", {"network_id": "{t}-net", "container_id": "{t}-nothing"}, "No such container"

    # Volumes.
    yield OK, "docker_create_volume", {"name": "{t}-vol", "labels": {"t": "{t}"}}, "{t}-vol"
    yield NO, "docker_create_volume", {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}, "hands over the host"
    yield OK, "docker_list_volumes", {"filters": mine}, "{t}-vol"
    yield NO, "docker_list_volumes", {"filters": {"nonsense": "x"}}, "filter"
    yield OK, "docker_inspect_volume", {"volume_name": "{t}-vol"}, "{t}-vol"
    yield NO, "docker_inspect_volume", {"volume_name": "{t}-nothing"}, "no such volume|No such volume"

    # Compose.
    yield OK, "docker_compose_config", compose, "web"
    yield NO, "docker_compose_config", {"path": "/etc"}, "is refused"
    yield OK, "docker_compose_up", compose, "{t}"
    yield NO, "docker_compose_up", {"path": "{dir}/evil"}, "privileged is refused"
    yield OK, "docker_compose_ps", compose, "web"
    yield NO, "docker_compose_ps", {"path": "relative"}, "path|relative"
    yield UNTIL, "docker_compose_logs", compose, "up and running"
    yield OK, "docker_compose_logs", {**compose, "tail": 5}, "up and running"
    yield NO, "docker_compose_logs", {"path": "{dir}/nowhere"}, "nowhere"
    yield OK, "docker_compose_stop", compose, "{t}"
    yield NO, "docker_compose_stop", {"path": "{dir}/nowhere"}, "nowhere"
    yield DESTROY, "docker_compose_down", compose, "{t}"
    yield NO, "docker_compose_down", {"path": "{dir}/nowhere"}, "nowhere"

    # What destroys: refused at first, with a token; done with it.
    yield OK, "docker_remove_container", {**d, "dry_run": True}, "would_remove"
    yield DESTROY, "docker_remove_container", d, "{t}-d"
    yield NO, "docker_remove_container", {**d, "confirm_token": "00"}, "No such container"
    yield DESTROY, "docker_remove_network", {"network_id": "{t}-net"}, "{t}-net"
    yield NO, "docker_remove_network", {"network_id": "bridge", "confirm_token": "00"}, "not found|token"
    yield DESTROY, "docker_remove_volume", {"volume_name": "{t}-vol"}, "{t}-vol"
    yield NO, "docker_remove_volume", {"volume_name": "{t}-vol"}, "no such volume|No such volume"
    yield DESTROY, "docker_remove_image", {"image": "{t}-app:v1"}, "Untagged"
    yield NO, "docker_remove_image", {"image": "{t}-app:v1"}, "No such image"
    doomed = {"image": "busybox", "name": "{t}-doomed", "command": "true", "labels": {"t": "{t}"}}
    wrong = {"filters": {"nonsense": "x"}}
    yield OK, "docker_create_container", doomed, "container_id"
    yield DESTROY, "docker_prune_containers", {"filters": mine}, "deleted"
    yield NO, "docker_prune_containers", wrong, "nonsense"
    yield OK, "docker_create_network", {"name": "{t}-net", "labels": {"t": "{t}"}}, "{t}-net"
    yield DESTROY, "docker_prune_networks", {"filters": mine}, "{t}-net|[0-9a-f]{64}"
    yield NO, "docker_prune_networks", wrong, "nonsense"
    yield OK, "docker_create_volume", {"name": "{t}-vol", "labels": {"t": "{t}"}}, "{t}-vol"
    yield DESTROY, "docker_prune_volumes", {"all": True, "filters": mine}, "{t}-vol"
    yield NO, "docker_prune_volumes", wrong, "nonsense"
    yield DESTROY, "docker_prune_images", {"all": True, "filters": mine}, "{t}-built:v1"
    yield NO, "docker_prune_images", wrong, "nonsense"
    # The cache is one for both ways.
    yield [(OK, "docker_build_image", {"path": "{dir}/good", "network": "none", "builder": "buildkit", "nocache": True}, "image_id"),
           (DESTROY, "docker_prune_build_cache", {"all": True}, "deleted")]
    yield NO, "docker_prune_build_cache", {"filters": {"nonsense": "x"}, "confirm_token": "00"}, "filter|token|nonsense"
    for tool in ["docker_system_prune", "docker_prune_system"]:
        yield OK, "docker_create_container", doomed, "container_id"
        yield DESTROY, tool, {"filters": mine}, "containers_deleted"
        yield NO, tool, wrong, "nonsense"


# Numbers of these change from one call to the next: the same members of the same kinds are enough.
LOOSE = {"docker_container_stats", "docker_container_top", "docker_system_info", "docker_system_df", "docker_events",
         "docker_inspect_container", "docker_inspect_network", "docker_inspect_image", "docker_image_history",
         "docker_build_image", "docker_save_image", "docker_prune_images", "docker_system_prune", "docker_prune_system",
         "docker_prune_build_cache", "docker_list_images", "docker_push_image", "docker_pull_image", "docker_compose_up",
         "docker_compose_ps", "docker_compose_logs", "docker_compose_down", "docker_compose_stop"}


def filled(value, words):
    if isinstance(value, str):
        return value.format(**words)
    if isinstance(value, dict):
        return {filled(key, words): filled(one, words) for key, one in value.items()}
    if isinstance(value, list):
        # Commands have braces of their own.
        return [one.replace("{t}", words["t"]) if isinstance(one, str) else one for one in value]
    return value


def plain(value, t):
    """Without what only this way, this moment or this thing has."""
    if isinstance(value, dict):
        return {plain(key, t): "TIME" if key == "created" else plain(one, t) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one, t) for one in value]
    if not isinstance(value, str):
        return value
    text = re.sub(r"127\.0\.0\.1:\d+", "REGISTRY", value.replace(t, "T"))
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\dZ]*", "TIME", text)
    text = re.sub(r"Up [^\"(]*|(Less than a|About an?|\d+) (second|minute)s?( ago)?", "TIME", text)
    return text


def shape(value):
    """The members and their kinds."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in sorted(value.items())}
    if isinstance(value, list):
        return sorted({json.dumps(shape(one)) for one in value})
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def said(run):
    try:
        return True, run()
    except Failed as failed:
        return False, str(failed)


class Walk:
    """One way through the table."""

    def __init__(self, way, words):
        self.way, self.words = way, {**words, "t": way.name}
        self.kept, self.worked, self.failed = {}, {}, set()

    def step(self, expected, tool, arguments, words, keep=None):
        arguments = filled(arguments(self.kept) if callable(arguments) else arguments, self.words)
        pattern = words.replace("{t}", self.words["t"])
        call = lambda **more: said(lambda: self.way.call(tool, {**arguments, **more}))
        where = (self.way.name, tool, arguments)
        if expected == UNTIL:
            wire.wait_for(f"{where}", lambda: (lambda got: got[0] and re.search(pattern, json.dumps(got[1], ensure_ascii=False)))(call()))
            return None
        worked, got = call()
        if expected == DESTROY:
            assert not worked and TOKEN.search(got), (where, got)
            self.failed.add(tool)
            worked, got = call(confirm_token=TOKEN.search(got).group(1))
        assert worked == (expected != NO), (where, got)
        text = json.dumps(got, ensure_ascii=False) if worked else got
        assert re.search(pattern, text), (where, pattern, text[:2000])
        assert "hunter2" not in text and "wrong-secret" not in text, where
        if worked:
            self.worked.setdefault(tool, arguments)
        else:
            self.failed.add(tool)
        if keep:
            self.kept[keep] = got
        return worked, got, text


def compare(tool, one, two, t):
    (worked, got, text), (_, other, other_text) = one, two
    if not worked:
        # What a build wrote depends on what an earlier one left.
        text, other_text = [one.split("\nIts last lines:")[0] for one in [text, other_text]]
        # REST tells a missing argument in its own way, so its reason is only looked for.
        if "Extra inputs" not in other_text:
            assert plain(text, t[0]) == plain(other_text, t[1]), (tool, text, other_text)
    elif tool in LOOSE:
        assert shape(plain(got, t[0])) == shape(plain(other, t[1])), (tool, got, other)
    else:
        assert plain(got, t[0]) == plain(other, t[1]), (tool, text, other_text)


class Registry:
    def __init__(self, folder, locked):
        self.folder = tempfile.mkdtemp(dir=folder)
        auth = ""
        if locked:
            with open(self.folder + "/htpasswd", "w") as file:
                file.write(HTPASSWD)
            auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {self.folder}/htpasswd\n"
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        with open(self.folder + "/config.yml", "w") as file:
            file.write(f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {self.folder}/data\n"
                       f"http:\n  addr: {self.address}\n{auth}")
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(["docker-registry", "serve", self.folder + "/config.yml"], **quiet)

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", int(self.address.split(":")[1]))) == 0

        wire.wait_for("the registry", answers)

    def end(self):
        self.process.kill()
        self.process.wait(30)


class Index(http.server.BaseHTTPRequestHandler):
    """What `docker search` asks: registries of today have none, so this stands in for Docker Hub's."""

    def do_GET(self):
        found = {"num_results": 1, "query": "busybox", "results": [
            {"name": "busybox", "description": "from the index", "star_count": 1, "is_official": True, "is_automated": False}]}
        body = json.dumps(found if "/search" in self.path else {}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def check_audit(server):
    """What was done is told: on which engine, about what, how harmful, what was decided, and no secret."""
    with open(server.folder + "/mcp_audit.log") as file:
        text = file.read()
    for secret in ["hunter2", "wrong-secret"]:
        assert secret not in text, secret
    lines = [json.loads(line) for line in text.splitlines()]
    decided = {}
    for line in lines:
        if line.get("method") != "tools/call" or line.get("decision") != "allow":
            continue
        assert line["tier"] in ["safe", "moderate", "destructive"], line
        detail = line["detail"]
        assert detail["engine"].startswith("unix://"), line
        decided.setdefault((line["target"], detail["decision"]), detail.get("target", ""))
    for tool, decision, target in [
        ("docker_create_container", "allowed", "wayone-c"), ("docker_create_container", "refused", "busybox"),
        ("docker_exec_command", "refused", "wayone-c"), ("docker_compose_up", "refused", "evil"),
        ("docker_save_image", "refused", "/etc"), ("docker_create_volume", "refused", ""),
        ("docker_remove_container", "dry run", "wayone-d"), ("docker_remove_container", "asked", "container wayone-d ("),
        ("docker_remove_container", "confirmed", "container wayone-d ("), ("docker_remove_network", "confirmed", "network wayone-net"),
        ("docker_prune_volumes", "confirmed", "wayone-vol"), ("docker_system_prune", "asked", "container "),
        ("docker_version", "allowed", ""),
    ]:
        assert (tool, decision) in decided and target in decided[tool, decision], (tool, decision, decided.get((tool, decision)))
    remade = next(line for line in lines if line.get("target") == "docker_create_container" and "DB_PASSWORD" in json.dumps(line))
    assert remade["arguments"]["environment"]["DB_PASSWORD"] == "<REDACTED>", remade
    verified = subprocess.run([wire.BINARY, "audit", "verify", server.folder + "/mcp_audit.log"], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr


def main():
    folder = tempfile.mkdtemp(prefix="calls", dir="/tmp")
    write(folder + "/good/Dockerfile", "FROM busybox:latest\nRUN echo built > /built\n")
    write(folder + "/bad/Dockerfile", "FROM busybox:latest\nRUN exit 7\n")
    write(folder + "/compose/docker-compose.yml", COMPOSE)
    write(folder + "/evil/docker-compose.yml", COMPOSE + "    privileged: true\n")
    registries = [Registry(folder, locked) for locked in [False, True, True]]
    index = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=index.serve_forever, daemon=True).start()
    words = {"dir": folder, "open": registries[0].address, "index": f"127.0.0.1:{index.server_port}"}
    settings = dict(SAFETY_ALLOW_DESTRUCTIVE_OPERATIONS="true", SECURITY_RATE_LIMIT_ENABLED="false", SAFETY_MAX_EXEC_OUTPUT_BYTES="2000")
    try:
        with wire.Engine() as engine, wire.Server(engine, "httpstream", **settings) as server:
            engine.import_busybox()
            # Both ways are one caller, who is logged in or not: so each has a registry with a password of its own.
            walks = [Walk(Mcp(server), {**words, "locked": registries[1].address}), Walk(Rest(server), {**words, "locked": registries[2].address})]
            calls = 0
            for steps in table():
                # Step by step, or several steps one way and then the other.
                steps = steps if isinstance(steps, list) else [steps]
                for step, one, two in zip(steps, *[[walk.step(*step) for step in steps] for walk in walks]):
                    if one:
                        compare(step[1], one, two, [walk.way.name for walk in walks])
                    calls += 2
            _, _, listed = server.post("/mcp", {"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
            names = {tool["name"] for tool in listed["result"]["tools"]}
            for walk in walks:
                for what, had in [("success", set(walk.worked)), ("failure", walk.failed)]:
                    assert had == names, f"{walk.way.name}: without a {what}: {sorted(names - had)}; not listed: {sorted(had - names)}"
            engine.stop()
            # These answer without an engine.
            alone = {"docker_healthcheck", "docker_output_rest", "docker_logout"}
            for tool in sorted(names - alone):
                for walk in walks:
                    arguments = dict(walk.worked[tool])
                    if tool == "docker_save_image":
                        # The file is made before the engine is asked, and there is one already.
                        arguments["path"] += ".away"
                    worked, got = said(lambda: walk.way.call(tool, arguments))
                    assert not worked and "docker.sock" in got or "Compose" in got, (walk.way.name, tool, got)
            for walk in walks:
                assert walk.way.call("docker_healthcheck", {})["healthy"] is False
            wire.wait_for("health that says why", lambda: "docker.sock" in server.get("/health") and "degraded" in server.get("/health"))
            check_audit(server)
            print(f"{len(names)} tools, {calls} calls over MCP and REST, each in success, in failure and without the engine: the same both ways")
    finally:
        index.shutdown()
        for registry in registries:
            registry.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
