"""Questions with choices, of which one is right."""

import dataclasses

from keras_longformer.data import tables
from keras_longformer.data.problems import Problems


@dataclasses.dataclass(frozen=True)
class Choice:
    """A question with its choices.

    Attributes:
        context: str, what all choices share.
        choices: tuple of str.
        label: int, index of the right one.
        question: str, or `None` where files have only a context.
        place: str, file and line, for messages.
        id: str, the file's name for it; by default the place.
    """

    context: str
    choices: tuple[str, ...]
    label: int
    question: str | None = None
    place: str = ""
    id: str = ""


def read_choices(
    path: str,
    *,
    context_column: str = "context",
    question_column: str = "question",
    choices_column: str = "choices",
    label_column: str = "label",
) -> list[Choice]:
    """Reads questions with choices.

        {"context": "...", "question": "...", "choices": ["...", "..."],
         "label": 1}

    In CSV and TSV the choices stand in columns `choices_0`, `choices_1`, ...

    Args:
        path: str, a `.jsonl`, `.csv` or `.tsv` file in UTF-8.
        context_column, question_column, choices_column, label_column: str.
            Questions may be missing, from all rows. A label is an index from
            0, or the right choice itself.

    Returns:
        List of `Choice`, in the file's order, all with as many choices.

    Raises:
        DataError: everything that is wrong, with its line.
        ValueError, OSError: a file of another kind, or none.
    """
    problems = Problems(path)
    rows = tables.read_rows(path, problems)
    tables.note_double_ids(rows, "id", problems)
    examples, count, first = [], None, None
    has_question = any(question_column in row.values for row in rows)
    for row in rows:
        context = tables.text_of(row, context_column, problems)
        question = None
        if has_question:
            question = tables.text_of(row, question_column, problems)
        choices = _choices(row, choices_column, problems)
        if choices is None:
            continue
        if count is None:
            count, first = len(choices), row.line
        elif len(choices) != count:
            problems.add(
                row.line,
                f"{len(choices)} choices, and line {first} has {count}.",
            )
        label = _label(row, label_column, choices, problems)
        if None not in (context, label):
            place = problems.place(row.line)
            identity = str(row.values.get("id", place))
            examples.append(
                Choice(context, choices, label, question, place, identity)
            )
    problems.raise_if_any()
    return examples


def _choices(row, name, problems):
    if name in row.values:
        choices = tables.column(row, name, (list,), problems)
        if choices is None:
            return None
    else:
        choices = []
        while f"{name}_{len(choices)}" in row.values:
            choices.append(row.values[f"{name}_{len(choices)}"])
        if not choices:
            problems.add(row.line, f"there is no {name!r} and no '{name}_0'.")
            return None
    complaints = []
    for i, choice in enumerate(choices):
        if not isinstance(choice, str) or not choice.strip():
            complaints.append(f"choice {i} must be a text: {choice!r}.")
        elif choice in choices[:i]:
            complaints.append(f"choice {i} is a choice before too: {choice!r}.")
    if len(choices) < 2:
        complaints.append("there must be two choices at least.")
    for complaint in complaints:
        problems.add(row.line, complaint)
    return None if complaints else tuple(choices)


def _label(row, name, choices, problems):
    label = tables.column(row, name, (int, str), problems)
    if label is None:
        return None
    if label in choices:
        return choices.index(label)
    if isinstance(label, str) and label.strip().isdecimal():
        label = int(label)
    if type(label) is int and 0 <= label < len(choices):
        return label
    problems.add(
        row.line,
        f"{name!r} must be an index from 0 to {len(choices) - 1} or one of the "
        f"choices, and is {label!r}.",
    )
    return None
