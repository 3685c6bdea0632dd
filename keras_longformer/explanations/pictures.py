"""Attention as pictures."""

import os
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from keras_longformer.explanations import page
from keras_longformer.explanations.layer_scores import LayerScores
from keras_longformer.explanations.reading import Word
from keras_longformer.training.pictures import BLUE
from keras_longformer.training.pictures import GREY
from keras_longformer.training.pictures import RED
from keras_longformer.training.pictures import new_figure
from keras_longformer.training.pictures import write

BINS = 128  # Cells of a matrix at most, each way.
COLUMNS, LINES = 100, 400  # Of a text's picture, in characters.
LINE_HEIGHT, CHARACTER = 0.24, 0.085  # Inches.


def draw_map(
    layers: Mapping[int, LayerScores],
    heads_of: Callable[[LayerScores], list[int]],
    path: str | os.PathLike,
) -> None:
    """Draws a matrix for each layer and head.

    Args:
        layers: the layers by their numbers.
        heads_of: function of a layer, to the numbers of its heads.
        path: str, the file.
    """
    across = max(len(heads_of(scores)) for scores in layers.values())
    side = 2.6 if across <= 4 else 1.7
    size = (side * across + 1.4, side * len(layers) + 1.3)
    figure = new_figure((max(size[0], 6), size[1]))
    grid = figure.subplots(len(layers), across, squeeze=False)
    for axes, (number, scores) in zip(grid, layers.items(), strict=True):
        bin_size = -(-scores.num_tokens // BINS)
        matrix = scores.binned(bin_size)
        for one in axes:
            one.set_visible(False)
        for one, head in zip(axes, heads_of(scores), strict=False):
            image = _draw_matrix(one, matrix[head], scores.num_tokens)
            one.set_title(f"layer {number}, head {head}", fontsize=8)
    label = "attention (the largest is 1)"
    figure.colorbar(image, ax=grid, shrink=0.6, label=label)
    figure.suptitle("Who (down) looks at whom (across)", x=0.01, ha="left")
    write(figure, path)


def _draw_matrix(axes, matrix, num_tokens):
    from matplotlib.colors import PowerNorm

    axes.set_visible(True)
    axes.tick_params(labelsize=6)
    return axes.imshow(
        matrix / (matrix.max() or 1),
        cmap="Blues",
        # Most of it is small.
        norm=PowerNorm(0.4, 0, 1),
        interpolation="nearest",
        extent=(-0.5, num_tokens - 0.5, num_tokens - 0.5, -0.5),
    )


def draw_text(
    words: Sequence[Word],
    shares: np.ndarray,
    positions: np.ndarray,
    path: str | os.PathLike,
) -> None:
    """Draws a text with its words shaded, the global tokens framed.

    Of a text longer than `LINES` the first lines are drawn, and it says so.
    """
    places, lines = _places(words)
    shown = min(lines, LINES)
    height = LINE_HEIGHT * (shown + 1) + 0.7
    figure = new_figure((CHARACTER * COLUMNS + 0.5, height))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.5, COLUMNS + 0.5)
    axes.set_ylim(shown, -0.2)
    framed = page.is_global(words, positions)
    shade = page.shades(words, shares)
    for i, (line, column) in enumerate(places):
        if line < shown:
            _draw_word(axes, words[i], line, column, shade[i], framed[i])
    title = "What the model looked at (framed: global)"
    if lines > shown:
        title += f": the first {shown} of {lines} lines"
    figure.suptitle(title, x=0.01, ha="left")
    write(figure, path)


def _draw_word(axes, word, line, column, shade, frame):
    from matplotlib.patches import Rectangle

    text = _shown(word)
    box = (column - 0.2, line), len(text) + 0.4, 0.86
    if shade > 0:
        color = {"facecolor": BLUE, "alpha": float(shade)}
        axes.add_patch(Rectangle(*box, linewidth=0, **color))
    if frame:
        axes.add_patch(Rectangle(*box, fill=False, edgecolor=RED))
    color = "white" if shade > 0.6 else "black"
    axes.text(
        column,
        line + 0.68,
        text.replace("$", r"\$"),
        family="monospace",
        fontsize=9.5,
        color=GREY if word.is_special else color,
    )


def _shown(word):
    text = " ".join(word.text.split())
    if len(text) > COLUMNS:
        text = text[: COLUMNS - 1] + "…"
    return text or "·"


def _places(words):
    """Line and column of each word, and how many lines there are."""
    places, line, column = [], 0, 0
    for word in words:
        size = len(_shown(word))
        if column and column + size > COLUMNS:
            line, column = line + 1, 0
        places.append((line, column))
        column += size + 1
    return places, line + 1
