"""Classification of texts."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from keras_longformer.models.backbone import initializer
from keras_longformer.models.task import LongformerTask
from keras_longformer.text import LongformerTextClassifierPreprocessor

_HIDDEN = ("pooled_dense/kernel", "pooled_dense/bias")
_LOGITS = ("logits/kernel", "logits/bias")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTextClassifier(LongformerTask, keras_hub.models.TextClassifier):
    """Classifies long texts by their first token, which is global.

    On the first token's hidden state: dropout, a dense layer with tanh,
    dropout, and a dense layer with one output a class, as Hugging Face's
    `LongformerForSequenceClassification` has it.

    Args:
        backbone: a `LongformerBackbone`.
        num_classes: int, number of classes.
        preprocessor: a `LongformerTextClassifierPreprocessor`, or `None`,
            where inputs are already token ids.
        activation: of the outputs: `None` gives logits, `"softmax"`
            probabilities.
        dropout: float in [0, 1); the backbone's by default.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's.

    Returns:
        float `(b, num_classes)`.

    Example:
    ```python
    classifier = keras_longformer.LongformerTextClassifier.from_preset(
        "path/to/roberta-base",
        num_classes=2,
        max_sequence_length=4096,
        window_size=512,
    )
    classifier.fit(["a long text ...", "another ..."], [0, 1], batch_size=1)
    classifier.predict(["a long text ..."])
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 6.
    """

    preprocessor_cls = LongformerTextClassifierPreprocessor
    default_max_global_tokens = 1
    head_weights = (*_HIDDEN, *_LOGITS)

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        activation=None,
        dropout=None,
        **kwargs,
    ):
        dropout = backbone.dropout if dropout is None else dropout

        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooled_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="pooled_dropout"
        )
        self.pooled_dense = keras.layers.Dense(
            backbone.hidden_dim,
            activation="tanh",
            kernel_initializer=initializer(),
            dtype=backbone.dtype_policy,
            name="pooled_dense",
        )
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            num_classes,
            kernel_initializer=initializer(),
            activation=activation,
            dtype=backbone.dtype_policy,
            name="logits",
        )

        # Graph
        inputs = backbone.input
        x = backbone.sequence_output(inputs)[:, 0]
        x = self.pooled_dense(self.pooled_dropout(x))
        outputs = self.output_dense(self.output_dropout(x))
        # Before the base class compiles: the default loss depends on it.
        self.activation = keras.activations.get(activation)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.num_classes = num_classes
        self.dropout = dropout

    def fit(self, x=None, y=None, *args, **kwargs):
        """Keras' `fit` on texts `x` and labels `y`, or a dataset of both."""
        if y is None and isinstance(x, list | np.ndarray | tf.Tensor):
            raise ValueError(
                "`fit` needs labels: `fit(texts, labels)`, or a "
                "`tf.data.Dataset` of both. Received: y=None"
            )
        return super().fit(x, y, *args, **kwargs)

    @classmethod
    def _read_head(cls, foreign, kwargs):
        if "num_classes" in kwargs:
            for name in cls.head_weights:
                foreign.arrays.pop(name, None)
        elif _LOGITS[1] in foreign.arrays:
            kwargs["num_classes"] = foreign.arrays[_LOGITS[1]].shape[0]
        else:
            raise ValueError(
                f"'{foreign.source}' has no classifier, so `num_classes` must "
                "say how many classes the new one has."
            )

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_classes": self.num_classes,
                "activation": keras.activations.serialize(self.activation),
                "dropout": self.dropout,
            }
        )
        return config
