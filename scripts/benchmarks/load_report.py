"""The load test's report, as Markdown and as a picture."""

import matplotlib
import measure
import numpy as np
from load_clients import Result
from load_server import First
from load_server import Server
from load_server import Swap

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
    rows = []
    for result in results:
        for bucket in [None, *buckets]:
            row = [bucket or "all", f"{result.rate(bucket):.1f}"]
            row += [f"{ms:.0f}" for ms in result.percentiles(bucket)]
            faults = ["", ""]
            if bucket is None:
                faults = [len(result.wrong), len(result.lost)]
            rows.append([result.name if bucket is None else "", *row, *faults])
    header = ["phase", "bucket", "answers/s", "p50 ms", "p95", "p99"]
    came = [
        [name, protocol, one.replace("|", "\\|").replace("\n", " ")[:160]]
        for protocol, outcomes in hostile.items()
        for name, one in outcomes.items()
    ]
    resident = [[name, f"{value:.0f}"] for name, value in memory.items()]
    resident += [
        [f"after the swap to version {swap.version}", f"{swap.megabytes:.0f}"]
        for swap in swaps
    ]
    parts = [
        "# Load test",
        measure.table([*header, "wrong", "lost"], rows),
        _first_requests(first, swaps),
        measure.table(["hostile request", "over", "what came"], came),
        measure.table(["resident memory", "MB"], resident),
    ]
    return "\n\n".join(parts) + "\n"


def _first_requests(first, swaps):
    """First request over the median of the later ones, by bucket."""
    rows = []
    for i, one in enumerate(first):
        again = [swap.first[i] for swap in swaps]
        row = [one.ratio(), one.cpu_ratio()]
        for ratios in (
            [x.ratio() for x in again] or [np.nan],
            [x.cpu_ratio() for x in again] or [np.nan],
        ):
            row += [np.median(ratios), np.max(ratios)]
        steady = f"{one.seconds[1] * 1e3:.1f}"
        rows.append([one.bucket, steady, *(f"{x:.2f}" for x in row)])
    header = ["bucket", "steady ms", "after the start", "CPU"]
    header += [f"after {len(swaps)} swaps: median", "largest"]
    return (
        "First request over the steady median: the time until the answer, and "
        "the server's CPU time.\n\n"
        + measure.table([*header, "CPU: median", "largest"], rows)
    )


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
