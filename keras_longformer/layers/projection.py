"""The projections of attention: hidden states to heads, and back."""

from math import prod

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_longformer")
class Projection(keras.layers.EinsumDense):
    """Keras's EinsumDense of each token alone, as one product of rank 2.

    `bnm,mhd->bnhd` or `bnhd,hdm->bnm`. TensorFlow adds the bias within such a
    product, where einsum takes another pass over the result. LoRA and
    quantization are EinsumDense's.

    Args:
        equation: str, one of the two.
        **kwargs: of `keras.layers.EinsumDense`.

    Call arguments:
        inputs: float `(b, n, m)` or `(b, n, h, d)`.

    Returns:
        float `(b, n, h, d)` or `(b, n, m)`.
    """

    def call(self, inputs, training=None):
        # Cast here: under rematerialisation the variables are read again
        # outside Keras's autocasting.
        kernel = tf.cast(self.kernel, inputs.dtype)
        contracted = len(inputs.shape) - 2
        summed = prod(kernel.shape[:contracted])
        rows = tf.matmul(
            tf.reshape(inputs, (-1, summed)), tf.reshape(kernel, (summed, -1))
        )
        if self.bias is not None:
            bias = tf.cast(self.bias, inputs.dtype)
            rows = tf.nn.bias_add(rows, tf.reshape(bias, (-1,)))
        dynamic = tf.shape(inputs)
        b, n = (
            dynamic[axis] if size is None else size
            for axis, size in enumerate(inputs.shape[:2])
        )
        return tf.reshape(rows, (b, n, *kernel.shape[contracted:]))

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras lets no subclass be quantized unless asked.
        super().quantize(mode, type_check=False, config=config)
