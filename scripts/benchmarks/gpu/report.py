"""The results as Markdown and as a picture."""

import measure

COLORS = {"kernel": "tab:red", "Flex": "tab:purple", "dense": "tab:gray"}


def markdown(results, dry):
    """str; `results`: what each framework has written, by its name."""
    lines = ["# A dry run: nothing is timed" if dry else "# Measured on a GPU"]
    for found in results.values():
        lines += ["", f"## {found['about']}", ""]
        right = [row for row in found["check"] if row["right"]]
        worst = max(found["check"], key=lambda x: x["worst"], default=None)
        if worst:
            lines += [
                f"{len(right)} of {len(found['check'])} checks right; the "
                f"largest error is {worst['worst']:.2f} of what is allowed "
                f"({worst['case']}, {worst['dtype']}).",
                "",
            ]
        if not dry:
            for row in found["rates"]:
                lines.append(
                    f"Matrix rate: {row['rate'] / 1e12:.0f} TFLOP/s in bfloat16"
                )
            for make in (_tiles, _times, _memory):
                lines += ["", make(found), ""]
        lines += [f"- FAILED {failure}" for failure in found["failed"]]
    return "\n".join(lines).strip() + "\n"


def _tiles(found):
    own = {row["kernel"]: row["ms"] for row in found["tune"] if row["own"]}
    rows = [
        [row["kernel"], "{} x {}, {} warps, {} stages".format(*row["tile"])]
        + [f"{row['ms']:.3f}", _number(row["ms"], own.get(row["kernel"]))]
        + ["best" if row["best"] else ""]
        for row in found["tune"]
    ]
    header = ["kernel", "tile", "ms", "of the package's own", ""]
    return measure.table(header, rows) if rows else ""


def _times(found):
    rows = [
        [row["passes"], row["n"], row["b"], row["method"], f"{row['ms']:.3f}"]
        + [_number(row["ratio"]), f"{row['useful'] / 1e12:.1f}"]
        + [f"{row['share']:.0%}" if row["share"] else ""]
        for row in found["time"]
    ]
    header = ["pass", "n", "b", "method", "ms", "to the kernel"]
    header += ["useful TFLOP/s", "of the matrix rate"]
    return measure.table(header, rows) if rows else ""


def _memory(found):
    rows = [
        [row["passes"], row["n"], row["method"]]
        + [measure.mib(row["bytes"]), _number(row["growth"])]
        for row in found["memory"]
    ]
    header = ["pass", "n", "method", "MiB", "of half the length"]
    return measure.table(header, rows) if rows else ""


def _number(value, base=1):
    return f"{value / base:.2f}" if value and base else ""


def draw(results, path):
    """Writes a picture of time and memory against length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), sharex=True)
    for column, passes in enumerate(("forward", "forward + backward")):
        for row, (title, part, value) in enumerate(
            (
                ("ns a token", "time", lambda x: 1e6 * x["ms"] / x["b"]),
                ("peak MiB", "memory", lambda x: (x["bytes"] or 0) / 2**20),
            )
        ):
            axis = axes[row, column]
            axis.set_title(f"{passes}: {title}", fontsize=10)
            lines = {}
            for found in results.values():
                for x in found[part]:
                    if x["passes"] == passes and value(x):
                        y = value(x) / (x["n"] if part == "time" else 1)
                        lines.setdefault(x["method"], {})[x["n"]] = y
            for name, points in lines.items():
                color = COLORS.get(name.split()[0].removesuffix("Attention"))
                x, y = zip(*sorted(points.items()), strict=True)
                axis.plot(x, y, "o-", ms=3, color=color, label=name)
            axis.set(xscale="log", yscale="log")
            axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("sequence length")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
