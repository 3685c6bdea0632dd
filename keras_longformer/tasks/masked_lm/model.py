"""Masked language modelling."""

import keras
import keras_hub

from keras_longformer.layers.activations import activation_function
from keras_longformer.models.backbone import initializer
from keras_longformer.tasks.labels import NoLabels
from keras_longformer.tasks.masked_lm.head import LongformerMaskedLMHead
from keras_longformer.tasks.masked_lm.preprocessor import NO_LABELS
from keras_longformer.tasks.masked_lm.preprocessor import (
    LongformerMaskedLMPreprocessor,
)
from keras_longformer.tasks.masked_lm.said import mask_rows
from keras_longformer.tasks.masked_lm.served import MaskAnswer
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.weights.names import DENSE
from keras_longformer.weights.names import LAYER_NORM
from keras_longformer.weights.names import OUTPUT_BIAS


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMaskedLM(LongformerTask, keras_hub.models.MaskedLM):
    """Predicts masked tokens: pretraining, and filling in.

    On the hidden states at `mask_positions`: a dense layer with GELU,
    LayerNorm, and the product with the token embeddings (one matrix for both
    ends) plus a bias, as Hugging Face's `LongformerForMaskedLM` has it. No
    token is global by default, so the global projections stay as they are.

    Args:
        backbone: a `LongformerBackbone`.
        preprocessor: a `LongformerMaskedLMPreprocessor`, or `None`, where
            inputs are already token ids.
        activation: str, of the head's dense layer: `"gelu"`, or another of
            `LongformerBackbone`'s, which heads of BERTs may have.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's, and `mask_positions`: int32 `(b, p)`, which
            tokens to predict.

    Returns:
        float `(b, p, vocabulary_size)`, logits.

    Example:
    ```python
    masked_lm = keras_longformer.LongformerMaskedLM.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    masked_lm.fit(texts, batch_size=1)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 5.
    """

    labels = NoLabels(NO_LABELS)
    served_cls = MaskAnswer
    said = staticmethod(mask_rows)
    preprocessor_cls = LongformerMaskedLMPreprocessor
    default_max_global_tokens = 0
    hugging_face_class = "LongformerForMaskedLM"
    head_modules = (
        ("lm_head/intermediate_dense", "lm_head.dense", DENSE),
        ("lm_head/intermediate_layer_norm", "lm_head.layer_norm", LAYER_NORM),
        ("lm_head", "lm_head", OUTPUT_BIAS),
    )
    head_activations = (("lm_head/intermediate_dense", "activation", "gelu"),)

    def __init__(
        self, backbone, preprocessor=None, activation="gelu", **kwargs
    ):
        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.masked_lm_head = LongformerMaskedLMHead(
            vocabulary_size=backbone.vocabulary_size,
            token_embedding=backbone.token_embedding,
            intermediate_activation=activation_function(activation),
            layer_norm_epsilon=backbone.embeddings.layer_norm_epsilon,
            kernel_initializer=initializer(),
            dtype=backbone.dtype_policy,
            name="lm_head",
        )

        # Graph
        inputs = {
            **backbone.input,
            "mask_positions": keras.Input(
                (None,), dtype="int32", name="mask_positions"
            ),
        }
        outputs = self.masked_lm_head(
            backbone.sequence_output(backbone.input), inputs["mask_positions"]
        )
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.activation = activation

    def default_weighted_metrics(self):
        """Returns the accuracy over masked tokens."""
        return [keras.metrics.SparseCategoricalAccuracy()]

    def example_inputs(self, batch, length, generator):
        """Adds positions of masks, any number in a row."""
        shape = (batch, generator.integers(1, min(length, 7) + 1))
        positions = generator.integers(0, length, shape)
        return {
            **super().example_inputs(batch, length, generator),
            "mask_positions": positions.astype("int32"),
        }

    def hugging_face_config(self):
        if self.activation != "gelu":
            raise ValueError(
                "The masked LM of Hugging Face's Longformer has exact GELU. "
                f"Received: '{self.name}' with activation="
                f"{self.activation!r}. Keep it with `save_to_preset`, or its "
                "encoder alone with `save_hugging_face(task.backbone, ...)`."
            )
        return super().hugging_face_config()

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}
