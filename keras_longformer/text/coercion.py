"""Takes texts, ids and options in the forms that Keras users have them in."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

TOKEN_IDS = (
    "Token ids go to a model without preprocessor: `task.preprocessor = None`."
)


def as_texts(inputs) -> tf.Tensor | tf.RaggedTensor:
    """Returns strings of any kind as a string tensor.

    Raises:
        TypeError: something else, such as token ids.
    """
    if isinstance(inputs, dict):
        raise TypeError(
            "LongformerTokenizer takes strings. Received a dict of "
            f"{list(inputs)}. {TOKEN_IDS}"
        )
    if not isinstance(inputs, tf.Tensor | tf.RaggedTensor):
        if isinstance(inputs, np.ndarray):
            inputs = inputs.tolist()
        inputs = as_tensor(inputs, tf.string)
    if inputs.dtype != tf.string:
        if inputs.shape.num_elements() == 0:  # Keras makes floats of `[]`.
            return tf.fill(inputs.shape, "")
        raise TypeError(
            "LongformerTokenizer takes strings. Received a tensor of "
            f"{inputs.dtype.name} (as which an empty list counts). {TOKEN_IDS}"
        )
    return inputs


def as_ids(inputs) -> tf.Tensor | tf.RaggedTensor:
    """Returns token ids of any kind as an int32 tensor; one id as `(1,)`."""
    if not isinstance(inputs, tf.Tensor | tf.RaggedTensor):
        inputs = as_tensor(inputs, tf.int32)
    ids = tf.cast(inputs, tf.int32)
    return ids[None] if ids.shape.rank == 0 else ids


def as_tensor(inputs, dtype: tf.DType) -> tf.Tensor | tf.RaggedTensor:
    """Returns (nested) lists as a tensor, of unequal lengths as a ragged one.

    Raises:
        TypeError: they are neither.
    """
    try:
        tensor = tf.convert_to_tensor(
            inputs, dtype if dtype == tf.string else None
        )
    except (TypeError, ValueError):
        return _ragged(inputs, dtype)
    # TensorFlow makes `[[], [1]]` a tensor of shape (2, 0).
    if tensor.shape.num_elements() == 0 and tf.nest.flatten(inputs):
        return _ragged(inputs, dtype)
    return tensor


def _ragged(inputs, dtype: tf.DType) -> tf.RaggedTensor:
    try:
        return tf.ragged.constant(inputs, dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Expected a (nested) list, array or tensor of {dtype.name}. "
            f"Received: {inputs!r:.200}."
        ) from error


def flat(texts: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns texts of any shape as string `(texts,)`."""
    if isinstance(texts, tf.RaggedTensor):
        texts = texts.flat_values
    return tf.reshape(texts, [-1])


def as_ragged(values):
    """Returns lists of lists as a ragged tensor, which Keras cuts into batches.

    Anything else, `None` included, is returned as it is.
    """
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = [
            row if isinstance(row, str | bytes) else [*row] for row in values
        ]
    is_nested = isinstance(values, list) and any(
        isinstance(row, list | tuple | np.ndarray) for row in values
    )
    if not is_nested:
        return values
    return tf.ragged.constant([[*row] for row in values])


def as_labels(values):
    """Returns labels as they came, a list as the tensor that it stands for."""
    return tf.convert_to_tensor(values) if isinstance(values, list) else values


def check_one_of(name: str, value, choices: Sequence) -> None:
    """Raises `ValueError` where an option is not one of its choices."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {tuple(choices)}. "
            f"Received: {name}={value!r}"
        )
