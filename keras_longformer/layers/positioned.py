"""Learned positions by the column, for words that are already vectors."""

import keras
import tensorflow as tf

from keras_longformer.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable(package="keras_longformer")
class PositionedEmbeddings(keras.layers.Layer):
    """Adds a learned position to each token; then LayerNorm and dropout.

    Of models whose encoder and decoder share the table of words and have
    positions of their own, BART and LED. The first column has row 0, padding
    or not, so that padding stands on the right.

    Args:
        max_sequence_length: int, the most tokens.
        layer_norm_epsilon: float.
        dropout: float in [0, 1).
        embeddings_initializer: initializer of the positions.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(b, n, m)`, words.
        start: int32 scalar, the first column's position.
        training: bool, whether to drop.

    Returns:
        float `(b, n, m)`.

    Raises:
        InvalidArgumentError: more than `max_sequence_length` tokens. Under
            XLA, which cannot raise, all is NaN.
    """

    def __init__(
        self,
        max_sequence_length,
        layer_norm_epsilon=1e-5,
        dropout=0.0,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        # Config
        self.max_sequence_length = max_sequence_length
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout = dropout
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        # Layers
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_epsilon,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.dropout_layer = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )
        self.position_embedding = None

    def build(self, input_shape):
        self.position_embedding = keras.layers.Embedding(
            self.max_sequence_length,
            input_shape[-1],
            embeddings_initializer=self.embeddings_initializer.clone(),
            dtype=self.dtype_policy,
            name="position_embedding",
        )
        self.position_embedding.build((None, None))
        self.layer_norm.build(input_shape)

    def call(self, inputs, start=0, training=None):
        end = start + tf.shape(inputs)[1]
        is_too_long = end > self.max_sequence_length
        check = tf.debugging.assert_less_equal(
            end,
            self.max_sequence_length,
            message=(
                f"'{self.name}' has positions for max_sequence_length="
                f"{self.max_sequence_length} tokens, and a row has more. "
                "Truncate the texts (`encoder_sequence_length`, "
                "`decoder_sequence_length` of the preprocessor), or load the "
                "model with a larger `max_sequence_length`. Tokens, and the "
                "limit:"
            ),
        )
        with tf.control_dependencies([] if check is None else [check]):
            end = tf.identity(end)
        positions = tf.minimum(
            tf.range(start, end), self.max_sequence_length - 1
        )
        rows = tf.cast(
            self.position_embedding(positions[None]), self.compute_dtype
        )
        rows += tf.cast(tf.where(is_too_long, float("nan"), 0.0), rows.dtype)
        x = self.layer_norm(tf.cast(inputs, self.compute_dtype) + rows)
        return self.dropout_layer(x, training=training)

    def compute_output_spec(self, inputs, *args, **kwargs):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "max_sequence_length": self.max_sequence_length,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "dropout": self.dropout,
                "embeddings_initializer": keras.initializers.serialize(
                    self.embeddings_initializer
                ),
            }
        )
        return config
