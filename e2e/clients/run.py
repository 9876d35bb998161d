"""Everybody else's clients against one gateway; writes the table of what passed.

Each script has a gateway of its own, so that what one changes is not seen by another as its own
doing; two run at a time.
"""

import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import NODE, SEPARATOR, environment, gateway
from house import ROOT

HERE = Path(__file__).parent
SCRIPTS = ["python1.py", "python2.py", "typescript1.mjs", "typescript2.mjs", "inspector.py"]
FRONTS = ["/mcp", "/<server>/mcp", "/<server>/sse", "stdio"]
# For one script. They take a minute; those that hang are a failure of their own.
SECONDS = 900


# What is known to fail, by a pattern of its line, with the reason. An entry that fits nothing is an
# error too, unless it says `sometimes`. What happens only sometimes says how often at most, so that
# a thing that never works any more is no known gap.
KNOWN = json.loads((HERE / "known-gaps.json").read_text())


def unexpected(failures):
    """The failures that nobody knows of, and the known ones that are none any more."""
    fits = [[f for f in failures if re.search(gap["check"], f)] for gap in KNOWN]
    known = {f for gap, found in zip(KNOWN, fits) if len(found) <= gap.get("most", len(found)) for f in found}
    stale = [f"FAIL known-gaps.json: {gap['check']!r} fits nothing any more" for gap, found in zip(KNOWN, fits) if not found and not gap.get("sometimes")]
    return [f for f in failures if f not in known] + stale, len(known)


def run(script):
    with gateway() as where:
        return run_at(script, environment(*where))


def run_at(script, env):
    command = [str(NODE) if script.endswith(".mjs") else sys.executable, str(HERE / script)]
    start = time.monotonic()
    try:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
        out, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        out, code = (late.stdout or b"").decode(), "none: it did not end"
    return out.splitlines(), code, time.monotonic() - start


def main():
    cells = defaultdict(lambda: [0, 0])
    passed, failures, took = 0, [], []
    with ThreadPoolExecutor(2) as pool:
        for script, (lines, code, seconds) in zip(SCRIPTS, pool.map(run, SCRIPTS)):
            checks = [line for line in lines if line.startswith(("ok   ", "FAIL "))]
            for line in checks:
                client, front, era, *_ = line[5:].split(SEPARATOR)
                cells[client, era, front][0] += line.startswith("ok")
                cells[client, era, front][1] += 1
            failed = [line for line in checks if line.startswith("FAIL")]
            passed += len(checks) - len(failed)
            failures += failed
            # A script that broke off must not look like one that passed.
            if not lines or not lines[-1].endswith(f"{len(failed)} failed") or (code == 0) != (not failed):
                failures.append(f"FAIL {script} ended with the code {code} after {len(checks)} checks")
            took.append(f"{script} {seconds:.0f} s")
            print(f"{script}: {len(checks) - len(failed)} of {len(checks)} in {seconds:.0f} s", flush=True)
    table = [f"| client | revision | {' | '.join(f'`{f}`' for f in FRONTS)} |", "|---|---|" + "---|" * len(FRONTS)]
    for client, era in dict.fromkeys((client, era) for client, era, _ in cells):
        shown = [cells.get((client, era, front)) for front in FRONTS]
        table.append(f"| {client} | {era} | " + " | ".join(f"{ok} of {all}" if all else "–" for ok, all in (c or (0, 0) for c in shown)) + " |")
    text = "\n".join(table) + "\n"
    out = ROOT / "target" / "clients.md"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text)
    failures, known = unexpected(failures)
    gaps = [f"- {gap['because']}" for gap in KNOWN]
    print("\n".join(["", text, *failures, ", ".join(took), f"{known} checks fail for known reasons:", *gaps, f"{passed} passed, {len(failures)} failed"]))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
