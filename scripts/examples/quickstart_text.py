"""Real text that every machine has: the sources of Python's own library."""

import hashlib
import pathlib
import random
import sysconfig
from typing import NamedTuple

import numpy as np

from keras_longformer import LongformerTokenizer

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
PASSAGE = 0.3  # Parts of a document.
OPENING = (0.25, 0.55)  # Where the passage begins.


class Source(NamedTuple):
    """One file."""

    package: str  # `MODULES` without one.
    path: str  # Relative to the library's folder.
    text: str
    split: str  # "train" or "test"


def read_sources() -> list[Source]:
    """Returns the standard library's files, split in two.

    Of each package, 70 % of the files are for training and 20 % for testing;
    which ones follows from their names alone, so that the same library is
    always split alike.
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
            split = "test" if share < 0.2 else "train"
            if not 0.2 <= share < 0.3:  # Nobody has read these.
                sources.append(Source(package, name, text, split))
    return sources


def of_split(sources: list[Source], split: str) -> list[Source]:
    """Returns the sources of one split."""
    return [source for source in sources if source.split == split]


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


# Long documents whose class shows only deep inside them: lines of the library's
# top-level modules, which say nothing of it; then a passage of one of some
# packages, which is the class; then lines of modules again.


class Documents(NamedTuple):
    """Documents of all classes, as many of each."""

    texts: list[str]
    labels: np.ndarray  # int32 `(documents,)`, index of the class.
    first_evidence: int  # The least number of tokens before the passage.


def make_documents(
    sources: list[Source],
    count: int,
    tokenizer: LongformerTokenizer,
    characters_per_token: float,
    settings,
    seed: int,
) -> Documents:
    """Makes documents of the long length from the files of one split.

    There are `count`, or the next multiple of the number of classes, in random
    order. In every one the passage begins after the short length and ends
    within the long one.
    """
    generator = random.Random(seed)
    characters = int(settings.long_length * characters_per_token)
    neutral = [s for s in sources if s.package == MODULES]
    pools = [
        [s for s in sources if s.package == name] for name in settings.classes
    ]
    if not all(pools):
        raise ValueError(
            "The library of this Python must have the packages "
            f"{settings.classes}, with their sources."
        )
    documents = []
    while len(documents) < count:
        for label, pool in enumerate(pools):
            text, before = _document(
                neutral, pool, tokenizer, characters, settings, generator
            )
            documents.append((text, label, before))
    generator.shuffle(documents)
    texts, labels, before = zip(*documents, strict=True)
    return Documents(list(texts), np.array(labels, "int32"), min(before))


def _document(neutral, pool, tokenizer, characters, settings, generator):
    """Returns a text, and the number of tokens before its passage."""
    while True:
        opening = int(generator.uniform(*OPENING) * characters)
        head = passage(neutral, opening, generator) + "\n"
        deep = passage(pool, int(PASSAGE * characters), generator)
        sizes = tokenizer.tokenize([head, deep]).row_lengths().numpy()
        if (
            len(deep) > PASSAGE / 2 * characters  # Files may be shorter.
            and sizes[0] >= settings.short_length
            and sizes.sum() <= settings.long_length - 2
        ):
            break
    tail = passage(neutral, characters, generator)
    return f"{head}{deep}\n{tail}", int(sizes[0])
