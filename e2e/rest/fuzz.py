"""schemathesis with all its checks over all tools of the time server and of server-everything.

It reads the documents, sends what they allow and what they do not, and looks whether the answers are
those that the documents promise. The seed is fixed, the time is bounded; see fuzz_hooks.py for what
takes the place of its check for 5xx. `simulate-research-query` is no tool here: it can be called as
a task only, so that REST does not offer it.
"""

import base64
import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import CACHE, EVERYTHING, HERE, TIME, TOKEN, Report, Serve, documents_are_there, equal, os, tools

# For each of the two servers; both run at once.
SECONDS = 40
SEED = 20_261_125
FEWEST_CASES = 20
# Without a body, trigger-long-running-operation takes the ten seconds of its default.
SLOWEST = 12
# What there is nothing to judge by: the tools have no links between them, no state, no headers of their own.
REQUIRED = {
    "failure_is_the_tools_own", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header",
    "unsupported_method", "allow_header_conformance", "ignored_auth",
}
# It can fetch from anywhere; this host does not exist.
OFFLINE = {**EVERYTHING, "env": {"GZIP_ALLOWED_DOMAINS": "nowhere.invalid"}}


def run(address, server, folder):
    """The events of a run, its exit code and what it printed."""
    events = Path(folder) / f"{server}.ndjson"
    command = [
        CACHE / "py3" / "bin" / "schemathesis", "run", f"{address}/{server}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
        "--checks", "all", "--exclude-checks", "not_a_server_error", "--continue-on-failure", "--no-shrink",
        "--seed", str(SEED), "--max-time", str(SECONDS), "--request-timeout", "20", "--max-response-time", str(SLOWEST), "--generation-database", "none",
        "--report", "ndjson", "--report-ndjson-path", events, "--no-color",
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "fuzz_hooks.py"), "PORTCULLIS_TOKEN": TOKEN}
    done = subprocess.run(list(map(str, command)), env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS * 3)
    lines = events.read_text().splitlines() if events.exists() else []
    return [json.loads(line) for line in lines], done.returncode, done.stdout


def collect(events):
    """How often each check was made of each operation, and the failures, each with a request that shows it."""
    made, cases, failures = defaultdict(Counter), Counter(), defaultdict(list)
    for event in events:
        recorder = event.get("ScenarioFinished", {}).get("recorder", {})
        for case, checks in recorder.get("checks", {}).items():
            cases[recorder["label"]] += 1
            for check in checks:
                made[recorder["label"]][check["name"]] += 1
                if check["status"] == "failure":
                    failures[recorder["label"], check["name"]].append(shown(check, recorder["interactions"][case]))
    return made, cases, failures


def shown(check, interaction):
    failure = check["failure_info"]["failure"]
    request, response = interaction["request"], interaction["response"] or {}
    body = content(request.get("body") or request.get("content"))
    data = f" -d '{body}'" if body else ""
    got = f"{response.get('status_code')} {content(response.get('content'))[:300]}"
    return f"{failure['title']} {failure['message']} | curl -X {request['method']}{data} {request['uri']} | {got}"


def content(found):
    if isinstance(found, dict):
        return base64.b64decode(next(iter(found.values()))).decode(errors="replace")
    return found or ""


def check_operation(made, failures, label, name):
    assert made[label][name], "it was not made"
    found = failures.get((label, name), [])
    assert not found, f"{len(found)} of {made[label][name]}: {found[0]}"


def main():
    report = Report("fuzz")
    with Serve({"time": TIME, "everything": OFFLINE}) as house, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        servers = ["time", "everything"]
        documents_are_there(house, *(f"/{server}/openapi.json" for server in servers), key=TOKEN)
        expected = {server: {f"POST /{tool['name']}" for tool in tools(house.address, f"/{server}/mcp")} for server in servers}
        runs = pool.map(lambda server: run(house.address, server, folder), servers)
        for server, (events, code, printed) in zip(servers, runs):
            made, cases, failures = collect(events)
            report.check(f"{server}: every tool was tried", lambda: equal({label for label in cases if cases[label] >= FEWEST_CASES}, expected[server]))
            for label in sorted(expected[server]):
                names = sorted(REQUIRED | {name for name in made[label]})
                for name in names:
                    title = f"{server} {label}: {name} ({made[label][name]} times)"
                    report.check(title, lambda: check_operation(made, failures, label, name))

            def ended():
                # 1 is for failures; they have lines of their own.
                assert code == (1 if failures else 0), f"it ended with the code {code}: {printed[-1500:]}"
            report.check(f"{server}: the run came to its end, after {sum(cases.values())} requests", ended)
    report.end()


if __name__ == "__main__":
    main()
