"""Which tokens an output depends on, by a model's configuration alone."""

import dataclasses
import os

import keras
import numpy as np

from keras_longformer.explanations.blocks import backbone_of
from keras_longformer.explanations.blocks import blocks_of
from keras_longformer.explanations.blocks import takes_globals
from keras_longformer.training.pictures import BLUE
from keras_longformer.training.pictures import GREY
from keras_longformer.training.pictures import new_figure
from keras_longformer.training.pictures import write


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """Which tokens an output depends on, through windows.

    Attributes:
        seen: bool `(layers, offsets)`, whether the output of a token after
            each layer depends on the token at each offset.
        offsets: int32 `(offsets,)`, how far from it: negative is before.
        takes_globals: bool, whether there may be global tokens: through
            these, two layers see everything.
    """

    seen: np.ndarray
    offsets: np.ndarray
    takes_globals: bool

    @property
    def num_tokens(self) -> list[int]:
        """How many tokens each layer's output depends on."""
        return self.seen.sum(axis=1).tolist()

    @property
    def reach(self) -> list[tuple[int, int]]:
        """How far each layer sees: tokens before, and tokens behind."""
        ends = [self.offsets[row][[0, -1]] for row in self.seen]
        return [(int(-first), int(last)) for first, last in ends]

    def save(self, path: str | os.PathLike) -> None:
        """Draws it as PNG.

        Args:
            path: str, the file.

        Raises:
            ImportError: there is no Matplotlib.
        """
        figure = new_figure((10, 0.45 * len(self.seen) + 1.8))
        axes = figure.add_subplot()
        for layer, row in enumerate(self.seen):
            # Runs of tokens that are seen, one bar each.
            edges = np.flatnonzero(np.diff([0, *row.astype(int), 0]))
            bars = [
                (self.offsets[first] - 0.5, last - first)
                for first, last in edges.reshape(-1, 2)
            ]
            axes.broken_barh(bars, (layer - 0.4, 0.8), color=BLUE)
            axes.annotate(
                f"{self.num_tokens[layer]:,}",
                (self.offsets[row][-1] + 0.5, layer),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=GREY,
            )
        axes.axvline(0, color="black", linewidth=0.8)
        axes.margins(x=0.08)
        axes.set_yticks(range(len(self.seen)))
        axes.set_ylabel("layer")
        axes.set_xlabel("tokens from the one whose output it is")
        axes.spines[["top", "right"]].set_visible(False)
        title = "What an output after each layer depends on"
        if self.takes_globals:
            title += ", through windows alone"
        figure.suptitle(title, x=0.01, ha="left")
        write(figure, path)


def receptive_field(model: keras.Model) -> ReceptiveField:
    """Says which tokens an output depends on, after each layer.

    Windows add up from layer to layer. With a dilation there are gaps, until
    another layer fills them. Global tokens are left aside: through them two
    layers see everything.

    Args:
        model: a task or a backbone.

    Returns:
        A `ReceptiveField`: arrays, and `save` for a picture.

    Raises:
        TypeError: a model of another kind.

    Example:
    ```python
    field = keras_longformer.receptive_field(classifier)
    field.num_tokens  # of each layer
    field.save("receptive_field.png")
    ```
    """
    backbone = backbone_of(model)
    windows = [_window(block.attention) for block in blocks_of(backbone)]
    total = sum(len(window) // 2 for window in windows)
    rows = np.zeros([len(windows), 2 * total + 1], bool)
    seen = np.ones(1, bool)
    for row, window in zip(rows, windows, strict=True):
        seen = np.convolve(seen, window) > 0
        spare = (len(row) - len(seen)) // 2
        row[spare : spare + len(seen)] = seen
    offsets = np.arange(-total, total + 1, dtype=np.int32)
    inside = np.flatnonzero(rows.any(axis=0))
    part = slice(inside[0], inside[-1] + 1)
    return ReceptiveField(rows[:, part], offsets[part], takes_globals(backbone))


def _window(attention):
    """int `(2 * reach * dilation + 1,)`, 1 where any head sees."""
    reach = attention.window_size // 2
    steps = np.atleast_1d(attention.dilation)
    middle = reach * int(steps.max())
    window = np.zeros(2 * middle + 1, int)
    for step in steps:
        last = 0 if attention.causal else reach
        window[middle + step * np.arange(-reach, last + 1)] = 1
    return window
