"""Real text that every machine has: the sources of Python's own library."""

import dataclasses
import hashlib
import json
import pathlib
import random
import sysconfig

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

# Tables of character sets and the help pages' one string are no sources, and
# distributions leave tests out.
LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "encodings",
    "idle_test",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
}
SHORTEST_FILE = 2_000  # characters
MODULES = "modules"  # What the files outside of packages are filed under.


@dataclasses.dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
        package: str, the package it is in, `MODULES` without one.
        path: str, relative to the library's folder.
        text: str, what it holds.
        split: str, `"train"`, `"validation"` or `"test"`.
    """

    package: str
    path: str
    text: str
    split: str


def read_sources() -> list[Source]:
    """Returns the standard library's files, split into three.

    Of each package, 70 % of the files are for training, 10 % for validation
    and 20 % for testing; which ones follows from their names alone, so that
    the same library is always split alike.
    """
    folder = pathlib.Path(sysconfig.get_path("stdlib"))
    packages = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if LEFT_OUT.intersection(parts) or parts[0].startswith("config-"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if len(text) >= SHORTEST_FILE:
            package = parts[0] if len(parts) > 1 else MODULES
            packages.setdefault(package, []).append(("/".join(parts), text))
    sources = []
    for package, files in packages.items():
        files.sort(key=lambda file: hashlib.sha256(file[0].encode()).digest())
        for i, (name, text) in enumerate(files):
            share = (i + 0.5) / len(files)
            split = (
                "test"
                if share < 0.2
                else "validation"
                if share < 0.3
                else "train"
            )
            sources.append(Source(package, name, text, split))
    return sources


def of_split(
    sources: list[Source], split: str, packages: list[str] | None = None
) -> list[Source]:
    """Returns the sources of one split, and of some packages if named."""
    return [
        source
        for source in sources
        if source.split == split
        and (packages is None or source.package in packages)
    ]


def passage(
    sources: list[Source], characters: int, generator: random.Random
) -> str:
    """Returns a random passage that begins with a line.

    Files are drawn by their size, so that every line is as likely.
    """
    source = generator.choices(
        sources, weights=[len(source.text) for source in sources]
    )[0]
    last = max(len(source.text) - characters, 0)
    start = source.text.rfind("\n", 0, generator.randint(0, last) + 1) + 1
    return source.text[start : start + characters]


def passages(
    sources: list[Source], characters: int, count: int, seed: int
) -> list[str]:
    """Returns `count` random passages of so many characters, or fewer."""
    generator = random.Random(seed)
    return [passage(sources, characters, generator) for _ in range(count)]


def train_vocabulary(
    sources: list[Source], size: int
) -> tuple[dict[str, int], list[str]]:
    """Trains a byte-level BPE, RoBERTa's kind, with RoBERTa's special ids.

    Returns:
        Dict of token to id, and the list of merge rules.
    """
    import tokenizers

    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        [source.text for source in sources],
        vocab_size=size,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
    )
    model = json.loads(tokenizer.to_str())["model"]
    merges = [
        rule if isinstance(rule, str) else " ".join(rule)
        for rule in model["merges"]
    ]
    return model["vocab"], merges
