#!/usr/bin/env python3
"""The Python SDK 2.x against `portcullis zim`: every tool, mode and view, prompts, resources, completions and a
subscription, over stdio and HTTP, in both eras.

    cargo build -p portcullis && e2e/setup.sh && python3 e2e/zim/sdk.py

Archives: the sample archive of the crate `server-zim`, which has indexes, twice. With docs.zim beside the repository
(`PORTCULLIS_SHARED`, or ../shared) it is asked as well. Needs less than a minute.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from house import CACHE, PORTCULLIS, ROOT  # noqa: E402

PYTHON = CACHE / "py2" / "bin" / "python"
if Path(sys.prefix) != PYTHON.parent.parent:
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

import asyncio  # noqa: E402
import base64  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402

import mcp_types as types  # noqa: E402
from mcp import Client, MCPError  # noqa: E402
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

warnings.simplefilter("ignore")
SAMPLE = ROOT / "crates" / "server-zim" / "demo" / "portcullis.zim"
SHARED = Path(os.environ.get("PORTCULLIS_SHARED", ROOT.parent / "shared"))
DOCS = SHARED / "data" / "zim" / "docs.zim"
TOOLS = ["zim_query", "zim_search", "zim_get", "zim_get_section", "zim_browse", "zim_metadata", "zim_links", "zim_health"]
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise AssertionError(what)


class Peer:
    def __init__(self, client, changes):
        self.client = client
        self.changes = changes

    async def raw(self, name, **arguments):
        result = await self.client.call_tool(name, arguments)
        return result, result.content[0].text

    async def tool(self, name, **arguments):
        """The structured result, which the text repeats."""
        result, text = await self.raw(name, **arguments)
        check(not result.is_error, f"{name} {arguments}: {text}")
        told = json.loads(text)
        check(told == result.structured_content, f"{name} {arguments}: the text is not the structured result")
        meta = told["_meta"]
        check(meta["chars"] > 0 and isinstance(meta["truncated"], bool) and meta["tokens_est"] > 0, f"{name}: {meta}")
        return told

    async def fault(self, name, code, **arguments):
        result, text = await self.raw(name, **arguments)
        fault = json.loads(text)
        check(result.is_error and fault["error"] is True and fault["operation"] == code, f"{name} {arguments}: {text}")

    async def ask(self, query, intent, **arguments):
        result, text = await self.raw("zim_query", query=query, **arguments)
        check(not result.is_error and f"<!-- intent={intent} cert=" in text, f"{query}: {text}")
        return text


async def tools(peer):
    listed = (await peer.client.list_tools()).tools
    check([tool.name for tool in listed] == TOOLS, [tool.name for tool in listed])
    for tool in listed:
        check(tool.annotations.read_only_hint and tool.annotations.open_world_hint is False, tool.name)
        check((tool.output_schema is None) == (tool.name == "zim_query"), tool.name)


async def search(peer, z):
    found = await peer.tool("zim_search", query="gate", zim_file_path=z, limit=2)
    check(found["total"] >= 2 and len(found["results"]) == 2 and found["results"][0]["score"] > 0, found)
    more = await peer.tool("zim_search", query="gate", zim_file_path=z, cursor=found["next_cursor"])
    check(more["page_info"]["offset"] == 2, more)
    paths = [row["path"] for row in found["results"] + more["results"]]
    check(len(paths) == len(set(paths)), paths)
    for row in found["results"]:
        await peer.tool("zim_get", zim_file_path=z, entry_path=row["path"])
    for mode, arguments in [("cross_file", {}), ("fulltext", {"cross_file": True})]:
        across = await peer.tool("zim_search", query="gate", mode=mode, **arguments)
        check(across["files_with_hits"] >= 2 and across["results"][0]["zim_file"], across)
    filtered = await peer.tool("zim_search", query="gate", mode="filtered", zim_file_path=z, namespace="C", content_type="text/html")
    check(filtered["results"][0]["content_type"].startswith("text/html"), filtered)
    title = (await peer.tool("zim_search", query=found["results"][0]["title"], mode="title", zim_file_path=z))["results"][0]
    check(title["score"] == 1.0 and title["match_type"] == "direct", title)
    suggested = await peer.tool("zim_search", query=title["title"][:4], mode="suggest", zim_file_path=z)
    check(any(row["path"] == title["path"] for row in suggested["results"]), suggested)
    nothing = await peer.tool("zim_search", query="zzqqxx", zim_file_path=z)
    check(nothing["_meta"]["reason"] == "0_hits" and nothing["done"], nothing)
    await peer.fault("zim_search", "invalid_combination", query="x", cross_file=True, zim_file_path=z)
    await peer.fault("zim_search", "unknown_argument", query="x", limitt=1)
    await peer.fault("zim_search", "cursor_decode", query="x", zim_file_path=z, cursor="nonsense")


async def get(peer, z):
    main = await peer.tool("zim_get", zim_file_path=z, main_page=True)
    path = main["path"]
    whole = (await peer.tool("zim_get", zim_file_path=z, entry_path=path))["content"]
    pieces, arguments = "", {"entry_path": path, "max_content_length": 173}
    while True:
        page = await peer.tool("zim_get", zim_file_path=z, **arguments)
        pieces += page["content"]
        offset = page["_meta"].get("more_at_offset")
        if offset is None:
            break
        check(offset == len(pieces), (offset, len(pieces)))
        # By cursor and by offset in turn.
        arguments = {"cursor": page["next_cursor"]} if offset % 2 else {"entry_path": path, "max_content_length": 173, "content_offset": offset}
    check(pieces == whole, "pages put together are not the entry")
    toc = await peer.tool("zim_get", zim_file_path=z, entry_path="ARCHITECTURE.html", view="toc")
    check(toc["heading_count"] > 2 and toc["toc"], toc)
    structure = await peer.tool("zim_get", zim_file_path=z, entry_path="ARCHITECTURE.html", view="structure")
    check(len(structure["headings"]) == toc["heading_count"], structure)
    summary = await peer.tool("zim_get", zim_file_path=z, entry_path="ARCHITECTURE.html", view="summary")
    check(0 < summary["word_count"] <= 210, summary)
    for heading in structure["headings"][1:4]:
        section = await peer.tool("zim_get_section", zim_file_path=z, entry_path="ARCHITECTURE.html", section_id=heading["id"])
        check(section["section_title"] == heading["text"], section)
    narrow = await peer.tool("zim_get_section", zim_file_path=z, entry_path="ARCHITECTURE.html", section_id="2", include_subsections=False, compact=False, max_chars=50)
    check(narrow["char_count"] <= 50, narrow)
    await peer.fault("zim_get_section", "section_not_found", zim_file_path=z, entry_path="ARCHITECTURE.html", section_id="zzqq")
    batch = await peer.tool("zim_get", zim_file_path=z, entry_paths=[path, "no/such/entry"])
    check((batch["succeeded"], batch["failed"]) == (1, 1), batch)
    binary = await peer.tool("zim_get", zim_file_path=z, entry_path="style.css", binary=True)
    check(len(base64.b64decode(binary["data"])) == binary["size"], binary)
    compact = await peer.tool("zim_get", zim_file_path=z, entry_path="ARCHITECTURE.html", compact=True, compact_budget="tiny")
    check(len(compact["content"]) <= 2000, compact)
    title = (await peer.tool("zim_get", zim_file_path=z, entry_path=toc["title"].upper()))
    check(title["path"] == "ARCHITECTURE.html" and title["matched_by"] in ("title", "case"), title)
    await peer.fault("zim_get", "entry_not_found", zim_file_path=z, entry_path="no/such/entry")
    await peer.fault("zim_get", "invalid_path_combination", zim_file_path=z)
    await peer.fault("zim_get", "file_not_found", zim_file_path="/etc/passwd", main_page=True)


async def around(peer, z):
    seen, arguments = [], {"namespace": "C", "limit": 3, "include_assets": True}
    while arguments:
        page = await peer.tool("zim_browse", zim_file_path=z, **arguments)
        seen += [row["path"] for row in page["results"]]
        arguments = {"namespace": "C", "cursor": page["next_cursor"]} if page["next_cursor"] else None
    check(len(seen) == len(set(seen)) == page["total"], seen)
    walk = await peer.tool("zim_browse", zim_file_path=z, namespace="metadata", mode="walk")
    check(all(row["path"].startswith("M/") for row in walk["results"]), walk)
    await peer.tool("zim_browse", zim_file_path=z, namespace="W", mode="list")
    about = await peer.tool("zim_metadata", zim_file_path=z)
    check(about["index_capabilities"] == {"has_fulltext_index": True, "has_title_index": True, "text_index": "xapian"}, about)
    listed = await peer.tool("zim_metadata", name_filter="two", limit=1)
    check(listed["total"] == 1, listed)
    out = await peer.tool("zim_links", zim_file_path=z, entry_path="index.html")
    check(out["category_totals"]["internal"] == out["total"] > 0, out)
    for row in out["results"]:
        await peer.tool("zim_get", zim_file_path=z, entry_path=row["path"], view="summary")
    for kind in ("external", "media"):
        await peer.tool("zim_links", zim_file_path=z, entry_path="index.html", kind=kind, direction="outgoing")
    related = await peer.tool("zim_links", zim_file_path=z, entry_path="index.html", direction="related")
    check(related["results"][0]["mention_count"] >= 1, related)
    inbound = await peer.tool("zim_links", zim_file_path=z, entry_path=related["results"][0]["path"], direction="inbound")
    check(any(row["path"] == "index.html" for row in inbound["results"]), inbound)
    await peer.fault("zim_links", "inbound_sidecar_unavailable", zim_file_path="two", entry_path="index.html", direction="inbound")
    health = await peer.tool("zim_health")
    check(health["health"]["status"] == "healthy" and "hits" in health["health"]["cache_performance"], health)
    whole = await peer.tool("zim_health", zim_file_path=z)
    check(whole["is_valid"] is True and whole["has_link_graph"] is True, whole)


async def query(peer, z):
    for question, intent in [
        ("list available ZIM files", "list_files"), (f"metadata for {z}", "metadata"), ("show main page", "main_page"),
        ("list namespaces", "list_namespaces"), ("browse namespace C", "browse"), ("walk namespace M", "walk_namespace"),
        ("section 2 of ARCHITECTURE.html", "get_section"), ("structure of ARCHITECTURE.html", "structure"),
        ("toc ARCHITECTURE.html", "toc"), ("summary of ARCHITECTURE.html", "summary"), ("links in index.html", "links"),
        ("get binary content from \"style.css\"", "binary"), ("suggestions for arch", "suggestions"),
        ("search gate in namespace C", "filtered_search"), ("fetch entries \"index.html\" \"style.css\"", "get_zim_entries"),
        ("get article ARCHITECTURE.html", "get_article"), ("search all files for gate", "search_all"),
        ("find article titled Architecture", "find_by_title"), ("articles related to index.html", "related"),
        ("what links to index.html", "inbound_links"), ("search for gate", "search"), ("tell me about architecture", "tell_me_about"),
        ("test this tool", "meta_only_guidance"), ("show main page then list namespaces", "chained_intent_rejected"),
        ("tell me about apples, oranges and pears", "multi_entity_chain_rejected"),
    ]:
        await peer.ask(question, intent, zim_file_path=z)
    text = await peer.ask("get article ARCHITECTURE.html", "get_article", zim_file_path=z, compact_budget="tiny")
    check("Response truncated at" in text and text.count("</retrieved_archive_content>") == 1, text)
    result, text = await peer.raw("zim_query", query="gate policy", zim_file_path=z, synthesize=True, compact=False)
    answer = json.loads(text)
    check(answer["citations"] and len(answer["passages"]) == len(answer["citations"]), answer)
    await peer.fault("zim_query", "query_required", query=" ")
    await peer.fault("zim_query", "zim_path_not_found", query="show main page", zim_file_path="none.zim")


async def rest(peer, z):
    prompts = (await peer.client.list_prompts()).prompts
    check([prompt.name for prompt in prompts] == ["research", "summarize", "explore"], prompts)
    for name, arguments in [("research", {"topic": "gates"}), ("summarize", {"zim_file_path": z, "entry_path": "index.html"}), ("explore", {"zim_file_path": z})]:
        text = (await peer.client.get_prompt(name, arguments)).messages[0].content.text
        check(all(value in text for value in arguments.values()) and "zim_" in text, text)
    resources = (await peer.client.list_resources()).resources
    check([str(resource.uri) for resource in resources] == ["zim://files"], resources)
    templates = (await peer.client.list_resource_templates()).resource_templates
    check([template.uri_template for template in templates] == ["zim://{name}", "zim://{name}/entry/{path}"], templates)
    files = json.loads((await peer.client.read_resource("zim://files")).contents[0].text)
    check({file["name"] for file in files} >= {"one.zim", "two.zim"}, files)
    check(json.loads((await peer.client.read_resource("zim://one")).contents[0].text)["main_page_preview"], "no preview")
    page = (await peer.client.read_resource("zim://one/entry/index.html")).contents[0]
    check(page.mime_type.startswith("text/html") and "<" in page.text, page)
    try:
        await peer.client.read_resource("zim://nothing")
        check(False, "an archive that is not there is read")
    except MCPError:
        pass
    for ref, name in [(types.PromptReference(type="ref/prompt", name="explore"), "zim_file_path"), (types.ResourceTemplateReference(type="ref/resource", uri="zim://{name}"), "name")]:
        values = (await peer.client.complete(ref, {"name": name, "value": "ON"})).completion.values
        check(values == ["one.zim"], values)


async def docs(peer):
    found = await peer.tool("zim_search", query="regular expression", zim_file_path="docs", limit=10)
    check(found["results"][0]["path"] == "python/library/re.html" and found["total"] > 100, found)
    text = await peer.ask("tell me about regular expression howto", "tell_me_about", zim_file_path="docs")
    check("python/howto/regex.html" in text, text)


async def changes(peer, folder, era):
    """An archive that comes is told and seen at once."""
    uris = ["zim://files", "zim://three"]
    async with contextlib.AsyncExitStack() as stack:
        if era == "legacy":
            for uri in uris:
                await peer.client.subscribe_resource(uri)
        else:
            await stack.enter_async_context(peer.client.listen(resource_subscriptions=uris))
        shutil.copy(SAMPLE, folder / "three.part")
        begun = time.monotonic()
        (folder / "three.part").rename(folder / "three.zim")
        told = set()
        async with asyncio.timeout(10):
            while told != set(uris):
                told.add(await peer.changes.get())
        took = time.monotonic() - begun
        check((await peer.tool("zim_metadata", zim_file_path="three"))["zim_file"] == "three.zim", "it is not there")
    (folder / "three.zim").unlink()
    async with asyncio.timeout(5):
        while not (await peer.raw("zim_metadata", zim_file_path="three"))[0].is_error:
            pass
    await peer.fault("zim_metadata", "file_not_found", zim_file_path="three")
    return took


@contextlib.asynccontextmanager
async def connected(transport, era):
    heard = asyncio.Queue()

    async def hear(message):
        # The SDK hands on what servers tell as typed notifications.
        told = message.model_dump(mode="json", by_alias=True) if hasattr(message, "model_dump") else {}
        if told.get("method") == "notifications/resources/updated":
            await heard.put(told["params"]["uri"])

    mode = "legacy" if era == "legacy" else "auto"
    async with Client(transport, mode=mode, message_handler=hear, cache=None) as client:
        yield Peer(client, heard)


async def leg(name, transport, era, folder):
    begun = time.monotonic()
    async with connected(transport, era) as peer:
        await tools(peer)
        # The link graph that is there is one of this archive alone.
        for part in (search, get, around, query, rest):
            await part(peer, "one.zim")
        if DOCS.is_file():
            await docs(peer)
        took = await changes(peer, folder, era)
    print(f"{name:6} {era:7} {time.monotonic() - begun:5.1f} s, a new archive is told after {took * 1000:.0f} ms")


async def main():
    if not DOCS.is_file():
        print("docs.zim is absent: it is not asked")
    with tempfile.TemporaryDirectory(prefix="portcullis-zim-") as place:
        folder = Path(place)
        for name in ("one.zim", "two.zim"):
            shutil.copy(SAMPLE, folder / name)
        if DOCS.is_file():
            shutil.copy(DOCS, folder / "docs.zim")
        built = subprocess.run([PORTCULLIS, "zim", "build-link-graph", folder / "one.zim", "--quiet"], check=True, capture_output=True, text=True)
        print(built.stdout.strip().replace(str(folder), "…"))
        env = {**os.environ, "OPENZIM_MCP_RATE_LIMIT__ENABLED": "false"}
        arguments = ["zim", "--mode", "advanced"]
        for era in ("legacy", "modern"):
            command = StdioServerParameters(command=str(PORTCULLIS), args=[*arguments, str(folder)], env=env)
            with open(os.devnull, "w") as quiet:
                await leg("stdio", stdio_client(command, errlog=quiet), era, folder)
        with served([PORTCULLIS, *arguments, "--transport", "http", "--port", "0", str(folder)], env) as address:
            for era in ("legacy", "modern"):
                await leg("http", streamable_http_client(address + "/mcp"), era, folder)
        simple = StdioServerParameters(command=str(PORTCULLIS), args=["zim", str(folder)], env=env)
        with open(os.devnull, "w") as quiet:
            async with connected(stdio_client(simple, errlog=quiet), "legacy") as peer:
                check([tool.name for tool in (await peer.client.list_tools()).tools] == ["zim_query"], "the simple mode")
                await peer.ask("show main page", "main_page", zim_file_path="one.zim")
        refused = subprocess.run([PORTCULLIS, "zim", "/nope"], capture_output=True, text=True)
        check(refused.returncode == 1 and "Configuration error: Directory does not exist: /nope" in refused.stderr, refused.stderr)
    print(f"{checks} checks")


@contextlib.contextmanager
def served(command, env):
    process = subprocess.Popen(list(map(str, command)), env=env, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if match := re.search(r"listening on (http://[^/\s]+)/mcp", line):
                break
        else:
            raise RuntimeError("it does not listen")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield match.group(1)
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    asyncio.run(main())
