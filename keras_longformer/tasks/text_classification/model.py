"""Classification of texts."""

import keras
import keras_hub
import numpy as np

from keras_longformer.models.backbone import initializer
from keras_longformer.tasks.class_names import check_class_names
from keras_longformer.tasks.class_names import read_num_classes
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.tasks.text_classification import problem_types
from keras_longformer.tasks.text_classification.finetuning import (
    ClassFineTuning,
)
from keras_longformer.tasks.text_classification.finetuning import (
    MultiLabelFineTuning,
)
from keras_longformer.tasks.text_classification.finetuning import (
    RegressionFineTuning,
)
from keras_longformer.tasks.text_classification.preprocessor import (
    LongformerTextClassifierPreprocessor,
)
from keras_longformer.tasks.text_classification.said import class_rows
from keras_longformer.tasks.text_classification.served import answer_of_problem
from keras_longformer.weights.names import DENSE


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTextClassifier(LongformerTask, keras_hub.models.TextClassifier):
    """Classifies long texts by their first token, which is global.

    On the first token's hidden state: dropout, a dense layer with tanh,
    dropout, and a dense layer with one output a class, as Hugging Face's
    `LongformerForSequenceClassification` has it. A classifier of BERT's, whose
    first dense layer is the encoder's pooler, is the same.

    `problem_type` says what the outputs stand for, and with it the loss and
    metrics of the default `compile`, as Hugging Face's setting of this name:

    - `"single_label"`: one of the classes. Labels are ints or names `(b,)`;
      cross-entropy over a softmax.
    - `"multi_label"`: any of the classes. Labels are 0 or 1, `(b,
      num_classes)`; cross-entropy over a sigmoid each.
    - `"regression"`: numbers. Labels are floats `(b,)`, or `(b, num_classes)`;
      mean squared error.

    Args:
        backbone: a `LongformerBackbone`.
        num_classes: int, number of classes, or of numbers to predict.
        preprocessor: a `LongformerTextClassifierPreprocessor`, or `None`,
            where inputs are already token ids.
        activation: of the outputs: `None` gives logits; `"softmax"`, and for
            several labels `"sigmoid"`, probabilities.
        dropout: float in [0, 1); the backbone's by default.
        problem_type: `"single_label"`, `"multi_label"` or `"regression"`.
        pooled_activation: str, of the first dense layer: `"tanh"`, or
            `"gelu"`, which ELECTRA's classifiers have.
        threshold: float, or a list of one for each class: the probability
            above which a text has a label, of several.
        class_names: list of str, or `None`. With it, labels of `fit` may be
            names.
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

    tagger = keras_longformer.LongformerTextClassifier.from_preset(
        "path/to/roberta-base",
        num_classes=3,
        problem_type="multi_label",
        class_names=["sports", "politics", "science"],
    )
    tagger.fit(texts, [[1, 0, 0], [0, 1, 1]], batch_size=1)
    tagger.decode_predictions(tagger.predict(texts))
    # [["sports"], ["science", "politics"]]
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 6.
    """

    served_cls = staticmethod(answer_of_problem)
    finetuning = {
        "text_classification": ClassFineTuning,
        "multi_label": MultiLabelFineTuning,
        "regression": RegressionFineTuning,
    }
    said = staticmethod(class_rows)
    preprocessor_cls = LongformerTextClassifierPreprocessor
    default_max_global_tokens = 1
    hugging_face_class = "LongformerForSequenceClassification"
    head_modules = (
        ("pooled_dense", "classifier.dense", DENSE),
        ("logits", "classifier.out_proj", DENSE),
    )
    head_activations = (("pooled_dense", "pooled_activation", "tanh"),)

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        activation=None,
        dropout=None,
        problem_type="single_label",
        threshold=0.5,
        class_names=None,
        pooled_activation="tanh",
        **kwargs,
    ):
        dropout = backbone.dropout if dropout is None else dropout

        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)
        threshold = problem_types.check_problem(
            problem_type, threshold, activation, num_classes
        )
        class_names = check_class_names(class_names, num_classes)

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooled_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="pooled_dropout"
        )
        self.pooled_dense = keras.layers.Dense(
            backbone.hidden_dim,
            activation=pooled_activation,
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
        # Before the base class compiles: the default loss depends on these.
        self.activation = keras.activations.get(activation)
        self.problem_type = problem_type
        self.threshold = threshold
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.num_classes = num_classes
        self.dropout = dropout
        self.pooled_activation = pooled_activation
        self.class_names = class_names

    @property
    def output_name(self):
        """What a file calls the output: what the activation makes of it."""
        is_linear = self.activation == keras.activations.linear
        return "logits" if is_linear else "probabilities"

    def default_loss(self):
        """Returns the loss that fits the problem type."""
        return problem_types.default_loss(self.problem_type, self.activation)

    def default_metrics(self):
        """Returns the metrics that fit the problem type."""
        return problem_types.default_metrics(
            self.problem_type, self.activation, self.threshold
        )

    def decode_predictions(self, outputs):
        """Says in words what `predict` or `predict_windows` has said.

        Args:
            outputs: float `(b, num_classes)`.

        Returns:
            A list of one value a text: its class, by name or index; for
            several labels a list of these, the likeliest first; for
            regression the numbers.
        """
        outputs = np.asarray(outputs, "float32")
        if self.problem_type == "regression":
            return outputs.squeeze(-1) if self.num_classes == 1 else outputs
        names = self.class_names or range(self.num_classes)
        if self.problem_type == "single_label":
            return [names[i] for i in outputs.argmax(-1)]
        threshold = self.threshold
        if self.activation != keras.activations.sigmoid:
            threshold = problem_types.as_logits(threshold)
        above = outputs > np.asarray(threshold, "float32")
        order = np.argsort(-outputs, axis=-1, kind="stable")
        return [
            [names[i] for i in best if is_above[i]]
            for best, is_above in zip(order, above, strict=True)
        ]

    @property
    def labels(self):
        """What `fit` learns, by the problem type and the loss."""
        return problem_types.labels_of(
            self.problem_type,
            getattr(self, "loss", None),
            self.num_classes,
            self.class_names,
        )

    def _fitted_on(self, x):
        """The preprocessor keeps how many texts an example has, since an
        export takes as many."""
        if not hasattr(self.preprocessor, "num_texts"):
            return
        given = len(x) if isinstance(x, tuple | dict) else 1
        fitted = self.preprocessor.num_texts
        if fitted is not None and fitted != given:
            raise ValueError(
                f"The preprocessor reads {fitted} texts an example "
                f"(num_texts={fitted}). Received: {given}. Give `fit` as "
                f"many, or set `preprocessor.num_texts = {given}`."
            )
        self.preprocessor.num_texts = given

    def hugging_face_config(self):
        if self.pooled_activation != "tanh":
            raise ValueError(
                "Hugging Face's Longformer classifies by a dense layer with "
                f"tanh. Received: '{self.name}' with pooled_activation="
                f"{self.pooled_activation!r}. Keep it with `save_to_preset`."
            )
        return {
            **super().hugging_face_config(),
            "num_labels": self.num_classes,
            "class_names": self.class_names,
            "problem_type": self.problem_type,
        }

    @classmethod
    def _read_head(cls, foreign, kwargs):
        if "pooled_dense/kernel" not in foreign.arrays:
            # Of another head, which has no first dense layer.
            for name in ("logits/kernel", "logits/bias"):
                foreign.arrays.pop(name, None)
        read_num_classes(cls, foreign, kwargs, "logits/bias")
        if kwargs["num_classes"] == 1 and "logits/bias" in foreign.arrays:
            kwargs.setdefault("problem_type", "regression")  # As transformers.

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_classes": self.num_classes,
                "activation": keras.activations.serialize(self.activation),
                "dropout": self.dropout,
                "problem_type": self.problem_type,
                "threshold": self.threshold,
                "class_names": self.class_names,
                "pooled_activation": self.pooled_activation,
            }
        )
        return config
