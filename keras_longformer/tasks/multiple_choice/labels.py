"""Which choice is right: labels of questions that have different numbers."""

import tensorflow as tf

from keras_longformer.tasks.class_labels import Classes
from keras_longformer.text.columns import places


class RightChoices(Classes):
    """The indices of the right choices, `(b,)`; "" is no choice."""

    wanted = "the indices of the right choices: `fit(questions, labels)`"

    def __init__(self):
        super().__init__(num_classes=None)

    def _check_range(self, values, rows, x):
        counts = None if x is None else _counts(x["choices"]).numpy()
        bad = values < 0
        if counts is not None and len(counts) == len(values):
            bad |= values >= counts
        if bad.any():
            row = int(bad.argmax())
            of = "" if counts is None else f" of {counts[row]} choices"
            raise ValueError(
                "Labels must be indices of choices, from 0 on. Received: "
                f"{places(values[bad].tolist())} in row {rows(bad)}, the first"
                f"{of}."
            )

    def _right(self, indices, x):
        right = indices >= 0
        if isinstance(x, dict) and "choices" in x:
            right &= indices < tf.cast(_counts(x["choices"]), indices.dtype)
        return right

    def _range(self):
        return "must be indices of choices that are there, from 0 on"

    def _wrong_shape(self, shape):
        return (
            "There must be one label a question, the index of the right "
            f"choice, `(b,)`. Received: {shape}. For one-hot labels write "
            "`labels.argmax(-1)`."
        )


def _counts(choices):
    """int64 `(b,)`, how many choices each question has."""
    if isinstance(choices, tf.RaggedTensor):
        is_there = choices.with_values(
            tf.cast(tf.not_equal(choices.values, ""), tf.int64)
        )
    else:
        is_there = tf.cast(tf.not_equal(choices, ""), tf.int64)
    return tf.reduce_sum(is_there, axis=1)
