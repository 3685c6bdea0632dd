"""Pictures that several tasks draw of what a model gets right and wrong."""

import numpy as np

from keras_longformer.training.pictures import BLUE as BLUE
from keras_longformer.training.pictures import GREY as GREY
from keras_longformer.training.pictures import RED as RED


def confusion(axes, matrix: np.ndarray, labels: list[str]) -> None:
    """Draws shares of each class's texts by what was said of them."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    if len(labels) <= 20:
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= 10:
        for (row, column), count in np.ndenumerate(matrix):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    axes.set_xlabel("said")
    axes.set_ylabel("is")
    axes.set_title("Confusion", loc="left")


def reliability(axes, table: np.ndarray) -> None:
    """Draws how often answers are right against how sure they are."""
    counts, sure, share = table.T
    there = counts > 0
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    axes.scatter(
        sure[there],
        share[there],
        s=20 + 300 * counts[there] / counts.sum(),
        color=BLUE,
        alpha=0.8,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("probability")
    axes.set_ylabel("part that is right")
    axes.set_title("Reliability", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
