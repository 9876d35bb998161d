"""Link graphs that openzim-mcp made are read by us, and ours by it: zim_links, direction inbound, of every page of an
archive of our own, compared with the links that were written into it.  usage: linkgraph.py OPENZIM_MCP"""
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from house import PORTCULLIS  # noqa: E402

from archives import Page  # noqa: E402
from libzim.writer import Creator, Hint  # noqa: E402
from line_client import Client  # noqa: E402

NAMES = ["Berlin", "El_Niño", "東京", "a/b/Deep page", "a/Side", "C++", "100%", "What?", "Ampersand & Sons"]
NAMES += [f"plain/{n:02}" for n in range(40)]


def links():
    """From each page to some others, the same ones each time, and the text of each link."""
    chosen = {}
    for n, source in enumerate(NAMES):
        picked = [NAMES[(n * 5 + k * 7) % len(NAMES)] for k in range(1 + n % 5)]
        chosen[source] = [name for name in dict.fromkeys(picked) if name != source]
    return chosen


def relative(source, target):
    """As it stands in a page: from the folder of the page, percent-encoded."""
    up = "../" * source.count("/")
    return up + urllib.parse.quote(target)


def make(file):
    with Creator(file).config_indexing(False, "eng") as creator:
        creator.add_metadata("Title", "Links")
        creator.add_metadata("Language", "eng")
        for source, targets in links().items():
            anchors = "".join(f'<p><a href="{relative(source, t)}">to {t.replace("&", "&amp;")}</a></p>' for t in targets)
            # The same again, with a place in the page, and one by its other name: each page counts once.
            again = "".join(f'<a href="{relative(source, t)}#top">again</a>' for t in targets[:1])
            text = f'<h1>{source.replace("&", "&amp;")}</h1>{anchors}{again}<a href="https://e.org/">out</a><a href="#top">up</a>'
            creator.add_item(Page(source, source, text))
        creator.add_redirection("Alias", "Alias", "Berlin", {Hint.FRONT_ARTICLE: True})
        creator.add_item(Page("By_alias", "By alias", '<a href="Alias">to Berlin</a>'))


def expected():
    inbound = {name: set() for name in [*NAMES, "By_alias"]}
    for source, targets in links().items():
        for target in targets:
            inbound[target].add(source)
    inbound["Berlin"].add("By_alias")
    return inbound


def inbound(client, file, path):
    paths, more = [], {}
    while True:
        told = client.tool("zim_links", zim_file_path=str(file), entry_path=path, direction="inbound", limit=20, **more)
        if told.get("error"):
            return told
        paths += [row["path"] for row in told["results"]]
        if not told.get("next_cursor"):
            return paths
        more = {"cursor": told["next_cursor"]}


def plain(path):
    """openzim-mcp names some pages with their namespace."""
    return path.removeprefix("C/")


def check(reader, file, maker):
    client = Client([*reader, "--mode", "advanced", str(file.parent)])
    compared = 0
    try:
        for path, sources in expected().items():
            found = inbound(client, file, path)
            assert isinstance(found, list), f"{reader[0]} on a graph of {maker}: {path}: {found}"
            assert len(found) == len(set(found)), f"{reader[0]} on a graph of {maker}: {path}: twice in {found}"
            found = {plain(source) for source in found}
            assert found == sources, f"{reader[0]} on a graph of {maker}: {path}: {found ^ sources} differ"
            compared += len(sources)
    finally:
        client.close()
    return compared


def main():
    peer = sys.argv[1]
    ours = [str(PORTCULLIS), "zim"]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder).resolve() / "links.zim"
        make(file)
        sidecar = pathlib.Path(f"{file}.linkgraph.sqlite")
        client = Client([*ours, "--mode", "advanced", str(file.parent)])
        without = inbound(client, file, "Berlin")
        client.close()
        assert without["operation"] == "inbound_sidecar_unavailable", without
        subprocess.run([peer, "build", "link-graph", "--quiet", str(file)], check=True, stdout=subprocess.DEVNULL)
        theirs = check(ours, file, "openzim-mcp")
        sidecar.unlink()
        subprocess.run([*ours, "build-link-graph", "--quiet", str(file)], check=True, stdout=subprocess.DEVNULL)
        check(ours, file, "ours")
        back = check([peer], file, "ours")
        print(f"link graphs: {len(expected())} pages, {theirs} links of a graph of openzim-mcp read by us, {back} of ours read by it")


main()
