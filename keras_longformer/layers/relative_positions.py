"""Transformer-XL's relative positions, for the keys of a window."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_longformer")
class RelativePositions(keras.layers.Layer):
    """What attention knows of how far a key is.

    The score of query `i` and key `j` is

        ((q_i + u) . k_j + (q_i + v) . W sinusoid(i - j)) / sqrt(d)

    with learnt `u`, `v` (`content_bias`, `position_bias`, one vector for each
    head) and `W` (`kernel`). A window has few distances, so that
    `W sinusoid(...)` has a row for each of its keys and not for each token.

    Args:
        num_heads: int, number of heads.
        key_dim: int, size of one head.
        kernel_initializer: initializer of `W`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        query: float `(..., h, d)`.

    Returns:
        `query + u` and `query + v`.

    Reference: [Dai et al., 2019](https://arxiv.org/abs/1901.02860), 3.3.
    """

    def __init__(
        self, num_heads, key_dim, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        """Makes the weights, for inputs of shape `(b, n, m)`."""
        self.width = input_shape[-1]
        heads = (self.num_heads, self.key_dim)
        self.content_bias = self.add_weight(
            name="content_bias", shape=heads, initializer="zeros"
        )
        self.position_bias = self.add_weight(
            name="position_bias", shape=heads, initializer="zeros"
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.width, *heads),
            initializer=self.kernel_initializer,
        )
        self.built = True

    def call(self, query):
        # Cast here: under rematerialisation the variables are read again
        # outside Keras's autocasting.
        return (
            query + tf.cast(self.content_bias, query.dtype),
            query + tf.cast(self.position_bias, query.dtype),
        )

    def keys(self, reach, dilation, causal):
        """Returns float `(o, h, d)`, `W sinusoid(distance)` of a window's keys.

        Args:
            reach: int, keys on each side.
            dilation: int, or one int for each head.
            causal: bool, whether there are none after the token.
        """
        rows = tf.range(reach, -1 if causal else -reach - 1, -1)
        kernel = tf.cast(self.kernel, self.compute_dtype)
        if isinstance(dilation, int):
            return self._keys(rows * dilation, kernel)
        by_dilation = {
            step: self._keys(rows * step, kernel) for step in set(dilation)
        }
        heads = [by_dilation[step][:, i] for i, step in enumerate(dilation)]
        return tf.stack(heads, axis=1)

    def _keys(self, distance, kernel):
        sinusoid = tf.cast(sinusoids(distance, self.width), kernel.dtype)
        return tf.einsum("om,mhd->ohd", sinusoid, kernel)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


def sinusoids(position: tf.Tensor, width: int) -> tf.Tensor:
    """Returns float32 `(o, width)`: sines, then cosines, of positions.

    Of frequencies `10000 ** (-2 * i / width)`, as Transformer-XL lays them.

    Args:
        position: int `(o,)`.
        width: int.
    """
    half = tf.range(0.0, width, 2.0) / width
    angle = tf.cast(position, tf.float32)[:, None] * 10000.0**-half
    return tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)[:, :width]
