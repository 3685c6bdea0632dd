"""The head of masked language models."""

import keras
import keras_hub
from keras import ops


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMaskedLMHead(keras_hub.layers.MaskedLMHead):
    """KerasHub's, in every dtype policy.

    KerasHub 0.32 adds the bias as it is stored, which a direct call under
    `"mixed_bfloat16"` and `"mixed_float16"` refuses.

    Args:
        **kwargs: those of `keras_hub.layers.MaskedLMHead`.

    Call arguments:
        inputs: float `(b, n, m)`.
        mask_positions: int32 `(b, p)`.

    Returns:
        float `(b, p, vocabulary_size)`.
    """

    def call(self, inputs, mask_positions):
        x = ops.take_along_axis(inputs, mask_positions[..., None], axis=1)
        x = self._intermediate_layer_norm(self._intermediate_dense(x))
        outputs = self.token_embedding(x, reverse=True)
        outputs = ops.cast(outputs, self.compute_dtype)
        outputs += ops.cast(self._bias, self.compute_dtype)
        return self.activation(outputs)
