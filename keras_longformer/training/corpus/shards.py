"""Documents become shards: how many go into one, and how it is made."""

import itertools
import os
import pathlib
import typing
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.contract import check_tokenizer
from keras_longformer.tokenizers.presets import with_options
from keras_longformer.training.corpus.records import write_shard
from keras_longformer.training.corpus.sources import Document

# English has four to five characters a token, so that a shard of as many times
# four characters has about the tokens asked for. Characters are known before
# tokens are, whence shards do not depend on who makes them.
CHARACTERS_PER_TOKEN = 4
# That are tokenized at once: a batch's intermediate results take some tens of
# bytes a character.
BATCH_CHARACTERS = 500_000
BATCH_DOCUMENTS = 1024


class LeftOut:
    """Counts documents that no corpus can hold, with the first of each kind.

    Attributes:
        counts: dict from `"empty"` and `"not_unicode"` to how many.
        first: dict from them to the place of the first.
    """

    def __init__(self):
        self.counts = {"empty": 0, "not_unicode": 0}
        self.first = {}

    def takes(self, document: Document) -> bool:
        """Says whether a document is left out, and counts it."""
        kind = reason_against(document.text)
        if kind is None:
            return False
        self.counts[kind] += 1
        self.first.setdefault(kind, document.place)
        return True

    def lines(self) -> list[str]:
        """Returns a sentence for each kind that there was."""
        said = {
            "empty": "nothing but white space",
            "not_unicode": "half surrogate pairs, which no UTF-8 has",
        }
        return [
            f"Left out: {count:,} documents with {said[kind]}, the first at "
            f"{self.first[kind]}."
            for kind, count in self.counts.items()
            if count
        ]


def reason_against(text: str) -> str | None:
    """Returns why a text cannot be used: `"empty"`, `"not_unicode"`."""
    if not text.strip():
        return "empty"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # "\ud800" in JSON.
        return "not_unicode"
    return None


def shard_name(index: int) -> str:
    """Returns the name of a shard's file."""
    return f"shard-{index:05}.tfrecord"


def group_documents(
    documents: Iterable[str], shard_tokens: int
) -> Iterator[list[str]]:
    """Yields the texts of one shard after another."""
    limit = shard_tokens * CHARACTERS_PER_TOKEN
    texts, size = [], 0
    for text in documents:
        texts.append(text)
        size += len(text)
        if size >= limit:
            yield texts
            texts, size = [], 0
    if texts:
        yield texts


def corpus_tokenizer(tokenizer: GraphTokenizer) -> GraphTokenizer:
    """Returns a tokenizer that takes texts of any length.

    Raises:
        TypeError: of another library's.
        ValueError: one that pads or cuts off.
    """
    check_tokenizer(tokenizer)
    if tokenizer.max_text_bytes is None:
        return tokenizer
    return with_options(tokenizer, max_text_bytes=None)


def tokenized(
    texts: Sequence[str], tokenizer: GraphTokenizer
) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the ids of texts, int `(t,)`, and how many characters each has.

    Many are tokenized at once.
    """
    for batch in _batches(texts):
        ids = tokenizer.tokenize(batch)
        flat, splits = ids.values.numpy(), ids.row_splits.numpy()
        for text, (begin, end) in zip(
            batch, itertools.pairwise(splits), strict=True
        ):
            yield flat[begin:end], len(text)


def make_shard(
    folder: str | os.PathLike,
    index: int,
    texts: Sequence[str],
    tokenizer: GraphTokenizer,
) -> dict[str, typing.Any]:
    """Tokenizes texts and writes them as a shard, whole or not at all."""
    path = pathlib.Path(folder) / shard_name(index)
    return write_shard(path, tokenized(texts, tokenizer))


def _batches(texts):
    batch, size = [], 0
    for text in texts:
        if batch and (
            size + len(text) > BATCH_CHARACTERS or len(batch) == BATCH_DOCUMENTS
        ):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
