"""Measures the memory and speed of pretraining.

Command:
    python scripts/benchmarks/pretraining.py OUTPUT_FOLDER [--layers 4]
        [--width 256] [--length 4096] [--vocabulary 50265] [--steps 3]

A masked language model with random weights, one row, window 512, dropout 0.1,
AdamW: training steps as `keras-longformer pretrain` takes them, on masked
batches of random tokens in one packed row. Each variant runs in a process of
its own; memory is that process' peak above its rest before the first step, in
which everything is traced. Time is the median of the steps that follow.

Takes about five minutes on two cores. Writes pretraining_benchmark.md.
"""

import json
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import measure

VARIANTS = {
    "float32": {},
    "float32, rematerialized": {"rematerialize": True},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
    "mixed_bfloat16, rematerialized": {
        "dtype": "mixed_bfloat16",
        "rematerialize": True,
    },
}


def train(sizes, variant, what):
    """Trains in this process; returns bytes or microseconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_longformer as klf

    length, vocabulary = sizes["length"], sizes["vocabulary"]
    backbone = klf.LongformerBackbone(
        vocabulary_size=vocabulary,
        num_layers=sizes["layers"],
        num_heads=max(sizes["width"] // 64, 1),
        hidden_dim=sizes["width"],
        intermediate_dim=4 * sizes["width"],
        window_size=512,
        max_sequence_length=length,
        max_global_tokens=0,
        pooler=False,
        packed=True,
        **VARIANTS[variant],
    )
    model = klf.LongformerMaskedLM(backbone)
    model.compile(
        keras.optimizers.AdamW(1e-5, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        weighted_metrics=[],
    )
    model.optimizer.build(model.trainable_variables)
    generator = np.random.default_rng(0)
    k = int(0.15 * length)
    ids = generator.integers(4, vocabulary, (1, length), np.int32)
    positions = np.sort(generator.permutation(length)[:k])[None]
    x = {
        "token_ids": tf.constant(ids),
        "padding_mask": tf.ones((1, length), tf.bool),
        "segment_ids": tf.zeros((1, length), tf.int32),
        "mask_positions": tf.constant(positions, tf.int32),
    }
    batch = x, tf.constant(ids[:, :k]), tf.ones((1, k))
    data = tf.data.Dataset.from_tensors(batch).repeat()

    def steps(count):
        model.fit(data, steps_per_epoch=count, verbose=0)

    if what == "memory":
        return measure.peak_above_rest(lambda: steps(2))
    steps(1)
    seconds = []
    for _ in range(sizes["steps"]):
        start = time.perf_counter()
        steps(1)
        seconds.append(time.perf_counter() - start)
    return round(1e6 * statistics.median(seconds))


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output", nargs="?", type=pathlib.Path)
    for name, value in (
        ("layers", 4),
        ("width", 256),
        ("length", 4096),
        ("vocabulary", 50265),
        ("steps", 3),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = vars(parser.parse_args())
    child, output = given.pop("child"), given.pop("output")
    if child is not None:
        print(train(json.loads(child[0]), child[1], child[2]))
        return
    if output is None:
        parser.error("name an OUTPUT_FOLDER")
    rows = []
    for variant in VARIANTS:
        peak, took = (
            measure.in_own_process(json.dumps(given), variant, what)
            for what in ("memory", "time")
        )
        speed = "" if took is None else f"{given['length'] / took * 1e6:,.0f}"
        rows.append((variant, measure.mib(peak), speed))
        print(rows[-1], file=sys.stderr, flush=True)
    table = measure.table(("variant", "peak above rest, MiB", "tokens/s"), rows)
    page = (
        f"# Pretraining\n\n{given['layers']} layers of width {given['width']}, "
        f"{given['length']:,} tokens, one row, vocabulary "
        f"{given['vocabulary']:,}. {measure.machine()}.\n\n{table}\n"
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / "pretraining_benchmark.md").write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
