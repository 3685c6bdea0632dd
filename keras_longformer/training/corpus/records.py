"""A corpus on disk: shards of token ids, and what is known without them.

corpus.json                 the tokenizer, counts and the list of shards
shard-00000.tfrecord        an Example a document: `token_ids`, without
                            special tokens, and `characters`, int64
shard-00000.lengths.npz     `token_ids` int32 and `characters` int64
                            `(documents,)`: how many of each
"""

import json
import os
import pathlib
import typing
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_longformer.training.corpus.fingerprint import tokenizer_fingerprint
from keras_longformer.training.corpus.manifest import MANIFEST as MANIFEST
from keras_longformer.training.corpus.manifest import VERSION
from keras_longformer.training.corpus.manifest import counts_path
from keras_longformer.training.corpus.manifest import counts_problem
from keras_longformer.training.corpus.manifest import read_counts
from keras_longformer.training.corpus.manifest import read_manifest
from keras_longformer.training.corpus.manifest import shard_problem
from keras_longformer.unfinished import place
from keras_longformer.unfinished import to_disk
from keras_longformer.unfinished import write_text

_BATCH = 1024  # Documents that are parsed at once.


class Shard(typing.NamedTuple):
    """A file of documents.

    Attributes:
        path: of its TFRecords.
        documents: int, how many there are.
        tokens: int, in all of them.
        first_document: int, how many are in the shards before it.
    """

    path: pathlib.Path
    documents: int
    tokens: int
    first_document: int


class Corpus:
    """Tokenized documents in shards; `Corpus.open` opens one.

    Attributes:
        folder: `pathlib.Path`.
        facts: dict, what `corpus.json` says.
        shards: tuple of `Shard`.
        lengths: int32 `(documents,)`, tokens of each document.
        characters: int64 `(documents,)`, characters of each.
    """

    def __init__(self, folder, facts, shards, lengths, characters):
        self.folder = folder
        self.facts = facts
        self.shards = shards
        self.lengths = lengths
        self.characters = characters

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Corpus":
        """Opens a corpus; reads how long its documents are, no token.

        Raises:
            FileNotFoundError: no corpus there, or shards that are missing.
            ValueError: another format, or files that do not fit together.
        """
        folder = pathlib.Path(folder)
        facts = read_manifest(folder / MANIFEST)
        shards, lengths, characters = [], [], []
        first, problems = 0, []
        for entry in facts["shards"]:
            path = folder / entry["name"]
            shards.append(
                Shard(path, entry["documents"], entry["tokens"], first)
            )
            first += entry["documents"]
            problem = shard_problem(path, entry)
            if problem is None:
                try:
                    counts = read_counts(counts_path(path))
                    lengths.append(counts[0])
                    characters.append(counts[1])
                    problem = counts_problem(path, entry, counts[0])
                except ValueError as error:
                    problem = str(error)
            if problem is not None:
                problems.append(problem)
        if problems:
            raise ValueError(
                f"'{folder}' is not the corpus that its {MANIFEST} describes. "
                "Copy or prepare it again.\n  " + "\n  ".join(problems)
            )
        return cls(
            folder,
            facts,
            tuple(shards),
            np.concatenate([np.zeros(0, np.int32), *lengths]),
            np.concatenate([np.zeros(0, np.int64), *characters]),
        )

    def read_shard(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a shard, all of it.

        Args:
            index: int, of `shards`.

        Returns:
            int32 `(tokens,)`, the documents' ids one after another, and int64
            `(documents + 1,)`, where each begins, and the number of all.

        Raises:
            ValueError: a shard that cannot be read, by name.
        """
        shard = self.shards[index]
        ids, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        try:
            with tf.device("CPU"):
                for tokens in _parsed(shard.path):
                    ids.append(tokens.values.numpy())
                    sizes.append(tokens.row_lengths().numpy())
        except tf.errors.OpError as error:
            raise ValueError(
                f"The shard '{shard.path}' is broken: copy or prepare it "
                f"again. {error.message}"
            ) from error
        ids, sizes = np.concatenate(ids), np.concatenate(sizes)
        if (len(sizes), len(ids)) != (shard.documents, shard.tokens):
            raise ValueError(
                f"The shard '{shard.path}' has {len(sizes)} documents and "
                f"{len(ids)} tokens, and {MANIFEST} says {shard.documents} "
                f"and {shard.tokens}: copy or prepare it again."
            )
        self._check_tokens(shard, ids, sizes)
        return ids.astype(np.int32), np.concatenate([[0], np.cumsum(sizes)])

    def _check_tokens(self, shard, ids, sizes):
        """Raises `ValueError` for what is in the records alone."""
        problem = None
        most = self.facts["tokenizer"]["vocabulary_size"]
        if ids.size and not 0 <= ids.min() <= ids.max() < most:
            problem = (
                f"has token ids from {ids.min()} to {ids.max()}, and the "
                f"vocabulary those below {most}"
            )
        first = shard.first_document
        known = self.lengths[first : first + shard.documents]
        if not np.array_equal(sizes, known):
            problem = (
                "has documents of other lengths than "
                f"{counts_path(shard.path).name} says"
            )
        if problem:
            raise ValueError(
                f"The shard '{shard.path}' {problem}: copy or prepare it again."
            )

    def check_tokenizer(self, tokenizer) -> None:
        """Raises `ValueError` where another tokenizer made the tokens."""
        own, its = self.facts["tokenizer"], tokenizer_fingerprint(tokenizer)
        if own["fingerprint"] != its:
            raise ValueError(
                f"The corpus in '{self.folder}' was tokenized by another "
                f"tokenizer: a {own['class']} with fingerprint "
                f"{own['fingerprint']}. Received: a {type(tokenizer).__name__}"
                f" with {its}. Prepare the texts again with this one, or take "
                "the model that the corpus was made for."
            )


def write_shard(
    path: str | os.PathLike, documents: Iterable[tuple[np.ndarray, int]]
) -> dict:
    """Writes a shard, whole or not at all.

    Args:
        path: `shard-00000.tfrecord` in the corpus's folder.
        documents: pairs of a document's token ids, int `(t,)`, and how many
            characters it has.

    Returns:
        Dict for `write_manifest`.
    """
    path = pathlib.Path(path)
    lengths, characters = [], []
    counts = counts_path(path)
    with place(path.parent) as new:
        new = pathlib.Path(new)
        with tf.io.TFRecordWriter(str(new / path.name)) as writer:
            for ids, count in documents:
                writer.write(_example(ids, count))
                lengths.append(len(ids))
                characters.append(count)
        np.savez(
            new / counts.name,
            token_ids=np.array(lengths, np.int32),
            characters=np.array(characters, np.int64),
        )
        to_disk(new)
        os.replace(new / counts.name, counts)
        os.replace(new / path.name, path)
    return shard_facts(path)


def shard_facts(path: str | os.PathLike) -> dict:
    """Returns what `write_shard` returned of a shard that it wrote."""
    path = pathlib.Path(path)
    lengths, characters = read_counts(counts_path(path))
    return {
        "name": path.name,
        "documents": len(lengths),
        "tokens": int(lengths.sum(dtype=np.int64)),
        "characters": int(characters.sum(dtype=np.int64)),
        "bytes": path.stat().st_size,
    }


def write_manifest(
    folder: str | os.PathLike,
    tokenizer,
    shards: list[dict],
    left_out: dict | None = None,
) -> None:
    """Writes `corpus.json`, which makes a folder of shards a corpus.

    Args:
        folder: where the shards are.
        tokenizer: the `GraphTokenizer` that made the tokens.
        shards: list of what `write_shard` returned.
        left_out: dict from reason to how many documents are in no shard.
    """
    names = ("start", "end", "pad", "unk", "mask")
    facts = {
        "version": VERSION,
        "tokenizer": {
            "class": type(tokenizer).__name__,
            "fingerprint": tokenizer_fingerprint(tokenizer),
            "vocabulary_size": tokenizer.vocabulary_size(),
            **{
                f"{n}_token_id": getattr(tokenizer, f"{n}_token_id")
                for n in names
            },
        },
        **{
            count: sum(shard[count] for shard in shards)
            for count in ("documents", "tokens", "characters")
        },
        "left_out": left_out or {},
        "shards": shards,
    }
    write_text(pathlib.Path(folder) / MANIFEST, json.dumps(facts, indent=1))


def _example(ids, characters):
    features = {
        "token_ids": np.asarray(ids).tolist(),
        "characters": [int(characters)],
    }
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(
                    int64_list=tf.train.Int64List(value=values)
                )
                for name, values in features.items()
            }
        )
    ).SerializeToString(deterministic=True)


def _parsed(path):
    """Returns a dataset of int64 ragged `(documents, None)` token ids."""
    feature = {
        "token_ids": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
    }
    records = tf.data.TFRecordDataset(str(path)).batch(_BATCH)
    return records.map(
        lambda batch: tf.io.parse_example(batch, feature)["token_ids"],
        num_parallel_calls=tf.data.AUTOTUNE,
    )
