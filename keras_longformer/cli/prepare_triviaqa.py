"""Writes TriviaQA as questions with contexts and answers, in SQuAD's layout.

    keras-longformer prepare-triviaqa --questions qa/wikipedia-train.json \\
        --wikipedia evidence/wikipedia --output train.json

TriviaQA's archive has questions (`qa/*.json`) and, in `evidence/`, the
documents that may hold the answers; where in them is not said. As for the
paper, the documents of a question are put one after the other, cut to
--words words, and every place where any alias of the answer stands is an
answer: the model is trained to find one of them, whichever. Compared are
normal forms: NFKC, lower case, any dash or quote as the plain one, any white
space as one blank, and only whole words. What is written is the text as it
stands in the document, with its offset.

With `--rows documents` each document of a question makes a row of its own,
`QUESTION--DOCUMENT`, as in the published conversion.

Questions whose answer is in no document are left out of a training file and
kept in others, as they count there. The aliases are written beside the
answers, for the metric. Documents that are missing, and questions that are
left out, are counted. The result is for

    keras-longformer finetune --task question_answering --train train.json ...

Time: some minutes for the 61,888 questions of wikipedia-train (estimated, not
measured); memory: the questions, and one question's documents.
"""

import argparse

from keras_longformer.cli.arguments import count

SUMMARY = "write TriviaQA as SQuAD's JSON"
ROWS = ("questions", "documents")


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument("--questions", required=True, metavar="FILE")
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--wikipedia", metavar="FOLDER", help="of EntityPages")
    parser.add_argument("--web", metavar="FOLDER", help="of SearchResults")
    parser.add_argument(
        "--words",
        type=count,
        default=4096,
        help="the most of a context (default: %(default)s)",
    )
    parser.add_argument("--rows", choices=ROWS, default=ROWS[0])
    parser.set_defaults(error=parser.error)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.tasks.question_answering import triviaqa

    given = dict(given)
    error = given.pop("error")
    if given["wikipedia"] is None and given["web"] is None:
        error("name a folder of documents: --wikipedia or --web")
    counts = triviaqa.convert(
        given.pop("questions"), given.pop("output"), **given
    )
    for name, number in counts.items():
        print(f"{name.replace('_', ' '):20}{number:>12,}")
    return 0
