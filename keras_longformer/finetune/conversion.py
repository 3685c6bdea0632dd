"""Makes checkpoints long, and writes them in another form."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from keras_longformer import weights
from keras_longformer.finetune.finding import find_task
from keras_longformer.finetune.opening import task_of
from keras_longformer.finetune.verification import check_verifiable
from keras_longformer.finetune.verification import verify_conversion
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.unfinished import whole_folder

FORMS = ("hugging_face", "model_garden", "preset")
MOST_COMPARED = 128  # Tokens: the numbers are as equal with more.


def convert(
    preset: str,
    output: str,
    *,
    to: str = "hugging_face",
    task: str | None = None,
    positions: str = "copy",
    quirks: Sequence[str] = (),
    verify: bool = False,
    **options,
) -> dict:
    """Opens a checkpoint, makes it long, and writes it.

    Args:
        preset: str, what `from_preset` opens.
        output: str, a folder, new or empty.
        to: `"hugging_face"`, for `transformers`, `"preset"`, for
            `from_preset` and KerasHub, or `"model_garden"`, for TensorFlow
            Model Garden's `LongformerEncoder`.
        task: str, what `finding.find_task` takes; by default the task whose
            head the checkpoint has, and without one the backbone alone.
        positions: str, how new positions are made, as for `from_preset`.
        quirks: of the checkpoint of Model Garden's that is read, or is
            written: names in `ModelGardenCheckpoint` and `save_model_garden`.
        verify: bool, whether to compare what was written with the checkpoint
            at all lengths that both read alike, by an independent computation
            where there is one: see `verification.verify_conversion`.
        **options: those of `from_preset`: `max_sequence_length`,
            `window_size`.

    Returns:
        Dict of `output`, `form`, `model` (the class's name),
        `max_sequence_length`, `window_size`, `tokenizer` (whether it was
        written too), and `largest_difference` of a hidden state to the
        checkpoint's, on a text that both read whole; `None` where that says
        nothing, as with new positions. With `"model_garden"`, what is written
        is read as Model Garden runs it. With `verify`, also `verification`:
        what `verify_conversion` returns.

    Raises:
        ValueError: the checkpoint cannot be read or written so, the folder
            is not empty, or what is asked for cannot be verified.
        RuntimeError: transformers fails on the checkpoint, with `verify`.
    """
    if to not in FORMS:
        raise ValueError(f"`to` must be one of {FORMS}. Received: to={to!r}")
    if os.path.isdir(output) and os.listdir(output):
        raise ValueError(
            f"'{output}' is not empty. Name a new folder, or empty it."
        )
    if verify:
        check_verifiable(to, positions, quirks)
    is_garden = weights.preset_kind(preset) == "model_garden"
    if quirks and is_garden == (to == "model_garden"):
        raise ValueError(
            "`quirks` are those of the one checkpoint of Model Garden's that "
            "is read or written. Received: "
            f"quirks={tuple(quirks)}, preset={preset!r}, to={to!r}."
        )
    if is_garden:
        preset = weights.ModelGardenCheckpoint(preset, quirks)
        quirks = ()
    windows = options.get("window_size")
    cls = find_task(task) if task is not None else task_of(preset, windows)
    options["positions"] = positions
    model = (
        LongformerBackbone.from_preset(preset, **options)
        if cls is None
        else _open(cls, preset, options)
    )
    tokenizer = getattr(getattr(model, "preprocessor", None), "tokenizer", None)
    if cls is None:
        tokenizer = _tokenizer(preset, windows)
    _write(model, tokenizer, os.path.abspath(output), to, quirks)
    backbone = getattr(model, "backbone", model)
    verified = {}
    if verify:
        verified["verification"] = verify_conversion(
            preset, output, window_size=windows
        )
    return {
        "output": output,
        "form": to,
        "model": type(model).__name__,
        "max_sequence_length": backbone.max_sequence_length,
        "window_size": backbone.window_size,
        "tokenizer": tokenizer is not None,
        "largest_difference": largest_difference(preset, output, windows)
        if positions == "copy"
        else None,
        **verified,
    }


def largest_difference(
    before: str, after: str, window_size: int | list[int] | None = None
) -> float:
    """Returns the largest difference of two presets' hidden states.

    Of a row so short that in both of them every token sees every other one.

    Args:
        before, after: str, what `from_preset` opens.
        window_size: int or list of int, of checkpoints that do not say any.
    """
    models = [_encoder(preset, window_size) for preset in (before, after)]
    windows = [size for m in models for size in _sizes(m.window_size)]
    lengths = [m.max_sequence_length for m in models]
    n = min(min(windows) // 2 + 1, *lengths, MOST_COMPARED)
    size = min(m.vocabulary_size for m in models)
    ids = np.random.default_rng(0).integers(0, size, (1, n))
    ids[ids == models[0].pad_token_id] = models[0].pad_token_id + 1
    inputs = {
        "token_ids": ids.astype("int32"),
        "padding_mask": np.ones((1, n), bool),
    }
    # Where both can have a global token, the first is one.
    if all(m.max_global_tokens != 0 for m in models):
        inputs["global_mask"] = np.arange(n)[None] == 0
    first, second = (
        keras.ops.convert_to_numpy(m(inputs)).astype("float32") for m in models
    )
    return float(np.abs(first - second).max())


def _encoder(preset, window_size):
    options = {"pooler": False}
    if weights.preset_kind(preset) == "model_garden":
        options["window_size"] = window_size
    return LongformerBackbone.from_preset(preset, **options)


def _sizes(window_size):
    return window_size if isinstance(window_size, list) else [window_size]


def _open(cls, preset, options):
    try:
        return cls.from_preset(preset, **options)
    except ValueError as error:
        # What has no tokenizer that is read here still has weights.
        if "`preprocessor=None`" not in str(error):
            raise
    return cls.from_preset(preset, preprocessor=None, **options)


def _tokenizer(preset, window_size):
    """The tokenizer beside an encoder, or `None`."""
    if weights.preset_kind(preset) == "keras_hub":
        if not os.path.isfile(os.path.join(preset, "tokenizer.json")):
            return None
        return LongformerTokenizer.from_preset(preset)
    foreign = weights.open_foreign(
        preset, load_weights=False, window_size=window_size
    )
    return open_tokenizer(foreign.tokenizer_files)


def _write(model, tokenizer, output, to, quirks):
    """Writes the folder, whole or not at all."""
    with whole_folder(output) as new:
        if to == "preset":
            model.save_to_preset(new)
            if tokenizer is not None and not hasattr(model, "preprocessor"):
                tokenizer.save_to_preset(new)
        elif to == "model_garden":
            weights.save_model_garden(
                model, new, quirks=quirks, tokenizer=tokenizer
            )
        else:
            weights.save_hugging_face(model, new, tokenizer=tokenizer)
