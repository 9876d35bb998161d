"""Opening and reading: the crate `zim` beside python libzim, each a process of its own, in turns, on the same
archives and paths. Prints a table in Markdown.  usage: bench.py ZIMTIME ROUNDS [ARCHIVE...]
Without an archive: docs.zim and, if it was built, big.zim of ../shared (PORTCULLIS_SHARED); without that, one that is
made by archives.py.

A figure is the median over the rounds of the mean (or 95th percentile) of one round."""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from libzim.reader import Archive

from archives import make
from libzim_times import drop_pages

HERE = pathlib.Path(__file__).parent
SIDES = ["python libzim", "zim, positioned reads", "zim, memory map"]


def some_paths(file, count=2000):
    """Paths of HTML pages at random, the same ones each time."""
    archive, chance, paths = Archive(file), random.Random(7), []
    for _ in range(count * 50):
        entry = archive._get_entry_by_id(chance.randrange(archive.all_entry_count))
        if len(paths) < count and not entry.is_redirect and entry.get_item().mimetype.startswith("text/html"):
            paths.append(entry.path)
    return paths


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(side, how, zimtime, file, paths):
    if side == SIDES[0]:
        return run([sys.executable, HERE / "libzim_times.py", how, file, paths])
    if how == "cold":
        drop_pages(file)
    return run([zimtime, "read" if side == SIDES[1] else "map", how, file, paths])


def mean(times):
    return statistics.fmean(times)


def p95(times):
    return sorted(times)[int(len(times) * 0.95)]


def shared():
    folder = pathlib.Path(os.environ.get("PORTCULLIS_SHARED", HERE.parents[2] / "shared")) / "data" / "zim"
    return [file for name in ("docs.zim", "big.zim") if (file := folder / name).exists()]


ROWS = [
    ("open, warm, mean", "warm", "open", mean),
    ("open, page cache dropped", "cold", "open", mean),
    ("300 random reads, page cache dropped, mean", "cold", "random", mean),
    ("300 random reads, page cache dropped, p95", "cold", "random", p95),
    ("2,000 paths looked up, warm, mean", "warm", "lookup", mean),
    ("2,000 random reads, warm, mean", "warm", "random", mean),
    ("2,000 random reads, warm, p95", "warm", "random", p95),
    ("the same 2,000 again, mean", "warm", "again", mean),
    ("the same 2,000 again, p95", "warm", "again", p95),
    ("one page 500 times, mean", "warm", "repeated", mean),
]


def table(zimtime, rounds, file):
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as paths:
        paths.write("\n".join(some_paths(file)))
        paths.flush()
        results = {side: {"warm": [], "cold": []} for side in SIDES}
        for number in range(rounds):
            for side in SIDES[number % 3:] + SIDES[:number % 3]:
                for how in ("cold", "warm"):
                    results[side][how].append(measure(side, how, zimtime, file, paths.name))
    assert len({r["bytes"] for side in SIDES for r in results[side]["warm"]}) == 1, "not the same was read"
    print(f"\n**{pathlib.Path(file).name}** ({pathlib.Path(file).stat().st_size:,} bytes, {rounds} rounds)\n")
    print("| microseconds | " + " | ".join(SIDES) + " | of libzim's |\n|---|---|---|---|---|")
    missed = []
    for name, how, step, figure in ROWS:
        values = [statistics.median(figure(r[step]) for r in results[side][how]) / 1e3 for side in SIDES]
        ratio = values[1] / values[0]
        print(f"| {name} | " + " | ".join(f"{v:,.1f}" for v in values) + f" | {ratio:.2f} |")
        if how == "warm" and ratio > 1:
            missed.append(f"{name}: {ratio:.2f}")
    memory = [statistics.median(r["resident"] for r in results[side]["warm"]) / 1024 for side in SIDES]
    print("| MiB of its own at the end | " + " | ".join(f"{m:.0f}" for m in memory) + f" | {memory[1] / memory[0]:.2f} |")
    return missed


def main():
    zimtime, rounds, *files = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        files = files or shared() or [make(folder)[2]]
        missed = [f"{pathlib.Path(file).name}, {what}" for file in files for what in table(zimtime, int(rounds), file)]
    print("\nat or below libzim, warm: " + ("held" if not missed else "MISSED: " + "; ".join(missed)))


if __name__ == "__main__":
    main()
