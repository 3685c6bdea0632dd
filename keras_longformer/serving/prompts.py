"""Writes a language model as a SavedModel that goes on with texts.

A task says how in its `served_cls`, which has

- `answers(texts)`: dict of tensors of prompts, string `(b,)`, in a graph;
- `predicted(texts)`: dict of arrays, what the task itself says of such
  answers, given as a dict of arrays;
- `probe`: tuple of str or bytes, prompts to compare the two with;
- `repeats`: bool, whether it answers the same each time;
- `rules()`: dict, what the manifest shall say;
- `options`: tuple of str, the options of `export_saved_model`, besides
  `max_new_tokens`, that its constructor takes;

and, where it pads texts to a few lengths, `buckets`, with what a warm-up needs
to make texts of them: `tokenizer`, `preprocessor`.
"""

import json
import os
import warnings
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.serving import manifest
from keras_longformer.serving import probe
from keras_longformer.serving import tracing
from keras_longformer.serving import warmup
from keras_longformer.serving.checks import traced
from keras_longformer.serving.publish import publish
from keras_longformer.unfinished import place


def reads_prompts(model: keras.Model) -> bool:
    """Says whether a model's served answer goes on with prompts."""
    served = getattr(model, "served_cls", None)
    return served is not None and hasattr(served, "answers")


def export_prompts(
    model: keras.Model,
    path: str,
    max_new_tokens: int | None,
    served_from: str | None,
    batch_sizes: Sequence[int],
    options: dict,
) -> str:
    """See `export_saved_model`.

    Args:
        model: a task whose `served_cls` reads prompts.
        path, max_new_tokens, served_from, batch_sizes: as there.
        options: dict of its other options, `None` where not given.

    Raises:
        ValueError: an option that is not for it, or a number below 1.
        RuntimeError: the SavedModel does not answer what the model says.
    """
    given = {name: x for name, x in options.items() if x is not None}
    unused = [name for name in given if name not in model.served_cls.options]
    if unused:
        raise ValueError(
            f"A {type(model).__name__} is served without "
            f"{', '.join(f'`{name}`' for name in unused)}: leave it out."
        )
    if max_new_tokens is not None and max_new_tokens < 1:
        raise ValueError(
            f"`max_new_tokens` must be 1 or more. Received: {max_new_tokens}"
        )
    served = model.served_cls(model, max_new_tokens, **given)
    sizes = warmup.check_batch_sizes(batch_sizes, 1, 1)
    with tracing.stock_operations():
        function = text_function(served)
    module = tf.Module()
    module.function = function
    module.weights = list(function.variables)
    module.tokenizer = getattr(served, "tokenizer", None)  # Its tables.
    os.makedirs(path, exist_ok=True)
    with place(path) as temporary:
        tf.saved_model.save(
            module, temporary, signatures={"serving_default": function}
        )
        difference = _compare(served, temporary)
        if hasattr(served, "buckets"):
            _write_for_servers(served, temporary, path, sizes)
        _write_manifest(model, served, function, temporary, difference)
        if served_from is not None:
            warmup.write_server_configs(path, served_from)
        return publish(temporary, path)


def text_function(served):
    """Returns the concrete function of texts, string `(b,)`, to answers."""
    return traced(
        tf.function(
            served.answers,
            input_signature=[tf.TensorSpec([None], tf.string, "text")],
            autograph=False,
        ).get_concrete_function,
        f"What '{served.task.name}' generates",
    )


def _write_for_servers(served, folder, path, sizes):
    """Writes batching parameters, and a warm-up of each bucket.

    Of one text each: a text of many tokens takes its time, and the first of a
    size has no more to make than the next.
    """
    warmup.write_batching_parameters(folder, sizes)
    requests = warmup.warmup_inputs({"serving_default": ["text"]}, served, [1])
    name = os.path.basename(os.path.abspath(path))
    try:
        warmup.write_warmup(folder, name, requests)
    except ImportError as error:
        warnings.warn(
            "Exported without warm-up requests: the first requests to a "
            f"server will be slow. {error}",
            stacklevel=4,
        )


def _compare(served, folder):
    """Runs the probe, writes it, and returns the largest difference."""
    loaded = tf.saved_model.load(folder)
    texts = np.array(
        [x if isinstance(x, bytes) else x.encode() for x in served.probe]
    )
    got = loaded.signatures["serving_default"](text=tf.constant(texts))
    got = {name: x.numpy() for name, x in got.items()}
    arrays = {"serving_default/inputs/text": texts}
    for name, x in got.items():
        array = x.astype("S") if x.dtype == object else x
        # What is drawn by lot is drawn anew.
        if served.repeats:
            arrays[f"serving_default/outputs/{name}"] = array
    np.savez(os.path.join(folder, probe.PROBE_FILE), **arrays)
    largest, tolerance = 0.0, _tolerance(served)
    for name, want in served.predicted(got).items():
        want = np.asarray(want)
        if want.dtype.kind != "f":
            if not np.array_equal(got[name], want):
                raise RuntimeError(
                    f"The exported model's `{name}` is not what "
                    f"'{served.task.name}' generates. Nothing was exported. "
                    f"Exported: {got[name]}. Generated: {want}"
                )
            continue
        difference = float(np.abs(got[name] - want).max())
        largest = max(largest, difference)
        if not difference <= tolerance:
            raise RuntimeError(
                f"The exported model's `{name}` differs by {difference:.3g} "
                f"from what '{served.task.name}' says of the same texts, more "
                f"than {tolerance:g}. Nothing was exported."
            )
    return largest


def _tolerance(served):
    # A sum over as many tokens as there are new ones.
    name = served.task.backbone.dtype_policy.name
    return probe.tolerance(name) * max(1.0, served.max_new_tokens**0.5)


def _write_manifest(model, served, function, folder, difference):
    content = {
        **manifest.describe_model(model),
        "versions": manifest.versions(()),
        "signatures": {
            "serving_default": manifest.describe_signature(function)
        },
        "text": served.rules(),
        "probe": {
            "compared_with": "what the model itself says of the same prompts",
            "inputs": ["text"],
            "largest_difference": difference,
            "tolerance": _tolerance(served),
        },
        "files": manifest.describe_files(folder),
    }
    path = os.path.join(folder, manifest.MANIFEST)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
