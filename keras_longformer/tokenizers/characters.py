"""Characters of texts as flat vectors, and what kind each of them is.

All characters of all texts of a batch lie in one int32 vector of code points,
one text after another; masks over it say where texts, pieces and words begin.
"""

import functools
import importlib.resources
import json
import sys

import numpy as np
import tensorflow as tf

LETTER, NUMBER, OTHER, SPACE, EDGE = range(5)
BLOCK_BITS = 8  # A block of the two-stage class table has 256 code points.
BLANK = ord(" ")


def cpu_constant(values, dtype=None) -> tf.Tensor:
    """Returns a constant that every graph can capture, kept off any GPU."""
    with tf.init_scope(), tf.device("CPU"):
        return tf.constant(values, dtype)


def shifted_right(values: tf.Tensor, first) -> tf.Tensor:
    """Returns each position's left neighbour, `first` at the start."""
    first = tf.constant([first], values.dtype)
    return tf.concat([first, values], 0)[:-1]


def shifted_left(values: tf.Tensor, last) -> tf.Tensor:
    """Returns each position's right neighbour, `last` at the end."""
    last = tf.constant([last], values.dtype)
    return tf.concat([values, last], 0)[1:]


def marks(positions: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns a bool `(size,)`, `True` at `positions`; `size` itself may
    be among them and is left out."""
    mask = tf.scatter_nd(
        positions[:, None],
        tf.ones_like(positions, tf.int32),
        tf.cast(size, positions.dtype)[None] + 1,
    )
    return mask[:-1] > 0


class CharacterTable:
    """An int32 for every code point, found by two gathers.

    The first finds the block of 256 code points (most blocks are alike and
    stored once), the second the code point within it.

    Args:
        values: int `(sys.maxunicode + 1,)`, the value of each code point.
    """

    def __init__(self, values: np.ndarray):
        size = 1 << BLOCK_BITS
        # By their bytes: `np.unique` of rows takes a second.
        places, offsets = {}, []
        for block in values.astype(np.int32).reshape(-1, size):
            place = places.setdefault(block.tobytes(), len(places))
            offsets.append(place * size)
        self._block_offsets = cpu_constant(offsets, tf.int32)
        blocks = np.frombuffer(b"".join(places), np.int32)
        self._values = cpu_constant(blocks)

    def __call__(self, code_points: tf.Tensor) -> tf.Tensor:
        """Returns the int32 value of each int32 code point."""
        block = tf.bitwise.right_shift(code_points, BLOCK_BITS)
        within = tf.bitwise.bitwise_and(code_points, (1 << BLOCK_BITS) - 1)
        offset = tf.gather(self._block_offsets, block)
        return tf.gather(self._values, offset + within)


class CharacterClasses(CharacterTable):
    """Knows for every code point whether it is a letter, number or space.

    The classes are data, written by `scripts/build/character_classes.py`,
    because they must not change with the Python or ICU version at hand.
    """

    def __init__(self):
        values = np.full(sys.maxunicode + 1, OTHER)
        names = {"letter": LETTER, "number": NUMBER, "space": SPACE}
        for name, value in names.items():
            _paint(values, _ranges()[name], value)
        super().__init__(values)


@functools.cache
def word_characters() -> CharacterTable:
    """Returns the table of what an added token's `single_word` looks at.

    1 for `\\w` of Rust's regular expressions: letters, marks, decimal digits,
    connecting punctuation such as `_`, and joiners; 0 for all others.
    """
    values = np.zeros(sys.maxunicode + 1)
    _paint(values, _ranges()["word"], 1)
    return CharacterTable(values)


def _paint(values, ranges, value):
    for first, last in ranges:
        values[first : last + 1] = value


def _ranges():
    path = importlib.resources.files(__package__) / "character_classes.json"
    return json.loads(path.read_text(encoding="utf-8"))
