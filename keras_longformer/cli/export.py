"""Writes a model for servers and other runtimes.

    keras-longformer export reviews/model saved_models/reviews
    keras-longformer export reviews/model saved_models/reviews \\
        --over-long windows --bad-texts report --buckets 256 1024 4096
    keras-longformer export path/to/longformer saved_models/vectors \\
        --task LongformerEmbedder --json
    keras-longformer export reviews/model reviews.onnx --format onnx

A SavedModel answers raw text in TF Serving: the next version, OUTPUT/1,
OUTPUT/2, ..., is written whole or not at all, and its folder is printed.
`keras-longformer verify OUTPUT` checks it.

ONNX (and OpenVINO's .xml) take token ids and give the model's numbers, for any
number of rows and tokens. OUTPUT is the file; its tokenizer lies beside it. It
is written only if it says in its runtime what the model says.
"""

import argparse

from keras_longformer.cli.arguments import add_json
from keras_longformer.cli.arguments import add_lengths
from keras_longformer.cli.arguments import count
from keras_longformer.cli.arguments import keywords
from keras_longformer.cli.arguments import write_result

SUMMARY = "write a SavedModel for TF Serving, or an ONNX file"
# What an answer's reading is made of: a file of numbers reads no texts.
_OF_SAVED_MODELS = {
    "over_long": "truncate",
    "bad_texts": "fail",
    "buckets": None,
    "batch_sizes": None,
    "class_names": None,
    "xla": False,
    "native": False,
    "served_from": None,
}


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument("preset", metavar="PRESET")
    parser.add_argument(
        "output", metavar="OUTPUT", help="the model's folder, or the file"
    )
    parser.add_argument(
        "--format",
        choices=("saved_model", "onnx", "openvino"),
        default="saved_model",
        help="(default: %(default)s; the options from --over-long to "
        "--served-from are for it)",
    )
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="a task's class (default: the one whose head is there)",
    )
    parser.add_argument(
        "--over-long",
        choices=("truncate", "head_tail", "windows"),
        default="truncate",
        help="what is read of texts longer than the model (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--bad-texts",
        choices=("fail", "report"),
        default="fail",
        help="whether a text that cannot be read fails its request, or has "
        "its reason in the output `error` (default: %(default)s)",
    )
    parser.add_argument(
        "--buckets",
        type=count,
        nargs="+",
        metavar="TOKENS",
        help="lengths that rows are padded to (default: 256, 512, ...)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=count,
        nargs="+",
        metavar="N",
        help="that a server batches to, and that are warmed up (default: 1 2 "
        "4 8)",
    )
    parser.add_argument("--class-names", nargs="+", metavar="NAME")
    parser.add_argument(
        "--max-new-tokens",
        type=count,
        metavar="N",
        help="the most that a model which writes writes",
    )
    parser.add_argument(
        "--xla", action="store_true", help="add a signature that XLA compiles"
    )
    parser.add_argument(
        "--native",
        action="store_true",
        help="add signatures with the compiled kernel, for GPUs",
    )
    parser.add_argument(
        "--served-from",
        metavar="PATH",
        help="the folder as the server sees it, for its configuration files",
    )
    add_lengths(parser)
    add_json(parser)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.finetune.opening import open_task
    from keras_longformer.serving.export import export_saved_model

    as_json, kind = given.pop("json"), given.pop("format")
    if kind != "saved_model":
        _check_no_reading(given, kind)
    lengths = keywords(given, "max_sequence_length", "window_size")
    lists = keywords(
        given, "buckets", "batch_sizes", "class_names", "max_new_tokens"
    )
    model = open_task(given.pop("preset"), given.pop("task"), **lengths)
    output = given.pop("output")
    if kind == "saved_model":
        path = export_saved_model(model, output, **given, **lists)
    else:
        path = model.export(output, format=kind)
    write_result({"path": path, "model": type(model).__name__}, as_json)
    return 0


def _check_no_reading(given, kind):
    """Raises `ValueError` for options that such a file has nothing for."""
    unused = [
        f"--{name.replace('_', '-')}"
        for name, default in _OF_SAVED_MODELS.items()
        if given[name] != default
    ]
    if unused:
        raise ValueError(
            f"--format {kind} writes the model's numbers, which read no "
            f"texts: {', '.join(unused)} is for SavedModels. Leave it out."
        )
