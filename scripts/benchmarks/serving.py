"""Measures exported models whose weights are stored in different ways.

Command:
    python scripts/benchmarks/serving.py [--layers 2] [--rounds 7]
        [--tokens 100 1000 4000]

Exports one classifier of RoBERTa's width in float32, in mixed_bfloat16, which
computes in bfloat16, and in bfloat16, which stores it too. Prints, for texts of
each length, the median time through `serving_default` as a ratio to float32's,
all asked in turns; the largest difference of a probability; and the size of the
folder.

Time and memory: 1 minute and 2 GB on 2 cores.
"""

import functools
import os
import pathlib
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measure
import numpy as np
import tensorflow as tf

import keras_longformer as klf

NAMES = ("float32", "mixed_bfloat16", "bfloat16")


def make_tokenizer():
    """A token for each small letter."""
    letters = "".join(map(chr, range(97, 123)))
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, "Ġ", "<mask>"]
    return klf.LongformerTokenizer({t: i for i, t in enumerate(tokens)}, [])


def make_classifier(name, layers, weights=None):
    tokenizer = make_tokenizer()
    backbone = klf.LongformerBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=layers,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        window_size=512,
        max_sequence_length=4096,
        max_global_tokens=1,
        pooler=False,
        dtype=name,
    )
    classifier = klf.LongformerTextClassifier(
        backbone,
        num_classes=3,
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            tokenizer, sequence_length=4096
        ),
    )
    if weights is not None:
        classifier.set_weights(weights)
    return classifier


def megabytes(folder):
    files = pathlib.Path(folder).rglob("*")
    return sum(f.stat().st_size for f in files if f.is_file()) / 1e6


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[100, 1000, 4000]
    )
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    weights, served = None, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            classifier = make_classifier(name, options.layers, weights)
            if weights is None:
                weights = classifier.get_weights()
            version = klf.export_saved_model(
                classifier, os.path.join(folder, name), batch_sizes=(1,)
            )
            model = tf.saved_model.load(version)
            served[name] = model, model.signatures["serving_default"]
            print(f"{name:15} {megabytes(version):8.1f} MB", flush=True)
        print("\ntokens  weights          median ms   ratio   difference")
        for tokens in options.tokens:
            letters = rng.choice([*"abcdefghij "], tokens - 2)
            text = tf.constant(["".join(letters)])
            answers = {}

            def ask(name, text=text, answers=answers):
                output = served[name][1](text=text)["probabilities"]
                answers[name] = output.numpy()

            calls = {name: functools.partial(ask, name) for name in NAMES}
            seconds = measure.medians(
                measure.interleaved(calls, options.rounds)
            )
            ratios = measure.ratios(seconds, "float32")
            for name in NAMES:
                apart = np.abs(answers[name] - answers["float32"]).max()
                print(
                    f"{tokens:6}  {name:15} {1e3 * seconds[name]:10.1f} "
                    f"{ratios[name]:7.2f}   {apart:.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
