"""BERT's normalizer inside a graph: characters in, symbols out.

A symbol is a number for a character that the vocabulary knows, 0 for what
stands between words, and one number each for all other characters of words
and for all other characters that are words by themselves. So one look-up a
character normalizes it, classifies it and numbers it:

    text       E  l     N  i  ñ  o  !
    symbols    7  12 0  19 4  19 10 33      first symbol alone: 33

Characters that become none or several, and marks that must be sorted, take a
second way, which texts without them skip.
"""

import typing
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_longformer.tokenizers.characters import CharacterTable
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.word_piece.characters import DROPPED
from keras_longformer.tokenizers.word_piece.characters import SIZE
from keras_longformer.tokenizers.word_piece.characters import Outputs
from keras_longformer.tokenizers.word_piece.characters import is_whitespace
from keras_longformer.tokenizers.word_piece.characters import is_word_alone

SPACE, UNKNOWN = 0, 1


class Alphabet(typing.NamedTuple):
    """Characters as symbols.

    Attributes:
        symbols: int32 `(SIZE,)`, the symbol of every code point.
        first_alone: int, from which symbol on characters are words by
            themselves.
        size: int, the number of symbols.
    """

    symbols: np.ndarray
    first_alone: int
    size: int


def number_characters(
    characters: Iterable[str], *, handle_chinese_chars: bool
) -> Alphabet:
    """Returns a symbol for each of different characters, in their order."""
    code_points = np.array([ord(c) for c in characters], np.int64)
    alone = is_word_alone(handle_chinese_chars)
    inner = code_points[~alone[code_points]]
    outer = code_points[alone[code_points]]
    first_inner = UNKNOWN + 1
    first_alone = first_inner + len(inner)
    symbols = np.where(alone, first_alone, UNKNOWN).astype(np.int32)
    symbols[inner] = first_inner + np.arange(len(inner))
    symbols[outer] = first_alone + 1 + np.arange(len(outer))
    symbols[is_whitespace()] = SPACE
    return Alphabet(symbols, first_alone, first_alone + 1 + len(outer))


# Every code point its own symbol.
CODE_POINTS = Alphabet(np.arange(SIZE, dtype=np.int32), SIZE, SIZE)


class Characters(typing.NamedTuple):
    """All texts' characters after normalization, one after another.

    Attributes:
        symbols: int32 `(characters,)`.
        sources: int32 `(characters,)`, ascending, the character of the texts
            as they were given that each comes from.
    """

    symbols: tf.Tensor
    sources: tf.Tensor


class Normalizer:
    """Turns code points into the symbols of normalized characters.

    Args:
        outputs: what comes out for each code point.
        alphabet: the symbols of what comes out.
    """

    def __init__(self, outputs: Outputs, alphabet: Alphabet):
        found = np.where(
            outputs.single < 0,
            outputs.single,
            alphabet.symbols[np.maximum(outputs.single, 0)],
        )
        self._outputs = CharacterTable(found)
        sizes = np.array([len(s) for s in outputs.sequences], np.int32)
        self._sizes = cpu_constant(sizes)
        self._starts = cpu_constant(np.cumsum(sizes) - sizes, tf.int32)
        # One more, so that there is one to gather even without sequences.
        members = [m for sequence in outputs.sequences for m in sequence]
        members = np.array([*members, DROPPED])
        members = np.where(
            members == DROPPED, DROPPED, alphabet.symbols[members]
        )
        self._members = cpu_constant(members, tf.int32)
        orders = [order for orders in outputs.orders for order in orders]
        self._orders = cpu_constant([*orders, 0], tf.int32)

    def __call__(
        self,
        code_points: tf.Tensor,
        pieces: tf.Tensor,
        is_special: tf.Tensor | None = None,
    ) -> Characters:
        """Returns the normalized characters.

        Args:
            code_points: int32 `(characters,)`, all texts one after another.
            pieces: int32 `(characters,)`, ascending, the piece of text, which
                is normalized by itself, that each belongs to.
            is_special: bool `(characters,)`, which belong to special tokens
                and are left as they are: characters of no meaning.
        """
        found = self._outputs(code_points)
        if is_special is not None:
            found = tf.where(is_special, UNKNOWN, found)
        sources = tf.range(tf.size(found))
        return tf.cond(
            tf.reduce_any(found < 0),
            lambda: self._expanded(found, sources, pieces),
            lambda: Characters(found, sources),
        )

    def _expanded(self, found, sources, pieces) -> Characters:
        """Puts sequences where `found` names them."""
        is_single = found >= 0
        row = tf.maximum(-1 - found, 0)
        sizes = tf.where(is_single, 1, tf.gather(self._sizes, row))
        starts = tf.cumsum(sizes) - sizes
        sources = tf.repeat(sources, sizes)
        # The how manieth of its sequence each is.
        rank = tf.range(tf.size(sources)) - tf.gather(starts, sources)
        member = tf.gather(tf.gather(self._starts, row), sources) + rank
        is_single = tf.gather(is_single, sources)
        member = tf.where(is_single, 0, member)
        symbols = tf.where(
            is_single,
            tf.gather(found, sources),
            tf.gather(self._members, member),
        )
        orders = tf.where(is_single, 0, tf.gather(self._orders, member))
        characters = tf.cond(
            tf.reduce_any((orders > 0) & (symbols >= 0)),
            lambda: _sorted(symbols, sources, orders, rank, pieces),
            lambda: Characters(symbols, sources),
        )
        kept = tf.where(characters.symbols != DROPPED)[:, 0]
        return Characters(
            tf.gather(characters.symbols, kept),
            tf.gather(characters.sources, kept),
        )


def _sorted(symbols, sources, orders, rank, pieces) -> Characters:
    """Sorts each run of marks by their canonical combining classes.

    As in `tokenizers`, a character counts for the one of the text that stood
    where it stands now: what its sequence begins with takes the next one of
    the text, what follows in its sequence takes the one before it.
    """
    pieces = tf.gather(pieces, sources)
    starts_run = tf.equal(orders, 0) | (pieces != shifted_right(pieces, -1))
    run = tf.cumsum(tf.cast(starts_run, tf.int64))
    order = tf.argsort(run * 256 + tf.cast(orders, tf.int64), stable=True)
    is_first = tf.equal(rank, 0)
    owners = tf.boolean_mask(sources, is_first)
    number = tf.cumsum(tf.cast(tf.gather(is_first, order), tf.int32))
    return Characters(tf.gather(symbols, order), tf.gather(owners, number - 1))
