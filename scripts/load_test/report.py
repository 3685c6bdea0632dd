"""The load test's report, as Markdown and as a picture."""

import os

import matplotlib
import numpy as np

from scripts.load_test.first import First
from scripts.load_test.first import Swap
from scripts.load_test.load import Result
from scripts.load_test.server import Server

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def describe(
    results: list[Result],
    buckets: list[int],
    first: list[First],
    swaps: list[Swap],
    hostile: dict[str, dict[str, str]],
    memory: dict[str, float],
) -> str:
    """Returns Markdown.

    Args:
        results: one for each phase.
        buckets: ints.
        first: by bucket, the first request after the server's start.
        swaps: the versions that followed one another.
        hostile: by protocol and request, what came.
        memory: resident MB by moment.
    """
    lines = [
        "# Load test",
        "",
        "| phase | bucket | answers/s | p50 ms | p95 | ",
    ]
    lines[-1] += "p99 | wrong | lost |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for result in results:
        for bucket in [None, *buckets]:
            p50, p95, p99 = result.percentiles(bucket)
            faults = (
                f"{len(result.wrong)} | {len(result.lost)}"
                if bucket is None
                else "|"
            )
            lines.append(
                f"| {result.name if bucket is None else ''} | "
                f"{bucket or 'all'} | {result.rate(bucket):.1f} | {p50:.0f} | "
                f"{p95:.0f} | {p99:.0f} | {faults} |"
            )
    lines += ["", *_first_requests(first, swaps)]
    lines += ["", "| hostile request | over | what came |", "|---|---|---|"]
    for protocol, outcomes in hostile.items():
        for name, came in outcomes.items():
            came = came.replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {name} | {protocol} | {came[:160]} |")
    lines += ["", "| resident memory | MB |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in memory.items()]
    lines += [
        f"| after the swap to version {swap.version} | {swap.megabytes:.0f} |"
        for swap in swaps
    ]
    return "\n".join(lines) + "\n"


def _first_requests(first, swaps):
    """First request over the median of the later ones, by bucket."""
    lines = [
        "First request over the steady median: the time until the answer, and "
        "the server's CPU time.",
        "",
        "| bucket | steady ms | after the start | CPU | "
        f"after {len(swaps)} swaps: median | largest | CPU: median | largest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for i, one in enumerate(first):
        again = [swap.first[i] for swap in swaps]
        values = []
        for ratios in (
            [x.ratio() for x in again] or [np.nan],
            [x.cpu_ratio() for x in again] or [np.nan],
        ):
            values += [np.median(ratios), np.max(ratios)]
        lines.append(
            f"| {one.bucket} | {one.seconds[1] * 1e3:.1f} | {one.ratio():.2f} "
            f"| {one.cpu_ratio():.2f} | "
            + " | ".join(f"{x:.2f}" for x in values)
            + " |"
        )
    return lines


def draw(
    path: str, results: list[Result], buckets: list[int], server: Server
) -> None:
    """Draws latencies by bucket and phase, and memory over time."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    width = 0.8 / len(results)
    for i, result in enumerate(results):
        values = np.array([result.percentiles(b) for b in buckets])
        at = np.arange(len(buckets)) + (i - (len(results) - 1) / 2) * width
        bars = left.bar(at, values[:, 0], width, label=result.name)
        color = bars[0].get_facecolor()
        left.vlines(at, values[:, 0], values[:, 1], color=color, linewidth=1.5)
    left.set_xticks(range(len(buckets)), [str(b) for b in buckets])
    left.set(
        xlabel="bucket, tokens",
        ylabel="latency, ms (bar: median, line: to the 95th percentile)",
        yscale="log",
        title="Latency",
    )
    low, high = left.get_ylim()
    left.set_ylim(low, 10 * high)  # Room for the legend.
    left.legend(fontsize=8, ncols=3, loc="upper left")
    seconds, megabytes = np.array(server.memory).T
    right.plot(seconds, megabytes)
    ends = [moment for _, moment in server.moments[1:]] + [seconds[-1]]
    for (name, moment), end in zip(server.moments, ends, strict=True):
        if end - moment < 0.02 * seconds[-1]:
            continue  # Its name would stand on the next one's.
        right.axvline(moment, color="gray", linewidth=0.8, linestyle=":")
        right.annotate(
            name,
            (moment, 1),
            xycoords=right.get_xaxis_transform(),
            xytext=(2, -4),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize=8,
        )
    right.set(
        xlabel="seconds", ylabel="server's resident memory, MB", title="Memory"
    )
    right.set_ylim(0, 1.5 * megabytes.max())  # Room for the names.
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    os.sync()
