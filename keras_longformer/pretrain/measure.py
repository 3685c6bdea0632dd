"""How well a language model predicts text that it was not trained on."""

import math
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.training.progress import Progress


class Measured(typing.NamedTuple):
    """What was measured on held-out text.

    Attributes:
        bits_per_token: float, the mean cross-entropy of a predicted token:
            what the paper's Table 5 calls BPC.
        bits_per_character: float, the same for a character of the text, so
            that models with other vocabularies compare.
        perplexity: float, 2 to the power of the bits per token.
        tokens: int, that were predicted.
    """

    bits_per_token: float
    bits_per_character: float
    perplexity: float
    tokens: int


class Measure:
    """Measures a model, again and again while it is trained.

    Args:
        model: of inputs to logits, float `(b, k, v)`.
        characters_per_token: float, of the text.
    """

    def __init__(self, model: keras.Model, characters_per_token: float):
        self.model = model
        self.characters_per_token = characters_per_token
        self._sums = tf.function(self._sums_of, reduce_retracing=True)

    def __call__(self, dataset: tf.data.Dataset, batches: int) -> Measured:
        """Measures, with a progress bar.

        Sums are in float64, so that the order of batches does not show.

        Args:
            dataset: of `(x, y, sample_weight)`: inputs, int `(b, k)` ids and
                float `(b, k)` weights, 0 where there is nothing to predict.
            batches: int, how many of it.
        """
        total, count = 0.0, 0.0
        with Progress("Measuring", batches) as progress:
            for x, y, sample_weight in dataset.take(batches):
                one, weight = self._sums(x, y, sample_weight)
                total, count = total + float(one), count + float(weight)
                progress(1)
        bits = total / count / math.log(2)
        with np.errstate(over="ignore"):
            perplexity = float(np.exp2(bits))
        return Measured(
            bits, bits / self.characters_per_token, perplexity, int(count)
        )

    def _sums_of(self, x, y, sample_weight):
        """Returns the nats of all tokens to predict, and their number."""
        logits = keras.ops.cast(self.model(x, training=False), "float32")
        nats = keras.ops.sparse_categorical_crossentropy(
            y, logits, from_logits=True
        )
        weights = tf.cast(sample_weight, tf.float64)
        total = tf.reduce_sum(tf.cast(nats, tf.float64) * weights)
        return total, tf.reduce_sum(weights)
