"""Documents of text files, JSON lines and TFRecords, one after another."""

import glob
import gzip
import json
import os
import pathlib
import typing
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import tensorflow as tf
from google.protobuf import message

from keras_longformer.text.coercion import check_one_of

JSON_LINES = (".jsonl", ".ndjson")
RECORDS = (".tfrecord", ".tfrecords")
TEXTS = (".txt", ".text", ".md")
# Bytes around a TFRecord's own: its length and two checksums.
_RECORD_FRAME = 16
SPLITS = ("none", "lines", "blank_lines")


class Document(typing.NamedTuple):
    """A text and where it stands.

    Attributes:
        text: str.
        place: str, the file, with the line or the record where there is one.
    """

    text: str
    place: str


def find_files(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
) -> list[str]:
    """Returns the files of paths, patterns and folders, each once.

    Files named are taken whatever their names; of folders, with all that is
    in them, those whose names end as texts', JSON lines' or TFRecords' do
    (`.txt .text .md .jsonl .ndjson .tfrecord .tfrecords`, and `.gz` after
    any). The order is that of `paths`, and by name within one.

    Raises:
        FileNotFoundError: a path or pattern without such files, by name.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files = {}
    for path in map(os.fspath, paths):
        if os.path.isdir(path):
            found = sorted(
                str(file)
                for file in pathlib.Path(path).rglob("*")
                if file.is_file() and _suffix(file) is not None
            )
        elif os.path.isfile(path):
            found = [path]
        else:
            found = [f for f in sorted(glob.glob(path)) if os.path.isfile(f)]
        if not found:
            raise FileNotFoundError(
                f"There is no text at '{path}': no file, no pattern that fits "
                "one, no folder with files that end in "
                f"{' '.join(TEXTS + JSON_LINES + RECORDS)} (.gz after any)."
            )
        files |= dict.fromkeys(found)
    if not files:
        raise FileNotFoundError("`paths` must name a file. Received: none.")
    return list(files)


def check_split(split: str) -> None:
    """Raises `ValueError` for a split of text files that is not known."""
    check_one_of("split", split, SPLITS)


def read_documents(
    file: str,
    *,
    text_field: str = "text",
    split: str = "none",
    opened: typing.BinaryIO | None = None,
) -> Iterator[Document]:
    """Yields the documents of a file, empty ones too.

    What a file is, its name says: JSON lines, TFRecords, else a text. Only a
    text that is one document is ever in memory whole.

    Args:
        file: str, its path.
        text_field: str, the field of JSON lines, or the feature of TFRecords'
            Examples, that has the text.
        split: which documents a text file holds: `"none"` one, `"lines"` one
            a line, `"blank_lines"` those between blank lines.
        opened: the file, opened for reading bytes, where `open` cannot read
            `file`. TFRecords are always read by TensorFlow.

    Raises:
        ValueError: not UTF-8, no JSON, no such field; by file and line.
    """
    check_split(split)
    suffix = _suffix(file)
    if suffix in RECORDS:
        yield from _records(file, text_field)
        return
    with opened or open(file, "rb") as raw:
        lines = gzip.GzipFile(fileobj=raw) if _is_gzip(file) else raw
        try:
            if suffix in JSON_LINES:
                yield from _json_lines(file, lines, text_field)
            else:
                yield from _texts(file, lines, split)
        except (gzip.BadGzipFile, EOFError) as error:
            raise ValueError(
                f"'{file}' is no whole gzip file: {error}. Copy it again."
            ) from error


def _texts(file, lines, split):
    lines = _decoded(file, lines)
    if split == "lines":
        for number, line in lines:
            yield Document(line.removesuffix("\n"), f"{file}:{number}")
        return
    if split == "none":
        yield Document("".join(line for _, line in lines), file)
        return
    part, begin = [], 1
    for number, line in lines:
        if line.strip():
            begin = begin if part else number
            part.append(line)
        elif part:
            yield Document("".join(part).removesuffix("\n"), f"{file}:{begin}")
            part = []
    if part:
        yield Document("".join(part).removesuffix("\n"), f"{file}:{begin}")


def _decoded(file, lines) -> Iterable[tuple[int, str]]:
    """Yields numbers from 1 and lines, with their line feeds."""
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            wrong = line[error.start : error.end].hex(" ")
            raise ValueError(
                f"{file}:{number}: not UTF-8: byte {error.start + 1} of the "
                f"line is {wrong}. Convert the file to UTF-8."
            ) from error
        yield number, text.replace("\r\n", "\n")


def _json_lines(file, lines, text_field):
    for number, line in _decoded(file, lines):
        place = f"{file}:{number}"
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{place}: not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise ValueError(f"{place}: must be a JSON object, {{...}}.")
        text = values.get(text_field)
        if not isinstance(text, str):
            what = (
                f"is {type(text).__name__}, not text"
                if text_field in values
                else "is missing"
            )
            raise ValueError(
                f"{place}: {text_field!r} {what}. There are: "
                f"{', '.join(map(repr, values)) or 'no fields'}. Name the "
                "field with the text (`text_field`, --text-field)."
            )
        yield Document(text, place)


def _records(file, text_field):
    compression = "GZIP" if _is_gzip(file) else ""
    records = tf.data.TFRecordDataset(file, compression_type=compression)
    number, size = 0, 0
    try:
        for number, record in enumerate(records.as_numpy_iterator(), 1):
            size += len(record) + _RECORD_FRAME
            place = f"{file}, record {number}"
            yield Document(_feature(record, text_field, place), place)
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"'{file}' is no whole TFRecord file after record {number}: "
            f"{error.message}"
        ) from error
    # TensorFlow takes a piece that is too short for a record for the end.
    if not compression and size != os.path.getsize(file):
        raise ValueError(
            f"'{file}' is no whole TFRecord file: {os.path.getsize(file):,} "
            f"bytes, and {size:,} to the end of record {number}. Copy it again."
        )


def _feature(record, name, place):
    try:
        features = tf.train.Example.FromString(record).features.feature
    except message.DecodeError as error:
        raise ValueError(f"{place}: no tf.train.Example.") from error
    values = features[name].bytes_list.value if name in features else []
    if len(values) != 1:
        raise ValueError(
            f"{place}: the feature {name!r} must be one string. There are: "
            f"{', '.join(sorted(features)) or 'no features'}. Name the one "
            "with the text (`text_field`, --text-field)."
        )
    try:
        return values[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: {name!r} is not UTF-8: {error}") from error


def _is_gzip(file):
    return os.fspath(file).lower().endswith(".gz")


def _suffix(file):
    """The ending that says what a file is, `None` where none is known."""
    name = os.path.basename(os.fspath(file)).lower().removesuffix(".gz")
    suffix = os.path.splitext(name)[1]
    return suffix if suffix in TEXTS + JSON_LINES + RECORDS else None


def is_records(file: str) -> bool:
    """Says whether a file is of TFRecords, by its name."""
    return _suffix(file) in RECORDS
