"""`portcullis zim` beside openzim-mcp, over stdio and HTTP, in one run: the same questions by the same client, in turns.
Prints a table in Markdown, and of each target whether it is held.

    bench_peer.py PORTCULLIS OPENZIM_MCP ROUNDS [ARCHIVE...]

Runs in a Python that has libzim, which chooses the questions: words, titles and paths of the archive at random, others
in every round, so that no cache of answers decides. A figure is the median over the rounds of the median of a round; a
ratio is the median of the ratios of the rounds. Both servers have their limits on rates switched off and are otherwise
as they come."""
import concurrent.futures
import contextlib
import os
import pathlib
import random
import re
import shutil
import statistics
import sys
import tempfile
import time

from libzim.reader import Archive
from libzim.search import Query, Searcher

import bare

HERE = pathlib.Path(__file__).parent
TRANSPORTS = ["stdio", "HTTP"]
CLIENTS = 16
# What is held, and what must be: times openzim-mcp's speed.
TARGET, FLOOR = 30, 20
FIRST, MEMORY = 50, 60
NO_LIMITS = {"OPENZIM_MCP_RATE_LIMIT__ENABLED": "false"}


class Questions:
    """What is asked: the same for both, and never the same twice."""

    def __init__(self, file, chance):
        self.file = str(file)
        self.archive = Archive(str(file))
        self.searcher = Searcher(self.archive)
        self.chance = chance
        self.asked = set()

    def reading(self):
        """Milliseconds for the ten pages of a search alone, read by libzim in this process: no server that shows
        snippets can be quicker with one thread."""
        paths = list(self.searcher.search(Query().set_query(self.new(self.words))).getResults(0, 10))
        begun = time.perf_counter()
        for path in paths:
            bytes(self.archive.get_entry_by_path(path).get_item().content)
        return (time.perf_counter() - begun) * 1000

    def page(self):
        while True:
            entry = self.archive._get_entry_by_id(self.chance.randrange(self.archive.all_entry_count))
            if not entry.is_redirect and entry.get_item().mimetype.startswith("text/html"):
                return entry

    def new(self, make):
        for _ in range(10_000):
            made = make()
            if made and made not in self.asked:
                self.asked.add(made)
                return made
        raise RuntimeError("the archive is too small for so many questions")

    def words(self):
        """Two words that stand in one page, and together in ten at least."""
        text = re.sub(r"<(script|style).*?</\1>|<[^>]*>|&\w+;", " ", bytes(self.page().get_item().content).decode("utf-8", "replace"), flags=re.S)
        found = sorted({word.lower() for word in re.findall(r"[A-Za-z]{4,12}", text)})
        words = " ".join(self.chance.sample(found, 2)) if len(found) > 1 else None
        return words if words and self.matches(words) else None

    def matches(self, words):
        return self.searcher.search(Query().set_query(words)).getEstimatedMatches() >= 10

    def title(self):
        return re.sub(r"\s+", " ", self.page().title).strip() or None

    def search(self, **more):
        return "zim_search", {"query": self.new(self.words), "zim_file_path": self.file, "limit": 10, **more}

    def titled(self):
        return "zim_search", {"query": self.new(self.title), "zim_file_path": self.file, "mode": "title"}

    def suggest(self):
        def typed():
            title = self.title()
            return title[:self.chance.randint(4, 7)].strip() if title and len(title) > 4 else None
        return "zim_search", {"query": self.new(typed), "zim_file_path": self.file, "mode": "suggest"}

    def browse(self):
        offset = self.new(lambda: self.chance.randrange(max(self.archive.entry_count - 60, 1)))
        return "zim_browse", {"zim_file_path": self.file, "namespace": "C", "limit": 50, "offset": offset}

    def get(self):
        return "zim_get", {"zim_file_path": self.file, "entry_path": self.new(lambda: self.page().path)}

    def about(self):
        return "zim_query", {"query": f"tell me about {self.new(self.title)}", "zim_file_path": self.file}

    def seek(self):
        return "zim_query", {"query": f"search for {self.new(self.words)}", "zim_file_path": self.file}


# What is asked, and how often in a round.
STEPS = [
    ("search of 10 with snippets", lambda q, n: [q.search() for _ in range(n)], 3),
    ("the same search again", lambda q, n: [q.search()] * n, 4),
    ("by title", lambda q, n: [q.titled() for _ in range(n)], 8),
    ("suggest", lambda q, n: [q.suggest() for _ in range(n)], 8),
    ("browse of 50", lambda q, n: [q.browse() for _ in range(n)], 3),
    ("get a page", lambda q, n: [q.get() for _ in range(n)], 8),
    ("zim_query tell me about", lambda q, n: [q.about() for _ in range(n)], 4),
    ("zim_query search for", lambda q, n: [q.seek() for _ in range(n)], 2),
]
TOGETHER = f"search of 10, {CLIENTS} at once, per search"


class Side:
    """One of the two, over one transport."""

    def __init__(self, program, arguments, folder, transport, by_name):
        # Paths of the machine are for its owner: over HTTP ours knows archives by name alone.
        self.by_name = by_name
        self.command = [program, *arguments, "--mode", "advanced", "--transport", transport.lower()]
        self.folder = folder
        self.transport = transport
        self.server = None

    def call(self, number, question):
        tool, arguments = question
        if self.by_name:
            arguments = {**arguments, "zim_file_path": pathlib.Path(arguments["zim_file_path"]).name}
        return bare.call(number, tool, arguments)

    def start(self):
        """Starts it; gives its client."""
        if self.transport == "stdio":
            self.server = bare.Server([*self.command, self.folder], NO_LIMITS)
            self.client = bare.Stdio(self.server)
        else:
            self.port = bare.free_port()
            self.server = bare.Server([*self.command, "--port", str(self.port), self.folder], NO_LIMITS)
            bare.listening(self.port, self.server)
            self.client = bare.Http(self.port)
        return self.client

    def stop(self):
        self.client.close()
        self.server.close()

    def first_answer(self, question):
        """Milliseconds from the start of the process to what it found."""
        begun = time.perf_counter()
        client = self.start()
        answer = client.ask(self.call(1, question))
        took = (time.perf_counter() - begun) * 1000
        bare.checked(answer)
        self.stop()
        return took

    def times(self, questions):
        """Milliseconds of each."""
        prepared = [self.client.prepare(self.call(n + 1, question)) for n, question in enumerate(questions)]
        took = []
        for one in prepared:
            begun = time.perf_counter()
            answer = self.client.exchange(one)
            took.append((time.perf_counter() - begun) * 1000)
            bare.checked(answer)
        return took

    def together(self, questions):
        """Milliseconds for all, of which so many are always on their way, divided by their number."""
        if self.transport == "stdio":
            prepared = [self.client.prepare(self.call(n + 1, question)) for n, question in enumerate(questions)]
            begun = time.perf_counter()
            answers = []
            for place, one in enumerate(prepared):
                self.client.send(one)
                if place + 1 >= CLIENTS:
                    answers.append(self.client.receive())
            while len(answers) < len(prepared):
                answers.append(self.client.receive())
            took = time.perf_counter() - begun
        else:
            clients = [bare.Http(self.port) for _ in range(CLIENTS)]
            shares = [[client.prepare(self.call(n + 1, question)) for n, question in enumerate(questions) if n % CLIENTS == place]
                      for place, client in enumerate(clients)]
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                begun = time.perf_counter()
                got = list(pool.map(lambda pair: [pair[0].exchange(one) for one in pair[1]], zip(clients, shares)))
                took = time.perf_counter() - begun
            answers = [answer for some in got for answer in some]
            for client in clients:
                client.close()
        for answer in answers:
            bare.checked(answer)
        return took * 1000 / len(questions)


def one_round(sides, questions, results):
    """Each question to both, the first one in turns."""
    def note(name, figures):
        for side, figure in figures.items():
            results.setdefault(name, {}).setdefault(side, []).append(figure)

    for name, make, count in STEPS:
        asked = make(questions, count)
        note(name, {side: statistics.median(sides[side].times(asked)) for side in sides})


def measure(programs, file, transport, rounds):
    """Figures by row and side, one for each round."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-zim-") as folder:
        # Alone in a folder, so that neither has more to look at.
        alone = pathlib.Path(folder) / file.name
        try:
            os.link(file, alone)
        except OSError:
            shutil.copy(file, alone)
        questions = Questions(alone, random.Random(f"{file.name} {transport}"))
        sides = {name: Side(program, arguments, folder, transport, name == "Portcullis") for name, (program, arguments) in programs.items()}
        for number in range(rounds):
            order = list(sides)[::1 if number % 2 == 0 else -1]
            question = questions.search()
            for side in order:
                results.setdefault("start to the first search", {}).setdefault(side, []).append(sides[side].first_answer(question))
        with contextlib.ExitStack() as stack:
            for side in sides.values():
                side.start()
                stack.callback(side.stop)
                # What is done once is done: its own cost stands in the row above.
                side.times([questions.search()])
            for number in range(rounds):
                order = list(sides)[::1 if number % 2 == 0 else -1]
                one_round({name: sides[name] for name in order}, questions, results)
            bound = statistics.median(questions.reading() for _ in range(15))
            # Once: it takes openzim-mcp minutes.
            asked = [questions.search() for _ in range(CLIENTS)]
            results[TOGETHER] = {name: [side.together(asked)] for name, side in sides.items()}
            # Allocators give back what is free when they come to it.
            time.sleep(1)
            for name, side in sides.items():
                results.setdefault("MiB of its own, a second after all this", {})[name] = [side.server.anonymous()]
    return results, bound


def shared():
    cache = pathlib.Path(os.environ.get("PORTCULLIS_CACHE", pathlib.Path.home() / ".cache" / "portcullis"))
    data = pathlib.Path(os.environ.get("PORTCULLIS_SHARED", HERE.parents[2] / "shared")) / "data" / "zim"
    places = [data / "docs.zim", data / "big.zim", cache / "zim" / "big.zim"]
    found = {place.name: place for place in reversed(places) if place.exists()}
    return [found[name] for name in ("docs.zim", "big.zim") if name in found]


def main():
    ours, theirs, rounds, *files = sys.argv[1:]
    programs = {"openzim-mcp": (theirs, []), "Portcullis": (ours, ["zim"])}
    files = [pathlib.Path(file) for file in files] or shared()
    if not files:
        sys.exit("there are no archives: name some, or put docs.zim into ../shared/data/zim")
    print("| archive, transport | ms | openzim-mcp 3.4.0 | Portcullis | times |\n|---|---|---|---|---|")
    verdicts = []
    for file in files:
        for transport in TRANSPORTS:
            results, bound = measure(programs, file, transport, int(rounds))
            where = f"{file.name}, {transport}"
            verdicts.append(f"- {where}: the ten pages of a search alone, read by libzim in one process: {bound:.1f} ms")
            for row, figures in results.items():
                a, b = figures["openzim-mcp"], figures["Portcullis"]
                ratio = statistics.median(x / y for x, y in zip(a, b))
                a, b = statistics.median(a), statistics.median(b)
                print(f"| {where} | {row} | {a:,.1f} | {b:,.1f} | {ratio:.1f} |", flush=True)
                if row in ("search of 10 with snippets", "browse of 50"):
                    held = "the target is held" if ratio >= TARGET else "the floor is held" if ratio >= FLOOR else "MISSED"
                    verdicts.append(f"- {where}, {row}: {ratio:.0f} times openzim-mcp's speed (target {TARGET}, floor {FLOOR}): {held}")
                limit = {"start to the first search": FIRST, "MiB of its own, a second after all this": MEMORY}.get(row)
                if limit:
                    verdicts.append(f"- {where}, {row}: {b:.0f} (at most {limit}): {'held' if b <= limit else 'MISSED'}")
    print("\n" + "\n".join(verdicts))


if __name__ == "__main__":
    main()
