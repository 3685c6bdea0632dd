"""Bits per character, the measure of the paper's language models."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_longformer")
class BitsPerCharacter(keras.metrics.Mean):
    """The mean of `-log2 p(character)`, over logits and a byte's weights.

    Args:
        name: str.
        dtype: of the sum.
    """

    def __init__(self, name="bits_per_character", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: ids `(b, n)`, logits `(b, n, v)`, weights `(b, n)`."""
        nats = ops.sparse_categorical_crossentropy(
            y_true, ops.cast(y_pred, "float32"), from_logits=True
        )
        return super().update_state(nats / math.log(2), sample_weight)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}
