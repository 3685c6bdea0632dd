"""Computes what a checkpoint computed before it was converted."""

import dataclasses
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import metadata
from importlib import util

import keras
import numpy as np

from keras_longformer import weights
from keras_longformer.finetune import theirs
from keras_longformer.finetune.opening import task_of
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.weights.readers import HUB_SCHEME
from keras_longformer.weights.readers import Folder

SECONDS = 3600  # The most that transformers may take.


@dataclasses.dataclass(frozen=True)
class Reference:
    """What a source is, and who computes it.

    Attributes:
        said: str, who computes.
        window_sizes: of each layer, none where a token sees all others.
        max_sequence_length: int, the tokens that it reads.
        compute: function of inputs and whether there is a masked LM's head.
    """

    said: str
    window_sizes: tuple[int, ...]
    max_sequence_length: int
    compute: Callable


def reference_of(before, window_size):
    kind = weights.preset_kind(before)
    if kind == "keras_hub":
        config = LongformerBackbone.from_preset(
            before, load_weights=False
        ).get_config()
    else:
        config = weights.open_foreign(
            before, load_weights=False, **window_option(before, window_size)
        ).config
    length = config["max_sequence_length"]
    windows = per_layer(config["window_size"], config["num_layers"])
    if kind == "keras_hub_encoder":
        said = f"KerasHub {metadata.version('keras-hub')}"
        return Reference(said, (), length, _by_keras_hub(before))
    sees_all = False
    if kind == "hugging_face":
        said = Folder(before).read_json("config.json")
        # The paper's notebook leaves a Longformer that says `roberta`, which
        # transformers would compute as one.
        sees_all = (
            said["model_type"] != "longformer"
            and "attention_window" not in said
        )
        is_theirs = sees_all or said["model_type"] == "longformer"
        if is_theirs and _has_transformers():
            return Reference(
                f"transformers {metadata.version('transformers')}",
                () if sees_all else windows,
                length,
                _by_transformers(before),
            )
    options = window_option(before, window_size)
    name = "this package before the conversion"
    if sees_all:
        options = {"window_size": 2 * length, "implementation": "reference"}
        name = (
            "this package before lengthening, densely (transformers is not "
            "installed)"
        )
        windows = ()
    return Reference(name, windows, length, _by_this(before, options))


def _has_transformers():
    return all(util.find_spec(name) for name in ("transformers", "torch"))


def _by_this(before, options):
    def compute(rows, has_head):
        encoder = open_encoder(before, **options)
        # One that sees everything is the independent number without.
        with_global = (
            "implementation" not in options and encoder.max_global_tokens != 0
        )
        outputs = states_of(encoder, rows, with_global)
        if has_head:
            outputs |= logits_of(before, rows, **options)
        return outputs

    return compute


def _by_keras_hub(before):
    def compute(rows, has_head):
        import keras_hub

        head = None
        if has_head:
            head = keras_hub.models.MaskedLM.from_preset(
                before, preprocessor=None
            )
            encoder = head.backbone
        else:
            encoder = keras_hub.models.Backbone.from_preset(before)
        with warnings.catch_warnings():
            # Of the softmax over one key, which a row of one token is.
            warnings.filterwarnings("ignore", "[\\s\\S]*softmax over axis")
            outputs = states_of(encoder, rows, False)
            return outputs | (_task_logits(head, rows) if has_head else {})

    return compute


def _by_transformers(before):
    folder = Folder(before)
    place = before.removeprefix(HUB_SCHEME)
    if not folder.on_hub:
        place = os.path.dirname(folder.find("config.json"))

    def compute(rows, has_head):
        arrays = {
            f"{name}/{i}": value
            for i, row in enumerate(rows)
            for name, value in row.items()
        }
        with tempfile.TemporaryDirectory() as temporary:
            given, outputs = (
                os.path.join(temporary, f"{name}.npz")
                for name in ("inputs", "outputs")
            )
            np.savez(given, **arrays)
            head = "masked_lm" if has_head else "none"
            done = subprocess.run(
                # Without what stands beside the file, which is not theirs.
                [sys.executable, "-P", theirs.__file__]
                + [place, given, outputs, head],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:] or ["no message"]
                raise RuntimeError(
                    f"'{before}' cannot be verified: transformers fails on "
                    f"it: {last[0]} What was converted is written."
                )
            with np.load(outputs) as file:
                return dict(file)

    return compute


# Opening and computing


def window_option(preset, window_size):
    """What a checkpoint that does not say its windows is opened with."""
    if weights.preset_kind(preset) == "model_garden":
        return {"window_size": window_size}
    return {}


def open_encoder(preset, **options):
    return LongformerBackbone.from_preset(
        preset, pooler=False, dtype="float32", **options
    )


def states_of(encoder, rows, with_global):
    outputs = {}
    for i, row in enumerate(rows):
        inputs = _inputs(encoder, row)
        outputs[f"hidden_states/{i}"] = _numbers(encoder(inputs))
        if with_global:
            first = np.arange(row["token_ids"].shape[1]) == 0
            inputs["global_mask"] = np.repeat(
                first[None], len(row["token_ids"]), axis=0
            )
            outputs[f"global_token/{i}"] = _numbers(encoder(inputs))
    return outputs


def logits_of(preset, rows, **options):
    """Those of a masked LM; without such a head, nothing."""
    cls = task_of(preset, options.get("window_size"))
    if cls is None:
        return {}
    task = cls.from_preset(
        preset, preprocessor=None, dtype="float32", **options
    )
    return _task_logits(task, rows) if "mask_positions" in task.input else {}


def _task_logits(task, rows):
    outputs = {}
    for i, row in enumerate(rows):
        columns = np.repeat(row["columns"][None], len(row["token_ids"]), axis=0)
        inputs = _inputs(task.backbone, row) | {"mask_positions": columns}
        outputs[f"logits/{i}"] = _numbers(task(inputs))
    return outputs


def _inputs(encoder, row):
    inputs = {name: row[name] for name in ("token_ids", "padding_mask")}
    if "segment_ids" in encoder.input:  # KerasHub's BERT: types.
        inputs["segment_ids"] = np.zeros_like(row["token_ids"])
    return inputs


def _numbers(outputs):
    if isinstance(outputs, dict):
        outputs = outputs["sequence_output"]
    return keras.ops.convert_to_numpy(outputs).astype("float32")


def per_layer(window_size, num_layers):
    is_one = isinstance(window_size, int)
    return tuple([window_size] * num_layers if is_one else window_size)
