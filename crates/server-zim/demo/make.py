#!/usr/bin/env python3
"""Makes portcullis.zim, the sample archive of `portcullis demo`, from the manual pages of this repository.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

Written by the reference writer (libzim): Zstandard, full-text and title index, front articles, metadata.
"""
import pathlib
import re
import struct
import subprocess
import sys
import zlib

import markdown
from libzim.writer import Creator, Hint, Item, StringProvider

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OUT = HERE / "portcullis.zim"
FIRST = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"]
STYLE = "body{font-family:sans-serif;max-width:46em;margin:auto;padding:1em}pre{overflow:auto}td,th{padding:.2em .6em}"


class Page(Item):
    def __init__(self, path, title, content, mime="text/html"):
        super().__init__()
        self.path, self.title, self.content, self.mime = path, title, content, mime

    def get_path(self):
        return self.path

    def get_title(self):
        return self.title

    def get_mimetype(self):
        return self.mime

    def get_contentprovider(self):
        return StringProvider(self.content)

    def get_hints(self):
        return {Hint.FRONT_ARTICLE: self.mime == "text/html", Hint.COMPRESS: True}


def icon(size=48):
    """A gate: bars before a dark ground."""
    rows = b""
    for y in range(size):
        rows += b"\0"
        for x in range(size):
            arch = (x - 23.5) ** 2 + max(0, 24 - y) ** 2 * 1.2 < 21**2 and y > 4
            bar = x % 8 in (3, 4) or (y - 12) % 10 < 2
            rows += bytes((205, 205, 215) if arch and bar else (25, 30, 45) if arch else (95, 75, 60))

    def chunk(tag, data):
        data = tag + data
        return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def path_of(file):
    return str(file.relative_to(ROOT).with_suffix(".html"))


def page(file, known):
    text = file.read_text(encoding="utf-8")
    found = re.search(r"^# (.+)$", text, re.M)
    title = re.sub(r"[`*]", "", found.group(1)) if found else file.stem
    body = markdown.markdown(text, extensions=["tables", "fenced_code", "toc", "sane_lists"])

    def link(match):
        target = match.group(1)
        path, mark, rest = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path.endswith(".md"):
            return match.group(0)
        there = (file.parent / path).resolve()
        return f'href="{path[:-3]}.html{mark}{rest}"' if there in known else match.group(0)

    body = re.sub(r'href="([^"]*)"', link, body)
    up = "../" * len(file.relative_to(ROOT).parent.parts)
    style = f'<link rel="stylesheet" href="{up}style.css">'
    html = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{style}</head><body>{body}</body></html>'
    return Page(path_of(file), title, html), title


def main():
    files = [ROOT / name for name in FIRST if (ROOT / name).exists()] + sorted((ROOT / "docs").rglob("*.md"))
    date = subprocess.run(["git", "log", "-1", "--format=%cs"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    OUT.unlink(missing_ok=True)
    entries = []
    with Creator(OUT).config_indexing(True, "eng").config_clustersize(64 * 1024) as creator:
        creator.set_mainpath("index.html")
        creator.add_illustration(48, icon())
        for file in files:
            item, title = page(file, files)
            creator.add_item(item)
            entries.append((item.path, title))
        rows = "".join(f'<li><a href="{path}">{title}</a></li>' for path, title in entries)
        index = f"<!doctype html><html><head><meta charset='utf-8'><title>Portcullis</title><link rel='stylesheet' href='style.css'></head><body><h1>Portcullis: the manual</h1><p>This archive is a sample: the pages of the project, as an assistant reads any ZIM archive.</p><ul>{rows}</ul></body></html>"
        creator.add_item(Page("index.html", "Portcullis: the manual", index))
        creator.add_item(Page("style.css", "", STYLE, "text/css"))
        creator.add_redirection("manual", "Manual", "index.html", {Hint.FRONT_ARTICLE: True})
        metadata = {
            "Name": "portcullis_en_manual",
            "Title": "Portcullis manual",
            "Description": "The pages of Portcullis, a gateway for MCP servers",
            "Language": "eng",
            "Creator": "The Portcullis contributors",
            "Publisher": "The Portcullis contributors",
            "Date": date or "2026-01-01",
            "License": "Apache-2.0 OR MIT",
            "Tags": "_ftindex:yes;manual",
            "Scraper": "crates/server-zim/demo/make.py",
        }
        for name, value in metadata.items():
            creator.add_metadata(name, value)
    size = OUT.stat().st_size
    print(f"{OUT.name}: {len(entries) + 1} pages, {size} bytes")
    if size >= 300_000:
        sys.exit("it has to stay below 300 kB")


main()
