"""Parts of a corpus: documents to train on, documents to measure with."""

import typing

import numpy as np


class PartOfShard(typing.NamedTuple):
    """What `Shard` says, of a part's documents in it."""

    documents: int
    tokens: int
    first_document: int


class CorpusPart:
    """Some documents of a corpus, which can be read as one.

    Args:
        corpus: `lengths`, `characters`, `shards` and `read_shard`, as
            `keras_longformer.training.corpus.Corpus` has them.
        chosen: bool `(documents,)`, which documents.

    Attributes:
        failure: the error of the last shard that could not be read, or `None`.
            TensorFlow hands on only its text.
    """

    def __init__(self, corpus, chosen: np.ndarray):
        self._corpus = corpus
        self._parts = [
            chosen[shard.first_document :][: shard.documents]
            for shard in corpus.shards
        ]
        self.failure = None
        self.lengths = np.asarray(corpus.lengths)[chosen]
        self.characters = np.asarray(corpus.characters)[chosen]
        # Shards without a document are left out.
        self._numbers = [i for i, part in enumerate(self._parts) if part.any()]
        shards, first = [], 0
        for number in self._numbers:
            count = int(self._parts[number].sum())
            tokens = int(self.lengths[first : first + count].sum())
            shards.append(PartOfShard(count, tokens, first))
            first += count
        self.shards = tuple(shards)

    def __getattr__(self, name):
        # All else, such as the tokenizer's fingerprint, is the corpus's.
        return getattr(self._corpus, name)

    @property
    def characters_per_token(self) -> float:
        """Characters that a token has on average, special tokens aside."""
        return float(self.characters.sum() / max(self.lengths.sum(), 1))

    def read_shard(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a shard's chosen documents, as `Corpus.read_shard` does."""
        number = self._numbers[index]
        try:
            token_ids, offsets = self._corpus.read_shard(number)
        except (OSError, ValueError) as error:
            self.failure = error
            raise
        part = self._parts[number]
        lengths = np.diff(offsets)
        kept = np.repeat(part, lengths)
        return token_ids[kept], np.concatenate([[0], np.cumsum(lengths[part])])


def whole(corpus) -> CorpusPart:
    """Returns all of a corpus."""
    return CorpusPart(corpus, np.ones(len(corpus.lengths), bool))


def hold_out(corpus, share: float, seed: int) -> tuple[CorpusPart, CorpusPart]:
    """Parts a corpus' documents in two, at random.

    Args:
        corpus: the corpus.
        share: float, the part of the documents to hold out; one at least.
        seed: int.

    Returns:
        The rest and those held out.

    Raises:
        ValueError: there is one document only.
    """
    count = len(corpus.lengths)
    if count < 2:
        raise ValueError(
            "The corpus is one document, so that none can be held out to "
            "measure with. Name other text: --validation."
        )
    held = np.zeros(count, bool)
    order = np.random.default_rng([seed, count]).permutation(count)
    held[order[: min(max(1, round(share * count)), count - 1)]] = True
    return CorpusPart(corpus, ~held), CorpusPart(corpus, held)
