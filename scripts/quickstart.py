"""Makes a RoBERTa long, fine-tunes it on long documents and exports it.

Command:
    bash scripts/quickstart.sh [--venv FOLDER] [arguments below]
or, where the package is installed with its extra `quickstart`,
    python scripts/quickstart.py
        [--checkpoint FOLDER_OR_HANDLE] [--output saved_models/quickstart]
        [--seed 0] [--minutes 1.5] [--quick]

Without a checkpoint it trains a small RoBERTa first, on the sources of
Python's own library, which every machine has. Then, with it or the checkpoint:
makes it 8 times longer, and measures masked language modelling with random,
sinusoidal and copied positions and after some updates, as the paper's Table 5;
fine-tunes a classifier on long documents whose class shows only deep inside,
against the same model truncated to its old length; exports it, and asks it in
a process that has TensorFlow only; writes `report.md` and `report.png`.

Time and memory: about 7 minutes and 2.5 GiB on 2 cores. With a checkpoint,
each training is cut to the updates that fit into 1.5 minutes, or `--minutes`:
on a CPU that is far too few for a roberta-base.

Expected result: copied positions nearly as good as the short model, random
ones far worse, updates better still; the long classifier far above the
truncated one, which is no better than guessing.

Running it again replaces the report and adds a version of the SavedModel.
"""

import argparse
import dataclasses
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from quickstart import corpus
from quickstart import report
from quickstart import settings as quickstart_settings
from quickstart import steps
from quickstart.settings import Settings

from keras_longformer import LongformerTokenizer
from keras_longformer import weights
from keras_longformer.native import library

EXPECTED = "about 7 minutes on 2 cores, and 2.5 GiB of memory"


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
        "--minutes",
        type=float,
        help="at most so many for each training (default: 1.5 with a "
        "checkpoint, otherwise no limit)",
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
        results.facts["checkpoint"] = f"a RoBERTa trained here, `{checkpoint}`"
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


def main() -> None:
    arguments = parse_arguments()
    settings = quickstart_settings.QUICK if arguments.quick else Settings()
    settings = dataclasses.replace(
        settings,
        seed=arguments.seed,
        seconds_of_training=arguments.minutes and 60 * arguments.minutes,
    )
    tokenizer = None
    if arguments.checkpoint is None and not arguments.quick:
        print(f"Takes {EXPECTED}.")
    if arguments.checkpoint is not None:
        try:
            tokenizer, length = check_checkpoint(arguments.checkpoint)
        except (ImportError, OSError, ValueError) as error:
            sys.exit(f"quickstart: --checkpoint cannot be used.\n{error}")
        settings = quickstart_settings.for_checkpoint(settings, length)
    results = run(settings, arguments.output, arguments.checkpoint, tokenizer)
    print(f"\n{report.masked_lm_table(results)}")
    print(f"\n{report.classifier_table(results)}\n")
    for true, claim in report.expectations(results):
        print(f"{'    as expected' if true else 'NOT AS EXPECTED'}  {claim}")
    print(f"\nTo serve it:\n\n{results.commands}\n")
    print(f"The report: {os.path.join(arguments.output, 'report.md')}")


if __name__ == "__main__":
    main()
