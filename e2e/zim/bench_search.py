"""Opening, full-text search and suggestions: ours beside libzim on the same archives, as a Markdown table.

bench_search.py PROGRAM ARCHIVE...   Called by ../../bench. Each list of 200 queries is gone through twice by each, and
the second time counts; the two take turns, and the better of three turns is shown, since other programs may
run beside them.
"""

import html
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from libzim.reader import Archive
from libzim.search import Query, Searcher
from libzim.suggestion import SuggestionSearcher

PROGRAM, ARCHIVES = sys.argv[1], sys.argv[2:]
QUERIES, TOP, TURNS = 200, 10, 3
STOP_WORDS = ["the", "of the", "to be or not to be", "in the house", "what is the", "how to", "and", "is a"]


def articles(archive, rnd, count):
    found = []
    while len(found) < count:
        entry = archive._get_entry_by_id(rnd.randrange(archive.all_entry_count))
        if entry.is_redirect or not entry.get_item().mimetype.startswith("text/html"):
            continue
        text = bytes(entry.get_item().content).decode("utf-8", "replace")
        text = html.unescape(re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]+>", " ", text))
        words = re.findall(r"[^\W\d_]{2,}", text)
        if len(words) > 8:
            found.append((entry.title, words))
    return found


def queries(archive, rnd):
    found = articles(archive, rnd, 300)
    title = lambda: rnd.choice(found)[0]

    def words(count):
        list_ = rnd.choice(found)[1]
        start = rnd.randrange(len(list_) - count)
        return " ".join(list_[start : start + count])

    full_text = [lambda: words(1), lambda: words(1), lambda: words(2), lambda: words(3), title, lambda: rnd.choice(STOP_WORDS)]
    suggest = [lambda: title()[:1], lambda: title()[:2], lambda: title()[:3], lambda: title()[:5], title, lambda: words(1)]
    return [{"kind": kind, "q": make[n % len(make)](), "top": TOP} for kind, make in (("fulltext", full_text), ("suggest", suggest)) for n in range(QUERIES)]


def timed(act):
    begun = time.perf_counter()
    try:
        act()
    except RuntimeError:
        pass
    return time.perf_counter() - begun


def libzim(path, asked):
    def opened():
        archive = Archive(path)
        return Searcher(archive), SuggestionSearcher(archive)

    times = {"open": [timed(opened) for _ in range(30)]}
    searcher, suggester = opened()
    for kind in ("fulltext", "suggest"):
        for _ in range(2):
            times[kind] = []
            for query in (query for query in asked if query["kind"] == kind):
                q = query["q"]
                if kind == "fulltext":
                    act = lambda: list(searcher.search(Query().set_query(q)).getResults(0, TOP))
                else:
                    act = lambda: list(suggester.suggest(q).getResults(0, TOP))
                times[kind].append(timed(act))
    return times


def ours(path, asked):
    done = subprocess.run([PROGRAM, path, "timings"], input=json.dumps(asked), capture_output=True, text=True, check=True)
    done = json.loads(done.stdout)
    times = {"open": done["opening"]}
    for kind in ("fulltext", "suggest"):
        times[kind] = [answer["seconds"] for query, answer in zip(asked, done["answers"]) if query["kind"] == kind]
    return times


def figures(times):
    times = sorted(time * 1000 for time in times)
    return sum(times) / len(times), times[len(times) // 2], times[int(len(times) * 0.95)]


def best(turns):
    return min(turns, key=lambda one: one[0])


def main():
    print("| archive | what | ours: mean | p50 | p95 ms | libzim: mean | p50 | p95 ms | ours / libzim: mean | p95 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    names = {"open": "open", "fulltext": f"full text, top {TOP}", "suggest": f"suggestions, top {TOP}"}
    for path in ARCHIVES:
        asked = queries(Archive(path), random.Random(7))
        turns = {"ours": [], "libzim": []}
        for _ in range(TURNS):
            turns["ours"].append(ours(path, asked))
            turns["libzim"].append(libzim(path, asked))
        for kind, name in names.items():
            a, b = (best([figures(turn[kind]) for turn in turns[who]]) for who in ("ours", "libzim"))
            cells = " | ".join(f"{figure:.3f}" for figure in a + b)
            print(f"| {Path(path).name} | {name} | {cells} | {a[0] / b[0]:.2f} | {a[2] / b[2]:.2f} |", flush=True)


main()
