"""What the CPU kernel can do, what each of it costs, and `chunked` beside it.

Command:
    python scripts/benchmarks/kernel.py [OUTPUT_FOLDER] [--length 4096]
        [--rounds 9]

One sequence, 12 heads of 64, window 512, in graphs: forward, and forward +
backward with all gradients. Plain float32 and bfloat16, attention dropout of
0.1, returned scores, and relative positions in causal attention beside causal
attention without them. Times are medians of interleaved rounds in one process,
by the clock and by the processors' own (all threads together, which a busy
machine disturbs less). Memory is the peak above rest, results included, in a
process of its own for each figure.

Takes about 5 minutes on two cores and 3 GiB. Prints the tables; into the folder
it writes kernel.md.

Expected: the kernel takes 0.4 times the time of `chunked` forward and 0.5 with
gradients, and a tenth of its memory; in bfloat16, where the processor has
AVX512-BF16 or AMX, half of its own float32; positions cost 1.7 times, by the
kernel as by `chunked`. Gradients of scores are computed from `chunked`.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import tensorflow as tf

from keras_longformer.native import library
from keras_longformer.ops import window_attention

HEADS, HEAD_SIZE, WINDOW_SIZE = 12, 64, 512
PASSES = ("forward", "forward + backward")
IMPLEMENTATIONS = ("native", "chunked")
# What is asked of attention, and which row it is compared with.
ROWS = {
    "float32": ({}, None),
    "bfloat16": ({"dtype": "bfloat16"}, "float32"),
    "dropout": ({"dropout_rate": 0.1}, "float32"),
    "scores": ({"return_scores": True}, "float32"),
    "causal": ({"causal": True}, None),
    "positions": ({"causal": True, "positions": True}, "causal"),
}


def make(implementation, row, backward, n):
    """A function of nothing that runs one pass."""
    asked = {"dtype": "float32", "positions": False, **ROWS[row][0]}
    dtype, positions = asked.pop("dtype"), asked.pop("positions")
    rng = np.random.default_rng(0)

    def normal(*shape):
        return tf.cast(tf.constant(rng.normal(size=shape)), dtype)

    names = ["query", "key", "value"] + ["position_query"] * positions
    tensors = {name: normal(1, n, HEADS, HEAD_SIZE) for name in names}
    if positions:
        rows = WINDOW_SIZE // 2 + 1
        tensors["position_key"] = normal(rows, HEADS, HEAD_SIZE)
    if asked.get("dropout_rate"):
        asked["dropout_seed"] = tf.constant([1, 2])

    def attend(tensors):
        return window_attention(
            **tensors,
            **asked,
            window_size=WINDOW_SIZE,
            implementation=implementation,
        )

    @tf.function(autograph=False)
    def run(tensors):
        if not backward:
            return attend(tensors)
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            results = tf.nest.flatten(attend(tensors))
        upstream = [tf.ones_like(x) for x in results]
        return tape.gradient(results, tensors, output_gradients=upstream)

    return lambda: [x.numpy() for x in tf.nest.flatten(run(tensors))]


def memory(implementation, row, backward, n):
    """Bytes above rest of a first call, results included."""
    # Code and pools of threads are there after a small one.
    make(implementation, row, backward, 2 * WINDOW_SIZE)()
    return measure.peak_above_rest(make(implementation, row, backward, n))


def lines(backward, n, rounds):
    """One line for each row: both implementations, and their ratios."""
    calls = {
        (implementation, row): make(implementation, row, backward, n)
        for row in ROWS
        for implementation in IMPLEMENTATIONS
    }
    wall, cpu = (
        measure.medians(measure.interleaved(calls, rounds, clock=clock))
        for clock in (time.perf_counter, time.process_time)
    )
    for row, (_, base) in ROWS.items():
        ours, theirs = ((name, row) for name in IMPLEMENTATIONS)
        bytes_ = [
            measure.in_own_process(name, row, backward, n)
            for name in IMPLEMENTATIONS
        ]
        yield (
            row,
            f"{wall[ours] * 1e3:.0f} / {wall[theirs] * 1e3:.0f}",
            f"{wall[ours] / wall[theirs]:.2f}",
            f"{cpu[ours] * 1e3:.0f} / {cpu[theirs] * 1e3:.0f}",
            f"{cpu[ours] / cpu[theirs]:.2f}",
            f"{cpu[ours] / cpu['native', base]:.2f}" if base else "",
            " / ".join(measure.mib(count) for count in bytes_),
            f"{bytes_[0] / bytes_[1]:.2f}",
        )


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", nargs="?", type=Path)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.child:
        print(memory(*options.child))
        return
    tf.get_logger().setLevel("ERROR")  # Each shape is traced anew, once.
    library.load()
    text = (
        f"{measure.machine()}; {library.instructions()}; "
        f"{options.length} tokens, load {os.getloadavg()[0]:.1f}.\n"
    )
    print(text, flush=True)
    header = (
        "native / chunked",
        "ms",
        "ratio",
        "CPU ms",
        "ratio",
        "native / its plain",
        "MiB",
        "ratio",
    )
    for number, name in enumerate(PASSES):
        rows = list(lines(bool(number), options.length, options.rounds))
        part = f"\n## {name}\n\n{measure.table(header, rows)}"
        print(part, flush=True)
        text += part
    if options.output_folder:
        options.output_folder.mkdir(parents=True, exist_ok=True)
        (options.output_folder / "kernel.md").write_text(
            "# The CPU kernel\n\n`python scripts/benchmarks/kernel.py`\n\n"
            + text
        )


if __name__ == "__main__":
    main()
