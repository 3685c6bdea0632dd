"""The results as Markdown."""

import statistics

from benchmark_gpu import kernels
from benchmark_gpu.timing import growth


def markdown(results, best):
    """str. `best`: tuned tiles by dtype and kernel."""
    lines = ["# Measured on a GPU", ""]
    if any(device["gpu"] == "CPU" for device in results.devices):
        lines[0] = "# A dry run without a GPU: nothing is timed"
    for device in results.devices:
        lines.append(f"- {device['gpu']}: {device['versions']}")
    for title, make in (
        ("Checks", _checks),
        ("The device", _rates),
        ("Tiles", lambda results: _tiles(results, best)),
        ("Time", _times),
        ("Memory", _memory),
    ):
        if table := make(results):
            lines += ["", f"## {title}", "", *table]
    for row in results.rows("dry run"):
        lines += [
            "",
            f"Lowered for a GPU through {row['through']}, not compiled and not "
            f"run: {row['calls']} custom calls.",
        ]
    if results.failures:
        lines += ["", "## What failed", ""]
        lines += [f"- {part}: {reason}" for part, reason in results.failures]
    return "\n".join(lines) + "\n"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _checks(results):
    groups = {}
    for row in results.rows("check"):
        groups.setdefault((row["through"], row["dtype"]), []).append(row)
    rows = []
    for (through, dtype), group in groups.items():
        right = sum(row["right"] for row in group)
        ran = [row for row in group if "worst" in row]
        worst = max(ran, key=lambda row: row["worst"], default=None)
        text = f"{worst['worst']:.2f} ({worst['case']})" if worst else ""
        rows.append([through, dtype, f"{right} of {len(group)}", text])
    if not rows:
        return []
    return [
        "Output and gradients against float64. Allowed is twice the error of a "
        "plain implementation in the same precision, and one unit in the last "
        "place.",
        "",
        *table(
            ["through", "dtype", "cases right", "largest share of that"], rows
        ),
    ]


def _rates(results):
    rows = []
    for row in results.rows("rates"):
        if "rate" not in row:
            continue
        text = f"{row['rate'] / 1e12:.2f} TB/s, read and written"
        if row["name"] == "matrix":
            text = f"{row['rate'] / 1e12:.0f} TFLOP/s in bfloat16"
        rows.append([row["name"], row["through"], text])
    return table(["", "through", "rate"], rows) if rows else []


def median(row):
    return statistics.median(row["seconds"])


def _tiles(results, best):
    rows = []
    timed = [row for row in results.rows("tune") if "seconds" in row]
    own = {
        (row["dtype"], row["name"]): median(row) for row in timed if row["own"]
    }
    for row in timed:
        key = row["dtype"], row["name"]
        chosen = best[row["dtype"]][row["name"]] == row["tile"]
        compared = ""
        if key in own:
            compared = f"{median(row) / own[key]:.2f}"
        rows.append(
            [
                row["name"],
                row["dtype"],
                kernels.spell(kernels.Tile(*row["tile"])),
            ]
            + [f"{median(row) * 1e3:.3f}", compared]
            + ["best" if chosen else ""]
        )
    if not rows:
        return []
    header = ["kernel", "dtype", "tile", "ms", "of the package's own", ""]
    return table(header, rows)


def _times(results):
    timed = [row for row in results.rows("time") if "seconds" in row]
    rates = {
        row["through"]: row["rate"]
        for row in results.rows("rates")
        if row["name"] == "matrix" and "rate" in row
    }
    base = {
        (row["pass"], row["n"], row["b"]): median(row)
        for row in timed
        if row["name"] == "kernel" and row["framework"] == "torch"
    }
    rows = []
    for row in sorted(timed, key=lambda row: (row["pass"], row["n"])):
        seconds = median(row)
        first = base.get((row["pass"], row["n"], row["b"]))
        rate = rates.get(row["framework"])
        spread = (max(row["seconds"]) - min(row["seconds"])) / seconds
        rows.append(
            [row["pass"], row["n"], row["b"], row["name"], row["through"]]
            + [f"{seconds * 1e3:.3f}", f"{100 * spread:.0f} %"]
            + [f"{seconds / first:.2f}" if first else ""]
            + [f"{row['work'] / seconds / 1e12:.1f}"]
            + [f"{100 * row['work'] / seconds / rate:.0f} %" if rate else ""]
        )
    if not rows:
        return []
    return [
        "bfloat16; medians of interleaved rounds. Useful work counts the pairs "
        "that a query sees, two products forward and seven with backward. "
        "Dense attention computes something else.",
        "",
        *table(
            ["pass", "n", "b", "method", "through", "ms", "spread"]
            + ["x kernel (Triton launch)", "useful TFLOP/s", "of matrix rate"],
            rows,
        ),
    ]


def _memory(results):
    ratios = {
        (row["through"], row["name"], row["pass"], row["n"]): ratio
        for row, ratio in growth(results.rows("memory"))
    }
    rows = []
    for row in results.rows("memory"):
        if not row.get("bytes"):
            continue
        key = row["through"], row["name"], row["pass"], row["n"]
        ratio = f"{ratios[key]:.2f}" if key in ratios else ""
        rows.append(
            [row["pass"], row["n"], row["name"], row["through"]]
            + [f"{row['bytes'] / 2**20:.1f}", ratio]
        )
    if not rows:
        return []
    header = ["pass", "n", "method", "through", "MiB", "of half the length"]
    return [
        "Peak above the inputs, one sequence, results included.",
        "",
        *table(header, sorted(rows, key=lambda row: (row[0], row[2], row[1]))),
    ]
