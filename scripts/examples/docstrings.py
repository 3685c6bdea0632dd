"""A small summariser of Python: source without its docstring, to the docstring.

Command:
    python scripts/examples/docstrings.py OUTPUT_FOLDER [--minutes 10]
        [--seeds 1 2] [--tokens 2048] [--short 512] [--packages keras numpy]

Functions and classes of the standard library and of `--packages` whose source
has 1,000 characters or more, and the first sentence of their docstrings: what
people wrote. Parted by files. For each seed two models of one size (2 and 2
layers, width 192, a byte-pair tokenizer of 4,096 made here), each trained
for `--minutes` of CPU time: one reads up to `--tokens` tokens, one is cut to
`--short`. Beside them, what needs no model: the name, split into words. ROUGE
is of what was held out, greedy. The first model is then exported and asked.

A model of this size that has seen a few thousand examples writes in the style
of docstrings and guesses their subject from names: this shows that training,
generation and export work on real texts, not what LED can do.
"""

import argparse
import ast
import json
import os
import pathlib
import random
import re
import sysconfig
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from small_models import train_tokenizer
from small_models import widen

import keras_longformer as klf
from keras_longformer.tasks.summarization.metrics import rouge_scores

SHORTEST, LONGEST_TARGET, HELD_OUT = 1000, 160, 200
NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def pairs_of(path):
    """Yields source without its docstring, the docstring's first sentence and
    the name, of a file's functions and classes."""
    try:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, NODES):
            continue
        docstring = ast.get_docstring(node)
        target = first_sentence(docstring or "")
        if not 15 <= len(target) <= LONGEST_TARGET:
            continue
        lines = text.splitlines()
        said = node.body[0]
        source = "\n".join(
            lines[node.lineno - 1 : said.lineno - 1]
            + lines[said.end_lineno : node.end_lineno]
        )
        if len(source) >= SHORTEST and target not in source:
            yield source, target, node.name


def first_sentence(docstring):
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", paragraph)[0]


def words_of(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", name).strip().lower()


def read(packages, limit):
    """Returns two lists of pairs, parted by files: to train on, held out."""
    folders = [pathlib.Path(sysconfig.get_path("stdlib"))]
    site = pathlib.Path(sysconfig.get_path("purelib"))
    folders += [site / name for name in packages]
    files = sorted(
        path
        for folder in folders
        for path in folder.rglob("*.py")
        if "site-packages" not in path.parts or folder != folders[0]
    )
    random.Random(0).shuffle(files)
    found, seen = [], set()
    for path in files:
        own = [p for p in pairs_of(path) if p[1] not in seen]
        seen |= {target for _, target, _ in own}
        found.append(own)
    test, train = [], []
    for own in found:
        (test if len(test) < HELD_OUT else train).extend(own)
    return train[:limit], test[:HELD_OUT]


class Minutes(keras.callbacks.Callback):
    """Ends training when its time is over."""

    def __init__(self, minutes):
        super().__init__()
        self.end = time.process_time() + 60 * minutes

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() >= self.end


def make(tokenizer, tokens, seed):
    keras.utils.set_random_seed(seed)
    backbone = klf.LongformerSeq2SeqBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=4,
        hidden_dim=192,
        intermediate_dim=768,
        window_size=128,
        max_sequence_length=tokens,
        max_decoder_sequence_length=64,
        max_global_tokens=1,
        dropout=0.1,
    )
    widen(backbone)
    preprocessor = klf.LongformerSeq2SeqLMPreprocessor.for_model(
        tokenizer, tokens, decoder_sequence_length=48
    )
    return klf.LongformerSeq2SeqLM(backbone, preprocessor, label_smoothing=0.1)


def train(task, pairs, minutes):
    """Returns the number of updates."""
    rate = keras.optimizers.schedules.PolynomialDecay(1e-3, 20000, 1e-5)
    task.compile(optimizer=keras.optimizers.AdamW(rate, global_clipnorm=1.0))
    task.fit(
        {
            "encoder_text": [source for source, _, _ in pairs],
            "decoder_text": [target for _, target, _ in pairs],
        },
        batch_size=8,
        epochs=1000,
        verbose=0,
        callbacks=[Minutes(minutes)],
    )
    return int(task.optimizer.iterations)


def written(task, pairs):
    summaries = []
    for begin in range(0, len(pairs), 16):
        part = pairs[begin : begin + 16]
        summaries += task.generate([source for source, _, _ in part])
    return summaries


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--short", type=int, default=512)
    parser.add_argument("--packages", nargs="*", default=["keras", "numpy"])
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    pairs, test = read(given.packages, given.limit)
    golds = [target for _, target, _ in test]
    tokenizer = train_tokenizer([s + "\n" + t for s, t, _ in pairs], 4096)
    rows = [
        (
            "the name, in words",
            "",
            rouge_scores(golds, [words_of(name) for _, _, name in test]),
        )
    ]
    first, examples = None, []
    for seed in given.seeds:
        for tokens in (given.tokens, given.short):
            task = make(tokenizer, tokens, seed)
            updates = train(task, pairs, given.minutes)
            summaries = written(task, test)
            name = f"reads {tokens:,} tokens, seed {seed}"
            rows.append((name, updates, rouge_scores(golds, summaries)))
            print(*rows[-1], flush=True)
            if first is None:
                first, examples = task, list(zip(golds, summaries))[:5]
    folder = klf.export_saved_model(first, str(given.output / "served"))
    function = tf.saved_model.load(folder).signatures["serving_default"]
    source = test[0][0]
    said = function(text=tf.constant([source]))["summary"][0].numpy().decode()
    same = said == first.generate(source)
    lines = [
        "# Docstrings of Python",
        "",
        f"{len(pairs):,} functions and classes to train on, {len(test)} held "
        f"out. {given.minutes:g} minutes of CPU time each. Exported, it says "
        f"what `generate` says: {same}.",
        "",
        "| | updates | ROUGE-1 | ROUGE-2 | ROUGE-L |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {updates} | "
            + " | ".join(f"{100 * x:.1f}" for x in scores.values())
            + " |"
            for name, updates, scores in rows
        ),
        "",
        *(f"- {gold}\n  *{summary.strip()}*" for gold, summary in examples),
        "",
    ]
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "docstrings.md").write_text("\n".join(lines), "utf-8")
    (given.output / "docstrings.json").write_text(
        json.dumps(rows, indent=1) + "\n", "utf-8"
    )


if __name__ == "__main__":
    main()
