"""The load test's report, as Markdown and as a picture."""

import os

import matplotlib
import numpy as np

from scripts.load_test.load import Result
from scripts.load_test.server import Server

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def describe(
    results: list[Result],
    buckets: list[int],
    first: dict[int, tuple[float, float]],
    hostile: dict[str, dict[str, str]],
    memory: dict[str, float],
) -> str:
    """Returns Markdown.

    Args:
        results: one for each phase.
        buckets: ints.
        first: by bucket, seconds of the first request after loading and the
            steady median.
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
    lines += ["", "| bucket | first request ms | steady median ms | ratio |"]
    lines.append("|---|---|---|---|")
    for bucket, (once, steady) in first.items():
        lines.append(
            f"| {bucket} | {once * 1e3:.1f} | {steady * 1e3:.1f} | "
            f"{once / steady:.2f} |"
        )
    lines += ["", "| hostile request | over | what came |", "|---|---|---|"]
    for protocol, outcomes in hostile.items():
        for name, came in outcomes.items():
            came = came.replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {name} | {protocol} | {came[:160]} |")
    lines += ["", "| resident memory | MB |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in memory.items()]
    return "\n".join(lines) + "\n"


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
    left.legend(fontsize=8)
    seconds, megabytes = np.array(server.memory).T
    right.plot(seconds, megabytes)
    for name, moment in server.moments:
        right.axvline(moment, color="gray", linewidth=0.8, linestyle=":")
        right.annotate(
            name,
            (moment, 0),
            xytext=(3, 5),
            textcoords="offset points",
            rotation=90,
            fontsize=8,
        )
    right.set(
        xlabel="seconds", ylabel="server's resident memory, MB", title="Memory"
    )
    right.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    os.sync()
