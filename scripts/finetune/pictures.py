"""Pictures of what a model gets right and wrong."""

import os

import numpy as np

GREY, BLUE, RED = "#8c8c8c", "#2b6cb0", "#c05640"
SPAN_ERRORS = ("right", "within", "around", "overlaps", "beside")


def save(draw, title: str, path: str) -> None:
    """Draws a figure into a PNG, whole or not at all."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(10, 4.5), layout="constrained")
    draw(figure)
    figure.suptitle(title, x=0.01, ha="left")
    temporary = f"{path}.tmp"
    figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
    os.replace(temporary, path)


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


def scatter(axes, golds: np.ndarray, predictions: np.ndarray) -> None:
    """Draws predicted numbers against what they should be."""
    axes.scatter(golds, predictions, s=12, color=BLUE, alpha=0.6)
    ends = [min(golds), max(golds)]
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=":")
    axes.set_xlabel("is")
    axes.set_ylabel("said")
    axes.spines[["top", "right"]].set_visible(False)


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


def span_errors(axes, errors: list[str]) -> None:
    """Draws how predicted spans lie to the right ones."""
    shares = [
        100 * errors.count(kind) / max(len(errors), 1) for kind in SPAN_ERRORS
    ]
    bars = axes.barh(
        [
            "the answer itself",
            "within the answer",
            "around the answer",
            "overlaps the answer",
            "elsewhere",
        ],
        shares,
        color=[BLUE, GREY, GREY, GREY, RED],
    )
    axes.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 112)
    axes.set_xlabel("of the questions whose answer is in the context")
    axes.spines[["top", "right"]].set_visible(False)
