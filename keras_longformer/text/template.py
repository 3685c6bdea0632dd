"""Rows as data: which special tokens stand around the texts of a row.

    RoBERTa    <s> a </s>         <s> a </s></s> b </s>
    BERT       [CLS] a [SEP]      [CLS] a [SEP] b [SEP]

A tokenizer says what its rows look like (`row_template`); packing, windows and
masks follow from it.
"""

from dataclasses import dataclass
from dataclasses import replace

import tensorflow as tf


@dataclass(frozen=True)
class RowTemplate:
    """The special tokens of a row, `start a end` or `start a between b end`.

    Attributes:
        start: tuple of int, the ids before the first text.
        between: tuple of int, the ids between two texts.
        end: tuple of int, the ids after the last text.
        pad: int, the id that fills rows up.
        token_types: tuple of two ints, the token types of the first text (with
            `start` and `between`) and of the second (with `end`), or `None`
            where a model knows one type only.
    """

    start: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]
    pad: int
    token_types: tuple[int, int] | None = None

    def num_special(self, num_texts: int) -> int:
        """Returns how many special tokens a row of so many texts has."""
        between = len(self.between) * (num_texts - 1)
        return len(self.start) + between + len(self.end)

    def filled_with(self, value) -> "RowTemplate":
        """Returns the same form with `value` at all special tokens.

        For what is packed as tokens are, but is not token ids: character
        offsets, targets, weights.
        """
        return replace(
            self,
            start=(value,) * len(self.start),
            between=(value,) * len(self.between),
            end=(value,) * len(self.end),
            pad=value,
        )

    def first_end(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Returns int32 `(b,)`, the column after the first text.

        That is where `between` begins in a row of two texts, and `end` in a
        row of one; 0 in a row without either, which is none.

        Args:
            token_ids: int `(b, n)`, packed rows. An end token that stands in
                a text is taken for the text's end.
        """
        is_end = tf.equal(token_ids, self.between[0])
        if self.end[0] != self.between[0]:
            is_end |= tf.equal(token_ids, self.end[0])
        # `argmax` of no columns fails.
        is_end = tf.pad(tf.cast(is_end, tf.int32), [[0, 0], [0, 1]])
        return tf.argmax(is_end, axis=1, output_type=tf.int32)

    def second_start(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Returns int32 `(b,)`, the column of the second text's first token.

        Args:
            token_ids: int `(b, n)`, packed rows of two texts.
        """
        return self.first_end(token_ids) + len(self.between)

    def token_type_ids(
        self, token_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> tf.Tensor:
        """Returns int32 `(b, n)`: the type of each token, 0 at padding.

        Args:
            token_ids: int `(b, n)`, packed rows.
            padding_mask: bool `(b, n)`, `True` at tokens.
        """
        column = tf.range(tf.shape(token_ids)[1])
        is_second = column >= self.second_start(token_ids)[:, None]
        first, second = self.token_types
        types = tf.where(is_second, second, first)
        return tf.where(padding_mask, types, 0)


def start_mask(token_ids: tf.Tensor) -> tf.Tensor:
    """Returns bool `(b, n)`, `True` in the first column, where `<s>` is."""
    is_first = tf.equal(tf.range(tf.shape(token_ids)[1]), 0)
    return tf.broadcast_to(is_first, tf.shape(token_ids))


def repeated(ids: tuple[int, ...], like: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns int32, ragged `(b, None)`, the same `ids` in each row."""
    block = tf.tile(tf.constant([list(ids)], tf.int32), [like.nrows(), 1])
    return tf.RaggedTensor.from_tensor(block)
