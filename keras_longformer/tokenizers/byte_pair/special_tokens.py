"""Finds `<s>`, `<mask>` and the like in raw text, as Hugging Face does."""

import typing

import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.words import SPACE
from keras_longformer.tokenizers.byte_pair.words import marks
from keras_longformer.tokenizers.byte_pair.words import shifted_right

# RoBERTa's special tokens. None holds the first character of another, so two
# of them never overlap in a text.
START, PAD, END, UNKNOWN, MASK = "<s>", "<pad>", "</s>", "<unk>", "<mask>"
SPECIAL_TOKENS = (START, PAD, END, UNKNOWN, MASK)
# Hugging Face gives RoBERTa's mask token `lstrip=True`.
SWALLOWS_SPACE_BEFORE = (MASK,)


class Pieces(typing.NamedTuple):
    """What special tokens a vector of characters holds.

    Attributes:
        starts: bool `(characters,)`, where a special token or the ordinary
            text before or after one begins.
        special_ids: int32 `(characters,)`, the id of the special token that a
            character belongs to, -1 in ordinary text.
    """

    starts: tf.Tensor
    special_ids: tf.Tensor


def find_special_tokens(
    code_points: tf.Tensor,
    classes: tf.Tensor,
    text_starts: tf.Tensor,
    special_tokens: dict[str, int],
) -> Pieces:
    """Returns where special tokens stand.

    Args:
        code_points: int32 `(characters,)`, all texts one after another.
        classes: int32 `(characters,)`, the class of each.
        text_starts: bool `(characters,)`, where a text begins. A special
            token never reaches from one text into the next.
        special_tokens: the tokens to look for, with their ids.
    """
    size = tf.size(code_points, tf.int64)
    starts = {
        token: _matches(code_points, text_starts, token)
        for token in special_tokens
    }
    ends = {token: at + len(token) for token, at in starts.items()}
    all_ends = tf.concat(list(ends.values()), 0)
    walls = text_starts | marks(all_ends, size)
    for token in SWALLOWS_SPACE_BEFORE:
        if token in starts:
            starts[token] = _swallow_space(starts[token], classes, walls)
    all_starts = tf.concat(list(starts.values()), 0)
    ids = tf.concat(
        [tf.fill([tf.size(at)], special_tokens[t]) for t, at in starts.items()],
        0,
    )
    return Pieces(
        starts=walls | marks(all_starts, size),
        special_ids=_painted(all_starts, all_ends, ids, size),
    )


def _matches(
    code_points: tf.Tensor, text_starts: tf.Tensor, token: str
) -> tf.Tensor:
    """Returns the int64 positions at which `token` stands in one text."""
    reach = len(token)
    code_points = tf.concat([code_points, tf.zeros([reach], tf.int32)], 0)
    text_starts = tf.concat([text_starts, tf.ones([reach], tf.bool)], 0)
    at = tf.where(tf.equal(code_points, ord(token[0])))[:, 0]
    for distance, character in enumerate(token[1:], 1):
        found = tf.equal(tf.gather(code_points, at + distance), ord(character))
        same_text = ~tf.gather(text_starts, at + distance)
        at = tf.boolean_mask(at, found & same_text)
    return at


def _swallow_space(
    starts: tf.Tensor, classes: tf.Tensor, walls: tf.Tensor
) -> tf.Tensor:
    """Moves each start left over the spaces before it, not past a wall."""
    is_space = tf.equal(classes, SPACE)
    run_starts = is_space & (walls | ~shifted_right(is_space, False))
    run_of = tf.cumsum(tf.cast(run_starts, tf.int32))
    # Run 0 is a stand-in, so that a text without any space has one to gather.
    run_positions = tf.concat(
        [tf.zeros([1], tf.int64), tf.where(run_starts)[:, 0]], 0
    )
    before = tf.maximum(starts - 1, 0)
    follows_space = (
        (starts > 0) & tf.gather(is_space, before) & ~tf.gather(walls, starts)
    )
    run_start = tf.gather(run_positions, tf.gather(run_of, before))
    return tf.where(follows_space, run_start, starts)


def _painted(
    starts: tf.Tensor, ends: tf.Tensor, ids: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Returns int32 `(size,)`: `ids[i]` from `starts[i]` to `ends[i]`, else -1.

    The spans do not overlap: what each adds where it starts it takes away
    where it ends, and a cumulative sum paints what lies between.
    """
    edges = tf.concat([starts, ends], 0)
    steps = tf.concat([ids + 1, -ids - 1], 0)
    steps = tf.scatter_nd(edges[:, None], steps, size[None] + 1)
    return tf.cumsum(steps)[:-1] - 1
