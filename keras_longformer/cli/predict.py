"""Writes what a model says of each text of a folder or table.

    keras-longformer predict reviews/model folder-of-texts --output said.csv
    keras-longformer predict saved_models/reviews texts.jsonl --output s.jsonl
    keras-longformer predict out/model folder-of-texts --output answers.csv \\
        --set question="Who wrote it?" --over-long windows
    keras-longformer predict reviews/model films.csv --output said.csv \\
        --column text=review --resume

The model is a task's preset (what `finetune` writes into `model/`) or an
exported SavedModel; both give the same columns. The texts are a folder of .txt
files, or JSON lines, CSV or TSV with a column for each of the model's inputs:
`text`; `question` and `context`; and `choices`. The output, JSON lines or CSV,
is written as texts are answered, and --resume goes on where it ends.

A text that cannot be answered has its reason in the column `error`; the
others are answered, and the exit code is 1.
"""

import argparse
import sys

from keras_longformer.cli.arguments import count

SUMMARY = "write what a model says of each text"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("texts", metavar="INPUT")
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument(
        "--task", metavar="NAME", help="of a preset that does not say it"
    )
    parser.add_argument(
        "--over-long",
        choices=("truncate", "head_tail", "windows"),
        help="what a preset reads of texts longer than it (default: what its "
        "fit read)",
    )
    parser.add_argument(
        "--batch-size",
        type=count,
        default=8,
        metavar="N",
        help="texts at once (default: %(default)s)",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        type=_pair,
        metavar="INPUT=COLUMN",
        help="the column of one of the model's inputs",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="INPUT=TEXT",
        help="one text for all rows",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on after the rows of --output"
    )


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.finetune.prediction import predict

    columns, fixed = dict(given.pop("column")), dict(given.pop("set"))
    done, bad = predict(**given, columns=columns, fixed=fixed)
    print(f"{done:,} rows in {given['output']}", file=sys.stderr)
    if bad:
        print(
            f"keras-longformer predict: {bad:,} of {done:,} texts could not be "
            "answered: see the column `error`",
            file=sys.stderr,
        )
    return 1 if bad else 0


def _pair(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, and is {text!r}")
    return name, value
