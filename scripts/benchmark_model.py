"""Times the layer, the encoder and a training step against their peers.

Command:
    python scripts/benchmark_model.py OUTPUT_FOLDER [--parts layer encoder
        training growth short] [--rounds 5] [--quick]

One sequence, 12 heads of 64, window 512, token 0 global, float32 unless said,
random weights. Parts:
    layer     attention with its projections, 4,096 tokens
    encoder   RoBERTa-base's size, 12 layers, 4,096 tokens, forward
    training  2 layers, 4,096 tokens: forward, and gradients of all weights
    growth    attention with its projections, 4,096 to 65,536 tokens
    short     100 tokens through a 4,096-token encoder and through a RoBERTa

The peers are those that are installed: Hugging Face's Longformer in TensorFlow
(transformers < 5 with tf_keras) and PyTorch, dense RoBERTa of Hugging Face's
TensorFlow and of KerasHub. Times are medians of rounds in which all take
turns in one process, so that a busy machine slows them alike, and ratios to
ours. Memory is the peak above rest of one call in a process of its own. The
rate of `tf.matmul` is measured in the same rounds, and the share of it that the
encoder reaches counts only the multiplications that must be done.

Takes about 15 minutes on two cores (`--quick`: 4), needs 6 GiB. Writes
model_benchmark.md.
"""

import argparse
import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from model_methods import GEMM
from model_methods import GEMM_PRODUCTS
from model_methods import WIDTH
from model_methods import WINDOW_SIZE
from model_methods import peers
from process_memory import peak_above_rest

from keras_longformer.native import library

PARTS = {  # layers, lengths, whether gradients are computed
    "layer": (1, [4096], False),
    "encoder": (12, [4096], False),
    "training": (2, [4096], True),
    "growth": (1, [4096, 8192, 16384, 32768, 65536], False),
    "short": (12, [100], False),
}


def measure_times(calls, rounds):
    """Median seconds of each, all taking turns."""
    times = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            wait(call())
            if number:  # The first call traces.
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def wait(outputs):
    """TensorFlow computes on while Python goes on."""
    for x in outputs if isinstance(outputs, list) else [outputs]:
        if isinstance(x, tf.Tensor):
            x.numpy()


def peak_of_one_call(part, name, length):
    """Runs in a process of its own: prints the peak above rest, in bytes."""
    layers, _, training = PARTS[part]
    warm = peers(part)[name](1, 2 * WINDOW_SIZE, training)
    warm()  # Code and thread pools are there.
    call = peers(part)[name](layers, length, training)
    peak = peak_above_rest(lambda: wait(call()))
    print(json.dumps({"bytes": peak}))


def measure_memory(part, name, length):
    command = [sys.executable, __file__, "-", "--child", part, name]
    command.append(str(length))
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{process.stderr[-3000:]}")
    return json.loads(process.stdout.splitlines()[-1])["bytes"]


def measure(part, rounds):
    """Yields rows: length, name, seconds, ratio to ours, bytes, note."""
    layers, lengths, training = PARTS[part]
    for length in lengths:
        found = peers(part)
        calls = {
            name: make(layers, length, training) for name, make in found.items()
        }
        seconds = measure_times(calls, rounds)
        del calls
        gc.collect()
        for name in found:
            peak = None if name == GEMM else measure_memory(part, name, length)
            share = seconds[GEMM] / gemm_flop() * flop(part, layers, length)
            note = ""
            if name.startswith("ours") and part == "encoder":
                note = f"{share / seconds[name]:.0%} of the GEMM rate"
            elif name == GEMM:
                note = f"{gemm_flop() / seconds[name] / 1e9:.0f} GFLOP/s"
            yield (
                length,
                name,
                seconds[name],
                seconds[name] / seconds["ours"],
                peak,
                note,
            )


def gemm_flop():
    return GEMM_PRODUCTS * 2 * 4096 * WIDTH * 4 * WIDTH


def flop(part, layers, length):
    """What must be done: products with weights, and the scores in the band."""
    weights = 2 * length * WIDTH * WIDTH * (12 if part != "layer" else 4)
    keys = min(WINDOW_SIZE + 2, length)
    return layers * (weights + 4 * length * keys * WIDTH)


def table(part, rows):
    lines = [
        f"**{part}**",
        "",
        "| tokens | | ms | to ours | MiB above rest | |",
        "|---|---|---|---|---|---|",
    ]
    for length, name, seconds, ratio, peak, note in rows:
        memory = "" if peak is None else f"{peak / 2**20:.0f}"
        lines.append(
            f"| {length} | {name} | {seconds * 1e3:.1f} | {ratio:.2f} | "
            f"{memory} | {note} |"
        )
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output_folder", type=pathlib.Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        part, name, length = options.child
        peak_of_one_call(part, name, int(length))
        return
    kernel = library.instructions() if library.available() else "not built"
    lines = [
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"native kernel: {kernel}.",
        "",
    ]
    print(lines[0], flush=True)
    for part in options.parts:
        print(f"{part} ...", flush=True)
        rows = measure(part, 3 if options.quick else options.rounds)
        lines.append(table(part, rows))
        print(lines[-1], flush=True)
    options.output_folder.mkdir(parents=True, exist_ok=True)
    path = options.output_folder / "model_benchmark.md"
    path.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
