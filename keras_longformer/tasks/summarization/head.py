"""What stands between the decoder and its logits."""

import keras


@keras.saving.register_keras_serializable(package="keras_longformer")
class LogitsBias(keras.layers.Layer):
    """Adds a constant to each token's logit, BART's `final_logits_bias`.

    It is no weight that is trained: zero in all that were.

    Args:
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(..., vocabulary_size)`.
    """

    def build(self, input_shape):
        self.bias = self.add_weight(
            shape=(input_shape[-1],),
            initializer="zeros",
            trainable=False,
            name="bias",
        )

    def call(self, inputs):
        return inputs + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape
