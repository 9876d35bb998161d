"""Full-text indexes that we make for archives which bring none along, beside those that libzim's writer makes: twins of
one content in six languages, one with an index and one without; the same searches find the same pages. Then the process
ends and another one begins: indexes and pages that were read are still there.

    cargo build -p portcullis && "$(e2e/zim/libzim.sh)" e2e/zim/side_index.py"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from house import PORTCULLIS  # noqa: E402

from archives import LANGUAGES, Page  # noqa: E402
from libzim.reader import Archive  # noqa: E402
from libzim.search import Query, Searcher  # noqa: E402
from libzim.writer import Creator  # noqa: E402
from line_client import Client  # noqa: E402

PAGES = 300
QUERIES = 50


def words(language):
    """Words of a language in several forms, so that stemmers have something to do; Japanese has none between spaces."""
    own = [word.strip(",.") for word in LANGUAGES[language].split()]
    more = {
        "eng": "running runs connected connection connections flies flying happily mills adding weather's",
        "fra": "maisons maison continuer continuation chevaux cheval écoles école nationale nationales",
        "deu": "Häuser Haus Kinder Kindern laufen läuft aufgaben Aufgabe Straßen Straße",
        "rus": "книга книги книгами дом дома домов красивый красивая читать читает",
        "ara": "كتاب كتب مكتبة المكتبة مدرسة مدارس الولد الأولاد",
        "jpn": "東京 京都 大阪 日本語 図書館",
    }[language]
    return own + more.split()


def pages(language):
    """Paths and words of pages, the same ones each time."""
    all_words = words(language)
    for n in range(PAGES):
        count = 2 + n % 9
        yield f"page/{n:03}", [all_words[(n * n * 3 + k * (n % 7 + 1)) % len(all_words)] for k in range(count)]


def make(file, language, indexed):
    with Creator(file).config_indexing(indexed, language) as creator:
        creator.add_metadata("Language", language)
        creator.add_metadata("Title", language)
        for path, chosen in pages(language):
            text = f"<html><body><h1>{chosen[0]}</h1><p>{' '.join(chosen)}</p></body></html>"
            creator.add_item(Page(path, f"{chosen[0]} {chosen[1]}", text))


def queries(language):
    all_words = words(language)
    for n in range(QUERIES):
        yield " ".join(all_words[(n * 5 + k * 11) % len(all_words)] for k in range(1 + n % 3))


def by_libzim(file, query):
    search = Searcher(Archive(file)).search(Query().set_query(query))
    return set(search.getResults(0, PAGES))


def by_us(client, file, query):
    told = client.tool("zim_search", query=query, zim_file_path=file.name, limit=PAGES)
    assert told["_meta"]["text_index"] == "side", told["_meta"]
    rows = told["results"]
    paths = {row["path"] for row in rows}
    scores = [row["score"] for row in rows]
    assert told["total"] == len(rows) == len(paths) and scores == sorted(scores, reverse=True), (query, told["total"])
    return paths


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        served, twins, cache = folder / "served", folder / "twins", folder / "cache"
        served.mkdir()
        twins.mkdir()
        for language in LANGUAGES:
            make(served / f"{language}.zim", language, indexed=False)
            make(twins / f"{language}.zim", language, indexed=True)
        build = [str(PORTCULLIS), "zim", "build-index", "--quiet", "--cache-folder", str(cache)]
        built = subprocess.run([*build, str(served)], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert built.count(f": {PAGES} pages, ") == len(LANGUAGES), built
        again = subprocess.run([*build, str(served), str(twins)], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert again.count("it has an index already") == len(LANGUAGES), again
        assert again.count("it brings an index of its text along") == len(LANGUAGES), again
        serve = [str(PORTCULLIS), "zim", "--mode", "advanced", str(served)]
        kept = {"OPENZIM_MCP_CACHE__PERSISTENCE_ENABLED": "true", "OPENZIM_MCP_CACHE__PERSISTENCE_PATH": str(cache)}
        client = Client(serve, **kept)
        compared, found = 0, 0
        for language in LANGUAGES:
            file = served / f"{language}.zim"
            for query in queries(language):
                theirs, ours = by_libzim(twins / file.name, query), by_us(client, file, query)
                # libzim finds runs of Japanese by their pairs, wherever those are; we find them as they stand.
                same = ours <= theirs if language == "jpn" else ours == theirs
                assert same, f"{language} {query!r}: only libzim {sorted(theirs - ours)[:5]}, only we {sorted(ours - theirs)[:5]}"
                compared, found = compared + 1, found + len(ours)
        before = client.tool("zim_get", zim_file_path="eng.zim", entry_path="page/007")
        client.close()

        client = Client(serve, **kept)
        after = client.tool("zim_get", zim_file_path="eng.zim", entry_path="page/007")
        assert after["content"] == before["content"]
        performance = client.tool("zim_health")["health"]["cache_performance"]
        assert performance["persistence_enabled"] and performance["hits"] > 0, performance
        assert performance["misses"] == 0, performance
        assert by_us(client, served / "eng.zim", "fox")
        client.close()
        print(f"side indexes: {compared} searches of {len(LANGUAGES)} languages find what libzim's own indexes find, {found} pages in all; kept over a restart")


main()
