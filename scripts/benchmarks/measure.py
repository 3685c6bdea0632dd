"""Times and memory, as all benchmarks here take them.

Times are of rounds in which all calls take turns in one process, so that a busy
machine slows them alike; medians are shown, and ratios of medians. Memory is a
process' peak above its rest, of one call in a process of its own.
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

# What a program says that has run out of memory.
_LOST = ("OOM", "bad_alloc", "RESOURCE", "emory", "mmap")


def parser(description: str) -> argparse.ArgumentParser:
    """Returns one that shows a script's docstring as it is written."""
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    return made


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    most_seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Calls all in turn, `rounds` times, after a round that does not count.

    Args:
        calls: by name; each returns when its work is done.
        rounds: int.
        most_seconds: float; a call that has taken as long, all its rounds
            together, is left out of the later rounds. If the first, which
            traces, takes that long, it counts.
        clock: function that returns seconds.

    Returns:
        By name, the seconds of each round.
    """
    seconds = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            if sum(seconds[name]) >= most_seconds:
                continue
            start = clock()
            call()
            took = clock() - start
            if number or took >= most_seconds:
                seconds[name].append(took)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Returns the median of each list."""
    return {name: statistics.median(each) for name, each in seconds.items()}


def ratios(values: Mapping[str, float], base: str) -> dict[str, float]:
    """Returns all values over that of `base`."""
    return {name: value / values[base] for name, value in values.items()}


def peak_above_rest(call: Callable[[], object]) -> int:
    """Calls, and returns the process' peak above its memory before, in bytes.

    Tensors that are freed while it runs count, results that it drops too.
    """
    release()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # The peak starts again.
    rest = status_bytes("VmRSS")
    call()
    return status_bytes("VmHWM") - rest


def release() -> None:
    """Gives the system back what is free in this process."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def status_bytes(name: str, process: int | str = "self") -> int:
    """Returns a figure of `/proc/<process>/status`, such as `VmRSS`, in bytes.

    Raises:
        OSError: there is no such process.
        RuntimeError: Linux does not tell this figure of it.
    """
    with open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"Linux tells no {name} of process {process}.")


def in_own_process(*arguments: str | int | bool) -> int | None:
    """Runs this script again with `--child`, and returns the number it prints.

    Returns:
        int, or `None` where memory ran out.

    Raises:
        RuntimeError: it failed in another way.
    """
    command = [sys.executable, sys.argv[0], "--child", json.dumps(arguments)]
    process = subprocess.run(
        command, capture_output=True, text=True, check=False
    )
    if not process.returncode:
        return json.loads(process.stdout.splitlines()[-1])
    text = process.stderr + process.stdout
    if process.returncode > 0 and not any(sign in text for sign in _LOST):
        raise RuntimeError(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return None


def machine() -> str:
    """Returns what this runs on: cores and their name."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
    return f"{len(os.sched_getaffinity(0))} cores of {model}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def mib(count: int | None) -> str:
    """Returns bytes in MiB, "out of memory" for `None`."""
    return "out of memory" if count is None else f"{count / 2**20:.0f}"


def draw(
    results: Mapping[str, Mapping[str, Mapping[int, tuple]]],
    path: str | os.PathLike,
    colors: Mapping[str, str],
    note: str,
) -> None:
    """Draws times and memory against lengths, and where memory ran out.

    Args:
        results: by pass, method and length, seconds and bytes; `None` for
            bytes means that there were not enough.
        path: the picture's.
        colors: of the methods.
        note: str, stands below.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), sharex=True)
    for column, (p, by_method) in enumerate(results.items()):
        for row, (title, scale) in enumerate(
            [("time, ms", 1e3), ("peak memory above rest, MiB", 2**-20)]
        ):
            ax = axes[row, column]
            ax.set(xscale="log", yscale="log")
            ax.set_title(f"{p}: {title}", fontsize=10)
            ax.margins(y=0.12)
            for name, by_length in by_method.items():
                good = {n: v[row] for n, v in by_length.items() if v[row]}
                values = [value * scale for value in good.values()]
                color = colors[name]
                ax.plot(list(good), values, "o-", ms=3, color=color, label=name)
                lost = [n for n, v in by_length.items() if v[1] is None]
                if lost and values:
                    ax.plot(
                        [max(good), lost[0]],
                        [values[-1], values[-1] * 4],
                        *(":",),
                        color=color,
                    )
                    ax.annotate(
                        "out of\nmemory",
                        (lost[0], values[-1] * 4),
                        ha="center",
                        fontsize=7,
                        color=color,
                    )
            ax.grid(alpha=0.3)
            lengths = sorted({n for r in by_method.values() for n in r})
            ax.set_xticks(lengths, [str(n) for n in lengths], fontsize=7)
            ax.minorticks_off()
    axes[0, 0].legend(fontsize=7)
    for ax in axes[1]:
        ax.set_xlabel("sequence length")
    figure.text(0.01, 0.005, note, fontsize=5.5)
    figure.tight_layout(rect=(0, 0.015, 1, 1))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
