"""Multi-head attention of queries over all keys that a mask shows."""

import keras
import tensorflow as tf

from keras_longformer.layers.projection import Projection
from keras_longformer.ops import masks


@keras.saving.register_keras_serializable(package="keras_longformer")
class FullAttention(keras.layers.Layer):
    """What a decoder attends with, to itself and to an encoder.

    Keys and values are made apart from queries, so that they can be kept: what
    `keys_and_values` gives for an encoder's output serves every token that is
    decoded, and every beam. The beams of one document are rows of queries,
    `q`, against its one set of keys: nothing of it is repeated for them.

    Args:
        num_heads: int, number of heads.
        key_dim: int, size of one head.
        dropout: float in [0, 1), dropout of the attention probabilities.
        kernel_initializer: initializer of the projections.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(b, q, m)`, the queries' tokens.
        key: float `(b, h, k, d)`, of `keys_and_values`.
        value: float `(b, h, k, d)`, of `keys_and_values`.
        visible: bool, broadcasts against `(b, h, q, k)`: which keys a query
            may see. One that may see none attends to nothing.
        dropout_seed: int32 `(2,)`, what to drop, or `None`: nothing.

    Returns:
        float `(b, q, m)`; softmax is in float32.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        # Config
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        # Layers
        heads = (None, num_heads, key_dim)
        self.query = self._projection("query", "bnm,mhd->bnhd", heads, "hd")
        self.key = self._projection("key", "bnm,mhd->bnhd", heads, "hd")
        self.value = self._projection("value", "bnm,mhd->bnhd", heads, "hd")
        self.attention_output = None

    def _projection(self, name, equation, shape, bias_axes):
        return Projection(
            equation,
            output_shape=shape,
            bias_axes=bias_axes,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape):
        width = input_shape[-1]
        self.attention_output = self._projection(
            "attention_output", "bnhd,hdm->bnm", (None, width), "m"
        )
        for projection in (self.query, self.key, self.value):
            projection.build((None, None, width))
        self.attention_output.build((None, None, self.num_heads, self.key_dim))

    def keys_and_values(self, inputs):
        """Returns two float `(b, h, k, d)` of tokens, float `(b, k, m)`."""
        # Heads first: a step then is a product of matrices as they lie.
        return tuple(
            tf.transpose(projection(inputs), (0, 2, 1, 3))
            for projection in (self.key, self.value)
        )

    def call(self, inputs, key, value, visible, dropout_seed=None):
        query = tf.transpose(self.query(inputs), (0, 2, 1, 3))
        query *= tf.cast(self.key_dim**-0.5, query.dtype)
        scores = tf.matmul(query, key, transpose_b=True)  # (b, h, q, k)
        if scores.dtype != tf.float64:
            scores = tf.cast(scores, tf.float32)
        probabilities = masks.masked_softmax(scores, visible)
        probabilities = masks.drop(probabilities, self.dropout, dropout_seed)
        context = tf.matmul(tf.cast(probabilities, value.dtype), value)
        return self.attention_output(tf.transpose(context, (0, 2, 1, 3)))

    def compute_output_spec(self, inputs, *args, **kwargs):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_heads": self.num_heads,
                "key_dim": self.key_dim,
                "dropout": self.dropout,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
            }
        )
        return config
