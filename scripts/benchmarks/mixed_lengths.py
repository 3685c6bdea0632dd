"""What an epoch over texts of mixed lengths costs: `fit`, `predict`.

Command:
    python scripts/benchmarks/mixed_lengths.py [OUTPUT_FOLDER] [--texts 96]
        [--rounds 3]

A text classifier of 2 layers, width 128, window 256, on texts of 50 to 4,000
tokens, of all orders of magnitude alike. By turns:
    like lengths   `fit` on texts in memory, which puts texts of like length
                   into a batch and pads it to a length of four per doubling
    tokens per batch   as many texts of like length as fit into the tokens of
                   a batch of full rows
    as they come   `fit` on the same texts in a `tf.data.Dataset` of batches
    full rows      `fit` on as many tokens in texts of 4,000
and `predict` of the same. Times are medians of CPU-seconds, graphs already
made; ratios are over those of full rows. Takes more than nine minutes of CPU
time; with OUTPUT_FOLDER writes mixed_lengths.md.
"""

import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measure
import numpy as np
import tensorflow as tf

import keras_longformer as klf

SHORTEST, LONGEST, BATCH = 50, 4_000, 8
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_classifier() -> keras.Model:
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS]
    tokenizer = klf.LongformerTokenizer(
        {token: i for i, token in enumerate(tokens)}, []
    )
    backbone = klf.LongformerBackbone(
        vocabulary_size=len(tokens),
        num_layers=2,
        num_heads=4,
        hidden_dim=128,
        intermediate_dim=512,
        max_sequence_length=4_096,
        window_size=256,
        max_global_tokens=1,
    )
    cls = klf.LongformerTextClassifierPreprocessor
    classifier = klf.LongformerTextClassifier(
        backbone, num_classes=2, preprocessor=cls.for_model(tokenizer, 4_096)
    )
    classifier.compile(
        optimizer=keras.optimizers.AdamW(1e-4), jit_compile=False
    )
    return classifier


def make_texts(count: int) -> dict[str, list[str]]:
    """Returns texts of mixed lengths, and as many tokens in long ones."""
    generator = np.random.default_rng(0)
    spread = np.log(LONGEST / SHORTEST)
    sizes = SHORTEST * np.exp(spread * (np.arange(count) + 0.5) / count)
    sizes = generator.permutation(sizes.astype(int))
    full = round(sizes.sum() / LONGEST)
    return {
        name: ["".join(generator.choice([*LETTERS], size)) for size in each]
        for name, each in (("mixed", sizes), ("full", [LONGEST] * full))
    }


def calls_of(classifier, texts) -> dict:
    mixed, full = texts["mixed"], texts["full"]

    def labels(of):
        return np.arange(len(of)) % 2

    dataset = tf.data.Dataset.from_tensor_slices((mixed, labels(mixed)))
    dataset = dataset.batch(BATCH)
    size = max(1, BATCH * sum(map(len, mixed)) // (len(mixed) * LONGEST))
    tokens = size * 4_096
    fit = {"verbose": 0}
    return {
        "fit, like lengths": lambda: classifier.fit(
            mixed, labels(mixed), batch_size=BATCH, **fit
        ),
        "fit, tokens per batch": lambda: classifier.fit(
            mixed, labels(mixed), tokens_per_batch=tokens, **fit
        ),
        "fit, as they come": lambda: classifier.fit(dataset, **fit),
        "fit, full rows": lambda: classifier.fit(
            full, labels(full), batch_size=size, **fit
        ),
        "predict, like lengths": lambda: classifier.predict(
            mixed, batch_size=BATCH, verbose=0
        ),
        "predict, tokens per batch": lambda: classifier.predict(
            mixed, tokens_per_batch=tokens, verbose=0
        ),
        "predict, as they come": lambda: classifier.predict(
            dataset.map(lambda x, y: x), verbose=0
        ),
        "predict, full rows": lambda: classifier.predict(
            full, batch_size=size, verbose=0
        ),
    }


def main() -> None:
    parser = measure.parser(__doc__)
    parser.add_argument("output", nargs="?")
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    texts = make_texts(given.texts)
    calls = calls_of(make_classifier(), texts)
    medians = measure.medians(
        measure.interleaved(calls, given.rounds, clock=time.process_time)
    )
    lines = ["| | CPU-seconds | over full rows |", "|---|---|---|"]
    for name, seconds in medians.items():
        base = medians[f"{name.split(',')[0]}, full rows"]
        lines.append(f"| {name} | {seconds:.1f} | {seconds / base:.2f} |")
    tokens = sum(map(len, texts["mixed"]))
    page = "\n".join(
        [
            "# Texts of mixed lengths",
            "",
            "`python scripts/benchmarks/mixed_lengths.py`",
            "",
            *lines,
            "",
            f"{given.texts} texts of {SHORTEST} to {LONGEST:,} tokens, "
            f"{tokens:,} in all, {BATCH} a batch; {len(texts['full'])} texts "
            f"of {LONGEST:,}.",
            "",
        ]
    )
    print(page)
    if given.output:
        folder = pathlib.Path(given.output)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mixed_lengths.md").write_text(page)


if __name__ == "__main__":
    main()
