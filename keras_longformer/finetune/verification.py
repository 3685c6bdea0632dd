"""Checks that a converted checkpoint computes what its source computes."""

import dataclasses
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from collections.abc import Sequence
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

# float32. Measured with the sizes of base and random weights three times as
# large as RoBERTa's: up to 9e-6, 1e-4 (a Longformer's own global projections)
# and 2e-5. What is wrong shows by far more.
TOLERANCES = {"hidden_states": 1e-4, "global_token": 1e-3, "logits": 1e-3}
MOST_COLUMNS = 32  # Tokens of a row whose logits are compared.
SECONDS = 3600  # The most that transformers may take.


@dataclasses.dataclass(frozen=True)
class _Reference:
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


def check_verifiable(
    to: str, positions: str, quirks: Sequence[str] = ()
) -> None:
    """Raises `ValueError` for a conversion that changes numbers by intention.

    Args:
        to: str, the form that is written.
        positions: str, how new positions are made.
        quirks: of the form that is written.
    """
    if positions != "copy":
        raise ValueError(
            f"positions={positions!r} gives the model positions that its "
            "source never had, so its numbers are not the source's and cannot "
            "be verified. Verify with positions='copy', which is the same "
            "conversion but for them."
        )
    if to == "model_garden" and quirks:
        raise ValueError(
            f"quirks={tuple(quirks)} accepts that Model Garden computes other "
            "numbers, so they cannot be verified to be the source's. Leave "
            "out either; `largest_difference` says how far they are."
        )


def verify_conversion(
    before: str | weights.ModelGardenCheckpoint,
    after: str,
    *,
    window_size: int | list[int] | None = None,
) -> dict:
    """Compares a converted checkpoint with its source, as both are on disk.

    At lengths from 1 token to the longest at which both do the same: of a
    RoBERTa, which sees everything, half a window and the token itself; of a
    Longformer with the same windows, all that it reads. Rows hold random
    tokens, the second one is padded after its half. Compared are

    - hidden states, no token global,
    - hidden states, the first token global, where the converted model can
      have one: of a RoBERTa this shows that the global projections are copies,
    - a masked LM's logits, where the checkpoint has its head.

    The source is computed by transformers' PyTorch model in a process of its
    own, where that is installed and the checkpoint is Hugging Face's; by
    KerasHub's model where it is KerasHub's; otherwise by this package from the
    files as they were before lengthening: every token sees every other, dense.

    Args:
        before: str, or a checkpoint of Model Garden's.
        after: str, the folder that `convert` wrote.
        window_size: int or list of int, of checkpoints that do not say any.

    Returns:
        Dict of `against` (str, who computed the source), `covers` (str, why
        these lengths), `tolerances` (dict), `lengths`, a list of dicts of
        `tokens`, `hidden_states`, `global_token` and `logits`, the largest
        differences or `None`, and `equal`, whether all are within tolerance.

    Raises:
        ValueError: a checkpoint that cannot be read.
        RuntimeError: transformers cannot compute it.
    """
    new = _open_encoder(after, **_window(after, window_size))
    can_be_global = new.max_global_tokens != 0
    reference = _reference(before, window_size)
    longest, covers = _longest(reference, new)
    lengths = _lengths(longest)
    rows = [_row(n, new.vocabulary_size, new.pad_token_id) for n in lengths]
    got = _states(new, rows, can_be_global)
    new = None  # One at a time in memory.
    logits = _logits(after, rows, **_window(after, window_size))
    want = reference.compute(rows, bool(logits))
    got |= logits
    found = []
    for i, (n, row) in enumerate(zip(lengths, rows, strict=True)):
        one = {"tokens": n}
        for name in TOLERANCES:
            expected = _expected(want, name, i, not reference.window_sizes)
            one[name] = _difference(name, got.get(f"{name}/{i}"), expected, row)
        found.append(one)
    equal = all(
        one[name] is None or one[name] <= most  # Not so for NaN.
        for one in found
        for name, most in TOLERANCES.items()
    )
    return {
        "against": reference.said,
        "covers": covers,
        "tolerances": dict(TOLERANCES),
        "lengths": found,
        "equal": equal,
    }


def table(verified: dict) -> str:
    """Returns what `verify_conversion` found, for people."""
    titles = ["tokens", "hidden states", "with a global token", "logits"]
    names = ["tokens", *TOLERANCES]
    rows = [titles] + [
        [_said(one[name]) for name in names] for one in verified["lengths"]
    ]
    allowed = verified["tolerances"].values()
    rows.append(["allowed", *(f"{most:.0e}" for most in allowed)])
    widths = [len(title) for title in titles]
    lines = [
        "  ".join(x.rjust(width) for x, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(
        [
            f"Largest differences to the source, as {verified['against']} "
            "computes it:",
            *lines,
            verified["covers"],
        ]
    )


def _said(value):
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.1e}"


# What is compared


def _lengths(longest):
    """1, 4, 16, ..., and the longest."""
    lengths = [1]
    while 4 * lengths[-1] < longest:
        lengths.append(4 * lengths[-1])
    return sorted({*lengths, longest})


def _row(n, vocabulary_size, pad_token_id):
    """Two rows of random tokens, the second padded; of one token, one."""
    ids = np.random.default_rng(n).integers(0, vocabulary_size, (2, n))
    ids[ids == pad_token_id] = (pad_token_id + 1) % vocabulary_size
    is_real = np.ones((2, n), bool)
    is_real[1, (n + 1) // 2 :] = False
    ids[~is_real] = pad_token_id
    count = 1 if n == 1 else 2
    columns = np.linspace(0, n - 1, min(n, MOST_COLUMNS)).astype("int32")
    return {
        "token_ids": ids[:count].astype("int32"),
        "padding_mask": is_real[:count],
        "columns": columns,
    }


def _expected(want, name, i, sees_all):
    """The source's numbers, or `None`: a RoBERTa knows no global token, and
    computes with one what it computes without."""
    if name == "global_token" and sees_all:
        name = "hidden_states"
    return want.get(f"{name}/{i}")


def _difference(name, got, expected, row):
    """The largest at a real token, or `None` where one has no such output."""
    if got is None or expected is None:
        return None
    is_real = row["padding_mask"]
    if name == "logits":
        is_real = is_real[:, row["columns"]]
    return float(np.abs(got - expected)[is_real].max())


def _longest(reference, new):
    """The most tokens at which both do the same, and why."""
    both = {reference.max_sequence_length, new.max_sequence_length}
    windows = _per_layer(new.window_size, new.num_layers)
    if reference.window_sizes == windows:
        return min(both), (
            "The windows are the source's, so these are all lengths that both "
            "read."
        )
    smallest = min(windows + reference.window_sizes)
    covered = smallest // 2 + 1
    return min(*both, covered), (
        f"A window of {smallest} tokens covers rows of up to {covered}, and "
        f"the source reads {reference.max_sequence_length}: longer rows are "
        "others by intention."
    )


def _per_layer(window_size, num_layers):
    is_one = isinstance(window_size, int)
    return tuple([window_size] * num_layers if is_one else window_size)


# Who computes the source


def _reference(before, window_size):
    kind = weights.preset_kind(before)
    if kind == "keras_hub":
        config = LongformerBackbone.from_preset(
            before, load_weights=False
        ).get_config()
    else:
        config = weights.open_foreign(
            before, load_weights=False, **_window(before, window_size)
        ).config
    length = config["max_sequence_length"]
    windows = _per_layer(config["window_size"], config["num_layers"])
    if kind == "keras_hub_encoder":
        said = f"KerasHub {metadata.version('keras-hub')}"
        return _Reference(said, (), length, _by_keras_hub(before))
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
            return _Reference(
                f"transformers {metadata.version('transformers')}",
                () if sees_all else windows,
                length,
                _by_transformers(before),
            )
    options = _window(before, window_size)
    name = "this package before the conversion"
    if sees_all:
        options = {"window_size": 2 * length, "implementation": "reference"}
        name = (
            "this package before lengthening, densely (transformers is not "
            "installed)"
        )
        windows = ()
    return _Reference(name, windows, length, _by_this(before, options))


def _has_transformers():
    return all(util.find_spec(name) for name in ("transformers", "torch"))


def _by_this(before, options):
    def compute(rows, has_head):
        encoder = _open_encoder(before, **options)
        # One that sees everything is the independent number without.
        with_global = (
            "implementation" not in options and encoder.max_global_tokens != 0
        )
        outputs = _states(encoder, rows, with_global)
        if has_head:
            outputs |= _logits(before, rows, **options)
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
            outputs = _states(encoder, rows, False)
            return outputs | (_logits_of(head, rows) if has_head else {})

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


def _window(preset, window_size):
    """What a checkpoint that does not say its windows is opened with."""
    if weights.preset_kind(preset) == "model_garden":
        return {"window_size": window_size}
    return {}


def _open_encoder(preset, **options):
    return LongformerBackbone.from_preset(
        preset, pooler=False, dtype="float32", **options
    )


def _states(encoder, rows, with_global):
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


def _logits(preset, rows, **options):
    """Those of a masked LM; without such a head, nothing."""
    cls = task_of(preset, options.get("window_size"))
    if cls is None:
        return {}
    task = cls.from_preset(
        preset, preprocessor=None, dtype="float32", **options
    )
    return _logits_of(task, rows) if "mask_positions" in task.input else {}


def _logits_of(task, rows):
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
