"""A client that says one line a message, over standard input and output of a server that it starts."""
import json
import os
import queue
import subprocess
import threading

SECONDS = 120


class Client:
    def __init__(self, command, **variables):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OPENZIM_MCP_RATE_LIMIT__ENABLED": "false", **variables},
        )
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True).start()
        self.number = 0
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "line", "version": "1"}}
        self.ask("initialize", about)
        self.send({"method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            answer = json.loads(self.lines.get(timeout=SECONDS))
            if answer.get("id") == self.number:
                return answer["result"]

    def tool(self, name, **arguments):
        """What a tool answers, as JSON: a result or an error."""
        result = self.ask("tools/call", {"name": name, "arguments": arguments})
        return json.loads(result["content"][0]["text"])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=SECONDS)
