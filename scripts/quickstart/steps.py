"""The steps of the quickstart, each printing and noting what it measured."""

import gc

import keras
import numpy as np

from keras_longformer import LongformerTokenizer
from quickstart import classification
from quickstart import corpus
from quickstart import masked_lm
from quickstart import report
from quickstart import serving
from quickstart.settings import Settings


def train_short(
    sources: list[corpus.Source], settings: Settings, folder: str
) -> LongformerTokenizer:
    """Step 1: a small RoBERTa of our own, in Hugging Face's format."""
    train = corpus.of_split(sources, "train")
    print(
        f"      vocabulary of {settings.vocabulary_size:,} tokens", flush=True
    )
    tokenizer = LongformerTokenizer(
        *corpus.train_vocabulary(train, settings.vocabulary_size)
    )
    model = masked_lm.new_short_model(settings, tokenizer)
    print(f"      RoBERTa of {model.count_params():,} weights", flush=True)
    per_token = characters_per_token(train, tokenizer)
    # A fifth more than is read, so that the shortest still fill their rows.
    texts = corpus.passages(
        train,
        int(1.2 * per_token * settings.short_length),
        settings.short_updates * settings.short_batch_size,
        settings.seed,
    )
    masked_lm.train(
        model,
        texts,
        batch_size=settings.short_batch_size,
        peak=settings.short_peak,
        characters_per_token=per_token,
        seconds=settings.seconds_of_training,
    )
    masked_lm.save_as_roberta(model, folder)
    return tokenizer


def characters_per_token(
    sources: list[corpus.Source], tokenizer: LongformerTokenizer
) -> float:
    """Returns the characters of a token, on a few hundred passages."""
    texts = corpus.passages(sources, 1000, 300, seed=0)
    tokens = tokenizer.tokenize(texts).flat_values.shape[0]
    return sum(map(len, texts)) / tokens


def lengthen(
    checkpoint: str,
    sources: list[corpus.Source],
    tokenizer: LongformerTokenizer,
    settings: Settings,
    folder: str,
    results: report.Results,
) -> None:
    """Steps 2 and 3: the table of masked LMs, and the updated one saved."""
    texts = [source.text for source in corpus.of_split(sources, "test")]
    blocks, per_token = masked_lm.evaluation_blocks(texts, tokenizer, settings)
    results.facts |= {
        "files": len(texts),
        "tokens": blocks.size,
        "masked": blocks.shape[0] * int(np.ceil(0.15 * blocks.shape[1])),
        "characters_per_token": per_token,
    }

    def measure(name, model, length, parts=1):
        bits = masked_lm.evaluate(model, blocks, per_token, settings, parts)
        row = report.Row(name, length, **bits)
        results.rows.append(row)
        print(
            f"      {name:28}{row.bits_per_token:7.3f} bits a token"
            f"{row.bits_per_character:7.3f} a character",
            flush=True,
        )

    short, long = settings.short_length, settings.long_length
    with report.Step(results, f"Making it {settings.length_factor} x longer"):
        model = masked_lm.open_short(checkpoint, settings)
        measure("short, as it was", model, short, settings.length_factor)
        for positions, name in (
            ("random", "long, random positions"),
            ("sinusoidal", "long, sinusoidal positions"),
            ("copy", "long, copied positions"),
        ):
            del model  # One at a time in memory.
            gc.collect()
            model = masked_lm.open_long(checkpoint, settings, positions)
            measure(name, model, long)
    with report.Step(results, f"Updating it at {long:,} tokens"):
        train = corpus.passages(
            corpus.of_split(sources, "train"),
            int(1.2 * per_token * long),
            settings.long_updates * settings.long_batch_size,
            settings.seed + 1,
        )
        results.facts["long_updates"] = masked_lm.train(
            model,
            train,
            batch_size=settings.long_batch_size,
            peak=settings.long_peak,
            characters_per_token=per_token,
            seconds=settings.seconds_of_training,
        )
        measure("long, copied, then updated", model, long)
        model.save_to_preset(folder)
    del model
    gc.collect()


def classify(
    preset: str,
    sources: list[corpus.Source],
    tokenizer: LongformerTokenizer,
    settings: Settings,
    results: report.Results,
):
    """Step 4: the classifier, long and truncated.

    Returns:
        The long classifier, and the test documents.
    """
    per_token = results.facts["characters_per_token"]
    train, test = (
        classification.make_documents(
            corpus.of_split(sources, split),
            count,
            tokenizer,
            per_token,
            settings,
            settings.seed + i,
        )
        for i, (split, count) in enumerate(
            [
                ("train", settings.train_documents),
                ("test", settings.test_documents),
            ]
        )
    )
    results.facts |= {
        "test_documents": len(test.texts),
        "first_evidence": 1 + min(train.first_evidence, test.first_evidence),
    }

    def fit(length, fact):
        keras.utils.set_random_seed(settings.seed)  # The same new head.
        print(f"      reading {length:,} tokens", flush=True)
        classifier = classification.open_classifier(preset, settings, length)
        results.facts[fact] = classification.fine_tune(
            classifier, train, settings
        )
        share = classification.accuracy(classifier, test, settings)
        print(f"      accuracy {share:.1%}", flush=True)
        return classifier, share

    short, long = settings.short_length, settings.long_length
    _, truncated = fit(short, "truncated_updates")
    gc.collect()
    classifier, whole = fit(long, "classifier_updates")
    results.accuracies = {
        f"long: reads {long:,} tokens": whole,
        f"truncated: reads {short:,}": truncated,
        "commonest class": classification.majority(train, test),
    }
    return classifier, test


def serve(
    classifier,
    test: classification.Documents,
    folder: str,
    settings: Settings,
    results: report.Results,
) -> None:
    """Step 5: the SavedModel, and its answers without this package."""
    version, manifest = serving.export(classifier, folder)
    results.version = version
    results.facts["largest_difference"] = manifest["probe"][
        "largest_difference"
    ]
    chosen = [
        int(np.flatnonzero(test.labels == label)[0])
        for label in range(len(settings.classes))
    ]
    texts = [test.texts[i] for i in chosen]
    outputs = serving.answer(version, texts)
    for i, text, index, probabilities in zip(
        chosen,
        texts,
        outputs["class_index"],
        outputs["probabilities"],
        strict=True,
    ):
        line = text.strip().splitlines()[0].replace("`", "'").replace("|", "/")
        results.answers.append(
            (
                line[:40],
                settings.classes[test.labels[i]],
                settings.classes[index],
                probabilities[index],
            )
        )
        print(
            f"      {line[:40]!r} ... ({len(text):,} characters) is of "
            f"{settings.classes[test.labels[i]]}, the answer is "
            f"{settings.classes[index]} ({probabilities[index]:.0%})",
            flush=True,
        )
    results.commands = serving.commands(folder, "import asyncio")
