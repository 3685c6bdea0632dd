"""A few requests whose answers are kept beside a SavedModel.

`probe.npz` has arrays `signature/inputs/name` and `signature/outputs/name`:
after export they show that the SavedModel answers what the model's own
`predict` says of the same raw texts, and years later, on another machine, that
it still does.
"""

import os

import numpy as np
import tensorflow as tf

from keras_longformer.serving.signatures import NATIVE
from keras_longformer.serving.signatures import XLA
from keras_longformer.serving.signatures import ServedModel

PROBE_FILE = "probe.npz"

# Short; empty; with special tokens; of characters of one to four bytes; not
# UTF-8. A text longer than the model joins them.
TEXTS = (
    "A short text.",
    "",
    "A <mask> in a text.",
    "<s> Special </s></s> tokens <pad> in [SEP] a text </s>",
    "Ünïcödé, 日本語 and 🙂. " * 40,
    b"\xff\xfe broken \xc3 text",
)
LONG_UNIT = "A long text, whose end is far away. "


def write(served: ServedModel, folder: str) -> float:
    """Compares a SavedModel with its model and writes `probe.npz`.

    Returns:
        float, the largest difference of an output of the SavedModel, loaded
        again, to what the model's own `predict` says of the same texts.

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


def texts_of(served: ServedModel) -> dict[str, list[bytes]]:
    """Returns the probe's texts by the names of the model's inputs."""
    tokenizer = served.tokenizer
    size = tf.size(tokenizer.tokenize(LONG_UNIT)).numpy()
    repeats = served.buckets[-1] // max(size, 1) + 2
    long = (LONG_UNIT * repeats).encode()
    if tokenizer.max_text_bytes is not None:
        long = long[: tokenizer.max_text_bytes]
    texts = {}
    for name in served.answer.inputs:
        own = served.answer.probe_texts.get(name)
        each = [*TEXTS, long] if own is None else own
        each = [x if isinstance(x, bytes) else x.encode() for x in each]
        texts[name] = [each[i % len(each)] for i in range(len(TEXTS) + 1)]
        if tokenizer.max_text_bytes is not None:
            limit = tokenizer.max_text_bytes
            texts[name] = [x[:limit] for x in texts[name]]
    return texts


def _inputs(served, specs):
    texts = texts_of(served)
    if "token_ids" not in specs:
        some = next(iter(texts.values()))
        return {name: tf.constant(texts.get(name, some)) for name in specs}
    texts = {name: tf.constant(x) for name, x in texts.items()}
    rows = served.answer.read(texts, served.buckets[-1], "truncate")
    rows = rows.windows.token_ids
    return {"token_ids": rows.to_tensor(served.pad_id)}


def _array(tensor):
    """NumPy's, with bytes as such: objects would be pickled."""
    array = tensor.numpy()
    return array.astype("S") if array.dtype == object else array


def _difference(served, arrays):
    want = predicted(served)
    differences = {}
    for name, x in want.items():
        got = arrays[f"serving_default/outputs/{name}"]
        x = np.asarray(x)
        if x.shape != got.shape:
            raise RuntimeError(
                f"The exported model's `{name}` has the shape {got.shape}, "
                f"and the model's own {x.shape}. Nothing was exported."
            )
        difference = np.abs(got - x.astype("float32"))
        differences[name] = np.max(difference, initial=0)
    # NaN is the largest difference, and `max` alone would lose it.
    numbers = {n: np.nan_to_num(x, nan=np.inf) for n, x in differences.items()}
    name = max(numbers, key=numbers.get)
    largest = float(differences[name])
    allowed = tolerance(served.backbone.dtype_policy.name)
    if not largest <= allowed:
        raise RuntimeError(
            f"The exported model's `{name}` differs by {largest:.3g} from what "
            f"`predict` of '{served.model.name}' says of the same texts, more "
            f"than {allowed:g}. Nothing was exported. What reads texts in "
            "`fit` and `predict` must stand in the preprocessor's `rows` and "
            "`model_inputs`, which an export follows."
        )
    return largest


def predicted(served: ServedModel) -> dict[str, np.ndarray]:
    """Returns what the model's own `predict` says of the probe's texts.

    Where the export reads in another way than `predict` (other `buckets` or
    `over_long`), `predict` is given a preprocessor with these.
    """
    model, preprocessor = served.model, served.preprocessor
    before = getattr(model, "preprocessor", None)
    over_long = served.over_long
    read = preprocessor.limited_to(
        served.buckets[-1], None if over_long == "windows" else over_long
    )
    answer = served.answer
    try:
        if model is not served.backbone:
            model.preprocessor = read
        answer.preprocessor = read
        return answer.predicted(texts_of(served), over_long)
    finally:
        answer.preprocessor = preprocessor
        if model is not served.backbone:
            model.preprocessor = before


def tolerance(dtype_policy: str) -> float:
    """What outputs may differ by, from one machine or graph to another.

    In bfloat16 a hidden state has 8 bits; after layers of it, a logit is off
    by a few hundredths, depending on the order of additions.
    """
    return 1e-3 if "16" not in dtype_policy else 1e-1
