"""A few requests whose answers are kept beside a SavedModel.

`probe.npz` has arrays `signature/inputs/name` and `signature/outputs/name`:
after export they show that the SavedModel computes what the model does, and
years later, on another machine, that it still does.
"""

import os

import numpy as np
import tensorflow as tf

from keras_longformer.serving.signatures import NATIVE
from keras_longformer.serving.signatures import XLA
from keras_longformer.serving.signatures import ServedModel

PROBE_FILE = "probe.npz"

# Short, empty, with a mask, and with characters of one to four bytes.
TEXTS = (
    "A short text.",
    "",
    "A <mask> in a text.",
    "Ünïcödé, 日本語 and 🙂. " * 40,
)
QUESTIONS = ("Who?", "", "?", "🙂?")  # Of a few tokens each.


def write(served: ServedModel, folder: str) -> float:
    """Compares a SavedModel with its model and writes `probe.npz`.

    Returns:
        float, the largest difference of an output after loading.

    Raises:
        RuntimeError: it is too large.
    """
    loaded = tf.saved_model.load(folder)
    arrays = {}
    for name, function in loaded.signatures.items():
        inputs = _inputs(served, function.structured_input_signature[1])
        arrays |= {f"{name}/inputs/{k}": _array(v) for k, v in inputs.items()}
        if name.endswith((XLA, NATIVE)):  # Not every machine can run them.
            continue
        outputs = function(**inputs)
        arrays |= {f"{name}/outputs/{k}": _array(v) for k, v in outputs.items()}
    np.savez(os.path.join(folder, PROBE_FILE), **arrays)
    return _difference(served, arrays)


def _inputs(served, specs):
    if "token_ids" not in specs:
        return _texts(specs)
    rules = served.rules._replace(over_long="truncate")
    rows = served.head.read(_texts(served.head.inputs), rules).windows.token_ids
    return {"token_ids": rows.to_tensor(served.tokenizer.pad_token_id)}


def _texts(names):
    """Texts for inputs of these names."""
    return {
        name: tf.constant(QUESTIONS if name == "question" else TEXTS)
        for name in names
    }


def _array(tensor):
    """NumPy's, with bytes as such: objects would be pickled."""
    array = tensor.numpy()
    return array.astype("S") if array.dtype == object else array


def _difference(served, arrays):
    want = served.answer_plainly(_texts(served.head.inputs))
    differences = [
        np.max(np.abs(arrays[f"serving_default/outputs/{name}"] - x), initial=0)
        for name, x in want.items()
        if x.dtype.is_floating
    ]
    largest = float(max(differences))
    if not largest <= tolerance(served.backbone.dtype_policy.name):
        raise RuntimeError(  # NaN comes here too.
            "The exported model's outputs differ from the model's by "
            f"{largest}. Nothing was exported."
        )
    return largest


def tolerance(dtype_policy: str) -> float:
    """What outputs may differ by, from one machine or graph to another.

    In bfloat16 a hidden state has 8 bits; after layers of it, a logit is off
    by a few hundredths, depending on the order of additions.
    """
    return 1e-3 if "16" not in dtype_policy else 1e-1
