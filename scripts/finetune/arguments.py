"""The command line of finetune.py."""

import argparse

from finetune.settings import EPOCHS
from finetune.settings import TASKS
from finetune.settings import Settings

# Readers' arguments: option, the tasks that have it, and what it says.
COLUMNS = (
    (
        "text_column",
        ("text_classification", "multi_label", "regression"),
        "column of the texts (text)",
    ),
    (
        "label_column",
        (
            "text_classification",
            "multi_label",
            "regression",
            "token_classification",
            "multiple_choice",
        ),
        "column of the labels: a name (label; labels), for CoNLL a number (-1)",
    ),
    ("word_column", ("token_classification",), "CoNLL column of the words (0)"),
    (
        "context_column",
        ("multiple_choice",),
        "column of what the choices share (context)",
    ),
    (
        "question_column",
        ("multiple_choice",),
        "column of the questions, if there is one (question)",
    ),
    ("choices_column", ("multiple_choice",), "column of the choices (choices)"),
)


def parse_arguments(
    arguments: list[str] | None = None, description: str | None = None
) -> tuple[Settings, bool]:
    """Returns the settings, and whether to resume.

    Exits with a message where the arguments do not fit together.
    """
    parser = argparse.ArgumentParser(
        prog="finetune",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_data(parser.add_argument_group("data"))
    _add_model(parser.add_argument_group("model"))
    _add_training(
        parser.add_argument_group("training (defaults are the paper's)")
    )
    _add_run(parser.add_argument_group("run"))
    given = vars(parser.parse_args(arguments))
    resume = given.pop("resume")
    columns = {}
    for name, tasks, _ in COLUMNS:
        value = given.pop(name)
        if value is None:
            continue
        if given["task"] not in tasks:
            parser.error(_not_for(name, given["task"]))
        columns[name] = value
    if given["task"] == "token_classification":
        for name in ("word_column", "label_column"):
            if name in columns:
                try:
                    columns[name] = int(columns[name])
                except ValueError:
                    parser.error(f"{_option(name)} must be a number for CoNLL")
    for name, task in (
        ("join_paragraphs", "question_answering"),
        ("documents", "token_classification"),
    ):
        value = given.pop(name)
        if value and given["task"] != task:
            parser.error(_not_for(name, given["task"]))
        if value:
            columns |= (
                {"rows": "documents"}
                if name == "documents"
                else {"join_paragraphs": True}
            )
    try:
        return Settings(**given, columns=columns), resume
    except ValueError as error:
        parser.error(str(error))


def _option(name):
    return f"--{name.replace('_', '-')}"


def _not_for(name, task):
    return f"{_option(name)} is not for --task {task}"


def _add_data(group):
    group.add_argument("--task", required=True, choices=TASKS)
    group.add_argument(
        "--train",
        required=True,
        metavar="FILE",
        help="question_answering: SQuAD's JSON; token_classification: CoNLL's "
        "columns; others: .jsonl, .csv or .tsv; text_classification also "
        "Hyperpartisan's articles...xml with ground-truth...xml beside it",
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
        type=_part,
        default=0.1,
        metavar="PART",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help="use only the first N examples of each file; all are checked",
    )
    group.add_argument(
        "--join-paragraphs",
        action="store_true",
        help="question_answering: make one long context of the paragraphs of "
        "an article",
    )
    group.add_argument(
        "--documents",
        action="store_true",
        help="token_classification: documents (-DOCSTART-) as rows, not "
        "sentences",
    )
    for name, _, text in COLUMNS:
        group.add_argument(_option(name), metavar="NAME", help=text)


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
        type=_count,
        metavar="TOKENS",
        help="longer texts are cut off, or in question_answering read in "
        "windows when answering (default: the preset's)",
    )
    group.add_argument(
        "--window-size",
        type=_count,
        metavar="TOKENS",
        help="of the attention, both sides (default: the preset's)",
    )
    group.add_argument("--dropout", type=_part, metavar="RATE")
    group.add_argument(
        "--rematerialize",
        action="store_true",
        help="less memory for more time",
    )


def _add_training(group):
    group.add_argument(
        "--epochs",
        type=_count,
        help=f"(default: {EPOCHS['text_classification']}; question_answering "
        f"{EPOCHS['question_answering']})",
    )
    group.add_argument(
        "--batch-size",
        type=_count,
        default=32,
        metavar="N",
        help="examples of an update (default: %(default)s)",
    )
    group.add_argument(
        "--rows",
        type=_count,
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
        type=_part,
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
        type=_count,
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


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _part(text):
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("must be from 0 to less than 1")
    return value
