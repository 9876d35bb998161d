"""Archives that libzim's own writer makes, each with another mixture of what an archive can have."""
import hashlib
import pathlib

from libzim.writer import Compression, Creator, Hint, Item, StringProvider

LANGUAGES = {
    "eng": "The quick brown fox jumps over the lazy dog and reads about the weather",
    "fra": "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë",
    "deu": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich",
    "rus": "Съешь же ещё этих мягких французских булок да выпей чаю",
    "ara": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
    "jpn": "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ",
}


class Page(Item):
    def __init__(self, path, title, content, mime="text/html", front=None):
        super().__init__()
        self.path, self.title, self.content, self.mime = path, title, content, mime
        self.front = mime == "text/html" if front is None else front

    def get_path(self):
        return self.path

    def get_title(self):
        return self.title

    def get_mimetype(self):
        return self.mime

    def get_contentprovider(self):
        return StringProvider(self.content)

    def get_hints(self):
        return {Hint.FRONT_ARTICLE: self.front}


def noise(seed, size):
    """Bytes that cannot be compressed, the same ones each time."""
    blocks = (hashlib.sha256(f"{seed} {n}".encode()).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def fill(creator, pages, large):
    words = " ".join(LANGUAGES.values()).split()
    for n in range(pages):
        picked = [words[(n * 31 + k * k * 7) % len(words)] for k in range(n % 400)]
        title = f"{words[n % len(words)].capitalize()} {n % 97}" if n % 11 else ""
        creator.add_item(Page(f"article/{n * 7919 % pages:05}", title, f"<h1>{n}</h1><p>{' '.join(picked)}</p>"))
    creator.add_item(Page("empty", "Empty", ""))
    creator.add_item(Page("one", "One", "1", "text/plain"))
    creator.add_item(Page("x" * 3000, "A long path", "long"))
    creator.add_item(Page("long/title", "a long title " * 15, "long"))
    creator.add_item(Page("A/looks/like/an/old/path", "Old", "old"))
    creator.add_item(Page("日本/ü?&=#%20 \"'<>", "Ünïcödé 日本", "unicode", "text/html;charset=utf-8"))
    creator.add_item(Page("app.js", "", "var a = 1;", "application/javascript", front=False))
    creator.add_item(Page("hidden", "Hidden", "not a front article", front=False))
    creator.add_item(Page("image.png", "", noise("image", 50_000), "image/png"))
    creator.add_item(Page("large.bin", "", noise("large", large), "application/octet-stream"))
    creator.add_item(Page("large.txt", "", "all the same, again and again. " * (large // 10), "text/plain"))
    front = {Hint.FRONT_ARTICLE: True}
    creator.add_redirection("redirect", "To one", "one", front)
    creator.add_redirection("redirect/0", "Chain 0", "empty", {})
    for n in range(1, 6):
        creator.add_redirection(f"redirect/{n}", f"Chain {n}", f"redirect/{n - 1}", front)
    creator.add_alias("alias", "The same blob", "image.png", {})


def describe(creator, language):
    for size in (48, 96, 512):
        creator.add_illustration(size, noise(f"illustration {size}", size * 10))
    creator.add_metadata("Title", LANGUAGES[language][:30])
    creator.add_metadata("Language", language)
    creator.add_metadata("Description", LANGUAGES[language])
    creator.add_metadata("Tags", "_ftindex:yes;test")
    creator.add_metadata("Odd name; with = signs", noise("metadata", 5000), "application/octet-stream")


def make(folder):
    """Writes the archives and gives their paths."""
    kinds = [
        # name, language, compression, bytes of a cluster, index, pages, bytes of large content
        ("plain", "eng", Compression.none, 2 << 20, False, 800, 100_000),
        ("small-clusters", "fra", Compression.zstd, 16 << 10, False, 300, 100_000),
        ("usual", "deu", Compression.zstd, 2 << 20, True, 3000, 6_000_000),
        ("middle", "rus", Compression.zstd, 64 << 10, True, 1500, 500_000),
        ("large-clusters", "ara", Compression.zstd, 16 << 20, False, 3000, 9_000_000),
        ("japanese", "jpn", Compression.zstd, 256 << 10, True, 500, 50_000),
    ]
    files = []
    for name, language, compression, cluster, index, pages, large in kinds:
        file = pathlib.Path(folder) / f"{name}.zim"
        creator = Creator(file).config_compression(compression).config_clustersize(cluster)
        creator.config_indexing(index, language)
        creator.set_mainpath("article/00000")
        with creator:
            # First: unlike add_item, add_metadata keeps Python's lock while it waits for the writer's threads, which
            # need that lock.
            describe(creator, language)
            fill(creator, pages, large)
        files.append(file)
    bare = pathlib.Path(folder) / "bare.zim"
    with Creator(bare):
        pass
    return files + [bare]
