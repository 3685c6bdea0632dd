"""Long texts with summaries by people, which a machine already has.

`manual_pages`: the pages below /usr/share/man without their NAME section, to
what stands in it. `docstrings`: functions and classes of Python's sources
without their docstring, to its first sentence.
"""

import ast
import gzip
import pathlib
import random
import re
import sysconfig
from collections.abc import Iterator
from typing import NamedTuple

MANUALS = pathlib.Path("/usr/share/man")
SHORTEST, LONGEST_SUMMARY = 1000, 160  # Characters.
NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# What a page of troff says of its looks: comments, requests, escapes.
LOOKS = [
    (r"(?m)^[.'][ \t]*\\\".*\n", ""),
    (r'(?m)^[.\'](?:SH|SS)[ \t]+"?(.*?)"?$', r"\1"),
    (r"(?m)^[.'](?:B|I|BI|BR|IR|IB|RB|RI|SM|SB|IP)\b[ \t]*", ""),
    (r"(?m)^[.'].*\n", ""),
    (r"\\\".*", ""),
    (r"\\f(?:\[[^]]*\]|\(..|.)", ""),
    (r"\\s[-+]?\d", ""),
    (r"\\\*?\((?:aq|cq|oq|Aq)|\\\*?\[(?:aq|cq|oq)\]", "'"),
    (r"\\\*?\((?:lq|rq|dq)|\\\*?\[(?:lq|rq|dq)\]", '"'),
    (r"\\\((?:em|en|mi|hy)", "-"),
    (r"\\\*?\(..|\\\*?\[[^]]*\]", ""),
    (r"\\[&|^/,:%]", ""),
    (r"\\e", r"\\"),
    (r"\\(.)", r"\1"),
    (r"[ \t]+", " "),
    (r"\n\s*\n+", "\n\n"),
]
SECTION = r'(?ms)^\.SH[ \t]+"?{}"?[ \t]*\n(.*?)(?=^\.SH|\Z)'
NAME, DESCRIPTION = SECTION.format("NAME"), SECTION.format("DESCRIPTION")
TRACK = r"\((?:ALPHA|BETA)\)"


class Pair(NamedTuple):
    """A text, its summary, and one that needs no model to be written."""

    text: str
    summary: str
    simple: str


def plain(page: str) -> str:
    """A page of troff without what it says of its looks."""
    for looks, instead in LOOKS:
        page = re.sub(looks, instead, page)
    return page.strip()


def first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", paragraph)[0]


def pair_of_page(page: str) -> Pair | None:
    found = re.search(NAME, page)
    if not found:
        return None
    name = " ".join(plain(found[1]).split())
    name, dash, summary = name.partition(" - ")
    described = re.search(DESCRIPTION, page)
    text = plain(page[found.end() :])
    if not (
        dash
        and described
        and 15 <= len(summary) <= LONGEST_SUMMARY
        and len(text) >= SHORTEST
    ):
        return None
    simple = first_sentence(re.sub(TRACK, "", plain(described[1])))
    return Pair(text, summary, simple[:LONGEST_SUMMARY])


def manual_pages() -> Iterator[list[Pair]]:
    """Yields, of each command, its page; of a command's alpha and beta too."""
    commands = {}
    for path in sorted(MANUALS.glob("man[1-8]/*.gz")):
        command = re.sub(r"_(alpha|beta)(?=_)", "", path.name)
        commands.setdefault(command, []).append(path)
    for paths in commands.values():
        pages = (gzip.open(x).read().decode("utf-8", "replace") for x in paths)
        pair = next(filter(None, map(pair_of_page, pages)), None)
        yield [pair] if pair else []


def docstrings(packages: tuple = ("keras", "numpy")) -> Iterator[list[Pair]]:
    """Yields, of each file, its functions and classes."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    site = pathlib.Path(sysconfig.get_path("purelib"))
    files = [x for x in library.rglob("*.py") if "site-packages" not in x.parts]
    for package in packages:
        files += (site / package).rglob("*.py")
    for path in sorted(files):
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
            continue
        pairs = (
            pair_of_node(node, text.splitlines())
            for node in ast.walk(tree)
            if isinstance(node, NODES)
        )
        yield [pair for pair in pairs if pair]


def pair_of_node(node: ast.AST, lines: list[str]) -> Pair | None:
    summary = first_sentence(ast.get_docstring(node) or "")
    if not 15 <= len(summary) <= LONGEST_SUMMARY:
        return None
    said = node.body[0]
    text = "\n".join(
        lines[node.lineno - 1 : said.lineno - 1]
        + lines[said.end_lineno : node.end_lineno]
    )
    if len(text) < SHORTEST or summary in text:
        return None
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", node.name).strip().lower()
    return Pair(text, summary, words)


# What is read, what to call it, and what a summary is without a model.
TEXTS = {
    "manuals": (manual_pages, "Manual pages", "first sentence described"),
    "docstrings": (docstrings, "Docstrings of Python", "the name, in words"),
}


def read(kind: str, held_out: int) -> tuple[list[Pair], list[Pair]]:
    """Returns pairs to train on, and pairs held out.

    Parted by commands or files; no summary stands on both sides.
    """
    groups = list(TEXTS[kind][0]())
    random.Random(0).shuffle(groups)
    seen, train, test = set(), [], []
    for group in groups:
        group = [pair for pair in group if pair.summary.lower() not in seen]
        seen |= {pair.summary.lower() for pair in group}
        (test if len(test) < held_out else train).extend(group)
    return train, test[:held_out]
