"""Documents with summaries, from tables."""

import dataclasses

from keras_longformer.data import tables
from keras_longformer.data.problems import Problems


@dataclasses.dataclass(frozen=True)
class SummarizedText:
    """A document and what is to be written about it.

    Attributes:
        text: str.
        summary: str.
        place: str, file and line, for messages.
        id: str, the file's name for it; by default the place.
    """

    text: str
    summary: str
    place: str = ""
    id: str = ""


def read_summaries(
    path: str,
    *,
    text_column: str = "text",
    summary_column: str = "summary",
) -> list[SummarizedText]:
    """Reads documents with a summary each.

    Args:
        path: str, a `.jsonl`, `.csv` or `.tsv` file in UTF-8.
        text_column, summary_column: str. A column `id`, if there is one, must
            not name two rows alike.

    Returns:
        List of `SummarizedText`, in the file's order.

    Raises:
        DataError: everything that is wrong, with its line.
        ValueError, OSError: a file of another kind, or none.
    """
    problems = Problems(path)
    rows = tables.read_rows(path, problems)
    tables.note_double_ids(rows, "id", problems)
    examples = []
    for row in rows:
        text = tables.text_of(row, text_column, problems)
        summary = tables.text_of(row, summary_column, problems)
        if summary is not None and not summary.strip():
            problems.add(row.line, f"{summary_column!r} is empty.")
            continue
        if text is not None and summary is not None:
            place = problems.place(row.line)
            identity = str(row.values.get("id", place))
            examples.append(SummarizedText(text, summary, place, identity))
    problems.raise_if_any()
    return examples
