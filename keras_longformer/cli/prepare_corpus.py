"""Tokenizes texts, once, into a corpus to pretrain on.

    keras-longformer prepare-corpus books/ news.jsonl.gz \\
        --tokenizer path/to/roberta-base --output corpus --processes 8

Inputs are files, patterns and folders: JSON lines (`.jsonl`, `.ndjson`),
TFRecords of Examples (`.tfrecord`), and texts in UTF-8, all of them `.gz` too.
A text file is one document unless --split says otherwise.

Interrupted and called again, it goes on: finished shards are kept. Documents
that are empty or no Unicode are left out and counted.

With --beam, the same is an Apache Beam pipeline, for texts beyond one machine:

    keras-longformer prepare-corpus 'gs://texts/*.jsonl' --output gs://corpus \\
        --tokenizer path/to/roberta-base --beam \\
        --beam-option=--runner=DataflowRunner --beam-option=...
"""

import argparse

from keras_longformer.cli.arguments import count

SUMMARY = "tokenize texts into a corpus to pretrain on"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="TEXTS")
    parser.add_argument(
        "--tokenizer",
        required=True,
        metavar="PRESET",
        help="a Hugging Face folder or `hf://` handle, or a preset of ours",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER")
    parser.add_argument(
        "--text-field",
        default="text",
        metavar="NAME",
        help="that has the text in JSON lines and TFRecords "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--split",
        choices=("none", "lines", "blank_lines"),
        default="none",
        help="documents of a text file: it is one, one a line, or what "
        "stands between blank lines (default: %(default)s)",
    )
    parser.add_argument(
        "--shard-tokens",
        type=count,
        default=4_000_000,
        metavar="TOKENS",
        help="about how many a shard has (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=count,
        default=1,
        help="that tokenize (default: %(default)s)",
    )
    parser.add_argument(
        "--beam", action="store_true", help="as an Apache Beam pipeline"
    )
    parser.add_argument(
        "--beam-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="of Beam's, such as --beam-option=--runner=DirectRunner; may be "
        "given several times",
    )
    parser.set_defaults(error=parser.error)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.tokenizers import LongformerTokenizer

    given = dict(given)
    error = given.pop("error")
    paths, options = given.pop("paths"), given.pop("beam_option")
    use_beam = given.pop("beam")
    if options and not use_beam:
        error("--beam-option needs --beam")
    if use_beam and given["processes"] != 1:
        error("--processes is not for --beam: its runner has workers")
    tokenizer = LongformerTokenizer.from_preset(given.pop("tokenizer"))
    folder = given.pop("output")
    if use_beam:
        from keras_longformer.training.corpus import beam

        del given["processes"]
        beam.run(paths, tokenizer, folder, options=options, **given)
        print(f"The corpus is in '{folder}'.")
        return 0
    from keras_longformer.training.corpus.prepare import prepare_corpus

    corpus = prepare_corpus(paths, tokenizer, folder, **given)
    for name in ("documents", "tokens", "characters"):
        print(f"{name:20}{corpus.facts[name]:>16,}")
    print(f"{'shards':20}{len(corpus.shards):>16,}")
    for reason, number in corpus.facts["left_out"].items():
        print(f"{'left out, ' + reason:20}{number:>16,}")
    return 0
