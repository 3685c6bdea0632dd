"""Makes any checkpoint that can be read long, and writes it.

    keras-longformer convert path/to/roberta-base longformer-base \\
        --max-sequence-length 4096 --window-size 512
    keras-longformer convert hf://owner/name out --to preset
    keras-longformer convert path/to/roberta-base out \\
        --task LongformerTextClassifier --json
    keras-longformer convert longformer-base for-model-garden \\
        --to model_garden --quirks epsilon approximate_gelu

The checkpoint is a Hugging Face folder or hf:// handle of a Longformer or
RoBERTa, a KerasHub preset, a checkpoint of TensorFlow Model Garden's encoders
(path/to/ckpt-100), or a folder that `save_to_preset` wrote. It keeps the head
that it has, such as that of masked language modelling; without one, the encoder
alone is written. The result is for `transformers`, with `--to preset` for
`from_preset`, and with `--to model_garden` for Model Garden. At the end the
hidden states of what was written are compared with the checkpoint's, on a text
short enough for both.

`--verify` compares them, and a masked LM's logits, at lengths from one token to
the longest that both read alike: of a RoBERTa what half a window covers, of a
Longformer everything. The checkpoint is computed by transformers' PyTorch model
where that is installed. It prints the table of differences and what is allowed;
the exit code is 1 if one is larger.
"""

import argparse
import sys

from keras_longformer.cli.arguments import add_json
from keras_longformer.cli.arguments import add_lengths
from keras_longformer.cli.arguments import keywords
from keras_longformer.cli.arguments import write_result

SUMMARY = "make a checkpoint long, write it for transformers or Keras"


def add_arguments(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> None:
    """Adds this command's arguments."""
    parser.add_argument("preset", metavar="PRESET")
    parser.add_argument("output", metavar="OUTPUT", help="a new folder")
    parser.add_argument(
        "--to",
        choices=("hugging_face", "preset", "model_garden"),
        default="hugging_face",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="a task's class (default: the one whose head is there)",
    )
    parser.add_argument(
        "--positions",
        choices=("copy", "sinusoidal", "random"),
        default="copy",
        help="what new positions are made of (default: %(default)s, the "
        "paper's)",
    )
    parser.add_argument(
        "--quirks",
        nargs="+",
        default=(),
        metavar="NAME",
        help="of the checkpoint of Model Garden's that is read or written: "
        "see docs/model_garden.md",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare the result with the checkpoint, at many lengths",
    )
    add_lengths(parser)
    add_json(parser)


def run(given: dict) -> int:
    """Runs the command."""
    from keras_longformer.finetune import verification
    from keras_longformer.finetune.conversion import convert

    as_json = given.pop("json")
    lengths = keywords(given, "max_sequence_length", "window_size")
    result = convert(
        given.pop("preset"), given.pop("output"), **given, **lengths
    )
    verified = result.get("verification")
    if verified is None or as_json:
        write_result(result, as_json)
    else:
        del result["verification"]
        write_result(result, as_json)
        print(f"\n{verification.table(verified)}")
    if verified is None or verified["equal"]:
        return 0
    print(
        f"keras-longformer convert: '{result['output']}' was written, but does "
        "not compute what its source computes: see the differences.",
        file=sys.stderr,
    )
    return 1
