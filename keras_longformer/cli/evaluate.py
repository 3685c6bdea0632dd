"""Measures a fine-tuned model on a file, without training.

    keras-longformer evaluate --task text_classification \\
        --preset reviews/model --data test.csv --output measured
    keras-longformer evaluate --task question_answering \\
        --preset out/model --data dev.json --json

The model is a folder that `finetune` (its `model/`) or `save_to_preset` wrote,
or a Hugging Face checkpoint with the task's head. With --output, the metrics,
the predictions and a picture are written into a folder.
"""

import argparse

from keras_longformer.cli.arguments import add_json
from keras_longformer.cli.arguments import add_lengths
from keras_longformer.cli.arguments import add_task
from keras_longformer.cli.arguments import count
from keras_longformer.cli.arguments import keywords
from keras_longformer.cli.arguments import task_options
from keras_longformer.cli.arguments import write_result

SUMMARY = "measure a fine-tuned model on a file"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    add_task(parser, arguments)
    parser.add_argument("--preset", required=True, metavar="MODEL")
    parser.add_argument("--data", required=True, metavar="FILE")
    parser.add_argument("--output", metavar="FOLDER")
    parser.add_argument(
        "--limit", type=count, metavar="N", help="only the first N examples"
    )
    parser.add_argument(
        "--batch-size",
        type=count,
        default=8,
        metavar="N",
        help="rows in memory at once (default: %(default)s)",
    )
    add_lengths(parser)
    add_json(parser)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer import finetune

    as_json = given.pop("json")
    lengths = keywords(given, "max_sequence_length", "window_size")
    options = task_options(given)
    outcome = finetune.evaluate(**given, options=options, **lengths)
    write_result(outcome.metrics, as_json)
    return 0
