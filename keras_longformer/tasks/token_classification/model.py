"""Classification of words: names in a text, parts of speech, ..."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from keras_longformer.models.backbone import initializer
from keras_longformer.tasks.class_labels import labels_of_loss
from keras_longformer.tasks.class_names import check_class_names
from keras_longformer.tasks.class_names import read_num_classes
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.tasks.token_classification.finetuning import (
    TokenClassificationFineTuning,
)
from keras_longformer.tasks.token_classification.preprocessor import (
    LongformerTokenClassifierPreprocessor,
)
from keras_longformer.tasks.token_classification.said import word_rows
from keras_longformer.tasks.token_classification.served import WordAnswer
from keras_longformer.tasks.token_classification.words import words_of_tokens
from keras_longformer.text.merging import tokens_of_windows
from keras_longformer.weights.names import DENSE


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTokenClassifier(LongformerTask, keras_hub.models.Task):
    """Classifies the words of long texts.

    On each token's hidden state: dropout and a dense layer with one output a
    class, as Hugging Face's `LongformerForTokenClassification` has it. A
    word's answer is that of its first token. No token is global by default,
    as there.

    Args:
        backbone: a `LongformerBackbone`.
        num_classes: int, number of classes.
        preprocessor: a `LongformerTokenClassifierPreprocessor`, or `None`,
            where inputs are already token ids.
        activation: of the outputs: `None` gives logits, `"softmax"`
            probabilities.
        dropout: float in [0, 1); the backbone's by default.
        class_names: list of str, or `None`. With it, labels of `fit` may be
            names.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's.

    Returns:
        float `(b, n, num_classes)`, one for each token. `predict_words` gives
        one for each word.

    Raises:
        ValueError: `class_names` that do not fit, or a preprocessor that
            marks a global token, and a backbone that allows none.

    Example:
    ```python
    tagger = keras_longformer.LongformerTokenClassifier.from_preset(
        "path/to/roberta-base",
        num_classes=3,
        class_names=["O", "B-PER", "I-PER"],
        max_sequence_length=4096,
        window_size=512,
    )
    tagger.fit(
        [["Ada", "Lovelace", "wrote"], ["Hello"]],
        [["B-PER", "I-PER", "O"], ["O"]],
        batch_size=1,
    )
    tagger.decode_predictions(tagger.predict_words(["A text, however long."]))
    # [["O", "O", "O", "O"]]
    ```
    """

    served_cls = WordAnswer
    finetuning = {"token_classification": TokenClassificationFineTuning}
    said = staticmethod(word_rows)
    preprocessor_cls = LongformerTokenClassifierPreprocessor
    default_max_global_tokens = 0
    hugging_face_class = "LongformerForTokenClassification"
    head_modules = (("classifier", "classifier", DENSE),)

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        activation=None,
        dropout=None,
        class_names=None,
        **kwargs,
    ):
        dropout = backbone.dropout if dropout is None else dropout

        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)
        class_names = check_class_names(class_names, num_classes)
        if (
            getattr(preprocessor, "global_start", False)
            and backbone.max_global_tokens == 0
        ):
            raise ValueError(
                "The preprocessor marks `<s>` global (global_start=True), and "
                "the backbone has max_global_tokens=0. Make it with "
                "`max_global_tokens=1`."
            )

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            num_classes,
            kernel_initializer=initializer(),
            activation=activation,
            dtype=backbone.dtype_policy,
            name="classifier",
        )

        # Graph
        inputs = backbone.input
        x = self.output_dropout(backbone.sequence_output(inputs))
        outputs = self.output_dense(x)
        # Before the base class compiles: the default loss depends on it.
        self.activation = keras.activations.get(activation)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.num_classes = num_classes
        self.dropout = dropout
        self.class_names = class_names

    @property
    def output_name(self):
        """What a file calls the output: what the activation makes of it."""
        is_linear = self.activation == keras.activations.linear
        return "logits" if is_linear else "probabilities"

    def default_loss(self):
        """Returns cross-entropy, the mean over the labelled words of the
        batch."""
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=self.activation != keras.activations.softmax,
            reduction="mean_with_sample_weight",
        )

    def default_weighted_metrics(self):
        """Returns the accuracy over labelled words."""
        return [keras.metrics.SparseCategoricalAccuracy()]

    @property
    def labels(self):
        """What `fit` learns: a class for each word."""
        loss = getattr(self, "loss", None)
        return labels_of_loss(
            loss, self.num_classes, self.class_names, words=True
        )

    def predict_words(self, x, stride=None, batch_size=8, verbose="auto"):
        """Predicts for each word, of texts however long.

        Texts longer than the model are cut into windows that overlap, and
        each word's answer is from the window in which it has most context.

        Args:
            x: words or texts, as for `fit`.
            stride, batch_size, verbose: as for `predict_windows`.

        Returns:
            A list of float32 arrays `(words, num_classes)`, one a text. An
            empty word has zeros.
        """
        x = self.read_texts(x)
        inputs, rows = self.preprocessor.window_rows(x, stride)
        outputs = self.merge_windows(
            self.predict_packed(inputs, batch_size, verbose), rows.windows
        )
        words, tokens = rows.source
        of_words, _ = words_of_tokens(outputs, tokens, words.words)
        values = of_words.values.numpy()
        return np.split(values, of_words.row_splits.numpy()[1:-1])

    def merge_windows(self, outputs, windows):
        """Returns ragged `(b, None, num_classes)`, one for each token.

        Args:
            outputs: float `(r, n, num_classes)`, the model's.
            windows: the `keras_longformer.text.windows.Windows` of the rows.
        """
        return tokens_of_windows(tf.cast(outputs, tf.float32), windows)

    def decode_predictions(self, outputs):
        """Says which class each word has.

        Args:
            outputs: what `predict_words` returns.

        Returns:
            A list of lists of classes, by name, or by index without
            `class_names`.
        """
        names = self.class_names or range(self.num_classes)
        return [[names[i] for i in text.argmax(-1)] for text in outputs]

    def hugging_face_config(self):
        return {
            **super().hugging_face_config(),
            "num_labels": self.num_classes,
            "class_names": self.class_names,
        }

    @classmethod
    def _read_head(cls, foreign, kwargs):
        read_num_classes(
            cls, foreign, kwargs, "classifier/bias", keys=("class_names",)
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_classes": self.num_classes,
                "activation": keras.activations.serialize(self.activation),
                "dropout": self.dropout,
                "class_names": self.class_names,
            }
        )
        return config
