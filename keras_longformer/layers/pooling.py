"""One vector a text, from one a token."""

import keras
from keras import ops

POOLINGS = ("mean", "start")


def token_sums(states, padding_mask):
    """Adds up the hidden states of a row's tokens.

    Sums and counts of several rows may be added before they are divided: the
    mean over the tokens of all windows of a text.

    Args:
        states: float `(b, n, m)`.
        padding_mask: bool `(b, n)`, `True` for a real token.

    Returns:
        float32 `(b, m)`, the sums, and float32 `(b, 1)`, how many tokens.
    """
    weights = ops.cast(padding_mask, "float32")
    states = ops.cast(states, "float32")
    total = ops.einsum("bnm,bn->bm", states, weights)
    return total, ops.sum(weights, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerPooling(keras.layers.Layer):
    """Pools the hidden states of a row, in float32 whatever the policy.

    Args:
        pooling: `"mean"` of all tokens, padding left out, or `"start"`, the
            state of the first.
        **kwargs: those of `keras.layers.Layer`.

    Call arguments:
        states: float `(b, n, m)`.
        padding_mask: bool `(b, n)`, `True` for a real token.

    Returns:
        float32 `(b, m)`. A row without tokens has the mean zero.

    Raises:
        ValueError: another `pooling`.
    """

    def __init__(self, pooling="mean", **kwargs):
        super().__init__(**kwargs)
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. "
                f"Received: pooling={pooling!r}"
            )
        self.pooling = pooling
        self.built = True  # It has no weights.

    def call(self, states, padding_mask):
        if self.pooling == "start":
            return ops.cast(states[:, 0], "float32")
        total, count = token_sums(states, padding_mask)
        return total / ops.maximum(count, 1.0)

    def compute_output_spec(self, states, padding_mask):
        return keras.KerasTensor(
            (states.shape[0], states.shape[-1]), dtype="float32"
        )

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}
