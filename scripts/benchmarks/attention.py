"""Draws the paper's Figure 1 for this package: time and memory of attention.

Command:
    python scripts/benchmarks/attention.py OUTPUT_FOLDER
        [--lengths 512 1024 ...] [--memory-limit-gib 8] [--peers] [--quick]
        [--dropout 0.1]

Time, forward and forward + backward, of window attention with 1 sequence, 12
heads of 64, window 512, float32: dense attention, the loop over diagonals of
the paper's `Longformer-loop`, `chunked` in a graph and under XLA, `native`.
`--peers` adds Hugging Face's Longformer (TensorFlow and PyTorch: its sliding
chunks alone, without projections) and PyTorch's FlexAttention (forward only on
a CPU), where they are installed.

`--dropout RATE` measures attention dropout in place of all that: `chunked` and
`native` with it, and both without, and their ratios.

Times are medians of interleaved rounds in one process. Memory is the peak
above the process at rest, results included, in a process of its own for each
figure. Every method's result is compared with the definition first.

Takes about 25 minutes on two cores (`--quick`: 3), needs at most the memory
limit and 3 GiB. Writes attention_figure1.png and attention_figure1.md, with
`--dropout` attention_dropout.md.

Expected: `native` in less than half the time of `chunked` and a fifth of its
memory, both linear in the length; dense attention runs out of memory.
"""

import functools
import importlib.util
import os
import pathlib
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import tensorflow as tf

from keras_longformer.native import library
from keras_longformer.ops import window_attention

# One function for each pass and length is what is wanted here.
tf.get_logger().setLevel("ERROR")

HEADS, HEAD_SIZE, WINDOW_SIZE = 12, 64, 512
REACH = WINDOW_SIZE // 2
LENGTHS = [512 * 2**i for i in range(8)]
PASSES = ["forward", "forward + backward"]
DROPS = ", dropout"  # ends the names of methods that drop
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

# The methods: functions of query, key and value, `(b, n, h, d)`, without global
# tokens or padding.


def dense(query, key, value):
    """Every token sees every token."""
    scores = tf.einsum("bqhd,bkhd->bhqk", query * HEAD_SIZE**-0.5, key)
    return tf.einsum("bhqk,bkhd->bqhd", tf.nn.softmax(scores), value)


def loop(query, key, value):
    """One diagonal of the scores after the other."""
    n = query.shape[1]
    padding = [[0, 0], [REACH, REACH], [0, 0], [0, 0]]
    key, value = tf.pad(key, padding), tf.pad(value, padding)
    position = tf.range(n)[:, None]
    offsets = tf.range(2 * REACH + 1)

    def diagonal(j):
        scores = tf.einsum("bnhd,bnhd->bnh", query, key[:, j : j + n])
        inside = (position + j >= REACH) & (position + j < n + REACH)
        return tf.where(inside, scores * HEAD_SIZE**-0.5, -1e30)

    scores = tf.map_fn(diagonal, offsets, fn_output_signature=tf.float32)
    weights = tf.nn.softmax(scores, axis=0)  # (keys, b, n, h)
    _, output = tf.while_loop(
        lambda j, _: j < 2 * REACH + 1,
        lambda j, total: (
            j + 1,
            total + weights[j][..., None] * value[:, j : j + n],
        ),
        (0, tf.zeros_like(query)),
    )
    return output


def ours(implementation, dropout=0.0):
    # A variable, or all that follows from the seed might be computed once.
    seed = tf.Variable([1, 2])

    def attend(query, key, value):
        return window_attention(
            query,
            key,
            value,
            window_size=WINDOW_SIZE,
            dropout_rate=dropout,
            dropout_seed=seed if dropout else None,
            implementation=implementation,
        )

    return attend


def in_tensorflow(attend, jit=None):
    """Makes `attend` a function of a pass, which gives a function of arrays."""

    def make(backward):
        def run(query, key, value, upstream):
            if not backward:
                return [attend(query, key, value)]
            with tf.GradientTape() as tape:
                tape.watch([query, key, value])
                output = attend(query, key, value)
            return tape.gradient(
                output, [query, key, value], output_gradients=upstream
            )

        run = tf.function(run, jit_compile=jit, autograph=False)
        return run, tf.constant

    return make


def in_torch(attend):
    def make(backward):
        import torch

        def run(query, key, value, upstream):
            if not backward:
                with torch.no_grad():
                    return [attend(query, key, value)]
            inputs = [query, key, value]
            for x in inputs:
                x.requires_grad_(True)
            return torch.autograd.grad(attend(*inputs), inputs, upstream)

        return run, torch.tensor

    return make


def hugging_face(torch):
    """Its sliding chunks; `torch` or TensorFlow."""
    from transformers import LongformerConfig

    config = LongformerConfig(attention_window=[WINDOW_SIZE])
    if torch:
        from torch import softmax
        from transformers.models.longformer import modeling_longformer as hf

        layer = hf.LongformerSelfAttention(config, layer_id=0)
    else:
        from transformers.models.longformer import modeling_tf_longformer as hf

        layer, softmax = hf.TFLongformerSelfAttention(config, 0), tf.nn.softmax

    def attend(query, key, value):
        scores = layer._sliding_chunks_query_key_matmul(
            query * HEAD_SIZE**-0.5, key, REACH
        )
        return layer._sliding_chunks_matmul_attn_probs_value(
            softmax(scores, -1), value, REACH
        )

    return in_torch(attend) if torch else in_tensorflow(attend)


def flex_attention():
    import torch
    from torch.nn.attention import flex_attention as flex

    compiled = torch.compile(flex.flex_attention, dynamic=False)
    masks = {}

    def attend(query, key, value):
        n = query.shape[1]
        if n not in masks:
            masks[n] = flex.create_block_mask(
                lambda b, h, q, k: (q - k).abs() <= REACH,
                *(None, None, n, n),
                device="cpu",
            )
        heads_first = [x.transpose(1, 2) for x in (query, key, value)]
        return compiled(*heads_first, block_mask=masks[n]).transpose(1, 2)

    return in_torch(attend)


def methods(peers, dropout=0.0):
    """The methods that are installed: name -> function of nothing."""
    if dropout:
        return {
            f"{name}{DROPS if rate else ''}": lambda name=name, rate=rate: (
                in_tensorflow(ours(name, rate))
            )
            for name in ("chunked", "native")
            for rate in (0.0, dropout)
            if name == "chunked" or library.available()
        }
    found = {
        "dense": lambda: in_tensorflow(dense),
        "loop": lambda: in_tensorflow(loop),
        "chunked": lambda: in_tensorflow(ours("chunked")),
        "chunked, XLA": lambda: in_tensorflow(ours("chunked"), jit=True),
    }
    if library.available():
        found["native"] = lambda: in_tensorflow(ours("native"))
    if peers and importlib.util.find_spec("transformers"):
        if importlib.util.find_spec("tf_keras"):
            found["HF TensorFlow"] = lambda: hugging_face(torch=False)
        if importlib.util.find_spec("torch"):
            found["HF PyTorch"] = lambda: hugging_face(torch=True)
    if peers and importlib.util.find_spec("torch"):
        found["FlexAttention"] = flex_attention
    return found


def offers(name, backward):
    return not (name == "FlexAttention" and backward)


# Measuring


def arrays(n):
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((1, n, HEADS, HEAD_SIZE), dtype="float32")
        for _ in range(4)
    ]


def check(name, make, dropout):
    """Raises where a method's results or gradients are not those defined."""
    inputs = arrays(1024)
    window_size = 2 * 1024 if name == "dense" else WINDOW_SIZE
    rate = dropout if name.endswith(DROPS) else 0.0

    def definition(*qkv):
        return window_attention(
            *qkv,
            window_size=window_size,
            dropout_rate=rate,
            dropout_seed=[1, 2],
            implementation="reference",
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


def peak_of_one_call(name, backward, n, limit_gib, dropout):
    """Peak bytes above rest; runs in a process of its own."""
    make = methods(peers=True, dropout=dropout)[name]()
    run, convert = make(backward)
    run(*(convert(x) for x in arrays(512)))  # code and thread pools are there
    inputs = [convert(x) for x in arrays(n)]
    run, _ = make(backward)
    measure.release()  # what the small call left behind
    used = measure.status_bytes("VmSize") + int(limit_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    return measure.peak_above_rest(lambda: run(*inputs))


def run_all(options):
    """`{pass: {method: {n: (seconds, bytes)}}}`; `None` = out of memory.

    Yields after each length, so that what was measured can be kept.
    """
    chosen = methods(options.peers, options.dropout)
    found = {name: make() for name, make in chosen.items()}
    for name, make in found.items():
        print(f"checking {name}", flush=True)
        check(name, make, options.dropout)
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
                peak = measure.in_own_process(
                    name, backward, n, options.memory_limit_gib, options.dropout
                )
                print(f"n={n} {p}, {name}: {measure.mib(peak)} MiB", flush=True)
                result[n] = (None, peak)
                if peak is not None:
                    run, convert = make(backward)
                    runs[name] = functools.partial(
                        run, *(convert(x) for x in inputs)
                    )
            times = measure.interleaved(runs, options.rounds, MOST_SECONDS)
            for name, seconds in measure.medians(times).items():
                print(f"n={n} {p}, {name}: {seconds * 1e3:.1f} ms", flush=True)
                results[p][name][n] = (seconds, results[p][name][n][1])
                if seconds > options.time_limit_seconds:
                    slow.add((p, name))
            del runs, inputs
            measure.release()  # Or it would stay in this process.
            yield results


# Reporting


def machine():
    """One line about where this ran."""
    kernel = library.instructions() if library.available() else "not built"
    return (
        f"{measure.machine()}, TensorFlow {tf.__version__}, native kernel: "
        f"{kernel}. 1 sequence, {HEADS} heads of {HEAD_SIZE}, window "
        f"{WINDOW_SIZE}, float32."
    )


def table(results):
    parts = [machine()]
    for p, by_method in results.items():
        lengths = sorted({n for r in by_method.values() for n in r})
        names = [name for name, r in by_method.items() if r]
        rows = []
        for n in lengths:
            cells = []
            for name in names:
                seconds, peak = by_method[name].get(n, (None, 0))
                text = "" if peak is not None else measure.mib(peak)
                if seconds is not None:
                    text = f"{seconds * 1e3:.1f} ({measure.mib(peak)})"
                cells.append(text)
            rows.append([n, *cells])
        parts.append(f"**{p}**: milliseconds (MiB above rest)")
        parts.append(measure.table(["n", *names], rows))
    return "\n\n".join(parts) + "\n"


def ratios(results):
    """What dropout costs, and what the kernel saves with it."""
    chunked, native = f"chunked{DROPS}", f"native{DROPS}"
    pairs = [(native, chunked), (native, "native"), (chunked, "chunked")]
    rows = []
    for p, by in results.items():
        for n in by["chunked"]:
            times = [by[a][n][0] / by[b][n][0] for a, b in pairs if a in by]
            rows.append([n, p, *(f"{ratio:.2f}" for ratio in times)])
    names = [f"{a} / {b}" for a, b in pairs if a in results[PASSES[0]]]
    return "\n" + measure.table(["n", "pass", *names], rows) + "\n"


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-limit-gib", type=float, default=8)
    parser.add_argument("--time-limit-seconds", type=float, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.child:
        print(peak_of_one_call(*options.child))
        return
    if options.output_folder is None:
        parser.error("OUTPUT_FOLDER is missing")
    if options.quick:
        options.lengths, options.rounds = [512, 2048, 4096], 3
    options.output_folder.mkdir(parents=True, exist_ok=True)
    for results in run_all(options):
        text = table(results)
        if options.dropout:
            text = f"Dropout {options.dropout}. {text}{ratios(results)}"
            (options.output_folder / "attention_dropout.md").write_text(text)
            continue
        (options.output_folder / "attention_figure1.md").write_text(text)
        measure.draw(
            results,
            options.output_folder / "attention_figure1.png",
            COLORS,
            machine(),
        )
    print(text)


if __name__ == "__main__":
    main()
