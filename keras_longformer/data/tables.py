"""Rows of JSON lines, CSV and TSV files, each with its line."""

import csv
import dataclasses
import io
import os

from keras_longformer.data.problems import Problems
from keras_longformer.data.problems import lines_of
from keras_longformer.data.problems import parse_json
from keras_longformer.data.problems import read_text

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        line: int, where it begins.
        values: dict of column to value; in CSV and TSV files all are str.
    """

    line: int
    values: dict


def read_rows(path: str, problems: Problems) -> list[Row]:
    """Reads a file whose name ends in `.jsonl`, `.ndjson`, `.csv` or `.tsv`.

    JSON lines hold an object a line. CSV and TSV begin with the names of
    their columns; cells may be quoted, and then hold line ends.

    Args:
        path: str, a UTF-8 file.
        problems: takes what is wrong with single rows, which are left out.

    Returns:
        List of `Row`, in the file's order.

    Raises:
        DataError: not UTF-8, empty, or columns whose names cannot be read.
        ValueError: a name that ends in something else.
        OSError: the file cannot be read.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"A table's name must end in one of {', '.join(SUFFIXES)}. "
            f"Received: {os.fspath(path)!r}"
        )
    text = read_text(path)
    if suffix in (".jsonl", ".ndjson"):
        rows = _json_lines(text, problems)
    else:
        rows = _cells(text, problems, "," if suffix == ".csv" else "\t")
    if not rows and not problems.found:
        problems.add(None, "there are no rows in the file.")
    return rows


def _json_lines(text, problems):
    rows = []
    for number, line in lines_of(text):
        if not line.strip():
            continue
        values = parse_json(line, problems, number)
        if isinstance(values, dict):
            rows.append(Row(number, values))
        elif values is not None or line.strip() == "null":
            problems.add(number, "must be a JSON object, {...}.")
    return rows


def _cells(text, problems, delimiter):
    # A cell may be a whole book; the module's limit is 131,072 characters.
    csv.field_size_limit(2**31 - 1)
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    rows, names, begin = [], None, 1
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            problems.add(begin, f"cannot be read: {error}.")
            break
        if cells is None:
            break
        if names is None:
            names = [name.strip() for name in cells]
            double = {name for name in names if names.count(name) > 1}
            if double or "" in names:
                problems.add(
                    1,
                    "the first line must name the columns, each once. "
                    f"It is {cells}.",
                )
                problems.raise_if_any()
        elif len(cells) == len(names):
            rows.append(Row(begin, dict(zip(names, cells))))
        elif cells:
            problems.add(
                begin,
                f"{len(cells)} columns, and the first line names "
                f"{len(names)}: {', '.join(names)}.",
            )
        begin = lines.line_num + 1
    return rows


def column(row: Row, name: str, kinds: tuple, problems: Problems):
    """Returns a row's value in a column, or `None` and notes what is wrong.

    Args:
        row: the row.
        name: str, the column.
        kinds: tuple of types that the value may have.
        problems: takes the note.
    """
    if name not in row.values:
        problems.add(
            row.line,
            f"there is no {name!r}. There are: "
            f"{', '.join(map(repr, row.values)) or 'no columns'}.",
        )
        return None
    value = row.values[name]
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        problems.add(
            row.line,
            f"{name!r} must be {wanted}, and is {type(value).__name__}: "
            f"{str(value)[:40]!r}.",
        )
        return None
    return value


def text_of(row: Row, name: str, problems: Problems) -> str | None:
    """Returns a row's text, or `None` and notes that it is missing or empty."""
    text = column(row, name, (str,), problems)
    if text is not None and not text.strip():
        problems.add(row.line, f"{name!r} is empty.")
        return None
    return text


def note_double_ids(rows: list[Row], name: str, problems: Problems) -> None:
    """Notes ids that come twice, where rows have a column `name`."""
    first = {}
    for row in rows:
        if name in row.values:
            identity = str(row.values[name])
            line = first.setdefault(identity, row.line)
            if line != row.line:
                problems.add(
                    row.line, f"{identity!r} is the {name} of line {line} too."
                )
