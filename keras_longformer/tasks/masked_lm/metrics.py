"""Measures masked language models, short and long ones on the same masks."""

import math

import keras
import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.training.masking import find_tokens
from keras_longformer.training.masking import mask_tokens


@keras.saving.register_keras_serializable(package="keras_longformer")
class BitsPerCharacter(keras.metrics.MeanMetricWrapper):
    """Mean cross-entropy of masked tokens, in bits a character.

    The cross-entropy of a masked token's logits in nats, divided by ln 2 and
    by `characters_per_token`. With 1, the default, it is bits a *token*: what
    the paper's Table 5 calls BPC, whose authors' published conversion divides
    the loss by ln 2 and by nothing else. Divided by the characters that a
    token of the text has on average, models with different vocabularies can
    be compared.

    For `compile(weighted_metrics=[BitsPerCharacter()])`, so that positions of
    weight 0, which only fill the rows, do not count.

    Args:
        characters_per_token: float, of the text that is evaluated.
        name: str.
        dtype: of the sums.

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 5.
    """

    def __init__(
        self,
        characters_per_token: float = 1.0,
        name: str = "bits_per_character",
        dtype: str | None = None,
    ):
        super().__init__(
            _bits,
            name=name,
            dtype=dtype,
            characters_per_token=characters_per_token,
        )
        self.characters_per_token = characters_per_token
        self._direction = "down"

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            "characters_per_token": self.characters_per_token,
            "name": self.name,
            "dtype": self.dtype,
        }


def _bits(y_true, y_pred, characters_per_token):
    """Returns float32 `(b, p)` for ids `(b, p)` and logits `(b, p, v)`."""
    nats = keras.ops.sparse_categorical_crossentropy(
        y_true, keras.ops.cast(y_pred, "float32"), from_logits=True
    )
    return nats / (math.log(2) * characters_per_token)


def masked_blocks(
    token_ids: tf.Tensor,
    tokenizer: LongformerTokenizer,
    *,
    parts: int = 1,
    seed: int = 0,
    selection_rate: float = 0.15,
) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """Masks rows of tokens, each to be read whole or in parts.

    What is masked, and by what it is replaced, follows from `token_ids` and
    `seed` alone. A short model given `parts=8` has to predict the very tokens
    that a model of eight times its length predicts in one row, with the same
    neighbours hidden, so that their cross-entropies compare.

        parts=1    <s> a b <mask> d e f g <mask> </s>
        parts=2    <s> a b <mask> d </s>
                   <s> e f g <mask> </s>

    Args:
        token_ids: int32 `(b, n)`, without special tokens or padding.
        tokenizer: a `LongformerTokenizer`, for the special ids.
        parts: int, must divide `n`.
        seed: int.
        selection_rate: the part of the tokens to predict. 80 % of those
            become `<mask>`, 10 % a random token, 10 % stay.

    Returns:
        `(x, y, sample_weight)` as `LongformerMaskedLMPreprocessor` gives them,
        of `b * parts` rows of `n // parts + 2` tokens.

    Raises:
        ValueError: `parts` does not divide `n`.
    """
    token_ids = tf.convert_to_tensor(token_ids, tf.int32)
    rows, columns = token_ids.shape
    if columns % parts:
        raise ValueError(
            "`parts` must divide the tokens of a row. "
            f"Received: parts={parts}, {columns} tokens."
        )
    masked = mask_tokens(
        token_ids,
        tf.ones_like(token_ids, tf.bool),
        mask_id=tokenizer.mask_token_id,
        vocabulary_size=tokenizer.vocabulary_size(),
        seed=tf.constant([seed, 0]),
        selection_rate=selection_rate,
    )
    # Every row has as many masked tokens, so no position is a filler.
    chosen = tf.tensor_scatter_nd_update(
        tf.zeros_like(token_ids),
        tf.stack(
            [
                tf.repeat(tf.range(rows), masked.mask_positions.shape[1]),
                tf.reshape(masked.mask_positions, [-1]),
            ],
            1,
        ),
        tf.ones(tf.size(masked.mask_positions), tf.int32),
    )

    def split(x, start, end):
        x = tf.reshape(x, [rows * parts, columns // parts])
        x = tf.pad(x, [[0, 0], [1, 0]], constant_values=start)
        return tf.pad(x, [[0, 0], [0, 1]], constant_values=end)

    inputs = split(
        masked.token_ids, tokenizer.start_token_id, tokenizer.end_token_id
    )
    positions, is_real = find_tokens(split(chosen, 0, 0), 1)
    targets = tf.gather(split(token_ids, 0, 0), positions, batch_dims=1)
    x = {
        "token_ids": inputs,
        "padding_mask": tf.ones_like(inputs, tf.bool),
        "mask_positions": positions,
    }
    return x, targets, tf.cast(is_real, tf.float32)
