"""The results as a picture. Needs matplotlib."""

from benchmark_gpu.report import median

COLORS = {
    "kernel": "tab:red",
    "FlexAttention": "tab:purple",
    "dense SDPA": "tab:gray",
    "chunked, XLA": "tab:cyan",
    "chunked": "tab:blue",
}
STYLES = {"torch": "o-", "jax": "s--", "tensorflow": "^:"}


def draw(results, path):
    """Writes a picture of time and memory against length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), sharex=True)
    for column, passes in enumerate(("forward", "forward + backward")):
        _lines(
            axes[0, column],
            f"{passes}: ns a token",
            [row for row in results.rows("time") if row["pass"] == passes],
            lambda row: (
                1e9 * median(row) / (row["n"] * row["b"])
                if "seconds" in row
                else None
            ),
        )
        _lines(
            axes[1, column],
            f"{passes}: peak memory above the inputs, MiB",
            [row for row in results.rows("memory") if row["pass"] == passes],
            lambda row: row["bytes"] / 2**20 if row.get("bytes") else None,
        )
    axes[0, 0].legend(fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("sequence length")
    about = "; ".join(f"{d['gpu']}, {d['versions']}" for d in results.devices)
    figure.text(0.01, 0.005, about, fontsize=6)
    figure.tight_layout(rect=(0, 0.015, 1, 1))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _lines(axis, title, rows, value):
    lines = {}
    for row in rows:
        if value(row):
            key = row["framework"], row["name"], row["through"]
            lines.setdefault(key, {})[row["n"]] = value(row)
    for (framework, name, through), points in lines.items():
        lengths = sorted(points)
        axis.plot(
            lengths,
            [points[n] for n in lengths],
            STYLES[framework],
            color=COLORS[name],
            markersize=3,
            label=f"{name}, {through}",
        )
    axis.set_title(title, fontsize=10)
    if lines:
        axis.set(xscale="log", yscale="log")
        lengths = sorted({n for points in lines.values() for n in points})
        axis.set_xticks(lengths, [str(n) for n in lengths], fontsize=6)
        axis.minorticks_off()
    axis.grid(alpha=0.3)
