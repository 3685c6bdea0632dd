"""All steps of the quickstart, one after the other."""

import dataclasses
import os

import keras
import tensorflow as tf

from keras_longformer import LongformerTokenizer
from keras_longformer import weights
from keras_longformer.native import library
from quickstart import corpus
from quickstart import report
from quickstart import settings as quickstart_settings
from quickstart import steps
from quickstart.settings import Settings


def prepare(
    checkpoint: str | None = None,
    *,
    quick: bool = False,
    seed: int = 0,
    minutes: float | None = None,
) -> tuple[Settings, LongformerTokenizer | None]:
    """Looks at what was asked for, before any work is done.

    Returns:
        The settings, and the tokenizer of the checkpoint, if there is one.

    Raises:
        ValueError, ImportError, OSError: the checkpoint cannot be used.
    """
    settings = dataclasses.replace(
        quickstart_settings.QUICK if quick else Settings(),
        seed=seed,
        seconds_of_training=minutes and 60 * minutes,
    )
    if checkpoint is None:
        return settings, None
    tokenizer, length = check_checkpoint(checkpoint)
    return quickstart_settings.for_checkpoint(settings, length), tokenizer


def check_checkpoint(checkpoint: str) -> tuple[LongformerTokenizer, int]:
    """Opens a checkpoint's configuration and tokenizer.

    Returns:
        The tokenizer, and the tokens that the checkpoint reads.

    Raises:
        ValueError: it is not a RoBERTa with a byte-level BPE.
        ImportError: a package that it needs is missing.
    """
    foreign = weights.open_foreign(checkpoint, load_weights=False)
    vocabulary, merges = weights.byte_pair_files(foreign.tokenizer_files)
    if vocabulary is None:
        raise ValueError(
            f"'{checkpoint}' has no vocab.json and merges.txt beside it."
        )
    tokenizer = LongformerTokenizer(vocabulary, merges)
    return tokenizer, foreign.config["max_sequence_length"]


def run(
    settings: Settings,
    output: str,
    checkpoint: str | None = None,
    tokenizer: LongformerTokenizer | None = None,
) -> report.Results:
    """Does everything, and writes the report.

    Args:
        settings: all numbers.
        output: str, the folder to write to.
        checkpoint: str or `None`, to train a small RoBERTa.
        tokenizer: the checkpoint's.
    """
    keras.utils.set_random_seed(settings.seed)
    # Each of the models here is traced anew, which TensorFlow warns of.
    tf.get_logger().setLevel("ERROR")
    os.makedirs(output, exist_ok=True)
    sources = corpus.read_sources()
    size = sum(len(source.text) for source in sources)
    print(
        f"Text: {len(sources)} files of Python's library, {size / 1e6:.1f} "
        f"million characters. Output: {output}"
    )
    results = report.Results(num_steps=4 + (checkpoint is None))
    results.facts["checkpoint"] = f"the checkpoint `{checkpoint}`"
    if checkpoint is None:
        checkpoint = os.path.join(output, "roberta")
        results.facts["checkpoint"] = (
            f"a RoBERTa trained here, `{checkpoint}`, whose positions began as "
            "sines in a random basis"
        )
        with report.Step(results, "Training a small RoBERTa"):
            tokenizer = steps.train_short(sources, settings, checkpoint)
    preset = os.path.join(output, "longformer")
    steps.lengthen(checkpoint, sources, tokenizer, settings, preset, results)
    with report.Step(results, "Fine-tuning classifiers on long documents"):
        classifier, test = steps.classify(
            preset, sources, tokenizer, settings, results
        )
    folder = os.path.join(output, "classifier")
    with report.Step(results, "Exporting, and asking it without the package"):
        steps.serve(classifier, test, folder, settings, results)
    results.facts |= {
        "load": os.getloadavg()[0],
        "implementation": (
            "the native kernel" if library.available() else "chunked"
        ),
    }
    report.write(results, settings, output)
    return results
