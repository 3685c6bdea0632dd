"""Checks that an exported SavedModel is whole and answers as it did.

    keras-longformer verify saved_models/reviews
    keras-longformer verify saved_models/reviews/3 --json

Loads it in a process that has TensorFlow alone, replays the warm-up requests,
and compares files, signatures and answers with the manifest's.
"""

import argparse

from keras_longformer.cli.arguments import add_json
from keras_longformer.cli.arguments import write_result

SUMMARY = "check an exported SavedModel"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="a version's folder, or a model's, whose highest version counts",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="(default: %(default)s)",
    )
    add_json(parser)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.serving.verify import verify_saved_model

    report = verify_saved_model(
        given["folder"], timeout_seconds=given["timeout"]
    )
    write_result(report, given["json"])
    return 0
