"""What a model was measured to do."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass
class Outcome:
    """A measurement on one file.

    Attributes:
        metrics: dict of name to number.
        predictions: list of dicts for JSON, one an example.
        draw: function that draws the picture on Matplotlib axes.
    """

    metrics: dict[str, float]
    predictions: list[dict]
    draw: Callable
