"""The same archives and the same queries for libzim and for ours; answers must be equal.

Archives are made with libzim's own writer, of words of six languages at random (but always the same), so
that each language's stemmer, its accents and its script come by. Called by differential.sh, which installs
libzim and builds the program that answers for us. To look farther: DIFFERENTIAL_SEED makes other archives
and queries, DIFFERENTIAL_QUERIES says how many of each kind.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from libzim.reader import Archive
from libzim.search import Query, Searcher
from libzim.suggestion import SuggestionSearcher
from libzim.writer import Creator, Hint, Item, StringProvider

HERE = Path(__file__).parent
PROGRAM = sys.argv[1]
WORDS = json.loads((HERE / "words.json").read_text())
# What the creator is told the language is. A code of two letters is also what has a list of stop words.
CODES = {"eng": "en", "fra": "fra", "deu": "de", "rus": "rus", "ara": "ara", "jpn": "jpn"}
SEED = os.environ.get("DIFFERENTIAL_SEED", "portcullis")
ARTICLES, QUERIES, TOP = 400, int(os.environ.get("DIFFERENTIAL_QUERIES", "50")), 20
SIGNS = '+-("'
# Answers that may differ, and the reason. Xapian's parser refuses a word behind a run of a script without
# spaces that is itself behind a word, and libzim puts its anchor before every suggestion; it then only
# compares beginnings of titles.
EXCEPTIONS = [("suggest", re.compile("[\u3000-\u9fff\uff00-\uffef] ?[0-9a-z]", re.I))]
MOST_EXCEPTIONS = 8


class Page(Item):
    def __init__(self, path, title, html):
        super().__init__()
        self.path, self.title, self.html = path, title, html

    def get_path(self): return self.path
    def get_title(self): return self.title
    def get_mimetype(self): return "text/html"
    def get_contentprovider(self): return StringProvider(self.html)
    def get_hints(self): return {Hint.FRONT_ARTICLE: True}


def some(words, rnd, least, most):
    """Words by Zipf's law: the first ones often, the last ones seldom."""
    return [words[min(int(len(words) * rnd.random() ** 2), len(words) - 1)] for _ in range(rnd.randint(least, most))]


def make(path, language, words, rnd, name="page"):
    gap = "" if language == "jpn" else " "
    titles = []
    with Creator(path).config_indexing(True, CODES[language]).config_nbworkers(2) as creator:
        creator.set_mainpath(f"{name}/0")
        for number in range(ARTICLES):
            title = gap.join(some(words, rnd, 1, 5))
            if rnd.random() < 0.3:
                title = title.upper() if rnd.random() < 0.3 else title.capitalize()
            titles.append(title)
            paragraphs = "".join(f"<p>{gap.join(some(words, rnd, 5, 60))}{rnd.choice('.!?,;')}</p>" for _ in range(rnd.randint(1, 6)))
            html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{paragraphs}</body></html>"
            creator.add_item(Page(f"{name}/{number}", title, html))
        for number in range(ARTICLES // 10):
            title = gap.join(some(words, rnd, 1, 3))
            creator.add_redirection(f"other/{number}", title, f"{name}/{rnd.randrange(ARTICLES)}", {Hint.FRONT_ARTICLE: True})
        creator.add_metadata("Language", language)
        creator.add_metadata("Title", language)
    return titles


def full_text_queries(words, rnd):
    kinds = [
        lambda: rnd.choice(words),
        lambda: " ".join(rnd.sample(words, 2)),
        lambda: " ".join(some(words, rnd, 2, 4)),
        lambda: "".join(rnd.sample(words, 2)),
        lambda: rnd.choice("-./:@").join(rnd.sample(words, 2)),
        lambda: ", ".join(some(words, rnd, 2, 3)).upper(),
        lambda: f'"{" ".join(some(words, rnd, 2, 3))}" -{rnd.choice(words)}',
        lambda: rnd.choice(words) + rnd.choice(["", "s", "en", "es", "ing", "ами", "ات", "\u0301", "++", "'"]),
    ]
    return [rnd.choice(kinds)() for _ in range(QUERIES)]


def suggestion_queries(titles, words, rnd):
    def part(title):
        return title[: rnd.randint(1, max(1, len(title)))]

    kinds = [
        lambda: rnd.choice(titles)[:1],
        lambda: rnd.choice(titles)[:2],
        lambda: rnd.choice(titles)[:3],
        lambda: part(rnd.choice(titles)),
        lambda: part(rnd.choice(titles)),
        lambda: rnd.choice(titles),
        lambda: rnd.choice(words)[:4],
        lambda: " ".join(rnd.sample(words, 2)),
        lambda: f"{rnd.choice(words)} {rnd.choice(words)[:2]}",
        lambda: f"{rnd.choice(SIGNS)}{rnd.choice(words)} {rnd.choice(words)}",
        lambda: f"{rnd.choice(words)} {rnd.choice(SIGNS)}{rnd.choice(words)[:3]}",
        lambda: rnd.choice(words) + rnd.choice(" .-)!*"),
    ]
    return [rnd.choice(kinds)() for _ in range(QUERIES)]


def ours(path, what, queries=()):
    done = subprocess.run([PROGRAM, path, what], input=json.dumps(queries), capture_output=True, text=True, timeout=100)
    if done.returncode:
        sys.exit(f"our program failed: {done.stderr}")
    return json.loads(done.stdout)


def theirs(archive, searcher, suggester, query):
    try:
        if query["kind"] == "fulltext":
            return list(searcher.search(Query().set_query(query["q"])).getResults(0, TOP))
        return list(suggester.suggest(query["q"]).getResults(0, TOP))
    except RuntimeError as error:
        return [f"libzim failed: {error}"]


def entries(archive):
    found = {}
    for number in range(archive.all_entry_count):
        entry = archive._get_entry_by_id(number)
        if not entry.is_redirect:
            found[str(number)] = hashlib.md5(bytes(entry.get_item().content)).hexdigest()
    return found


def compare(language, folder):
    rnd = random.Random(f"{SEED} {language}")
    words = list(dict.fromkeys(WORDS[language].split()))
    path = str(folder / f"{language}.zim")
    titles = make(path, language, words, rnd)
    queries = [{"kind": "fulltext", "q": q, "top": TOP} for q in full_text_queries(words, rnd)]
    queries += [{"kind": "suggest", "q": q, "top": TOP} for q in suggestion_queries(titles, words, rnd)]
    archive = Archive(path)
    searcher, suggester = Searcher(archive), SuggestionSearcher(archive)
    failures, known, hits = [], [], 0
    for query, answer in zip(queries, ours(path, "once", queries)["answers"], strict=True):
        expected = theirs(archive, searcher, suggester, query)
        hits += len(expected)
        if answer.get("paths") == expected:
            continue
        failure = {"query": query, "ours": answer, "theirs": expected}
        is_known = any(query["kind"] == kind and pattern.search(query["q"]) for kind, pattern in EXCEPTIONS)
        (known if is_known else failures).append(failure)
    found, expected = ours(path, "entries")["entries"], entries(archive)
    if found != expected:
        different = [n for n in expected.keys() | found.keys() if found.get(n) != expected.get(n)]
        failures.append({"entries that differ": different[:20]})
    same = len(queries) - len(known) - sum("query" in failure for failure in failures)
    if known:
        print(f"{language}: known to differ: {[failure['query']['q'] for failure in known]}")
    if len(known) > MOST_EXCEPTIONS:
        failures += known
    print(f"{language}: {same} of {len(queries)} answers equal ({hits} results), {len(expected)} entries compared")
    return failures


def main():
    # libzim itself writes to standard output; it goes nowhere, what we say goes where it belongs.
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    failures = []
    only = sys.argv[2:] or WORDS
    with tempfile.TemporaryDirectory() as folder:
        for language in only:
            failures += compare(language, Path(folder))
    for failure in failures:
        print(json.dumps(failure, ensure_ascii=False))
    sys.exit(1 if failures else 0)


main()
