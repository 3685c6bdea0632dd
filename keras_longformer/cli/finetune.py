"""Fine-tunes a Longformer on a file of data, measures it and exports it.

    keras-longformer finetune --task question_answering --train train.json \\
        --validation dev.json --preset path/to/roberta --output out --export
    keras-longformer finetune --task text_classification --train reviews.csv \\
        --text-column review --label-column stars --preset longformer-base \\
        --output stars
    keras-longformer finetune --task my_package.spam:SpamFilter ...

All files are checked first, and all that is wrong with them is listed, with
files and lines. Then: training with Keras' `fit`, a measurement after each
epoch, an end when nothing improves. Into the output folder go `metrics.json`,
`predictions.jsonl`, `report.md`, `report.png`, `model/` (for `from_preset`),
`tensorboard/` (`tensorboard --logdir FOLDER/tensorboard`), `state/` to go on
from and, with --export, `saved_model/1` for TF Serving. One run at a time
writes there.

A training that was stopped, by whatever, goes on with --resume and ends with
the very weights it would have had.

Time and memory depend on the model: on a CPU, roberta-base at 4,096 tokens
needs more than 6 GiB and many seconds for each example. On a small machine,
make a small model first (bash scripts/quickstart.sh), and
    --preset saved_models/quickstart/longformer --learning-rate 5e-4
        --max-sequence-length 512 --limit 200 --minutes 10
"""

import argparse
import os

from keras_longformer.cli.arguments import add_task
from keras_longformer.cli.arguments import count
from keras_longformer.cli.arguments import part
from keras_longformer.cli.arguments import task_options

SUMMARY = "train on a file of data, measure, export"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    add_task(parser, arguments)
    _add_data(parser.add_argument_group("data"))
    _add_model(parser.add_argument_group("model"))
    _add_training(
        parser.add_argument_group("training (defaults are the paper's)")
    )
    _add_run(parser.add_argument_group("run"))
    parser.set_defaults(error=parser.error)


def run(given: dict) -> int:
    """Runs the command."""
    # TensorFlow takes seconds to import.
    from keras_longformer import finetune

    settings, resume = read_settings(given)
    outcome = finetune.run(settings, resume)
    for name, value in outcome.metrics.items():
        print(f"{name:24}{value:10.4g}")
    print(f"The report: {os.path.join(settings.output, 'report.md')}")
    return 0


def read_settings(given: dict):
    """Returns the `Settings`, and whether to resume.

    Raises:
        SystemExit: settings that do not fit together.
    """
    from keras_longformer.finetune.settings import Settings

    given = dict(given)
    error, resume = given.pop("error"), given.pop("resume")
    options = task_options(given)
    try:
        return Settings(**given, options=options), resume
    except ValueError as problem:
        error(str(problem))


def _add_data(group):
    group.add_argument(
        "--train",
        required=True,
        metavar="FILE",
        help="what the task reads: `--task NAME --help` says it",
    )
    group.add_argument(
        "--validation",
        metavar="FILE",
        help="chooses the best epoch; without it, a part of the training "
        "examples does (--validation-share)",
    )
    group.add_argument(
        "--test",
        metavar="FILE",
        help="is measured at the end; without it, the validation examples are",
    )
    group.add_argument(
        "--validation-share",
        type=part,
        default=0.1,
        metavar="PART",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--limit",
        type=count,
        metavar="N",
        help="use only the first N examples of each file; all are checked",
    )


def _add_model(group):
    group.add_argument(
        "--preset",
        required=True,
        metavar="PATH_OR_HANDLE",
        help="a Longformer or RoBERTa: a Hugging Face folder or hf:// handle, "
        "a KerasHub preset, or for a small machine "
        "saved_models/quickstart/longformer, which quickstart.sh makes",
    )
    group.add_argument(
        "--max-sequence-length",
        type=count,
        metavar="TOKENS",
        help="longer texts are cut off, or, where the task can, read in "
        "windows when it is measured (default: the preset's)",
    )
    group.add_argument(
        "--window-size",
        type=count,
        metavar="TOKENS",
        help="of the attention, both sides (default: the preset's)",
    )
    group.add_argument("--dropout", type=part, metavar="RATE")
    group.add_argument(
        "--rematerialize",
        action="store_true",
        help="less memory for more time",
    )


def _add_training(group):
    group.add_argument(
        "--epochs", type=count, help="(default: as many as in the paper)"
    )
    group.add_argument(
        "--batch-size",
        type=count,
        default=32,
        metavar="N",
        help="examples of an update (default: %(default)s)",
    )
    group.add_argument(
        "--rows",
        type=count,
        default=1,
        metavar="N",
        help="examples in memory at once; gradients are accumulated to "
        "--batch-size (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        default=3e-5,
        dest="peak",
        metavar="RATE",
        help="the highest (default: %(default)s)",
    )
    group.add_argument(
        "--warmup",
        type=part,
        default=0.1,
        metavar="PART",
        help="of all updates (default: %(default)s); then the rate falls to 0",
    )
    group.add_argument(
        "--weight-decay",
        type=float,
        default=0.01,
        metavar="RATE",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--patience",
        type=count,
        default=3,
        metavar="EPOCHS",
        help="end after so many without a better result (default: %(default)s)",
    )


def _add_run(group):
    group.add_argument("--output", required=True, metavar="FOLDER")
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with the training in --output, to the same weights as if "
        "it had not stopped",
    )
    group.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="pause training after so many, and measure what it has come to; "
        "--resume goes on",
    )
    group.add_argument(
        "--save-minutes",
        type=float,
        default=15.0,
        metavar="M",
        help="save a state so often within epochs (default: %(default)s)",
    )
    group.add_argument(
        "--export",
        action="store_true",
        help="write OUTPUT/saved_model for TF Serving",
    )
    group.add_argument("--seed", type=int, default=0)
