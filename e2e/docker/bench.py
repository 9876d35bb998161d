#!/usr/bin/env python3
"""The Docker server beside the engine's own API, in one run: ./bench 4 docker

One client asks both in turns over a connection that stays open, so what the client itself takes is in both figures.
Starts an engine of its own; needs dockerd, and the program in the release profile (PORTCULLIS_BIN says where).
"""
import concurrent.futures
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import wire


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Api:
    """The engine, asked directly."""

    def __init__(self, engine):
        self.path = engine.host.removeprefix("unix://")
        self.connection = Unix(self.path)

    def ask(self, method, path, body=None):
        headers = {"content-type": "application/json"} if body is not None else {}
        self.connection.request(method, "/v1.41" + path, body=json.dumps(body) if body is not None else None, headers=headers)
        response = self.connection.getresponse()
        data = response.read()
        assert response.status < 400, (path, response.status, data[:200])
        return data


class Ours:
    """Portcullis, asked over HTTP as REST."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def get(self, path):
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        assert response.status == 200, (path, response.status)
        return response.read()

    def ask(self, tool, arguments):
        self.connection.request("POST", "/" + tool, json.dumps(arguments), {"content-type": "application/json"})
        response = self.connection.getresponse()
        data = response.read()
        assert response.status == 200, (tool, response.status, data[:200])
        return data


def create(api, count, **more):
    for number in range(count):
        body = {"Image": "busybox:latest", "Cmd": ["sleep", "1"], "Labels": {"number": str(number)}, **more}
        api.ask("POST", "/containers/create", body)


def median(ask, count):
    """Milliseconds of the middle one, after a few that do not count."""
    times = []
    for number in range(count + 5):
        begun = time.perf_counter()
        ask()
        if number >= 5:
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def together(make, ask, clients, each):
    """Milliseconds of one of many at once."""
    def run(_):
        client = make()
        begun = time.perf_counter()
        for _ in range(each):
            ask(client)
        return (time.perf_counter() - begun) * 1000 / each

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return statistics.median(pool.map(run, range(clients)))


def start_time(engine):
    """Milliseconds from the start to the answer of the first call on stdio."""
    times = []
    for _ in range(9):
        environment = dict(os.environ, DOCKER_HOST=engine.host, SECURITY_AUDIT_LOG_ENABLED="false")
        begun = time.perf_counter()
        process = subprocess.Popen([wire.BINARY, "docker"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, cwd="/tmp", text=True)
        messages = [wire.INITIALIZE, wire.INITIALIZED, wire.call(2, "docker_version", {})]
        process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        for line in process.stdout:
            if json.loads(line).get("id") == 2:
                break
        times.append((time.perf_counter() - begun) * 1000)
        process.stdin.close()
        process.wait(30)
    return statistics.median(times)


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    print("| | engine's API, ms | Portcullis, ms | times |\n|---|---|---|---|")

    def row(name, theirs, ours):
        print(f"| {name} | {theirs:.2f} | {ours:.2f} | {ours / theirs:.2f} |", flush=True)

    with wire.Engine() as engine:
        api = Api(engine)
        engine.import_busybox()
        first = start_time(engine)
        limits = dict(SECURITY_RATE_LIMIT_ENABLED="false", SAFETY_MAX_CONCURRENT_OPERATIONS="100", SAFETY_MAX_EXEC_OUTPUT_BYTES="10485760")
        with wire.Server(engine, "httpstream", **limits) as server:
            ours = Ours(server.address)
            idle = resident(server.process.pid)
            # What asking costs by itself. A call has both: ours, and within it the engine's.
            row("a request alone (/_ping, /healthz)", median(lambda: api.ask("GET", "/_ping"), 200), median(lambda: ours.get("/healthz"), 200))
            row("version", median(lambda: api.ask("GET", "/version"), 200), median(lambda: ours.ask("docker_version", {}), 200))
            log = json.loads(api.ask("POST", "/containers/create?name=log", {"Image": "busybox:latest", "Cmd": ["seq", "1", "10000"]}))["Id"]
            api.ask("POST", "/containers/log/start")
            api.ask("POST", "/containers/log/wait")
            row("inspect", median(lambda: api.ask("GET", f"/containers/{log}/json"), 200),
                median(lambda: ours.ask("docker_inspect_container", {"container_id": log}), 200))
            logs = f"/containers/{log}/logs?stdout=1&stderr=1&timestamps=1&tail=10000"
            row("logs of 10,000 lines", median(lambda: api.ask("GET", logs), 30),
                median(lambda: ours.ask("docker_container_logs", {"container_id": log}), 30))
            create(api, 29)
            listing = lambda: api.ask("GET", "/containers/json?all=1")
            ours_listing = lambda: ours.ask("docker_list_containers", {"all": True})
            row("list of 30 containers", median(listing, 100), median(ours_listing, 100))
            row("list of 30, 16 callers at once",
                together(lambda: Api(engine), lambda client: client.ask("GET", "/containers/json?all=1"), 16, 20),
                together(lambda: Ours(server.address), lambda client: client.ask("docker_list_containers", {"all": True}), 16, 20))
            create(api, 170)
            row("list of 200 containers", median(listing, 50), median(ours_listing, 50))
            print(f"\nResident memory: {idle:.1f} MB idle, {resident(server.process.pid):.1f} MB after all this.")
        print(f"Start to the first answer on stdio: {first:.0f} ms; beside 200 containers {start_time(engine):.0f} ms.")


if __name__ == "__main__":
    sys.exit(main())
