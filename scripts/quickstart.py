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

Time and memory: about 7 minutes and 3 GiB on 2 cores. With a checkpoint,
each training is cut to the updates that fit into 1.5 minutes, or `--minutes`:
on a CPU that is far too few for a roberta-base.

Expected result: copied positions nearly as good as the short model, random
ones far worse, updates better still; the long classifier far above the
truncated one, which is no better than guessing.

Running it again replaces the report and adds a version of the SavedModel.
"""

import argparse
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXPECTED = "about 7 minutes on 2 cores, and 3 GiB of memory"


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


def main() -> None:
    arguments = parse_arguments()
    # TensorFlow takes seconds to import, and `--help` does not need it.
    from quickstart import pipeline
    from quickstart import report

    if arguments.checkpoint is None and not arguments.quick:
        print(f"Takes {EXPECTED}.")
    try:
        settings, tokenizer = pipeline.prepare(
            arguments.checkpoint,
            quick=arguments.quick,
            seed=arguments.seed,
            minutes=arguments.minutes,
        )
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"quickstart: --checkpoint cannot be used.\n{error}")
    results = pipeline.run(
        settings, arguments.output, arguments.checkpoint, tokenizer
    )
    print(f"\n{report.masked_lm_table(results)}")
    print(f"\n{report.classifier_table(results)}\n")
    for true, claim in report.expectations(results):
        print(f"{'    as expected' if true else 'NOT AS EXPECTED'}  {claim}")
    print(f"\nTo serve it:\n\n{results.commands}\n")
    print(f"The report: {os.path.join(arguments.output, 'report.md')}")


if __name__ == "__main__":
    main()
