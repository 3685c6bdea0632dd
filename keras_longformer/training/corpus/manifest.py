"""What the files beside a corpus's tokens say, checked before it is believed.

A corpus may come from elsewhere: its `corpus.json` and the counts beside each
shard are compared with one another and with the files' sizes.
"""

import pathlib
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from keras_longformer.weights.files import check_inside
from keras_longformer.weights.files import read_json

VERSION = 1
MANIFEST = "corpus.json"
COUNTS = {"token_ids": np.dtype("int32"), "characters": np.dtype("int64")}
RECORD_BYTES = 16  # A TFRecord's own, besides what it holds.
_UNREADABLE = (
    EOFError,
    KeyError,
    NotImplementedError,  # A way to compress that is not known.
    OSError,
    RuntimeError,  # A password.
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_manifest(path: pathlib.Path) -> dict:
    """Returns what `corpus.json` says, each field as it must be.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no JSON object, another format's version, or fields that
            cannot be, all of them.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"'{path.parent}' is no corpus: it has no {MANIFEST}. Prepare one "
            "from texts with `keras-longformer prepare-corpus`."
        )
    check_inside(str(path), str(path.parent))
    facts = read_json(path)
    if facts.get("version") != VERSION:
        raise ValueError(
            f"'{path}' has the format version {facts.get('version')!r}, and "
            f"this package reads {VERSION}. Prepare the texts again."
        )
    problems = _tokenizer_problems(facts.get("tokenizer"))
    shards = facts.get("shards")
    if isinstance(shards, list):
        for number, entry in enumerate(shards):
            problems += _shard_problems(number, entry)
        names = [e.get("name") for e in shards if isinstance(e, Mapping)]
        if not problems and len(set(names)) < len(names):
            problems.append("`shards` names a file more than once")
    else:
        problems.append(f"`shards` must be a list, not {shards!r:.100}")
    if problems:
        more = [f"and {len(problems) - 10} more"] if len(problems) > 10 else []
        raise ValueError(
            f"'{path}' is not what `prepare-corpus` writes:\n  "
            + "\n  ".join([*problems[:10], *more])
        )
    return facts


def _tokenizer_problems(tokenizer):
    if not isinstance(tokenizer, Mapping):
        return [f"`tokenizer` must be an object, not {tokenizer!r:.100}"]
    problems = [
        f"`tokenizer.{name}` must be a string, not {tokenizer.get(name)!r:.100}"
        for name in ("class", "fingerprint")
        if not isinstance(tokenizer.get(name), str)
    ]
    if not is_count(tokenizer.get("vocabulary_size")):
        problems.append(
            "`tokenizer.vocabulary_size` must be an integer, not "
            f"{tokenizer.get('vocabulary_size')!r:.100}"
        )
    return problems


def _shard_problems(number, entry):
    if not isinstance(entry, Mapping):
        return [f"shard {number} must be an object, not {entry!r:.100}"]
    problems = [
        f"shard {number}: `{name}` must be an integer of 0 or more, not "
        f"{entry.get(name)!r:.100}"
        for name in ("documents", "tokens", "bytes")
        if not is_count(entry.get(name))
    ]
    if not is_plain_name(entry.get("name")):
        problems.append(
            f"shard {number}: `name` must be a file's in this folder, not "
            f"{entry.get('name')!r:.100}"
        )
    return problems


def is_count(value: object) -> bool:
    """Says whether a value of JSON is how many of something there are."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value < 2**63
    )


def is_plain_name(name: object) -> bool:
    """Says whether a value is a file's name that leads nowhere else."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 255
        and name not in (".", "..")
        and not {*"/\\:\0"} & {*name}
    )


def counts_path(path: pathlib.Path) -> pathlib.Path:
    """Returns where the counts of a shard are."""
    return path.with_name(path.name.removesuffix(".tfrecord") + ".lengths.npz")


def read_counts(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns a shard's counts, as `np.savez` wrote them.

    Nothing is read that would be larger than the file.

    Args:
        path: of the counts.

    Returns:
        int32 and int64 `(documents,)`, tokens and characters of each.

    Raises:
        ValueError: a file that is none, by its name.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            counts = [
                _array(archive, f"{name}.npy", dtype, size)
                for name, dtype in COUNTS.items()
            ]
    except _UNREADABLE as error:
        raise ValueError(
            f"{path.name} cannot be read: {type(error).__name__}: {error}"
        ) from error
    if len(counts[0]) != len(counts[1]):
        raise ValueError(f"{path.name} has arrays of two lengths")
    if any((array < 0).any() for array in counts):
        raise ValueError(f"{path.name} has counts below zero")
    return tuple(counts)


def _array(archive, name, dtype, most):
    """An array of one axis, whose numbers are all in the file."""
    held = archive.getinfo(name).file_size
    if held > most:
        raise ValueError(f"{name} has {held:,} bytes of a file of {most:,}")
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{name} is of the format {version}")
        shape, _, found = np.lib.format.read_array_header_1_0(file)
        begin = file.tell()
        if found != dtype or len(shape) != 1:
            raise ValueError(f"{name} has the shape {shape} of {found}")
        if shape[0] * dtype.itemsize != held - begin:
            raise ValueError(f"{name} has the shape {shape} and {held} bytes")
        return np.frombuffer(file.read(), dtype)


def shard_problem(path: pathlib.Path, entry: Mapping) -> str | None:
    """Returns what keeps a shard's file from being what is said of it.

    Args:
        path: of its TFRecords.
        entry: what `read_manifest` returned of it.
    """
    for file in (path, counts_path(path)):
        if not file.is_file():
            return f"{file.name} is missing"
        try:
            check_inside(str(file), str(path.parent))
        except ValueError as error:
            return str(error)
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"{path.name} has {size} bytes, not {entry['bytes']}"
    if entry["documents"] * RECORD_BYTES > size:
        return (
            f"{path.name} has {size} bytes for {entry['documents']} documents"
        )
    return None


def counts_problem(
    path: pathlib.Path, entry: Mapping, lengths: np.ndarray
) -> str | None:
    """Returns where the counts beside a shard are not what is said of it.

    Args:
        path, entry: as for `shard_problem`.
        lengths: int32 `(documents,)`, tokens of each.
    """
    found = len(lengths), int(lengths.sum(dtype=np.int64))
    if found != (entry["documents"], entry["tokens"]):
        return (
            f"{counts_path(path).name} is of {found[0]} documents and "
            f"{found[1]} tokens, not {entry['documents']} and "
            f"{entry['tokens']}"
        )
    return None
