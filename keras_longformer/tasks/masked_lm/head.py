"""The head of masked language models."""

import keras
import keras_hub
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
        mask_positions: int32 `(b, p)`.

    Returns:
        float `(b, p, vocabulary_size)`.
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
        x = ops.take_along_axis(inputs, mask_positions[..., None], axis=1)
        x = self._intermediate_layer_norm(self._intermediate_dense(x))
        outputs = self.token_embedding(x, reverse=True)
        outputs = ops.cast(outputs, self.compute_dtype)
        outputs += ops.cast(self._bias, self.compute_dtype)
        return self.activation(outputs)
