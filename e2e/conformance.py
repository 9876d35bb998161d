"""The MCP conformance suite against every leg of the gateway; writes the table of what passed.

A leg is the revision of the strict runner in front and what stands behind: the fixture built in, as
a legacy stdio child, or as a modern stdio child.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from house import MODULES, NODE, ROOT, House, child

SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
REQUIRED = {LEGACY: 30, MODERN: 37}

# What no gateway can do, by leg and scenario, with the reason. An entry that passes is an error too.
IMPOSSIBLE = json.loads((Path(__file__).parent / "conformance-exceptions.json").read_text())

LEGS = [
    ("built in", "fixture", LEGACY),
    ("built in", "fixture", MODERN),
    ("legacy child", "legacy", LEGACY),
    ("modern child", "modern", MODERN),
    ("modern child", "modern", LEGACY),
    ("legacy child", "legacy", MODERN),
]


def required(revision):
    text = (SUITE.parent.parent / "requirements" / f"{revision}.yaml").read_text()
    section = re.search(r"^server:\n((?:  - .*\n)+)", text, re.M).group(1)
    return re.findall(r"- (\S+)", section)


def run(address, leg):
    _, server, revision = leg
    with tempfile.TemporaryDirectory() as out:
        command = [NODE, SUITE, "server", "--url", f"{address}/{server}/mcp", "--requirements", revision, "-o", out]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    summary = done.stdout.split("=== SUMMARY ===")[-1]
    results = dict(re.findall(r"^[✓✗] (\S+): .*?, (\d+) failed", summary, re.M))
    return {name: results.get(name) == "0" for name in required(revision)}, done.stdout


def main():
    # The suite asks many questions that it never answers, all as one principal.
    limits = {"per_principal": {"held": 64}}
    settings = {"limits": limits, "mcpServers": {"fixture": {"type": "fixture"}, "legacy": child("legacy"), "modern": child("modern")}}
    rows, wrong, notes = [], [], []
    with House(settings) as house:
        with ThreadPoolExecutor(2) as pool:
            for leg, (results, log) in zip(LEGS, pool.map(lambda leg: run(house.address, leg), LEGS)):
                behind, server, revision = leg
                excused = IMPOSSIBLE.get(f"{revision} before {server}", {})
                passed = sum(results.values())
                rows.append((revision, behind, passed, len(results)))
                if len(results) != REQUIRED[revision]:
                    wrong.append(f"{revision}: the suite has {len(results)} scenarios, not {REQUIRED[revision]}")
                for name, ok in results.items():
                    if ok and name in excused:
                        wrong.append(f"{revision} before the {behind}: {name} passes and is no exception any more")
                    if not ok and name not in excused:
                        wrong.append(f"{revision} before the {behind}: {name} fails")
                        tail = log.split(f"=== Running scenario: {name} ===")[-1][:3000]
                        print(f"--- {name} ({behind}, {revision})\n{tail}\n", file=sys.stderr)
                    if not ok and name in excused:
                        notes.append(f"- {revision} before the {behind}, `{name}`: {excused[name]}")
    table = ["| runner | behind the gateway | required scenarios passed |", "|---|---|---|"]
    table += [f"| {revision} | {behind} | {passed} of {total} |" for revision, behind, passed, total in rows]
    text = "\n".join(table + [""] + notes) + "\n"
    out = ROOT / "target" / "conformance.md"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text)
    print(text)
    passed = sum(passed for _, _, passed, _ in rows)
    for problem in wrong:
        print("conformance:", problem)
    print(f"{passed} passed, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
