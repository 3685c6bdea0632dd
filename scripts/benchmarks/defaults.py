"""What people get who name nothing: this checkout, and an earlier one.

Command:
    python scripts/benchmarks/defaults.py OUTPUT_FOLDER --before CHECKOUT
        [--rounds 3] [--rows ...]

CHECKOUT is another version of this repository (`git worktree add ../before
COMMIT`), whose kernel is built if it has one (`python -m
keras_longformer.native.build` there, if it should be measured with it). No
implementation, buckets or dropout are named. Rows:

    encoder     4 layers of RoBERTa-base's size, 4,096 tokens, forward
    bfloat16    the same, `dtype="bfloat16"`
    short       12 layers of that size, 100 tokens
    training    2 layers of that size, 4,096 tokens: forward, gradients
    scores      attention of that size, 4,096 tokens, its scores returned
    epoch       `fit` on 48 texts of 50 to 4,000 tokens, batches of 4, a text
                classifier of 2 layers, width 128, from a preset
    predict     of the same

Each checkout runs in a process of its own; they take turns. Shown are medians
of CPU seconds of all cores, and the peak of memory above rest. Takes ten
minutes on two cores. Writes defaults.md and defaults.png.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import turns

WIDTH, HEADS, VOCABULARY = 768, 12, 1000
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_BYTES = 16 * 2**30


def backbone(layers, dtype="float32"):
    import keras_longformer as klf

    return klf.LongformerBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=layers,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=4 * WIDTH,
        window_size=512,
        max_global_tokens=1,
        pooler=False,
        dtype=dtype,
    )


def inputs(length):
    rng = np.random.default_rng(0)
    return {
        "token_ids": rng.integers(4, VOCABULARY, (1, length)).astype("int32"),
        "padding_mask": np.ones((1, length), bool),
        "global_mask": np.arange(length)[None] == 0,
    }


def forward(layers, length, dtype="float32"):
    import tensorflow as tf

    model = backbone(layers, dtype)
    step = tf.function(lambda x: model(x, training=False), autograph=False)
    x = {name: tf.constant(value) for name, value in inputs(length).items()}
    return lambda: step(x)[0, 0, 0].numpy()


def training():
    import tensorflow as tf

    model = backbone(2)
    x = {name: tf.constant(value) for name, value in inputs(4096).items()}
    weights = [weight.value for weight in model.trainable_weights]

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True)))
        gradients = tape.gradient(loss, weights)
        return [tf.norm(tf.convert_to_tensor(each)) for each in gradients]

    return lambda: [norm.numpy() for norm in step(x)]


def scores():
    import tensorflow as tf

    import keras_longformer as klf

    layer = klf.LongformerAttention(HEADS, WIDTH // HEADS, max_global_tokens=1)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.standard_normal((1, 4096, WIDTH), dtype="float32"))
    marks = tf.range(4096)[None] == 0
    layer.build(x.shape)

    @tf.function(autograph=False)
    def step(x):
        _, band, rows = layer(
            x, global_mask=marks, return_attention_scores=True
        )
        return tf.reduce_sum(band) + tf.reduce_sum(rows)

    return lambda: step(x).numpy()


def on_texts(method):
    import keras

    import keras_longformer as klf

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS]
    ids = {token: i for i, token in enumerate(tokens)}
    model = klf.LongformerBackbone(
        vocabulary_size=len(tokens),
        num_layers=2,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=512,
        window_size=256,
        max_global_tokens=1,
    )
    reader = klf.LongformerTextClassifierPreprocessor
    classifier = klf.LongformerTextClassifier(
        model,
        num_classes=2,
        preprocessor=reader.for_model(
            klf.LongformerTokenizer(ids, []), longest=4096
        ),
    )
    classifier.compile(optimizer=keras.optimizers.AdamW(1e-4))
    rng = np.random.default_rng(0)
    spread = (np.arange(48) + 0.5) / 48
    sizes = rng.permutation((50 * 80**spread).astype(int))
    texts = ["".join(rng.choice([*LETTERS], size)) for size in sizes]
    if method == "predict":
        return lambda: classifier.predict(texts, batch_size=4, verbose=0)
    labels = [0, 1] * 24
    return lambda: classifier.fit(texts, labels, batch_size=4, verbose=0)


ROWS = {
    "encoder": lambda: forward(4, 4096),
    "bfloat16": lambda: forward(4, 4096, "bfloat16"),
    "short": lambda: forward(12, 100),
    "training": training,
    "scores": scores,
    "epoch": lambda: on_texts("fit"),
    "predict": lambda: on_texts("predict"),
}


def serve(row):
    """Runs in a checkout's process."""

    def make():
        call = ROWS[row]()
        return lambda _: call()

    turns.serve(make, None, MOST_BYTES)


def compare(options):
    """Returns by row the figures of both."""
    here = str(pathlib.Path(__file__).resolve().parents[2])
    checkouts = {"before": str(options.before.resolve()), "now": here}
    results = {}
    for row in options.rows:
        workers = [
            turns.Worker(name, [row], path=path)
            for name, path in checkouts.items()
        ]
        results[row] = turns.take(workers, None, options.rounds)
        print(f"{row}: {results[row]}", flush=True)
        for worker in workers:
            worker.stop()
    return results


def rows_of(results):
    for row, by_name in results.items():
        (_, before, before_peak) = by_name["before"]
        (_, now, now_peak) = by_name["now"]
        yield [
            row,
            f"{before:.2f}",
            f"{now:.2f}",
            f"{now / before:.2f}",
            measure.mib(before_peak),
            measure.mib(now_peak),
            f"{now_peak / before_peak:.2f}",
        ]


def draw(results, path, note):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    titles = {1: "CPU seconds, before = 1", 2: "peak memory, before = 1"}
    for ax, (column, title) in zip(axes, titles.items(), strict=True):
        shares = [
            r["now"][column] / r["before"][column] for r in results.values()
        ]
        bars = ax.barh([*results], shares, color="#0b6e4f")
        ax.bar_label(bars, [f"{share:.2f}" for share in shares], padding=3)
        ax.axvline(1, color="#888888", lw=1)
        ax.set_xlim(0, max(1.15, *shares) * 1.1)
        ax.set_title(title, fontsize=10)
    axes[0].invert_yaxis()
    figure.text(0.01, 0.01, note, fontsize=6)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=110)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--before", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[*ROWS])
    options = parser.parse_args()
    if options.child:
        work = ROWS[options.child[0]]
        turns.serve(
            lambda: (lambda call: lambda _: call())(work()), None, MOST_BYTES
        )
        return
    if options.output_folder is None or options.before is None:
        parser.error("OUTPUT_FOLDER and --before are needed")
    if not (options.before / "keras_longformer").is_dir():
        parser.error(f"{options.before} is no checkout of keras_longformer")
    options.output_folder.mkdir(parents=True, exist_ok=True)
    results = compare(options)
    note = f"{measure.machine()}; medians of {options.rounds}."
    header = ["", "CPU s before", "now", "ratio", "MiB before", "now", "ratio"]
    text = f"{note}\n\n{measure.table(header, [*rows_of(results)])}\n"
    (options.output_folder / "defaults.md").write_text(text)
    draw(results, options.output_folder / "defaults.png", note)
    print(text)


if __name__ == "__main__":
    sys.exit(main())
