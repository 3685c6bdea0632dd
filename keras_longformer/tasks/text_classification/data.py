"""Texts with classes, several classes or a number, from tables."""

import dataclasses
import math
from collections.abc import Collection

from keras_longformer.data import tables
from keras_longformer.data.problems import Problems

BETWEEN_LABELS = "|"  # In CSV and TSV cells.


@dataclasses.dataclass(frozen=True)
class LabelledText:
    """A text and its label.

    Attributes:
        text: str.
        label: str, the class; or tuple of str, several; or float.
        place: str, file and line, for messages.
        id: str, the file's name for it; by default the place.
    """

    text: str
    label: str | tuple[str, ...] | float
    place: str = ""
    id: str = ""


def read_classes(
    path: str,
    *,
    text_column: str = "text",
    label_column: str = "label",
    known_labels: Collection[str] | None = None,
) -> list[LabelledText]:
    """Reads texts with one class each.

    Args:
        path: str, a `.jsonl`, `.csv` or `.tsv` file in UTF-8.
        text_column, label_column: str. A class is a string or an integer.
            A column `id`, if there is one, must not name two rows alike.
        known_labels: the classes that there may be; by default any.

    Returns:
        List of `LabelledText`, in the file's order; labels are str.

    Raises:
        DataError: everything that is wrong, with its line.
        ValueError, OSError: a file of another kind, or none.
    """

    def label(row, problems):
        value = tables.column(row, label_column, (str, int, bool), problems)
        if value is None:
            return None
        value = str(value).strip()
        if not value:
            problems.add(row.line, f"{label_column!r} is empty.")
            return None
        return _known(value, known_labels, row, problems)

    return _read(path, text_column, label)


def read_label_sets(
    path: str,
    *,
    text_column: str = "text",
    label_column: str = "labels",
    known_labels: Collection[str] | None = None,
) -> list[LabelledText]:
    """Reads texts with any number of labels, as `read_classes`.

    In JSON lines the labels are a list of strings or integers; in CSV and
    TSV, they stand in one cell with `|` between them. None at all is right.
    """

    def label(row, problems):
        value = tables.column(row, label_column, (str, list), problems)
        if value is None:
            return None
        if isinstance(value, str):
            value = [part for part in value.split(BETWEEN_LABELS) if part]
        labels = []
        for part in value:
            if type(part) not in (str, int) or not str(part).strip():
                problems.add(
                    row.line,
                    f"{label_column!r} must hold names, and holds {part!r}.",
                )
            else:
                labels.append(str(part).strip())
        for name in sorted({n for n in labels if labels.count(n) > 1}):
            problems.add(row.line, f"the label {name!r} stands twice.")
        for name in labels:
            _known(name, known_labels, row, problems)
        return tuple(labels)

    return _read(path, text_column, label)


def read_numbers(
    path: str,
    *,
    text_column: str = "text",
    label_column: str = "label",
) -> list[LabelledText]:
    """Reads texts with a number each, as `read_classes`."""

    def label(row, problems):
        value = tables.column(row, label_column, (str, int, float), problems)
        if value is None:
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            problems.add(
                row.line, f"{label_column!r} is no finite number: {value!r}."
            )
            return None
        return number

    return _read(path, text_column, label)


def labels_of(examples: list[LabelledText]) -> list[str]:
    """Returns the labels that occur, integers by size, others sorted."""
    found = set()
    for example in examples:
        label = example.label
        found.update(label if isinstance(label, tuple) else (label,))
    if all(label.lstrip("-").isdecimal() for label in found):
        return sorted(found, key=int)
    return sorted(found)


def _read(path, text_column, read_label):
    problems = Problems(path)
    rows = tables.read_rows(path, problems)
    tables.note_double_ids(rows, "id", problems)
    examples = []
    for row in rows:
        text = tables.text_of(row, text_column, problems)
        label = read_label(row, problems)
        if text is not None and label is not None:
            place = problems.place(row.line)
            identity = str(row.values.get("id", place))
            examples.append(LabelledText(text, label, place, identity))
    problems.raise_if_any()
    return examples


def _known(label, known, row, problems):
    if known is None or label in known:
        return label
    names = ", ".join(sorted(known)[:12])
    problems.add(row.line, f"unknown label {label!r}. Known are: {names}.")
    return None
