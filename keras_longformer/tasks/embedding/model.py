"""Embeddings of texts."""

import keras
import keras_hub
import tensorflow as tf
from keras import ops

from keras_longformer.layers.pooling import LongformerPooling
from keras_longformer.models.call_inputs import complete
from keras_longformer.tasks.embedding.labels import TheirPartners
from keras_longformer.tasks.embedding.loss import RankingLoss
from keras_longformer.tasks.embedding.loss import SimilarityLoss
from keras_longformer.tasks.embedding.preprocessor import (
    LongformerEmbedderPreprocessor,
)
from keras_longformer.tasks.embedding.served import EmbedderAnswer
from keras_longformer.tasks.labels import Numbers
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.text.coercion import check_one_of

OBJECTIVES = ("ranking", "similarity")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerEmbedder(LongformerTask, keras_hub.models.TextEmbedder):
    """Turns long texts into vectors whose cosine says how alike they are.

    The mean of the last hidden states, or that of `<s>`, in float32. `fit`
    takes pairs of texts, and `objective` says what it learns from them:

    - `"ranking"`: `fit((texts, partners))`. Each text shall be more like its
      partner than like those of the other rows of the batch: the larger the
      batch, the harder. Tuples of three and more texts have hard negatives.
    - `"similarity"`: `fit((texts, others), scores)`. The cosine of a pair
      shall be its score, from -1 to 1.

    Under `tf.distribute` every replica ranks within its own share of the
    batch, so that the numbers differ from those of one device that has the
    whole batch; `"similarity"` has no such difference.

    Args:
        backbone: a `LongformerBackbone`.
        preprocessor: a `LongformerEmbedderPreprocessor`, or `None`, where
            inputs are already token ids.
        pooling: `"mean"` of all tokens, or `"start"`, the state of `<s>`.
        normalize: bool, whether embeddings get length 1.
        objective: `"ranking"` or `"similarity"`: the loss of the default
            `compile`.
        temperature: float, what `"ranking"` divides cosines by.
        **kwargs: `compile`, `name`, `trainable`.

    `from_preset` of a sentence-transformers folder takes `pooling` and
    `normalize` from it.

    Call arguments:
        inputs: the backbone's, `(b, n)`, or `(b, t, n)` for tuples of `t`
            texts.

    Returns:
        float32 `(b, hidden_dim)`, or `(b, t, hidden_dim)`.

    Raises:
        ValueError: options that cannot be.

    Example:
    ```python
    embedder = keras_longformer.LongformerEmbedder.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    embedder.fit((questions, documents), batch_size=8)
    vectors = embedder.predict(documents)             # (b, 768)
    vectors = embedder.predict_windows(long_texts)    # of any length
    ```

    Reference: [Reimers and Gurevych, 2019](https://arxiv.org/abs/1908.10084).
    """

    served_cls = EmbedderAnswer
    preprocessor_cls = LongformerEmbedderPreprocessor
    default_max_global_tokens = 1
    hugging_face_class = "LongformerModel"  # It has no weights of its own.

    def __init__(
        self,
        backbone,
        preprocessor=None,
        pooling="mean",
        normalize=True,
        objective="ranking",
        temperature=0.05,
        **kwargs,
    ):
        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)
        check_one_of("objective", objective, OBJECTIVES)
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be above 0. "
                f"Received: temperature={temperature!r}. Try 0.05."
            )

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooling_layer = LongformerPooling(
            pooling, dtype="float32", name="pooling"
        )
        self.unit_length = keras.layers.UnitNormalization(
            dtype="float32", name="unit_length"
        )

        # Graph
        inputs = backbone.input
        outputs = self.pooling_layer(
            backbone.sequence_output(inputs), inputs["padding_mask"]
        )
        if normalize:
            outputs = self.unit_length(outputs)
        # Before the base class compiles: the default loss depends on these.
        self.objective = objective
        self.temperature = temperature
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.pooling = pooling
        self.normalize = normalize

    @property
    def output_name(self):
        """What a file calls the output."""
        return "embedding"

    @property
    def batches_by_length(self):
        """Not where each text is told from the others of its batch: texts
        that come twice are of like length."""
        return self.objective != "ranking"

    @classmethod
    def _read_head(cls, foreign, kwargs):
        sentence = foreign.sentence
        if sentence is None:
            return
        if sentence.problems and "pooling" not in kwargs:
            raise ValueError(
                f"'{foreign.source}' is of sentence-transformers, and makes "
                "embeddings that a LongformerEmbedder cannot make: it "
                f"{', and it '.join(sentence.problems)}. Say `pooling` to "
                "pool otherwise, and train it again."
            )
        kwargs.setdefault("pooling", sentence.pooling or "mean")
        kwargs.setdefault("normalize", sentence.normalize)

    def __call__(self, inputs, *args, **kwargs):
        token_ids = inputs["token_ids"] if isinstance(inputs, dict) else None
        if token_ids is None or len(token_ids.shape) < 3:
            return super().__call__(inputs, *args, **kwargs)
        size = token_ids.shape[1]
        rows = {
            name: None if x is None else _in_rows(x)
            for name, x in inputs.items()
        }
        outputs = super().__call__(rows, *args, **kwargs)
        return ops.reshape(outputs, (-1, size, self.backbone.hidden_dim))

    def default_loss(self):
        """Returns the loss of the objective."""
        if self.objective == "ranking":
            return RankingLoss(self.temperature)
        return SimilarityLoss()

    @property
    def labels(self):
        """What `fit` learns: scores, or which texts belong together."""
        if self.objective == "similarity":
            return Numbers(
                low=-1,
                high=1,
                called="scores",
                wanted="scores: `fit((texts, others), scores)`",
            )
        return TheirPartners()

    def _fitted_on(self, x):
        if not isinstance(x, tuple):
            raise ValueError(
                "`fit` learns from pairs of texts: `fit((texts, partners))`. "
                "Received: single texts"
            )

    def predict_windows(self, x, stride=None, batch_size=8, verbose="auto"):
        """Embeds all of each text, however long.

        A longer text is cut into windows that overlap. Its embedding is the
        mean over the tokens of all of them (those that two windows share
        count twice), or the mean of the windows' `<s>`; then normalized.

        Args:
            x: a batch of texts.
            stride, batch_size, verbose: as for other tasks'
                `predict_windows`.

        Returns:
            float32 `(b, hidden_dim)`.
        """
        x = self.read_texts(x)
        inputs, windows = self.preprocessor.windows(x, stride=stride)
        pooled = keras.Model(self.input, self.pooling_layer.output)
        outputs = pooled.predict(
            complete(self, inputs), batch_size=batch_size, verbose=verbose
        )
        return self.merge_windows(outputs, windows)

    def merge_windows(self, outputs, windows):
        """Returns float32 `(b, hidden_dim)` of pooled windows `(r, ...)`."""
        counts = tf.ones_like(outputs[:, :1])
        if self.pooling == "mean":
            lengths = windows.token_ids.row_lengths()
            counts = tf.cast(lengths, tf.float32)[:, None]
        total, count = (
            tf.math.unsorted_segment_sum(
                value, windows.text_index, windows.num_texts
            )
            for value in (outputs * counts, counts)
        )
        embeddings = total / count
        if self.normalize:
            embeddings = self.unit_length(embeddings)
        return embeddings.numpy()

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "pooling": self.pooling,
                "normalize": self.normalize,
                "objective": self.objective,
                "temperature": self.temperature,
            }
        )
        return config


def _in_rows(x):
    """Returns `(b * t, n)` for `(b, t, n)`."""
    n = x.shape[2] if x.shape[2] is not None else ops.shape(x)[2]
    return ops.reshape(x, (-1, n))
