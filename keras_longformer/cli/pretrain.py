"""Pretrains a Longformer on text of your own, for days if need be.

    keras-longformer pretrain --preset path/to/roberta-base --train *.txt \\
        --max-sequence-length 4096 --window-size 512 --output pretrained
    keras-longformer pretrain --preset path/to/roberta-base --train corpus/ \\
        --max-sequence-length 4096 --train-only positions --updates 3000 \\
        --output pretrained
    keras-longformer pretrain --tokenizer path/to/roberta-base --num-layers 4 \\
        --num-heads 4 --hidden-dim 256 --train *.txt --output small
    keras-longformer pretrain --task char_lm --train enwik8.zip --output small

A RoBERTa is made long on the way: positions copied, as in the paper. Held-out
text is measured before the first update and then again and again: bits per
token (the paper's BPC), bits per character, perplexity.

`--task char_lm` learns to predict each byte from those before it, in phases of
twice the length and windows and half the rate each: --updates 430000 50000 are
two of them, and --batch-size may name one for each too. Without a size or
phases they are the paper's. Of text8 and enwik8 the first 90 million
characters are trained on, the next 5 million measured with, and the last 5
million are --test.

Into the output folder go `report.md`, `report.png` (the curve),
`metrics.json`, `model/` (for --preset and `from_preset`), `corpus/` (the text
as tokens), `tensorboard/` and `state/`. One run at a time writes there.

Killed at any moment, the same command goes on from the last state and ends
with the very weights it would have had. A disk that is full, text that cannot
be read and a loss that is not a number are said; the last good state stays.

The defaults are the paper's, for GPUs: of a masked LM 65,000 updates of 64
rows at 3e-5; of a character LM 430,000, 50,000, 50,000, 35,000 and 5,000 of 32
and then 16, from 2.5e-4 on, with gradients clipped at 0.25. Where the
memory is short: --rows 1 (the default), --rematerialize, --dtype
mixed_bfloat16. On several GPUs or machines: --distribution auto.
"""

import argparse
import os

from keras_longformer.cli.arguments import count
from keras_longformer.cli.arguments import part

SUMMARY = "train on text of your own, as long as it takes"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument(
        "--task",
        default="masked_lm",
        choices=("masked_lm", "char_lm"),
        help="what is learned (default: %(default)s)",
    )
    _add_text(parser.add_argument_group("text"))
    _add_model(parser.add_argument_group("model"))
    _add_char_lm(parser.add_argument_group("character language models"))
    _add_training(
        parser.add_argument_group("training (defaults are the paper's)")
    )
    _add_rows(parser.add_argument_group("rows of masked language models"))
    _add_run(parser.add_argument_group("run"))
    parser.set_defaults(error=parser.error)


def run(given: dict) -> int:
    """Runs the command."""
    settings = read_settings(given)
    # TensorFlow takes seconds to import.
    from keras_longformer import pretrain

    measured = pretrain.run(settings)
    for name, value in measured._asdict().items():
        said = f"{value:10.4f}" if isinstance(value, float) else f"{value:10,}"
        print(f"{name:24}{said}")
    print(f"The report: {os.path.join(settings.output, 'report.md')}")
    return 0


def read_settings(given: dict):
    """Returns the `Settings`.

    Raises:
        SystemExit: settings that do not fit together.
    """
    from keras_longformer.pretrain.settings import Settings

    given = dict(given)
    error = given.pop("error")
    try:
        return Settings(**given)
    except ValueError as problem:
        error(str(problem))


def _add_text(group):
    group.add_argument(
        "--train",
        required=True,
        nargs="+",
        metavar="FILE",
        help="text files, of which tokens are made in OUTPUT/corpus; or the "
        "folder of a corpus that was made before. A character LM takes files "
        "byte for byte, .zip and .gz unpacked",
    )
    group.add_argument(
        "--validation",
        nargs="+",
        default=(),
        metavar="FILE",
        help="text to measure with; without it, a part of the documents of "
        "--train (--validation-share), a character LM's from its end",
    )
    group.add_argument(
        "--validation-share",
        type=part,
        default=0.05,
        metavar="PART",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--validation-rows",
        type=count,
        default=64,
        metavar="N",
        help="measure with so many rows at most (default: %(default)s)",
    )
    group.add_argument(
        "--text-field",
        default="text",
        metavar="NAME",
        help="of files whose documents have fields (default: %(default)s)",
    )
    group.add_argument(
        "--processes",
        type=count,
        default=1,
        metavar="N",
        help="that make tokens (default: %(default)s)",
    )


def _add_model(group):
    group.add_argument(
        "--preset",
        metavar="PATH_OR_HANDLE",
        help="the model to start from, a RoBERTa or Longformer: a Hugging Face "
        "folder or hf:// handle, a KerasHub preset, or OUTPUT/model of another "
        "run",
    )
    group.add_argument(
        "--max-sequence-length",
        type=count,
        metavar="TOKENS",
        help="of a row and of what the model reads (default: the preset's; "
        "4096 of a new model; 2048 in a character LM's first phase)",
    )
    group.add_argument(
        "--window-size",
        type=count,
        nargs="+",
        metavar="TOKENS",
        help="of the attention, both sides; one for all layers or one for "
        "each; a character LM's, of the first phase: two are of the bottom and "
        "the top, doubling between (default: the preset's; 512 of a new model, "
        "or of a RoBERTa; 32 512 of a character LM)",
    )
    group.add_argument(
        "--positions",
        choices=("copy", "sinusoidal", "random"),
        default="copy",
        help="how positions that a longer model needs are made (default: "
        "%(default)s)",
    )
    group.add_argument("--dropout", type=part, metavar="RATE")
    group.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        help="for a new model instead of --preset, with the next four: the "
        "folder of a tokenizer, or of a model with one",
    )
    for name, what in (
        ("num-layers", "blocks"),
        ("num-heads", "attention heads; must divide the width"),
        ("hidden-dim", "the width"),
        ("intermediate-dim", "of feed-forward layers (default: 4 widths)"),
    ):
        group.add_argument(f"--{name}", type=count, metavar="N", help=what)


def _add_char_lm(group):
    group.add_argument(
        "--configuration",
        choices=("char_small", "char_large"),
        help="a size of the paper's, of 41 or 102 million weights (default: "
        "char_small)",
    )
    group.add_argument(
        "--alphabet",
        metavar="CHARACTERS",
        help="text8, for its 27, or the characters themselves (default: all "
        "bytes)",
    )
    group.add_argument(
        "--gaps",
        type=int,
        nargs="+",
        metavar="N",
        help="one for each layer: the tokens between two keys of the two "
        "dilated heads (default: the configuration's; 0 of a new model)",
    )
    group.add_argument(
        "--test",
        nargs="*",
        metavar="FILE",
        help="measure on this text too, once, whole, at the end; without FILE "
        "on a part of --train that is held out",
    )
    group.add_argument(
        "--evaluation-length",
        type=count,
        metavar="TOKENS",
        help="of a window that is measured (default: the phase's; of --test "
        "the paper's 32256)",
    )
    group.add_argument(
        "--evaluation-stride",
        type=count,
        metavar="TOKENS",
        help="how far the next window begins, and what counts of each "
        "(default: a quarter of the length; of --test the paper's 512)",
    )


def _add_training(group):
    group.add_argument(
        "--train-only",
        choices=("all", "positions"),
        default="all",
        help="positions: the position embeddings, with all else frozen "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--updates",
        type=count,
        nargs="+",
        metavar="N",
        help="of each phase; a masked LM has one (default: 65000; see above)",
    )
    group.add_argument(
        "--batch-size",
        type=count,
        nargs="+",
        metavar="N",
        help="rows of an update, of all phases or each (default: 64; see "
        "above)",
    )
    group.add_argument(
        "--rows",
        type=count,
        default=1,
        metavar="N",
        help="rows in memory at once; gradients are accumulated to "
        "--batch-size (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        dest="peak",
        metavar="RATE",
        help="the highest, of the first phase (default: 3e-5, or 2.5e-4)",
    )
    group.add_argument(
        "--warmup",
        type=int,
        metavar="N",
        help="updates in which it rises, in each phase (default: 500, or a "
        "tenth of fewer than 5,000 updates; a character LM's a tenth, at most "
        "10000)",
    )
    group.add_argument(
        "--power",
        type=float,
        default=3.0,
        help="of the polynomial in which a masked LM's then falls to 0 "
        "(default: %(default)s); a character LM's stays",
    )
    group.add_argument(
        "--weight-decay",
        type=float,
        default=0.01,
        metavar="RATE",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--clip-norm",
        type=float,
        metavar="NORM",
        help="the longest gradient of an update, of all weights together; 0 "
        "for any (default: 1, or 0.25)",
    )
    group.add_argument(
        "--dtype",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "bfloat16"),
        metavar="POLICY",
        help="float32, mixed_bfloat16, mixed_float16, in which the loss is "
        "scaled, or bfloat16, also of weights (default: the preset's)",
    )
    group.add_argument(
        "--rematerialize",
        action="store_true",
        help="less memory for about a third more time",
    )


def _add_rows(group):
    group.add_argument(
        "--packing",
        choices=("documents", "crossing", "none"),
        default="documents",
        help="documents: several in a row, which do not see each other; "
        "crossing: one after the other, cut into full rows, seeing each other; "
        "none: each in rows of its own (default: %(default)s)",
    )
    group.add_argument(
        "--document-global",
        action="store_true",
        help="the first token of each document is global",
    )
    group.add_argument(
        "--whole-words",
        action="store_true",
        help="mask all tokens of a word, or none",
    )
    group.add_argument(
        "--mask-rate",
        type=part,
        default=0.15,
        dest="mask_selection_rate",
        metavar="PART",
        help="of the tokens is to be predicted (default: %(default)s)",
    )


def _add_run(group):
    group.add_argument("--output", required=True, metavar="FOLDER")
    group.add_argument(
        "--validate-every",
        type=count,
        default=500,
        metavar="N",
        help="measure so often, in updates, and at the end (default: "
        "%(default)s)",
    )
    group.add_argument(
        "--save-minutes",
        type=float,
        default=15.0,
        metavar="M",
        help="save a state so often (default: %(default)s)",
    )
    group.add_argument(
        "--keep-states",
        type=count,
        default=2,
        metavar="N",
        help="the last so many: with 2, one that turns out broken costs the "
        "way from the one before (default: %(default)s)",
    )
    group.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="pause after so many; the same command goes on",
    )
    group.add_argument("--seed", type=int, default=0)
    group.add_argument(
        "--distribution",
        choices=("auto", "mirrored", "multi_worker"),
        help="mirrored: all GPUs of this machine; multi_worker: the machines "
        "of TF_CONFIG, with the same command on each and a folder for "
        "--output that all share; auto: what there is. --rows are of all "
        "devices together (default: one device)",
    )
