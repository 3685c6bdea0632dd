"""Writes pictures, in this project's colours."""

import os
from collections.abc import Callable

from keras_longformer.unfinished import whole_file

GREY, BLUE, RED = "#8c8c8c", "#2b6cb0", "#c05640"


def new_figure(size: tuple[float, float]):
    """Returns an empty Matplotlib figure, outside of any window.

    Args:
        size: width and height in inches.

    Raises:
        ImportError: there is no Matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need Matplotlib: "
            "`pip install 'keras_longformer[finetune]'`."
        ) from error
    return Figure(figsize=size, layout="constrained")


def write(figure, path: str | os.PathLike) -> None:
    """Writes a figure as PNG, whole or not at all."""
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)


def save(draw: Callable, title: str, path: str) -> None:
    """Draws a figure into a PNG, whole or not at all.

    Args:
        draw: function of a Matplotlib figure.
        title: str, above the picture.
        path: str, the file.

    Raises:
        ImportError: there is no Matplotlib.
    """
    figure = new_figure((10, 4.5))
    draw(figure)
    figure.suptitle(title, x=0.01, ha="left")
    write(figure, path)
