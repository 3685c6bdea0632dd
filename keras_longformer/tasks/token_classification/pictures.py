"""Pictures of the kinds of entities that a model finds."""

import numpy as np

from keras_longformer.tasks.pictures import BLUE
from keras_longformer.tasks.pictures import GREY
from keras_longformer.tasks.pictures import RED


def kinds(axes, metrics: dict[str, float]) -> None:
    """Draws each kind of entity's precision, recall and F1."""
    names = [
        name.removesuffix("/f1") for name in metrics if name.endswith("/f1")
    ]
    names = sorted(names, key=lambda n: -metrics[f"{n}/support"])[:15]
    at = np.arange(len(names))
    for i, (measure, color) in enumerate(
        (("precision", GREY), ("recall", RED), ("f1", BLUE))
    ):
        values = [100 * metrics[f"{name}/{measure}"] for name in names]
        axes.bar(at + 0.27 * (i - 1), values, 0.25, color=color, label=measure)
    axes.set_xticks(at, names)
    axes.set_ylim(0, 100)
    axes.set_ylabel("%")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
