"""Writes a task as a SavedModel that TF Serving answers raw text with."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from keras_longformer.serving.signatures import ServedTask
from keras_longformer.text.packing import length_buckets

MANIFEST = "manifest.json"

# Short, empty, and with characters of one to four bytes.
PROBE = ("A short text.", "", "Ünïcödé, 日本語 and 🙂. " * 40)


def export_saved_model(
    model: keras.Model,
    path: str,
    *,
    buckets: Sequence[int] | None = None,
) -> str:
    """Exports a task with its tokenizer, for TF Serving.

    Writes the next version, `path/1`, `path/2`, ..., under a temporary name
    and renames it when it is whole, so that a server that polls `path` never
    sees half of one. The graph holds stock TensorFlow operations only, and the
    weights once, without the optimizer's. Its signatures are

    - `serving_default`: `text`, string `(b,)`, of any length;
    - `tokens`: `token_ids`, int32 `(b, n)`, `<s> ... </s>`; padding behind a
      row's last `</s>` is recognised whatever its id.

    Both return, for a `LongformerTextClassifier`, `probabilities` and `logits`
    `(b, classes)` and `class_index` `(b,)`; for a `LongformerMaskedLM`, the
    likeliest `tokens`, `token_ids` and `probabilities`, `(b, masks, 5)`, of
    each `<mask>` in the text, and their `mask_positions` `(b, masks)`.

    Args:
        model: a `LongformerTextClassifier` or `LongformerMaskedLM` with a
            preprocessor.
        path: str, the model's folder; made if it is not there.
        buckets: ints in ascending order, the lengths that texts are padded
            to. A batch takes the least that holds its longest text, and the
            last one is where texts are truncated. By default 256, 512, ... up
            to the preprocessor's `sequence_length`.

    Returns:
        str, the version's folder. Beside the SavedModel, its `manifest.json`
        says what is in it: configuration, versions, signatures, the rules for
        texts, and the largest difference between this model's outputs and
        those of the SavedModel loaded again.

    Raises:
        TypeError: another kind of model.
        ValueError: a model without preprocessor, or buckets that cannot be.
        RuntimeError: the SavedModel's outputs differ from the model's.

    Example:
    ```python
    keras_longformer.export_saved_model(classifier, "saved_models/reviews")
    served = tf.saved_model.load("saved_models/reviews/1")
    served.signatures["serving_default"](text=tf.constant(["Long texts ..."]))
    ```
    """
    longest = _longest(model)
    buckets = length_buckets(longest) if buckets is None else list(buckets)
    if buckets != sorted(set(buckets)) or buckets[-1] > longest:
        raise ValueError(
            "`buckets` must be ascending lengths up to the model's "
            f"{longest} tokens. Received: buckets={buckets}"
        )
    served = ServedTask(model, buckets)
    os.makedirs(path, exist_ok=True)
    # TF Serving skips what is not a number.
    temporary = tempfile.mkdtemp(prefix=".exporting-", dir=path)
    try:
        with _stock_operations(model):
            module = _module(served)
            tf.saved_model.save(
                module,
                temporary,
                signatures=module.functions,
            )
        difference = _difference(served, temporary)
        manifest = _manifest(model, served, buckets, module, difference)
        _write_json(os.path.join(temporary, MANIFEST), manifest)
        os.chmod(temporary, 0o755)  # `mkdtemp` lets only the owner read.
        return _publish(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _longest(model):
    """The most tokens that preprocessor and position table both allow."""
    preprocessor = getattr(model, "preprocessor", None)
    limits = [
        getattr(preprocessor, "sequence_length", None),
        getattr(getattr(model, "backbone", None), "max_sequence_length", None),
    ]
    return min((x for x in limits if x is not None), default=1)


@contextlib.contextmanager
def _stock_operations(model):
    """Traces the attention without the compiled kernel, which TF Serving,
    where operations are linked in, cannot load."""
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, LongformerAttention)
    ]
    before = [layer.implementation for layer in layers]
    try:
        for layer in layers:
            layer.implementation = "chunked"
        yield
    finally:
        for layer, implementation in zip(layers, before, strict=True):
            layer.implementation = implementation


def _module(served):
    """A `tf.Module` of the two signatures and just what they read."""
    module = tf.Module()
    text = tf.function(
        served.from_text,
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
    )
    tokens = tf.function(
        served.from_tokens,
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, name="token_ids")
        ],
    )
    module.functions = {
        "serving_default": text.get_concrete_function(),
        "tokens": tokens.get_concrete_function(),
    }
    # Keras' export would write the weights a second time beside these.
    module.weights = list(
        {
            id(variable): variable
            for function in module.functions.values()
            for variable in function.variables
        }.values()
    )
    module.tokenizer = served.tokenizer  # Its tables are assets of the graph.
    return module


def _difference(served, folder):
    """The largest difference of an output after loading, on the probe."""
    loaded = tf.saved_model.load(folder)
    text = tf.constant(PROBE)
    got = loaded.signatures["serving_default"](text=text)
    want = served.from_text(text)
    differences = [
        np.max(np.abs(got[name] - want[name]), initial=0.0)
        for name in want
        if want[name].dtype.is_floating
    ]
    largest = float(max(differences))
    if not largest <= 1e-2:  # NaN too.
        raise RuntimeError(
            "The exported model's outputs differ from the model's by "
            f"{largest}. Nothing was exported."
        )
    return largest


def _manifest(model, served, buckets, module, difference):
    backbone = model.backbone
    return {
        "model": type(model).__name__,
        "name": model.name,
        "config": {
            name: value
            for name, value in backbone.get_config().items()
            if isinstance(value, str | int | float | list | None)
        },
        "dtype_policy": backbone.dtype_policy.name,
        "versions": {
            "keras_longformer": _package_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "signatures": {
            name: {
                "inputs": _describe(
                    {x.name: x for x in function.structured_input_signature[0]}
                ),
                "outputs": _describe(function.structured_outputs),
            }
            for name, function in module.functions.items()
        },
        "text": {
            "longest": buckets[-1],
            "over_long": (
                f"Only the first {buckets[-1]} tokens, <s> and </s> included, "
                "are read; the rest of the text is cut off."
            ),
            "padded_to": buckets,
            "max_text_bytes": served.tokenizer.max_text_bytes,
            "invalid_utf8": "Each invalid byte sequence reads as U+FFFD.",
            "special_tokens": (
                "'<mask>' is recognised in a text, no other special token."
                if "mask_positions"
                in module.functions["serving_default"].structured_outputs
                else "Special tokens in a text are ordinary characters."
            ),
        },
        "probe": {
            "texts": list(PROBE),
            "largest_difference": difference,
        },
    }


def _describe(specs):
    return {
        name: {
            "dtype": spec.dtype.name,
            "shape": spec.shape.as_list(),
        }
        for name, spec in specs.items()
    }


def _package_version():
    from importlib import metadata

    try:
        return metadata.version("keras_longformer")
    except metadata.PackageNotFoundError:  # Run from a checkout.
        return "unknown"


def _write_json(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def _publish(temporary, path):
    """Renames to the next version, past others who export at the same time."""
    version = 1 + max(
        (int(name) for name in os.listdir(path) if name.isdigit()), default=0
    )
    while True:
        target = os.path.join(path, str(version))
        try:
            os.rename(temporary, target)
            return target
        except OSError:
            if not os.path.exists(target):
                raise
            version += 1
