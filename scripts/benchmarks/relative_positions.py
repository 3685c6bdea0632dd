"""What relative positions cost inside a window: the kernel and `chunked`.

Command:
    python scripts/benchmarks/relative_positions.py [--length 4096]
        [--rounds 15]

One sequence, 8 heads of 64, window 512, causal, float32, in graphs: forward,
and forward + backward with the gradients of `position_query` and
`position_key`. Times are medians of interleaved rounds in one process, by the
clock and by the processors' own (all threads together, which a busy machine
disturbs less). Memory is the peak above rest, in a process for each figure.

Takes a minute or two on two cores and 2 GiB.

Expected: the kernel takes a quarter of the time of `chunked` and a small part
of its memory; positions cost 1.6 times the attention without them, forward, and
twice with gradients, by the kernel as by `chunked`.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import tensorflow as tf

from keras_longformer.native import library
from keras_longformer.ops import window_attention

HEADS, HEAD_SIZE, WINDOW_SIZE = 8, 64, 512
PASSES = ["forward", "forward + backward"]
METHODS = {
    "native, positions": ("native", True),
    "native": ("native", False),
    "chunked, positions": ("chunked", True),
    "chunked": ("chunked", False),
}


def make(method, backward, n):
    """A function of nothing that runs one pass."""
    implementation, positions = METHODS[method]
    rng = np.random.default_rng(0)

    def normal(*shape):
        return tf.constant(rng.normal(size=shape).astype("float32"))

    names = ["query", "key", "value"] + ["position_query"] * positions
    tensors = {name: normal(1, n, HEADS, HEAD_SIZE) for name in names}
    if positions:
        rows = WINDOW_SIZE // 2 + 1
        tensors["position_key"] = normal(rows, HEADS, HEAD_SIZE)
    upstream = normal(1, n, HEADS, HEAD_SIZE)

    def attend(tensors):
        return window_attention(
            **tensors,
            window_size=WINDOW_SIZE,
            causal=True,
            implementation=implementation,
        )

    @tf.function(autograph=False)
    def run(tensors):
        if not backward:
            return attend(tensors)
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            output = attend(tensors)
        return tape.gradient(output, tensors, output_gradients=upstream)

    def call():
        return [np.asarray(x)[:1, :1] for x in tf.nest.flatten(run(tensors))]

    return call


def memory(method, backward, n):
    """Bytes above rest of one call after the first, which traces."""
    call = make(method, backward, n)
    call()
    return measure.peak_above_rest(call)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if options.child:
        print(memory(*options.child))
        return
    n = options.length
    library.load()
    print(
        f"{library.instructions()}, {n} tokens, {os.getloadavg()[0]:.1f} load"
    )
    for number, name in enumerate(PASSES):
        calls = {method: make(method, bool(number), n) for method in METHODS}
        took = {}
        for clock in (time.perf_counter, time.process_time):
            seconds = measure.interleaved(calls, options.rounds, clock=clock)
            took[clock] = measure.medians(seconds)
        print(f"\n{name:20} {'ms':>8} {'ratio':>6} {'CPU ms':>8} {'ratio':>6}")
        wall, cpu = took.values()
        first = next(iter(METHODS))
        for method in METHODS:
            bytes_ = measure.in_own_process(method, bool(number), n)
            print(
                f"{method:20} {wall[method] * 1e3:8.1f} "
                f"{wall[method] / wall[first]:6.2f} {cpu[method] * 1e3:8.1f} "
                f"{cpu[method] / cpu[first]:6.2f}  {bytes_ / 2**20:6.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
