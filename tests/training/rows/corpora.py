"""A corpus in memory."""

import typing

import numpy as np


class Shard(typing.NamedTuple):
    documents: int
    tokens: int
    first_document: int


class MemoryCorpus:
    """Has what `PretrainingBatches` asks of a `Corpus`.

    Args:
        shards: list of lists of documents, lists of token ids.
    """

    def __init__(self, shards):
        self.documents = [d for documents in shards for d in documents]
        self.lengths = np.array([len(d) for d in self.documents], np.int32)
        self.shards, first = [], 0
        for documents in shards:
            tokens = sum(map(len, documents))
            self.shards.append(Shard(len(documents), tokens, first))
            first += len(documents)
        self.was_read = []

    def check_tokenizer(self, tokenizer):
        pass

    def read_shard(self, index):
        self.was_read.append(index)
        shard = self.shards[index]
        first = shard.first_document
        own = self.documents[first : first + shard.documents]
        offsets = np.cumsum([0, *map(len, own)])
        return np.array([i for d in own for i in d], np.int32), offsets


def random_corpus(sizes, *, ids, longest, seed=0):
    """Returns a corpus of `sizes` documents, of 1 to `longest` of `ids`."""
    generator = np.random.default_rng(seed)
    return MemoryCorpus(
        [
            [
                generator.choice(ids, generator.integers(1, longest + 1))
                for _ in range(size)
            ]
            for size in sizes
        ]
    )
