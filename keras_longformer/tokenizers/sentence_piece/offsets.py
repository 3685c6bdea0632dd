"""Where tokens end whose last character is a part of one of the text's.

SentencePiece normalizes `"ﬁx ½"` to `"▁fix▁1⁄2"` and tells for each token the
bytes of the original text. Where one ends within what a character became, as
`"▁1"` does within `"½"`, it is said to end before that character. Here it ends
after it, as in Hugging Face's fast tokenizers: such a character belongs to
every token that has a part of it.

Whether a token ends within a character shows by its length: the tokens from
some sure place on are longer than all that the text up to there becomes.
"""

import typing

import tensorflow as tf

from keras_longformer.tokenizers.characters import CharacterTable
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import shifted_left
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.model import piece_sizes
from keras_longformer.tokenizers.sentence_piece.operation import (
    SentencePieceOperation,
)

WALL = "x"  # Around a text, so that its own white space is inside.


class Characters(typing.NamedTuple):
    """The characters of texts, one after another.

    Attributes:
        code_points: int32 `(characters,)`.
        sizes: int32 `(characters,)`, bytes of each in UTF-8.
        at_byte: int32 `(bytes + 1,)`, the character that a byte belongs to.
        first_bytes: int32 `(b,)`, where each text begins in all the bytes.
        firsts: int32 `(b,)`, the character that each text begins with.
    """

    code_points: tf.Tensor
    sizes: tf.Tensor
    at_byte: tf.Tensor
    first_bytes: tf.Tensor
    firsts: tf.Tensor


class Spans(typing.NamedTuple):
    """Tokens of all texts, one after another, int32 each.

    Attributes:
        pieces: `(t,)`, the index of each in the model that ran.
        starts, ends: `(t,)`, the bytes of its text that it stands for.
        rows: `(t,)`, its text.
    """

    pieces: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    rows: tf.Tensor


def characters_of(texts: tf.Tensor) -> Characters:
    """Returns the characters of string `(b,)` texts of valid UTF-8."""
    decoded = tf.strings.unicode_decode(texts, "UTF-8")
    code_points = decoded.values
    sizes = tf.ones_like(code_points)
    for first_longer in (0x80, 0x800, 0x10000):
        sizes += tf.cast(code_points >= first_longer, tf.int32)
    count = tf.size(code_points)
    at_byte = tf.repeat(tf.range(count), sizes)
    text_sizes = tf.strings.length(texts)
    return Characters(
        code_points=code_points,
        sizes=sizes,
        at_byte=tf.concat([at_byte, count[None]], 0),
        first_bytes=tf.cumsum(text_sizes, exclusive=True),
        firsts=tf.cast(decoded.row_splits[:-1], tf.int32),
    )


class ExactEnds:
    """Finds where tokens end. `measure` must be tracked by what a SavedModel
    is made of.

    Args:
        model: the model.
        sizes: list of int, the bytes of each piece of the model that runs.
    """

    def __init__(self, model: SentencePieceModel, sizes: list[int]):
        proto, pieces, types = model.measuring()
        self.measure = SentencePieceOperation(proto)
        self._measured_sizes = cpu_constant(
            piece_sizes(pieces, types), tf.int32
        )
        self._sizes = cpu_constant(sizes, tf.int32)
        self._expands = CharacterTable(model.charsmap.expanding_characters())

    def __call__(
        self,
        characters: Characters,
        spans: Spans,
        has_prefix: tf.Tensor,
    ) -> tf.Tensor:
        """Returns int32 `(t,)`, the byte of its text at which each token ends.

        Args:
            characters: those of the texts.
            spans: the tokens as SentencePiece gives them.
            has_prefix: bool `(b,)`, whether a `▁` was put before a text.
        """
        is_first = tf.not_equal(spans.rows, shifted_right(spans.rows, -1))
        is_last = tf.not_equal(spans.rows, shifted_left(spans.rows, -1))
        # The character that begins where a token is said to end.
        at_end = self._character_at(characters, spans, spans.ends)
        expands = self._expands(tf.gather(characters.code_points, at_end)) > 0
        unsure = tf.where(expands & ~is_last)[:, 0]
        at_start = self._character_at(characters, spans, spans.starts)
        expands = self._expands(tf.gather(characters.code_points, at_start)) > 0
        sure = tf.where(is_first | ~expands)[:, 0]
        anchors = tf.gather(
            sure, tf.searchsorted(sure, unsure, side="right") - 1
        )
        there = self._normalized_until(
            characters, spans, unsure, anchors, is_first, has_prefix
        )
        sizes = tf.gather(self._sizes, spans.pieces)
        until = tf.cumsum(sizes)
        ours = tf.gather(until, unsure) - tf.gather(until - sizes, anchors)
        within = tf.boolean_mask(unsure, ours > there)
        return tf.tensor_scatter_nd_add(
            spans.ends,
            within[:, None],
            tf.gather(characters.sizes, tf.gather(at_end, within)),
        )

    def _character_at(self, characters, spans, positions):
        """Returns the index of the character at a byte of its text; at the
        end of all, of some other."""
        at = tf.gather(characters.first_bytes, spans.rows) + positions
        at = tf.gather(characters.at_byte, at)
        return tf.minimum(at, tf.size(characters.code_points) - 1)

    def _normalized_until(
        self, characters, spans, unsure, anchors, is_first, has_prefix
    ):
        """Returns int32 `(u,)`, the bytes that the text from each anchor to
        the end of each unsure token becomes.

        Each stretch between two ends is measured once.
        """
        rows = tf.gather(spans.rows, unsure)
        ends = tf.gather(spans.ends, unsure)
        goes_on = tf.equal(anchors, shifted_right(anchors, -1))
        begins = tf.where(
            goes_on, shifted_right(ends, 0), tf.gather(spans.starts, anchors)
        )
        base = tf.gather(characters.first_bytes, rows)
        between = _texts(
            characters.code_points,
            tf.gather(characters.at_byte, base + begins),
            tf.gather(characters.at_byte, base + ends),
        )
        with_prefix = tf.gather(is_first, anchors) & ~goes_on
        with_prefix &= tf.gather(has_prefix, rows)
        between = tf.where(with_prefix, " " + between, between)
        pieces = self.measure.tokenize(WALL + between + WALL)
        sizes = pieces.with_values(
            tf.gather(self._measured_sizes, pieces.values)
        )
        sizes = tf.reduce_sum(sizes, 1) - 2 * len(WALL)
        until = tf.cumsum(sizes)
        heads = tf.where(~goes_on)[:, 0]
        of = tf.cumsum(tf.cast(~goes_on, tf.int32)) - 1
        before = tf.gather(until - sizes, heads)
        return until - tf.gather(before, of)


def _texts(code_points, begins, ends):
    """Returns the string from each begin to each end."""
    at = tf.ragged.range(begins, ends)
    return tf.strings.unicode_encode(
        at.with_values(tf.gather(code_points, at.values)), "UTF-8"
    )
