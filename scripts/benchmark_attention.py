"""Draws the paper's Figure 1 for this package: time and memory of attention.

Command:
    python scripts/benchmark_attention.py OUTPUT_FOLDER
        [--lengths 512 1024 ...] [--memory-limit-gib 8] [--peers] [--quick]

Time, forward and forward + backward, of window attention with 1 sequence, 12
heads of 64, window 512, float32: dense attention, the loop over diagonals of
the paper's `Longformer-loop`, `chunked` in a graph and under XLA, `native`.
`--peers` adds Hugging Face's Longformer (TensorFlow and PyTorch: its sliding
chunks alone, without projections) and PyTorch's FlexAttention (forward only on
a CPU), where they are installed.

Times are medians of interleaved rounds in one process. Memory is the peak
above the process at rest, results included, in a process of its own for each
figure. Every method's result is compared with the definition first.

Takes about 25 minutes on two cores (`--quick`: 3), needs at most the memory
limit and 3 GiB. Writes attention_figure1.png and attention_figure1.md.

Expected: `native` in less than half the time of `chunked` and a fifth of its
memory, both linear in the length; dense attention runs out of memory.
"""

import argparse
import ctypes
import gc
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from attention_methods import HEAD_SIZE
from attention_methods import HEADS
from attention_methods import WINDOW_SIZE
from attention_methods import in_tensorflow
from attention_methods import methods
from attention_methods import offers
from process_memory import peak_above_rest
from process_memory import status_bytes

from keras_longformer.native import library
from keras_longformer.ops import window_attention

LENGTHS = [512 * 2**i for i in range(8)]
PASSES = ["forward", "forward + backward"]
MOST_SECONDS = 5  # of rounds with one method; slow ones need fewer
COLORS = {
    "dense": "tab:gray",
    "loop": "tab:brown",
    "chunked": "tab:blue",
    "chunked, XLA": "tab:cyan",
    "native": "tab:red",
    "HF TensorFlow": "tab:green",
    "HF PyTorch": "tab:olive",
    "FlexAttention": "tab:purple",
}

# Measuring


def arrays(n):
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((1, n, HEADS, HEAD_SIZE), dtype="float32")
        for _ in range(4)
    ]


def check(name, make):
    """Raises where a method's results or gradients are not those defined."""
    inputs = arrays(1024)
    window_size = 2 * 1024 if name == "dense" else WINDOW_SIZE

    def definition(*qkv):
        return window_attention(
            *qkv, window_size=window_size, implementation="reference"
        )

    for backward in (False, True):
        if not offers(name, backward):
            continue
        want_run, _ = in_tensorflow(definition)(backward)
        run, convert = make(backward)
        wants = want_run(*(tf.constant(x, tf.float64) for x in inputs))
        for got, want in zip(
            run(*(convert(x) for x in inputs)), wants, strict=True
        ):
            np.testing.assert_allclose(
                np.asarray(got), want, rtol=2e-5, atol=2e-5, err_msg=name
            )


def peak_of_one_call(name, backward, n, limit_bytes):
    """Runs in a process of its own: prints the peak above rest, in bytes."""
    make = methods(peers=True)[name]()
    run, convert = make(backward)
    run(*(convert(x) for x in arrays(512)))  # code and thread pools are there
    inputs = [convert(x) for x in arrays(n)]
    run, _ = make(backward)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the small call left behind
    used = status_bytes("VmSize") + limit_bytes
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    print(json.dumps({"bytes": peak_above_rest(lambda: run(*inputs))}))


def measure_memory(name, backward, n, options):
    """Peak bytes above rest, or `None` where memory ran out."""
    command = [sys.executable, __file__, "-", "--child", name]
    command += ["--lengths", str(n), "--child-backward", str(int(backward))]
    command += ["--memory-limit-gib", str(options.memory_limit_gib)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        text = process.stderr + process.stdout
        signs = ("OOM", "bad_alloc", "RESOURCE", "emory", "mmap")
        if process.returncode > 0 and not any(sign in text for sign in signs):
            raise RuntimeError(f"{' '.join(command)} failed:\n{text[-3000:]}")
        return None
    return json.loads(process.stdout.splitlines()[-1])["bytes"]


def measure_times(runs, rounds):
    """Medians in seconds of interleaved calls, after one call of each."""
    times = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, (run, inputs) in runs.items():
            if sum(times[name]) > MOST_SECONDS:
                continue
            start = time.perf_counter()
            run(*inputs)
            seconds = time.perf_counter() - start
            if number or seconds > MOST_SECONDS:  # the first makes the graph
                times[name].append(seconds)
    return {name: statistics.median(t) for name, t in times.items()}


def measure(options):
    """`{pass: {method: {n: (seconds, bytes)}}}`; `None` = out of memory.

    Yields after each length, so that what was measured can be kept.
    """
    found = {name: make() for name, make in methods(options.peers).items()}
    for name, make in found.items():
        print(f"checking {name}", flush=True)
        check(name, make)
    results = {p: {name: {} for name in found} for p in PASSES}
    slow = set()
    for p in PASSES:
        backward = p != "forward"
        for n in options.lengths:
            runs, inputs = {}, arrays(n)
            for name, make in found.items():
                result = results[p][name]
                lost = result and None in list(result.values())[-1]
                if lost or not offers(name, backward) or (p, name) in slow:
                    continue
                peak = measure_memory(name, backward, n, options)
                text = "out of memory" if peak is None else f"{_mib(peak)} MiB"
                print(f"n={n} {p}, {name}: {text}", flush=True)
                result[n] = (None, peak)
                if peak is not None:
                    run, convert = make(backward)
                    runs[name] = run, [convert(x) for x in inputs]
            for name, seconds in measure_times(runs, options.rounds).items():
                print(f"n={n} {p}, {name}: {seconds * 1e3:.1f} ms", flush=True)
                results[p][name][n] = (seconds, results[p][name][n][1])
                if seconds > options.time_limit_seconds:
                    slow.add((p, name))
            del runs, inputs
            gc.collect()
            ctypes.CDLL(None).malloc_trim(
                0
            )  # Or it would stay in this process.
            yield results


# Reporting


def machine():
    """One line about where this ran."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
    kernel = library.instructions() if library.available() else "not built"
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, TensorFlow "
        f"{tf.__version__}, native kernel: {kernel}. 1 sequence, {HEADS} heads "
        f"of {HEAD_SIZE}, window {WINDOW_SIZE}, float32."
    )


def _mib(count):
    return f"{count / 2**20:.0f}"


def table(results):
    lines = [machine(), ""]
    for p, by_method in results.items():
        lengths = sorted({n for r in by_method.values() for n in r})
        names = [name for name, r in by_method.items() if r]
        lines += [
            f"**{p}**: milliseconds (MiB above rest)",
            "",
            "| n | " + " | ".join(names) + " |",
            "|---|" + "---|" * len(names),
        ]
        for n in lengths:
            cells = []
            for name in names:
                seconds, peak = by_method[name].get(n, (None, 0))
                if peak is None:
                    cells.append("out of memory")
                elif seconds is None:
                    cells.append("")
                else:
                    cells.append(f"{seconds * 1e3:.1f} ({_mib(peak)})")
            lines.append(f"| {n} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def draw(results, path):
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
                color = COLORS[name]
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
            ax.set_xticks(LENGTHS, [str(n) for n in LENGTHS], fontsize=7)
            ax.minorticks_off()
    axes[0, 0].legend(fontsize=7)
    for ax in axes[1]:
        ax.set_xlabel("sequence length")
    figure.text(0.01, 0.005, machine(), fontsize=5.5)
    figure.tight_layout(rect=(0, 0.015, 1, 1))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output_folder", type=pathlib.Path)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-limit-gib", type=float, default=8)
    parser.add_argument("--time-limit-seconds", type=float, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--child-backward", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        limit = int(options.memory_limit_gib * 2**30)
        (n,) = options.lengths
        peak_of_one_call(options.child, options.child_backward, n, limit)
        return
    if options.quick:
        options.lengths, options.rounds = [512, 2048, 4096], 3
    options.output_folder.mkdir(parents=True, exist_ok=True)
    for results in measure(options):
        text = table(results)
        (options.output_folder / "attention_figure1.md").write_text(text)
        draw(results, options.output_folder / "attention_figure1.png")
    print(text)


if __name__ == "__main__":
    main()
