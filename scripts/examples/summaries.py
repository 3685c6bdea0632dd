"""A small summariser of long texts, trained from nothing in minutes.

Command:
    python scripts/examples/summaries.py OUTPUT_FOLDER
        [--texts manuals | docstrings] [--updates 1500] [--seeds 1 2]
        [--tokens 2048] [--short 512]

Manual pages, to their one-line summaries; or functions and classes of Python,
to the first sentence of their docstrings (`summary_texts.py`): what people
wrote. For each seed two models of one size (2 and 2 layers, width 192, a
byte-pair tokenizer of 4,096 made here) are trained for as many `--updates` of
8 texts: one reads up to `--tokens` tokens, one is cut to `--short`. Beside
them stands what needs no model. ROUGE is of texts held out, greedy, also of
those alone that the short model does not see to their ends. The first model is
then exported and asked.

So small a model that has seen a few thousand texts writes in their style and
finds part of their subjects: this shows that training, generation and export
work on real texts, not what LED can do.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from small_models import optimizer
from small_models import table
from small_models import train_tokenizer
from small_models import widen
from small_models import write
from summary_texts import TEXTS
from summary_texts import read

import keras_longformer as klf
from keras_longformer.tasks.summarization.metrics import rouge_scores
from keras_longformer.training.progress import shown

BATCH_SIZE, HELD_OUT, SUMMARY = 8, 200, 48


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
        tokenizer, tokens, decoder_sequence_length=SUMMARY
    )
    return klf.LongformerSeq2SeqLM(backbone, preprocessor, label_smoothing=0.1)


def train(task, pairs, updates, rate):
    """Returns the CPU minutes that it took."""
    task.compile(optimizer=optimizer(rate, updates))
    begin = time.process_time()
    per_epoch = len(pairs) // BATCH_SIZE
    progress = shown(per_epoch)
    task.fit(
        {
            "encoder_text": [pair.text for pair in pairs],
            "decoder_text": [pair.summary for pair in pairs],
        },
        batch_size=BATCH_SIZE,
        epochs=-(-updates // per_epoch),
        callbacks=[EndAfter(updates), *progress["callbacks"]],
        verbose=progress["verbose"],
    )
    return (time.process_time() - begin) / 60


class EndAfter(keras.callbacks.Callback):
    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        done = int(self.model.optimizer.iterations)
        self.model.stop_training = done >= self.updates


def written(task, pairs):
    summaries = []
    for begin in range(0, len(pairs), 16):
        part = pairs[begin : begin + 16]
        summaries += task.generate([pair.text for pair in part])
    return [summary.strip() for summary in summaries]


def row(name, minutes, pairs, summaries, is_long):
    """A line of the table: of all texts, and of the long ones."""
    scores = []
    for kept in ([True] * len(pairs), is_long):
        rouge = rouge_scores(
            [pair.summary for pair, keep in zip(pairs, kept) if keep],
            [text for text, keep in zip(summaries, kept) if keep],
        )
        scores += [f"{100 * x:.1f}" for x in rouge.values()]
    return [name, minutes, *scores]


def served(task, folder, text):
    """Exports a model, and returns what the SavedModel says of a text."""
    path = klf.export_saved_model(task, str(folder))
    answer = tf.saved_model.load(path).signatures["serving_default"]
    return answer(text=tf.constant([text]))["summary"][0].numpy().decode()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--texts", choices=TEXTS, default="manuals")
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--short", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    given = parser.parse_args()
    _, title, simple = TEXTS[given.texts]
    pairs, test = read(given.texts, HELD_OUT)
    whole = [pair.text + "\n" + pair.summary for pair in pairs]
    tokenizer = train_tokenizer(whole, 4096)
    is_long = [len(tokenizer(p.text)) + 2 > given.short for p in test]
    print(f"{len(pairs):,} texts, {len(test)} held out, {sum(is_long)} long.")
    rows = [row(simple, "", test, [p.simple for p in test], is_long)]
    first = examples = None
    for seed in given.seeds:
        for tokens in (given.tokens, given.short):
            task = make(tokenizer, tokens, seed)
            minutes = train(task, pairs, given.updates, given.rate)
            summaries = written(task, test)
            name = f"reads {tokens:,} tokens, seed {seed}"
            rows.append(row(name, f"{minutes:.1f}", test, summaries, is_long))
            print(*rows[-1], flush=True)
            if first is None:
                first, examples = task, list(zip(test, summaries))[:8]
    text = test[0].text
    same = served(first, given.output / "served", text) == first.generate(text)
    scores = ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    write(
        given.output / f"{given.texts}.md",
        f"# {title}, to one line\n\n"
        f"{len(pairs):,} texts to train on, {len(test)} held out, of which "
        f"{sum(is_long)} have more than {given.short:,} tokens (the last three "
        f"columns). {given.updates:,} updates of {BATCH_SIZE} texts. Exported, "
        f"the first model says what `generate` says: {same}.\n\n"
        + table(["", "CPU minutes", *scores, *scores], rows)
        + "\n\nOf the first model, what people wrote and what it wrote:\n\n"
        + "".join(f"- {p.summary}\n  *{said}*\n" for p, said in examples),
    )
    figures = json.dumps(rows, indent=1) + "\n"
    write(given.output / f"{given.texts}.json", figures)


if __name__ == "__main__":
    main()
