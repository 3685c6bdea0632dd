"""Texts of folders and tables, one after the other, good or bad."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Iterator

TABLES = (".jsonl", ".ndjson", ".csv", ".tsv")


@dataclasses.dataclass(frozen=True)
class Text:
    """One row of an input.

    Attributes:
        id: str, the row's `id`, or its file's name, or its number from 1.
        values: dict of column to value; empty where there is an `error`.
        error: str, why the row cannot be read, or "".
    """

    id: str
    values: dict
    error: str = ""


class Source:
    """What there is to be read, in a fixed order.

    Args:
        path: str, a folder, whose `.txt` files are a text each, in the order
            of their names; or a file of JSON lines, CSV or TSV in UTF-8.

    Raises:
        ValueError: something else, or a folder without texts.
        OSError: it cannot be read.
    """

    def __init__(self, path: str):
        self.path = pathlib.Path(path)
        self.suffix = self.path.suffix.lower()
        self.files = None
        if self.path.is_dir():
            self.files = sorted(self.path.glob("*.txt"))
            if not self.files:
                raise ValueError(f"There are no .txt files in '{path}'.")
        elif self.suffix not in TABLES:
            raise ValueError(
                "Texts are read from a folder of .txt files, or a file that "
                f"ends in one of {', '.join(TABLES)}. Received: '{path}'."
            )

    def __len__(self) -> int:
        if self.files is not None:
            return len(self.files)
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Text]:
        if self.files is not None:
            return map(_file, self.files)
        if self.suffix in (".jsonl", ".ndjson"):
            return self._json_lines()
        return self._cells("\t" if self.suffix == ".tsv" else ",")

    def _json_lines(self):
        number = 0
        with open(self.path, encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                if not line.strip():
                    continue
                number += 1
                try:
                    values = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield Text(str(number), {}, f"not JSON: {error}")
                    continue
                if isinstance(values, dict):
                    yield Text(str(values.get("id", number)), values)
                else:
                    yield Text(str(number), {}, "not a JSON object, {...}")

    def _cells(self, delimiter):
        # A cell may be a whole book; the module's limit is 131,072 characters.
        csv.field_size_limit(2**31 - 1)
        with open(
            self.path, encoding="utf-8-sig", errors="replace", newline=""
        ) as file:
            lines = csv.reader(file, delimiter=delimiter)
            names = next(lines, [])
            number = 0
            for cells in lines:
                if not cells:
                    continue
                number += 1
                values = dict(zip(names, cells))
                identity = values.get("id", str(number))
                if len(cells) == len(names):
                    yield Text(identity, values)
                else:
                    error = f"{len(cells)} columns instead of {len(names)}"
                    yield Text(str(number), {}, error)


def _file(path):
    # The tokenizer reads each invalid sequence as U+FFFD.
    return Text(path.name, {"text": path.read_bytes()})


def inputs_of(text: Text, names: tuple[str, ...], columns: dict) -> dict:
    """Returns what a model takes of a row, by the names of its inputs.

    Args:
        text: the row.
        names: the model's inputs. Words, and choices, may be lists; choices
            also columns `choices_0`, `choices_1`, ...
        columns: dict of input to the column that it stands in, where that has
            another name.

    Raises:
        ValueError: the row has an error, or does not have what it takes.
    """
    if text.error:
        raise ValueError(text.error)
    return {
        name: _input(text.values, name, columns.get(name, name))
        for name in names
    }


def _input(values, name, column):
    if column not in values and name == "text" and "words" in values:
        column = "words"
    if column not in values and f"{column}_0" in values:
        value = []
        while f"{column}_{len(value)}" in values:
            value.append(values[f"{column}_{len(value)}"])
    elif column in values:
        value = values[column]
    else:
        there = ", ".join(map(repr, values)) or "nothing"
        raise ValueError(f"there is no {column!r}. There is: {there}")
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        # What a signature takes: choices are lines, words have blanks between.
        value = ("\n" if name != "text" else " ").join(value)
    if not isinstance(value, str | bytes):
        kind = type(value).__name__
        raise ValueError(f"{column!r} must be a text, and is {kind}")
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace")
