"""What a served model answers, as rows for people's files.

A task's class has a function `said(outputs, class_names)` where its answers
shall be told in other columns than the outputs' own: it takes arrays by the
signature's names, `(b, ...)`, and returns a dict for each text.
"""

from collections.abc import Sequence

import numpy as np


def plain(value):
    """Returns Python's own numbers, lists and str for a part of an output."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(x) for x in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def rows(
    outputs: dict[str, np.ndarray], class_names: Sequence[str] | None = None
) -> list[dict]:
    """Returns one dict for each text, with all outputs by their names."""
    return [
        dict(zip(outputs, map(plain, row))) for row in zip(*outputs.values())
    ]
