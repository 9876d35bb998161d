"""Clients that do as little as can be done, so that what is measured is the server: requests are made before the clock
runs, and answers are looked at after it. stdio is lines; HTTP is one socket that stays open."""
import json
import os
import re
import socket
import subprocess
import time

HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
    "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number, tool, arguments):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def line(message):
    return json.dumps(message).encode() + b"\n"


def checked(answer):
    """The text of a result that is one."""
    message = json.loads(answer)
    result = message.get("result") or {}
    text = "".join(block.get("text", "") for block in result.get("content", []))
    if "result" not in message or result.get("isError"):
        raise RuntimeError(f"no answer: {answer[:600]!r}")
    return text


class Server:
    """A server as a process of its own."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, bufsize=0)

    def anonymous(self):
        """MiB that are its own."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon:"))

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


class Stdio:
    """Its standard input and output."""

    def __init__(self, server):
        self.write = server.process.stdin.write
        self.output = os.fdopen(os.dup(server.process.stdout.fileno()), "rb", 1 << 20)
        self.ask(HELLO)
        self.write(line(READY))

    def prepare(self, message):
        return line(message), str(message["id"])

    def send(self, prepared):
        self.write(prepared[0])

    def receive(self):
        while True:
            answer = self.output.readline()
            if not answer:
                raise RuntimeError("the server ended")
            # What it says on the way is no answer.
            if b'"result"' in answer or b'"error"' in answer:
                return answer

    def exchange(self, prepared):
        self.send(prepared)
        return self.receive()

    def ask(self, message):
        return self.exchange(self.prepare(message))

    def close(self):
        self.output.close()


class Http:
    """One connection to /mcp, and a session."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), 120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.session = ""
        head, _ = self.raw(self.prepare(HELLO))
        session = re.search(rb"(?im)^mcp-session-id: *(\S+)", head)
        self.session = f"mcp-session-id: {session.group(1).decode()}\r\n" if session else ""
        self.raw(self.prepare(READY))

    def prepare(self, message):
        body = json.dumps(message).encode()
        head = (f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
                f"accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{self.session}"
                f"content-length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def raw(self, prepared):
        self.socket.sendall(prepared)
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        head, data = data[:end], data[end + 4:]
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        if length:
            size = int(length.group(1))
            parts, got = [data], len(data)
            while got < size:
                parts.append(self.more())
                got += len(parts[-1])
            data = b"".join(parts)
            body, self.rest = data[:size], data[size:]
        elif b"chunked" in head:
            body = b""
            while True:
                while (end := data.find(b"\r\n")) < 0:
                    data += self.more()
                size = int(data[:end], 16)
                while len(data) < end + 2 + size + 2:
                    data += self.more()
                body += data[end + 2:end + 2 + size]
                data = data[end + 2 + size + 2:]
                if size == 0:
                    break
            self.rest = data
        else:
            body, self.rest = b"", data
        return head, body

    def more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data

    def exchange(self, prepared):
        _, body = self.raw(prepared)
        if body.lstrip().startswith(b"{"):
            return body
        events = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
        return next(event for event in reversed(events) if b'"result"' in event or b'"error"' in event)

    def ask(self, message):
        return self.exchange(self.prepare(message))

    def close(self):
        self.socket.close()


def listening(port, server):
    """Waits until it answers there, asking as often as it can be asked."""
    until = time.monotonic() + 60
    while time.monotonic() < until and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.001)
    raise RuntimeError("the server does not listen")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
