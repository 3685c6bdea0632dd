"""Accuracy against distance, as numbers and as a picture."""

import numpy as np

# Least and most tokens between a key in the question and its value.
BINS = ((3, 16), (16, 64), (64, 256), (256, 512), (512, 1024), (1024, 2048))
BINS += ((2048, 4096),)
GUESSING = 1 / 8
# Okabe and Ito's, which all readers tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73")
MARKERS = ("o", "s", "^")


def by_distance(results):
    """Returns `{model: [(bin, questions, accuracy)]}` of `{model: {length:
    (distances, right)}}`, whatever the length that a question was asked at."""
    table = {}
    for name, lengths in results.items():
        distances = np.concatenate([d for d, _ in lengths.values()])
        right = np.concatenate([r for _, r in lengths.values()])
        table[name] = []
        for low, high in BINS:
            inside = (distances >= low) & (distances < high)
            if inside.any():
                row = ((low, high), int(inside.sum()), right[inside].mean())
                table[name].append(row)
    return table


def as_text(table):
    """Returns the numbers, a line for each distance."""
    names = list(table)
    lines = ["distance     questions  " + "  ".join(f"{n:>17}" for n in names)]
    for rows in zip(*table.values(), strict=True):
        (low, high), count, _ = rows[0]
        lines.append(
            f"{low:5}-{high - 1:<5} {count:10}  "
            + "  ".join(f"{accuracy:17.1%}" for _, _, accuracy in rows)
        )
    return "\n".join(lines)


def draw(table, path):
    """Writes the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for (name, rows), color, marker in zip(
        table.items(), COLORS, MARKERS, strict=True
    ):
        middle = [np.sqrt(low * high) for (low, high), _, _ in rows]
        accuracy = [100 * value for _, _, value in rows]
        axes.plot(
            middle,
            accuracy,
            marker=marker,
            color=color,
            label=name,
            clip_on=False,
        )
    axes.axhline(100 * GUESSING, color="#999999", linestyle=":")
    axes.text(
        1.01,
        100 * GUESSING,
        "guessing",
        color="#666666",
        va="center",
        transform=axes.get_yaxis_transform(),
    )
    axes.set_xscale("log", base=2)
    axes.set_xlabel("tokens between the key in the question and its value")
    axes.set_ylabel("right answers (%)")
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_formatter(
        matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:,.0f}")
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0, 0.45))
    figure.savefig(path, dpi=150)
