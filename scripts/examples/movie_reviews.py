"""Tells good from bad film reviews, by their first tokens or by all of them.

Command:
    python scripts/examples/movie_reviews.py --data movie_reviews.zip
        [--output saved_models/movie_reviews] [--lengths 32,128,512,4096]
        [--quick]

The data are Pang and Lee's polarity dataset 2.0 as NLTK distributes it: 2,000
reviews, half of them good, of 1,070 tokens on average here. Folds 0 to 7
(`cv000` to `cv799`) train, folds 8 and 9, 400 reviews, test.

Everything is trained here. A vocabulary; a short classifier on pieces of the
training reviews, 128 tokens each, labelled as the review they are from; then
for each length the short classifier is made that long (positions copied, the
paper's way) and fine-tuned on the training reviews cut to it, with Keras'
`fit` on raw texts. Each length has the same start, epochs and rate, chosen
beforehand; nothing is chosen by the test reviews.

Writes `report.md`, `metrics.json` and `movie_reviews.png`, accuracy against
the number of tokens read, into the output folder.

On two cores it takes 7 minutes and gave 53.5 %, 62.0 %, 77.2 % and 84.2 % for
32, 128, 512 and up to 4,096 tokens (standard error 2.5 % and less). The
commonest class has 50 %. A line through the words of a review (logistic
regression on which words occur) has 60.5 %, 66.3 %, 83.5 % and 85.8 % for the
first 32, 128 and 512 words and all. It needs matplotlib and tokenizers.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import sys
import time
import zipfile
from typing import NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import small_models
import tensorflow as tf

import keras_longformer as klf

CLASSES = ("neg", "pos")
PIECE_WORDS = 90  # Rarely more than 126 tokens, the rest is cut off.
TEST_FOLDS = (8, 9)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes and amounts. The model has one layer."""

    vocabulary_size: int = 4096
    num_heads: int = 2
    hidden_dim: int = 64
    window_size: int = 16
    short_length: int = 128  # tokens of a piece
    piece_epochs: int = 5  # of training on pieces, like the next two
    piece_batch_size: int = 64
    piece_peak: float = 3e-3
    epochs: int = 3  # of fine-tuning at each length, like the next two
    batch_size: int = 16
    peak: float = 1e-3
    dropout: float = 0.2
    reviews: int = 100  # of each fold and class
    seed: int = 0


# To see that it works, not what it can do.
QUICK = Settings(
    vocabulary_size=400,
    hidden_dim=16,
    piece_epochs=1,
    epochs=1,
    reviews=2,
)


class Review(NamedTuple):
    """A review, the index of its class, and its fold, 0 to 9."""

    text: str
    label: int
    fold: int


def read_reviews(path: str, per_fold: int = 100) -> list[Review]:
    """Returns the reviews of NLTK's zip, or `per_fold` of each fold and class.

    Raises:
        ValueError: there are none in it.
        OSError: it cannot be read.
    """
    reviews = []
    name = re.compile(r"movie_reviews/(neg|pos)/cv(\d)(\d\d)_\d+\.txt")
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            match = name.fullmatch(entry)
            if match and int(match[3]) < per_fold:
                text = archive.read(entry).decode("utf-8")
                label = CLASSES.index(match[1])
                reviews.append(Review(text, label, int(match[2])))
    if not reviews:
        raise ValueError(
            f"'{path}' has no movie_reviews/neg/cv000_29416.txt and the like."
        )
    return reviews


def pieces(reviews: list[Review]) -> list[Review]:
    """Cuts reviews into pieces, each with its review's label."""
    found = []
    for review in reviews:
        words = review.text.split()
        for begin in range(0, len(words), PIECE_WORDS):
            part = words[begin : begin + PIECE_WORDS]
            if begin == 0 or len(part) > PIECE_WORDS // 2:
                text = " ".join(part)
                found.append(Review(text, review.label, review.fold))
    return found


def batches(reviews, batch_size, epochs, seed):
    """Returns a dataset of all epochs, rows of about one length together.

    Short rows cost little where they are not padded to long ones. Which rows
    meet still changes from epoch to epoch.
    """
    generator = np.random.default_rng(seed)
    lengths = np.array([len(review.text) for review in reviews])
    chosen = []
    for _ in range(epochs):
        order = generator.permutation(len(reviews))
        of_epoch = []
        for begin in range(0, len(order), 8 * batch_size):
            part = order[begin : begin + 8 * batch_size]
            part = part[np.argsort(lengths[part], kind="stable")]
            of_epoch += [
                part[i : i + batch_size]
                for i in range(0, len(part), batch_size)
            ]
        chosen += [of_epoch[i] for i in generator.permutation(len(of_epoch))]
    texts = tf.constant([review.text for review in reviews])
    labels = tf.constant([review.label for review in reviews])
    index = tf.ragged.constant([list(map(int, rows)) for rows in chosen])
    return tf.data.Dataset.from_tensor_slices(index).map(
        lambda rows: (tf.gather(texts, rows), tf.gather(labels, rows))
    )


def new_classifier(reviews: list[Review], settings: Settings):
    """Returns a short classifier with random weights and a new vocabulary."""
    tokenizer = small_models.train_tokenizer(
        [review.text for review in reviews], settings.vocabulary_size
    )
    backbone = small_models.make_backbone(
        tokenizer,
        settings.hidden_dim,
        num_layers=1,
        num_heads=settings.num_heads,
        intermediate_dim=2 * settings.hidden_dim,
        window_size=settings.window_size,
        max_sequence_length=settings.short_length,
        max_global_tokens=1,
        dropout=settings.dropout,
    )
    return klf.LongformerTextClassifier(
        backbone,
        num_classes=len(CLASSES),
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            tokenizer, sequence_length=settings.short_length
        ),
    )


def fit(classifier, reviews, settings, *, batch_size, epochs, peak) -> None:
    """Trains on raw texts with Keras' `fit`, all epochs in one."""
    data = batches(reviews, batch_size, epochs, settings.seed)
    classifier.compile(optimizer=small_models.optimizer(peak, len(data)))
    classifier.fit(data, shuffle=False)


def accuracy(classifier, reviews: list[Review], batch_size: int) -> float:
    """Returns the part of the reviews that are told right."""
    by_length = sorted(reviews, key=lambda review: len(review.text))
    texts = tf.data.Dataset.from_tensor_slices([r.text for r in by_length])
    logits = classifier.predict(texts.batch(batch_size), verbose=0)
    labels = np.array([review.label for review in by_length])
    return float(np.mean(logits.argmax(-1) == labels))


def run(data: str, output: str, lengths: list[int], settings: Settings) -> dict:
    """Trains and measures all lengths, and writes the report.

    Returns:
        Dict of `accuracy`, by length; `majority`; `test`, the number of test
        reviews; and `seconds`, by step.
    """
    keras.utils.set_random_seed(settings.seed)
    os.makedirs(output, exist_ok=True)
    reviews = read_reviews(data, settings.reviews)
    train = [r for r in reviews if r.fold not in TEST_FOLDS]
    test = [r for r in reviews if r.fold in TEST_FOLDS]
    positive = sum(r.label for r in test) / len(test)
    results = {
        "accuracy": {},
        "majority": max(positive, 1 - positive),
        "test": len(test),
        "seconds": {},
    }
    begin = time.perf_counter()
    classifier = new_classifier(train, settings)
    print(f"Pieces of {settings.short_length} tokens", flush=True)
    fit(
        classifier,
        pieces(train),
        settings,
        batch_size=settings.piece_batch_size,
        epochs=settings.piece_epochs,
        peak=settings.piece_peak,
    )
    preset = os.path.join(output, "short")
    classifier.save_to_preset(preset)
    results["seconds"]["pieces"] = time.perf_counter() - begin
    for length in lengths:
        begin = time.perf_counter()
        keras.utils.set_random_seed(settings.seed)
        print(f"The first {length:,} tokens", flush=True)
        classifier = klf.LongformerTextClassifier.from_preset(
            preset, max_sequence_length=length
        )
        fit(
            classifier,
            train,
            settings,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            peak=settings.peak,
        )
        share = accuracy(classifier, test, settings.batch_size)
        print(f"      accuracy {share:.1%}", flush=True)
        results["accuracy"][length] = share
        results["seconds"][length] = time.perf_counter() - begin
    write(results, settings, output)
    return results


def write(results: dict, settings: Settings, output: str) -> None:
    """Writes picture, numbers and page, each whole or not at all."""
    folder = pathlib.Path(output)
    lengths = list(results["accuracy"])
    shares = [100 * share for share in results["accuracy"].values()]
    majority = 100 * results["majority"]
    figure = small_models.new_figure(figsize=(10, 4.5))
    axes = figure.subplots()
    axes.plot(lengths, shares, marker="o", color=small_models.BLUE)
    axes.axhline(majority, color=small_models.GREY, linestyle=":")
    axes.text(lengths[0], majority + 0.7, "commonest class")
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.set_xlabel("tokens read")
    axes.set_ylabel("right answers in %")
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{results['test']} film reviews, good or bad"
    figure.suptitle(title, x=0.01, ha="left")
    small_models.save_figure(figure, folder / "movie_reviews.png")
    error = max(
        (share * (1 - share) / results["test"]) ** 0.5
        for share in results["accuracy"].values()
    )
    rows = [
        [f"{length:,}", f"{share:.1%}", f"{results['seconds'][length]:.0f}"]
        for length, share in results["accuracy"].items()
    ]
    page = [
        "# Film reviews, good or bad",
        "![Accuracy against tokens read](movie_reviews.png)",
        small_models.table(["tokens", "accuracy", "seconds"], rows),
        f"{results['test']} test reviews, of which the commonest class has "
        f"{results['majority']:.1%}; the standard error for their number alone "
        f"is up to {error:.1%}. Training on pieces took "
        f"{results['seconds']['pieces']:.0f} s. {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f} at the end.",
        f"`{settings}`",
    ]
    small_models.write(folder / "report.md", "\n\n".join(page) + "\n")
    metrics = json.dumps(results, indent=1) + "\n"
    small_models.write(folder / "metrics.json", metrics)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="movie_reviews",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="ZIP")
    parser.add_argument(
        "--output",
        default="saved_models/movie_reviews",
        metavar="FOLDER",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--lengths",
        type=lambda text: [int(part) for part in text.split(",")],
        default="32,128,512,4096",
        help="tokens to read (default: %(default)s)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few reviews and a tiny model: to see that it works, not what it "
        "can do",
    )
    return parser.parse_args(arguments)


def main() -> None:
    given = parse_arguments()
    settings = QUICK if given.quick else Settings()
    try:
        results = run(given.data, given.output, given.lengths, settings)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"movie_reviews: {error}")
    print(f"Commonest class: {results['majority']:.1%}")
    print(f"The report: {os.path.join(given.output, 'report.md')}")


if __name__ == "__main__":
    main()
