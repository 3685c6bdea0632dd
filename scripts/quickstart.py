"""Makes a RoBERTa long, fine-tunes it on long documents and exports it.

Command:
    bash scripts/quickstart.sh [--venv FOLDER] [arguments below]
or, where the package is installed with its extra `quickstart`,
    python scripts/quickstart.py
        [--checkpoint FOLDER_OR_HANDLE] [--output saved_models/quickstart]
        [--seed 0] [--quick]

Without a checkpoint it trains a small RoBERTa first, on the sources of
Python's own library, which every machine has. Then, with it or the checkpoint:
makes it 8 times longer, and measures masked language modelling with random,
sinusoidal and copied positions and after some updates, as the paper's Table 5;
fine-tunes a classifier on long documents whose class shows only deep inside,
against the same model truncated to its old length; exports it, and asks it in
a process that has TensorFlow only; writes `report.md` and `report.png`.

Time and memory: see EXPECTED below for the small RoBERTa. With a checkpoint,
each training is cut to 90 seconds.

Expected result: copied positions nearly as good as the short model, random
ones far worse, updates better still; the long classifier far above the
truncated one, which is no better than guessing.

Running it again replaces the report and adds a version of the SavedModel.
"""

import argparse
import dataclasses
import gc
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from quickstart import classification
from quickstart import corpus
from quickstart import masked_lm
from quickstart import report
from quickstart import serving
from quickstart import settings as quickstart_settings
from quickstart.settings import Settings

from keras_longformer import LongformerTokenizer
from keras_longformer import weights
from keras_longformer.native import library

EXPECTED = "about 7 minutes on 2 cores, and 2 GiB of memory"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quickstart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FOLDER_OR_HANDLE",
        help="a RoBERTa: a Hugging Face folder, an hf:// handle (needs "
        "huggingface-hub) or a KerasHub preset; by default a small one is "
        "trained first",
    )
    parser.add_argument(
        "--output",
        default="saved_models/quickstart",
        metavar="FOLDER",
        help="where all is written (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything tiny, in under a minute: to see that it works, not "
        "what it can do",
    )
    return parser.parse_args(arguments)


def check_checkpoint(checkpoint: str) -> tuple[LongformerTokenizer, int]:
    """Opens a checkpoint's configuration and tokenizer.

    Returns:
        The tokenizer, and the tokens that the checkpoint reads.

    Raises:
        ValueError: it is not a RoBERTa with a byte-level BPE.
        ImportError: a package that it needs is missing.
    """
    preset = weights.load_preset(checkpoint, load_weights=False)
    if preset is None:
        raise ValueError(
            f"'{checkpoint}' is neither a Hugging Face folder or handle of a "
            "RoBERTa nor a RoBERTa preset of KerasHub's."
        )
    if preset.vocabulary is None or preset.merges is None:
        raise ValueError(
            f"'{checkpoint}' has no vocab.json and merges.txt beside it."
        )
    tokenizer = LongformerTokenizer(preset.vocabulary, preset.merges)
    return tokenizer, preset.config["max_sequence_length"]


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
        return classifier, classification.accuracy(classifier, test, settings)

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
    results.version = os.path.relpath(version)
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


def run(arguments: argparse.Namespace) -> report.Results:
    """Does everything, and writes the report."""
    settings = Settings()
    if arguments.quick:
        settings = quickstart_settings.QUICK
    settings = dataclasses.replace(settings, seed=arguments.seed)
    checkpoint, tokenizer = arguments.checkpoint, None
    if checkpoint is not None:
        tokenizer, length = check_checkpoint(checkpoint)
        settings = quickstart_settings.for_checkpoint(settings, length)
    keras.utils.set_random_seed(settings.seed)
    # Each of the models here is traced anew, which TensorFlow warns of.
    tf.get_logger().setLevel("ERROR")
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    sources = corpus.read_sources()
    results = report.Results()
    size = sum(len(source.text) for source in sources)
    print(
        f"Text: {len(sources)} files of Python's library, {size / 1e6:.1f} "
        f"million characters. Output: {output}/"
    )
    if checkpoint is None:
        print(f"Takes {EXPECTED}.")
        checkpoint = str(output / "roberta")
        with report.Step(results, "Training a small RoBERTa"):
            tokenizer = train_short(sources, settings, checkpoint)
        results.facts["checkpoint"] = f"a RoBERTa trained here, `{checkpoint}`"
    else:
        with report.Step(results, f"Starting from {checkpoint}"):
            results.facts["checkpoint"] = f"the checkpoint `{checkpoint}`"
    long_preset = str(output / "longformer")
    lengthen(checkpoint, sources, tokenizer, settings, long_preset, results)
    gc.collect()
    with report.Step(results, "Fine-tuning classifiers on long documents"):
        classifier, test = classify(
            long_preset, sources, tokenizer, settings, results
        )
    with report.Step(results, "Exporting, and asking it without the package"):
        serve(classifier, test, str(output / "classifier"), settings, results)
    results.facts |= {
        "load": os.getloadavg()[0],
        "implementation": (
            "the native kernel" if library.available() else "chunked"
        ),
    }
    report.write(results, settings, str(output))
    return results


def main() -> None:
    arguments = parse_arguments()
    try:
        if arguments.checkpoint is not None:
            check_checkpoint(arguments.checkpoint)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"quickstart: --checkpoint cannot be used.\n{error}")
    results = run(arguments)
    print(f"\n{report.masked_lm_table(results)}")
    print(f"\n{report.classifier_table(results)}\n")
    for true, claim in report.expectations(results):
        print(f"{'  as expected ' if true else 'NOT AS EXPECTED '}  {claim}")
    print(f"\nTo serve it:\n\n{results.commands}\n")
    print(f"The report: {os.path.join(arguments.output, 'report.md')}")


if __name__ == "__main__":
    main()
