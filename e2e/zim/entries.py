"""Compares what `zimcat FILE dump` says of an archive with what python libzim says: every entry with path, title,
type and the SHA-256 of its content, where redirects lead, metadata, illustrations, main page, counts, checksum, what
is found by title, and the order of the title listing.  usage: entries.py ZIMCAT

The archives are made here with libzim's writer (archives.py), cut into parts, and those of ../shared/data/zim
(PORTCULLIS_SHARED says where else) if it is there."""
import difflib
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import warnings

from libzim.reader import Archive
from libzim.suggestion import SuggestionSearcher

from archives import make

PREFIXES = ["", "T", "Th", "Zw", "Съ", "お", "redirect", "Chain", "the", "12", "A", "M"]


def escaped(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def sha(content):
    return hashlib.sha256(content).hexdigest()


def lines_of_libzim(file):
    archive = Archive(file)
    new = archive.has_new_namespace_scheme
    yield f"uuid\t{archive.uuid.hex}"
    yield f"counts\t{archive.all_entry_count}\t{archive.entry_count}\t{archive.article_count}\t{archive.media_count}"
    yield f"indexes\t{archive.has_fulltext_index}\t{archive.has_title_index}\t{archive.is_multipart}".lower()
    yield f"checksum\t{archive.checksum}\t{archive.check()}".lower()
    if archive.has_main_entry:
        yield f"main\t{archive.main_entry.get_item()._index}"
    names = sorted(archive.metadata_keys, key=str.encode)
    for name in names:
        yield f"metadata\t{escaped(name)}\t{sha(archive.get_metadata(name))}"
    # libzim's list of sizes has what is square and of scale 1.
    for size in sorted(archive.get_illustration_sizes()):
        yield f"illustration\t{size}\t{sha(bytes(archive.get_illustration_item(size).content))}"
    for index in range(archive.all_entry_count):
        entry = archive._get_entry_by_id(index)
        head = f"entry\t{index}\t{escaped(entry.path)}\t{escaped(entry.title)}"
        if entry.is_redirect:
            yield f"{head}\tredirect\t{entry.get_redirect_entry()._index}"
        else:
            item = entry.get_item()
            yield f"{head}\t{item.mimetype}\t{item.size}\t{sha(bytes(item.content))}"
        # By title, only front articles are found, in both.
        if new and index % 7 == 0 and entry.title:
            found = archive.get_entry_by_title(entry.title)._index if archive.has_entry_by_title(entry.title) else "none"
            yield f"title\t{index}\t{found}"
    for prefix, found in title_listing(archive, new):
        yield f"listing\t{escaped(prefix)}\t" + " ".join(map(str, found[:1000]))


def title_listing(archive, new):
    """Indexes of the content of which the title has a prefix, in the order of titles."""
    for index in range(archive.all_entry_count - 1, -1, -1) if new else ():
        entry = archive._get_entry_by_id(index)
        if entry.path == "listing/titleOrdered/v1":
            data = bytes(entry.get_item().content)
            listed = [archive._get_entry_by_id(i) for i, in struct.iter_unpack("<I", data)]
            for prefix in PREFIXES:
                yield prefix, [e._index for e in listed if e.title.startswith(prefix)]
            return
    if not archive.has_title_index:
        # Then libzim suggests by the table of titles. Of all titles, it would end the process.
        searcher = SuggestionSearcher(archive)
        for prefix in filter(None, PREFIXES):
            paths = searcher.suggest(prefix).getResults(0, 1000)
            yield prefix, [archive.get_entry_by_path(path)._index for path in paths]


def lines_of_ours(zimcat, file):
    command = [zimcat, file, "dump", *PREFIXES]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()


def kind(line):
    """What a line is about; of the listing, one prefix."""
    words = line.split("\t")
    return tuple(words[:2]) if words[0] == "listing" else words[0]


def compare(zimcat, file):
    """Prints what differs; gives how many lines were compared, and how many differ."""
    theirs = list(lines_of_libzim(file))
    # What libzim cannot be asked of this archive is not compared.
    asked = set(map(kind, theirs))
    ours = [line for line in lines_of_ours(zimcat, file) if kind(line) in asked]
    wrong = [line for line in difflib.unified_diff(theirs, ours, "libzim", "ours", lineterm="", n=0) if theirs != ours]
    for line in wrong[:12]:
        print(f"  {line[:300]}")
    return len(theirs), len(wrong)


def split(file):
    """The same archive in parts of which no border is where one would like it."""
    data = file.read_bytes()
    size = len(data) // 3 + 1
    for n in range(3):
        file.with_name(f"{file.stem}-split.zima{'abc'[n]}").write_bytes(data[n * size:(n + 1) * size])
    return file.with_name(f"{file.stem}-split.zimaa")


def shared():
    root = pathlib.Path(os.environ.get("PORTCULLIS_SHARED", pathlib.Path(__file__).parents[3] / "shared"))
    folder = root / "data" / "zim"
    if not folder.is_dir():
        print(f"left out: {folder} is not there")
        return []
    suite = [f for f in folder.glob("testing-suite/*/*") if f.suffix in (".zim", ".zimaa")]
    return sorted(folder.glob("*.zim")) + sorted(f for f in suite if not f.name.startswith("invalid"))


def main():
    zimcat, = sys.argv[1:]
    # Of get_illustration_sizes: what is to be used instead is not there yet.
    warnings.simplefilter("ignore", DeprecationWarning)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        files = make(folder)
        files.append(split(files[2]))
        for file in files + shared():
            begun = time.monotonic()
            lines, wrong = compare(zimcat, file)
            failed += wrong
            name = f"{file.parent.name}/{file.name}" if "testing-suite" in str(file) else file.name
            print(f"{name}: {lines} lines, {wrong} differ ({time.monotonic() - begun:.1f} s)")
    if failed:
        sys.exit(f"{failed} lines differ")
    print("every entry is as libzim reads it")


if __name__ == "__main__":
    main()
