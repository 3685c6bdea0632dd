"""Pictures of numbers that a model predicts."""

import numpy as np

from keras_longformer.tasks.pictures import BLUE
from keras_longformer.tasks.pictures import GREY


def scatter(axes, golds: np.ndarray, predictions: np.ndarray) -> None:
    """Draws predicted numbers against what they should be."""
    axes.scatter(golds, predictions, s=12, color=BLUE, alpha=0.6)
    ends = [min(golds), max(golds)]
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=":")
    axes.set_xlabel("is")
    axes.set_ylabel("said")
    axes.spines[["top", "right"]].set_visible(False)
