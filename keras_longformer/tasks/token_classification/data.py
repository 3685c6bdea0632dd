"""Words with labels, from CoNLL's columns."""

import dataclasses
from collections.abc import Collection

from keras_longformer.data.problems import Problems
from keras_longformer.data.problems import lines_of
from keras_longformer.data.problems import read_text

DOCUMENT_START = "-DOCSTART-"
JOINS = ("sentences", "documents")
_PREFIXES = ("B", "I", "E", "S")


@dataclasses.dataclass(frozen=True)
class LabelledWords:
    """A sentence or document.

    Attributes:
        words: tuple of str.
        labels: tuple of str, one a word: `"O"`, `"B-PER"`, ...
        place: str, file and first line, for messages.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...]
    place: str = ""


def read_conll(
    path: str,
    *,
    word_column: int = 0,
    label_column: int = -1,
    separator: str | None = None,
    rows: str = "sentences",
    known_labels: Collection[str] | None = None,
) -> list[LabelledWords]:
    """Reads one word a line, with its label in one of the columns.

        -DOCSTART- -X- -X- O

        EU NNP B-NP B-ORG
        rejects VBZ B-VP O

        Peter NNP B-NP B-PER

    An empty line ends a sentence, a line that begins with `-DOCSTART-` a
    document. Lines that begin with `#` are comments where the separator is a
    tab, as in CoNLL-U.

    Args:
        path: str, a UTF-8 file.
        word_column, label_column: int, from 0, or from the last as -1.
        separator: str between columns, such as `"\\t"`; by default any white
            space.
        rows: what makes a row: `"sentences"`, or whole `"documents"`.
        known_labels: the labels that there may be; by default any that the IOB
            and IOBES schemes can have.

    Returns:
        List of `LabelledWords`, in the file's order.

    Raises:
        DataError: everything that is wrong: lines with other columns than the
            first, empty words, unknown labels, no documents.
        OSError: the file cannot be read.
    """
    if rows not in JOINS:
        raise ValueError(
            f"`rows` must be one of {JOINS}. Received: rows={rows!r}"
        )
    problems = Problems(path)
    text = read_text(path)
    found, words, labels = [], [], []
    begin, columns, documents = None, None, 0

    def end_row():
        nonlocal begin
        if words:
            found.append(
                LabelledWords(
                    tuple(words), tuple(labels), problems.place(begin)
                )
            )
        words.clear()
        labels.clear()
        begin = None

    for number, line in lines_of(text):
        if not line.strip():
            if rows == "sentences":
                end_row()
            continue
        if separator == "\t" and line.startswith("#"):
            continue
        if line.startswith(DOCUMENT_START):
            documents += 1
            end_row()
            continue
        cells = line.split(separator)
        if columns is None:
            columns, first = len(cells), number
            for name, index in (
                ("word", word_column),
                ("label", label_column),
            ):
                if not -columns <= index < columns:
                    problems.add(
                        number,
                        f"there is no {name} column {index}: the line has "
                        f"{columns} columns.",
                    )
            problems.raise_if_any()
        if len(cells) != columns:
            problems.add(
                number,
                f"{len(cells)} columns, and line {first} has {columns}.",
            )
            continue
        word, label = cells[word_column], cells[label_column]
        if not word.strip():
            problems.add(number, "the word is empty.")
        complaint = _wrong_label(label, known_labels)
        if complaint:
            problems.add(number, complaint)
        if begin is None:
            begin = number
        words.append(word)
        labels.append(label)
    end_row()
    if not found:
        problems.add(None, "there are no words in the file.")
    if rows == "documents" and not documents:
        problems.add(
            None,
            f"there are no {DOCUMENT_START} lines, so the documents cannot be "
            "told apart. Take sentences as rows.",
        )
    problems.raise_if_any()
    return found


def labels_of(rows: list[LabelledWords]) -> list[str]:
    """Returns the labels that occur, `"O"` first, the rest sorted."""
    found = {label for row in rows for label in row.labels}
    return sorted(found, key=lambda label: (label != "O", label))


def _wrong_label(label, known):
    if known is not None:
        if label in known:
            return None
        names = ", ".join(sorted(known)[:12])
        return f"unknown label {label!r}. Known are: {names}."
    prefix, dash, kind = label.partition("-")
    if label == "O" or (prefix in _PREFIXES and (kind or not dash)):
        return None
    return (
        f"{label!r} is no label of IOB or IOBES: 'O', or 'B', 'I', 'E' or 'S' "
        "with the kind after a '-'. Is it the right column?"
    )
