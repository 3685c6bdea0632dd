"""Cuts texts into the words that byte pairs are merged within.

GPT-2's split pattern, which RoBERTa and Longformer share:

    's|'t|'re|'ve|'m|'ll|'d
    | ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

Each alternative can be decided from a character's neighbours alone, so no
regular expression runs: all characters of all texts lie in one flat vector,
and a mask says which of them starts a word.
"""

import tensorflow as tf

from keras_longformer.tokenizers.characters import BLANK
from keras_longformer.tokenizers.characters import EDGE
from keras_longformer.tokenizers.characters import OTHER
from keras_longformer.tokenizers.characters import SPACE
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.characters import shifted_left
from keras_longformer.tokenizers.characters import shifted_right

APOSTROPHE = ord("'")


def word_starts(
    code_points: tf.Tensor, classes: tf.Tensor, piece_starts: tf.Tensor
) -> tf.Tensor:
    """Returns which characters start a word.

    - A character that is no space starts a word when its class differs from
      the one before, unless a blank stands before it: `" ?"` takes that blank
      into the word.
    - A space starts a word when it is the first of a run, or the last of a
      run with something after it: `"\\s+(?!\\S)"` leaves the last space of a
      run to what follows.

    Args:
        code_points: int32 `(characters,)`, all texts one after another.
        classes: int32 `(characters,)`, the class of each.
        piece_starts: bool `(characters,)`, `True` where a text, or a piece of
            one that is split by itself, begins.

    Returns:
        bool `(characters,)`, `True` where a word starts.
    """
    previous = tf.where(piece_starts, EDGE, shifted_right(classes, EDGE))
    following = tf.where(
        shifted_left(piece_starts, True), EDGE, shifted_left(classes, EDGE)
    )
    after_blank = ~piece_starts & shifted_right(
        tf.equal(code_points, BLANK), False
    )
    starts = tf.where(
        tf.equal(classes, SPACE),
        tf.not_equal(previous, SPACE) | (following < SPACE),
        tf.not_equal(previous, classes) & ~after_blank,
    )
    apostrophes = tf.where(
        tf.equal(code_points, APOSTROPHE)
        & tf.not_equal(previous, OTHER)
        & ~after_blank
    )[:, 0]
    return _cut_contractions(starts, code_points, piece_starts, apostrophes)


def _cut_contractions(
    starts: tf.Tensor,
    code_points: tf.Tensor,
    piece_starts: tf.Tensor,
    apostrophes: tf.Tensor,
) -> tf.Tensor:
    """Makes `'s 't 'm 'd 're 've 'll` words of their own.

    Only an apostrophe that would begin a word counts (`apostrophes`, their
    positions): in `"''s"` the first takes the second with it. The letter
    after it starts no word, what follows the contraction does.
    """
    reach = 3  # The longest contraction; nothing is looked at beyond it.
    edge = tf.ones([reach], tf.bool)
    piece_starts = tf.concat([piece_starts, edge], 0)
    code_points = tf.concat([code_points, tf.zeros([reach], tf.int32)], 0)

    def letter(distance, letters):
        found = tf.gather(code_points, apostrophes + distance)
        same_piece = ~tf.gather(piece_starts, apostrophes + distance)
        hits = [tf.equal(found, ord(letter)) for letter in letters]
        return same_piece & tf.reduce_any(tf.stack(hits), 0)

    one = letter(1, "stmd")
    two = (letter(1, "rv") & letter(2, "e")) | (letter(1, "l") & letter(2, "l"))
    short = tf.boolean_mask(apostrophes, one)
    long = tf.boolean_mask(apostrophes, two)
    size = tf.size(starts, tf.int64)
    inside = marks(tf.concat([short, long], 0) + 1, size)
    behind = marks(tf.concat([short + 2, long + 3], 0), size)
    return (starts & ~inside) | behind
