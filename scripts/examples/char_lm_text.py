"""The text of the character language models here, and what is held out."""

import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_longformer.pretrain import char_lm

MOST_OF_LIBRARY = 3_000_000  # bytes


class Text(NamedTuple):
    """A text in two parts.

    Attributes:
        train: bytes, all but the end.
        held_out: bytes, what is measured.
        name: str, what it was made of.
    """

    train: bytes
    held_out: bytes
    name: str


def read(files: Sequence[str], most_held_out: int | None = None) -> Text:
    """Returns files one after another, the last 5 % held out.

    They are those that `keras-longformer pretrain --task char_lm` measures
    with: of text8 and enwik8 the 5 million before the test.

    Args:
        files: paths; none for sources of Python's own library, 3 MB of them,
            in an order that follows from their names alone.
        most_held_out: int, bytes: of a longer end, its beginning is measured.

    Raises:
        OSError: a file that cannot be read.
        ValueError: less than 1,000 bytes.
    """
    if files:
        data = b"".join(pathlib.Path(path).read_bytes() for path in files)
        name = ", ".join(pathlib.Path(path).name for path in files)
    else:
        data, name = _library(), "sources of Python's library"
    if len(data) < 1_000:
        raise ValueError(f"{name}: {len(data)} bytes are too few to train on.")
    train, held_out = split(data)
    return Text(train, held_out[:most_held_out], name)


def split(data: bytes) -> tuple[bytes, bytes]:
    """Returns what `pretrain` trains on and measures with, of one file."""
    parts = char_lm.split(np.frombuffer(data, np.uint8))
    return parts.train.tobytes(), parts.validation.tobytes()


def _library():
    import quickstart_text

    def place(source):
        return hashlib.sha256(source.path.encode()).digest()

    sources = sorted(quickstart_text.read_sources(), key=place)
    text = "".join(source.text for source in sources)
    return text.encode()[:MOST_OF_LIBRARY]
