"""The head of masked language models."""

import keras
import keras_hub
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMaskedLMHead(keras_hub.layers.MaskedLMHead):
    """KerasHub's, in every dtype policy, and in clones.

    KerasHub 0.32 adds the bias as it is stored, which a direct call under
    `"mixed_bfloat16"` and `"mixed_float16"` refuses.

    `keras.models.clone_model` makes each layer of its own configuration, which
    would give the clone's head a second table. A head takes the table of the
    encoder whose states it is first called with.

    Args:
        **kwargs: those of `keras_hub.layers.MaskedLMHead`.

    Call arguments:
        inputs: float `(b, n, m)`.
        mask_positions: int32 `(b, p)`, in `[0, n)`.

    Returns:
        float `(b, p, vocabulary_size)`.

    Raises:
        `tf.errors.InvalidArgumentError` when it runs, for a position that no
        token of its row has. Under XLA, which drops assertions, that
        position's logits are NaN.
    """

    def __call__(self, inputs, *args, **kwargs):
        if not self.built:
            self._share_table(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def _share_table(self, inputs):
        """Takes the encoder's table, where `inputs` are an encoder's."""
        history = getattr(inputs, "_keras_history", None)
        encoder = getattr(history, "operation", None)
        table = getattr(encoder, "token_embedding", None)
        own = self.token_embedding
        if table is not None and own is not None and table is not own:
            # Its own would stay among the weights, though nothing reads it.
            self._tracker.untrack(own)
            self.token_embedding = table

    def call(self, inputs, mask_positions):
        mask_positions, is_outside = self._checked(inputs, mask_positions)
        x = ops.take_along_axis(inputs, mask_positions[..., None], axis=1)
        x = tf.where(is_outside[..., None], tf.cast(float("nan"), x.dtype), x)
        x = self._intermediate_layer_norm(self._intermediate_dense(x))
        outputs = self.token_embedding(x, reverse=True)
        outputs = ops.cast(outputs, self.compute_dtype)
        outputs += ops.cast(self._bias, self.compute_dtype)
        return self.activation(outputs)

    def _checked(self, inputs, mask_positions):
        """Positions that all have a token, and which were others."""
        n = tf.shape(inputs)[1]
        mask_positions = tf.cast(mask_positions, tf.int32)
        is_outside = (mask_positions < 0) | (mask_positions >= n)
        message = (
            f"'{self.name}' predicts at `mask_positions`, which are columns of "
            "`token_ids`, from 0 to below the number of tokens in a row (0 "
            "where there is nothing to predict). Received, and the "
        )
        checks = [
            tf.debugging.assert_less(
                tf.reduce_max(mask_positions), n, message + "number of tokens:"
            ),
            tf.debugging.assert_greater_equal(
                tf.reduce_min(mask_positions), 0, message + "least:"
            ),
        ]
        # Outside of graphs they have been checked by now, and are None.
        checks = [check for check in checks if check is not None]
        with tf.control_dependencies(checks):
            return tf.where(is_outside, 0, mask_positions), is_outside
