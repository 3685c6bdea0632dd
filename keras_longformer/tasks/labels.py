"""What `fit` learns: each kind of labels reads and checks its own.

Labels in memory are checked before training starts, and what is wrong is said
with the rows; those of a dataset or generator are checked batch by batch,
outside XLA and GPUs, where a class that is not there would be NaN in silence.
"""

import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_ragged
from keras_longformer.text.columns import Nested
from keras_longformer.text.columns import any_column
from keras_longformer.text.columns import is_missing
from keras_longformer.text.columns import places
from keras_longformer.text.columns import value_array

MOST_NAMED = 5


class Labels:
    """Labels of a task that says nothing of them: any tensor.

    Attributes:
        called: str, what errors call them.
        wanted: str, what `fit` needs, or `None` where it takes no labels.
        rank: int, the least rank of a batch.
        num_classes: int, or `None`: `class_weight` is for classes.
    """

    called = "labels"
    wanted = "labels: `fit(texts, labels)`"
    rank = 1
    num_classes = None

    def read(self, y, x):
        """Returns labels in memory as (nested) tensors.

        Args:
            y: what `fit` was given.
            x: the texts, as `read_texts` returns them.

        Raises:
            TypeError, ValueError: say which rows are wrong.
        """
        return any_column(y, self.called.capitalize())

    def in_graph(self, y, x):
        """Returns a batch of labels as the preprocessor takes them.

        Args:
            y: (nested) tensors.
            x: those of the texts.

        Raises:
            ValueError: labels of another shape.
            InvalidArgumentError: of other values.
        """
        return as_labels(as_ragged(y))

    def of_texts(self, x):
        """Returns the labels of a batch for which none are given."""
        return None

    def classes_of(self, y) -> tf.Tensor:
        """Returns the classes of a batch, int, which `class_weight` weighs."""
        return y


class NoLabels(Labels):
    """Of a task that makes its own.

    Args:
        reason: str, one sentence, which says what to write.
    """

    wanted = None

    def __init__(self, reason: str):
        self.reason = reason

    def read(self, y, x):
        raise ValueError(self.reason)

    def in_graph(self, y, x):
        raise ValueError(self.reason)


class Numbers(Labels):
    """Numbers, `(b,)` or `(b, size)`.

    Args:
        size: int, how many a text.
        low, high: floats, the least and the largest, or `None`.
        called, wanted: as the attributes.
    """

    def __init__(self, size=1, low=None, high=None, called=None, wanted=None):
        self.size = size
        self.low, self.high = low, high
        self.rank = 1 if size == 1 else 2
        self.called = called or self.called
        self.wanted = wanted or self.wanted

    def read(self, y, x):
        numbers = read_numbers(y, self._wrong, self.size)
        values = numbers.numpy()
        bad = np.zeros(values.shape, bool)
        if self.low is not None:
            bad = (values < self.low) | (values > self.high)
        if bad.any():
            rows = dict.fromkeys(np.argwhere(bad)[:, 0].tolist())
            raise ValueError(
                f"{self.called.capitalize()} must be from {self.low} to "
                f"{self.high}. Received: {values[bad][0]} in row "
                f"{places(rows)}."
            )
        return numbers

    def in_graph(self, y, x):
        y = tf.convert_to_tensor(as_labels(y))
        if y.dtype == tf.string:
            raise ValueError(
                f"{self.called.capitalize()} must be numbers. Received: "
                "strings."
            )
        shape = y.shape
        if shape.rank == 1 + (self.size > 1) or shape.rank == 2:
            if shape.rank == 1 or shape[1] in (None, self.size):
                return self._checked(y)
        raise ValueError(self._wrong(shape))

    def _checked(self, y):
        right = tf.ones_like(y, tf.bool)
        if y.dtype.is_floating:
            right = tf.math.is_finite(y)
        limits = ""
        if self.low is not None:
            numbers = tf.cast(y, tf.float32)
            right &= (numbers >= self.low) & (numbers <= self.high)
            limits = f" from {self.low} to {self.high}"
        return checked(
            y,
            right,
            y,
            f"{self.called.capitalize()} must be finite numbers{limits}. "
            "Received: ",
        )

    def _wrong(self, shape):
        wanted = "(b,)" if self.size == 1 else f"(b, {self.size})"
        return (
            f"There must be {self.size} of the {self.called} a text, "
            f"`{wanted}`. Received: {shape}."
        )


def checked(values, right, given, message: str) -> tf.Tensor:
    """Returns `values`, having checked that all are right.

    Args:
        values: tensor.
        right: bool, which of them are.
        given: what they were, named in the error.
        message: str, to which the wrong ones and their rows are added.

    Raises:
        InvalidArgumentError: the message.
    """
    wrong = tf.boolean_mask(given, ~right)[:MOST_NAMED]
    rows = tf.where(~right)[:MOST_NAMED, 0]
    told = tf.strings.join(
        [
            message,
            tf.strings.reduce_join(tf.strings.as_string(wrong), separator=", "),
            "; row of the batch: ",
            tf.strings.reduce_join(tf.strings.as_string(rows), separator=", "),
        ]
    )
    check = tf.debugging.Assert(tf.reduce_all(right), [told])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(values)


def read_numbers(y, wrong, size):
    """Returns float32 `(b,)` or `(b, size)`, all of them finite."""
    array = value_array(y, "Labels")
    if isinstance(array, Nested):
        raise ValueError(wrong(f"lists of {places(sorted({*array.lengths}))}"))
    if array.dtype.kind in "USO":
        missing = flags(is_missing, array)
        if missing.any():
            rows = dict.fromkeys(np.argwhere(missing)[:, 0].tolist())
            raise ValueError(
                f"There is no label in row {places(rows)}, but "
                f"{array[missing].ravel()[0]}. Leave these rows out."
            )
        is_name = array.dtype.kind != "O" or isinstance(
            array.ravel()[0], str | bytes
        )
        if is_name:
            raise ValueError(
                "Labels must be numbers. Received: strings, such as "
                f"{array.ravel()[0]!r:.60}."
            )
        array = array.astype("float32")
    bad = ~np.isfinite(array)
    if bad.any():
        rows = dict.fromkeys(np.argwhere(bad)[:, 0].tolist())
        raise ValueError(
            f"Labels must be finite numbers. There is {array[bad].ravel()[0]} "
            f"in row {places(rows)}. Leave these rows out."
        )
    shape = array.shape
    if len(shape) == 1 and size == 1 or len(shape) == 2 and shape[1] == size:
        return tf.constant(array, tf.float32)
    raise ValueError(wrong(shape))


def flags(condition, values):
    """Returns bool, of the shape of an array; of objects only."""
    flags = np.zeros(values.shape, bool)
    if values.dtype.kind == "O":
        flags.flat = [condition(value) for value in values.flat]
    return flags
