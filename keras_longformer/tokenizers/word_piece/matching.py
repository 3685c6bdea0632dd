"""The longest pieces that words are made of, all words at once.

WordPiece takes the longest piece that a word begins with, then the longest
that the rest begins with, and so on; a word that cannot be finished is unknown
as a whole. Most words are one piece: those are looked up. In the others

1. a walk down the trie, from all their characters together and one character a
   round, finds the longest piece that begins at each;
2. all words together hop from piece to piece.
"""

import typing
from collections.abc import Mapping

import tensorflow as tf

from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.word_piece.trie import REST
from keras_longformer.tokenizers.word_piece.trie import WORD
from keras_longformer.tokenizers.word_piece.trie import build_trie

VECTOR = tf.TensorShape([None])
NO_PIECE = -1
# Symbols are written as these code points and those after them, where no
# surrogate, of which UTF-8 has none, is among them.
FIRST_KEY = 0x10000

Symbols = tuple[int, ...]


class Matches(typing.NamedTuple):
    """The pieces of all words, in the order of the text.

    Attributes:
        ids: int32 `(pieces,)`.
        starts: int32 `(pieces,)`, the character that each begins with.
        sizes: int32 `(pieces,)`, its number of characters.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    sizes: tf.Tensor


class Matcher:
    """Finds the pieces of words.

    `word_table` must be tracked by the object that a SavedModel is made of.

    Args:
        first_pieces: the ids of the pieces that words begin with, by symbols.
        other_pieces: the same of those that follow, without their `##`.
        num_symbols: int, one more than the largest symbol.
        unknown_id: the id of a word that is not made of them.
        max_word_characters: the most characters of a word; a longer one is
            unknown.
    """

    def __init__(
        self,
        first_pieces: Mapping[Symbols, int],
        other_pieces: Mapping[Symbols, int],
        *,
        num_symbols: int,
        unknown_id: int,
        max_word_characters: int,
    ):
        trie = build_trie(first_pieces, other_pieces, num_symbols)
        self._bases = cpu_constant(trie.bases)
        self._parents = cpu_constant(trie.parents)
        self._piece_ids = cpu_constant(trie.piece_ids)
        self._piece_sizes = cpu_constant(trie.piece_sizes)
        self._unknown_id = unknown_id
        self._max_word_characters = max_word_characters
        keys = [
            "".join(chr(FIRST_KEY + symbol) for symbol in piece)
            for piece in first_pieces
        ]
        # A table must have an entry; no word is empty.
        entries = {"": NO_PIECE} | dict(
            zip(keys, first_pieces.values(), strict=True)
        )
        with tf.init_scope(), tf.device("CPU"):
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant([*entries], tf.string),
                tf.constant([*entries.values()], tf.int32),
            )
            self.word_table = tf.lookup.StaticHashTable(initializer, NO_PIECE)

    def __call__(
        self, symbols: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
    ) -> Matches:
        """Returns the pieces.

        Args:
            symbols: int32 `(characters,)`; a 0 belongs to no word.
            starts: int32 `(words,)`, ascending, the first character of each
                word.
            ends: int32 `(words,)`, the character after each word.
        """
        rows = tf.ragged.range(starts, ends)
        keys = rows.with_values(tf.gather(symbols, rows.values) + FIRST_KEY)
        ids = self.word_table.lookup(tf.strings.unicode_encode(keys, "UTF-8"))
        lengths = ends - starts
        may_match = lengths <= self._max_word_characters
        is_known = (ids != NO_PIECE) & may_match
        is_open = ~is_known & may_match
        ids = tf.where(is_known, ids, self._unknown_id)
        words = Matches(ids, starts, lengths)
        return tf.cond(
            tf.reduce_any(is_open),
            lambda: self._in_pieces(words, is_open, symbols),
            lambda: words,
        )

    def _in_pieces(self, words, is_open, symbols) -> Matches:
        """Replaces the words that `is_open` with their pieces."""
        open_words = tf.where(is_open)[:, 0]
        starts = tf.gather(words.starts, open_words)
        ends = starts + tf.gather(words.sizes, open_words)
        rows = tf.ragged.range(starts, ends, row_splits_dtype=tf.int32)
        places = rows.values
        # A walk ends where the next word begins: no node has a child by 0.
        inner = tf.tensor_scatter_nd_update(
            symbols, words.starts[:, None], tf.zeros_like(words.starts)
        )
        inner = tf.concat([inner, [0]], 0)
        is_first = marks(rows.row_splits, tf.size(places))
        ids, sizes = self._walk(
            places, tf.where(is_first, WORD, REST), symbols, inner
        )
        reached, owners, broken = _hop(sizes, rows.row_splits)
        is_broken = marks(broken, tf.size(starts))
        good = tf.where(~tf.gather(is_broken, owners))[:, 0]
        reached = tf.gather(reached, good)
        is_whole = tf.tensor_scatter_nd_update(
            ~is_open, open_words[:, None], is_broken
        )
        whole = tf.where(is_whole)[:, 0]
        pieces = (
            tf.gather(ids, reached),
            tf.gather(places, reached),
            tf.gather(sizes, reached),
        )
        both = (
            tf.concat([tf.gather(of_words, whole), of_pieces], 0)
            for of_words, of_pieces in zip(words, pieces, strict=True)
        )
        return _in_order(Matches(*both), tf.size(symbols))

    def _walk(self, starts, roots, first, inner):
        """Returns the id and size of the longest piece at each of `starts`.

        Args:
            starts: int32 `(starts,)`, positions in `first` and `inner`.
            roots: int32 `(starts,)`, the node that each begins at.
            first: int32, what the first characters are read from.
            inner: int32, what all others are read from.
        """

        def step(rows, nodes, at, ends, symbols=inner):
            children = tf.gather(self._bases, nodes) + tf.gather(symbols, at)
            is_child = tf.equal(tf.gather(self._parents, children), nodes)
            going = tf.where(is_child)[:, 0]
            rows = tf.gather(rows, going)
            nodes = tf.gather(children, going)
            at = tf.gather(at, going) + 1
            ends = tf.tensor_scatter_nd_update(ends, rows[:, None], nodes)
            return rows, nodes, at, ends

        rows = tf.range(tf.size(starts))
        *_, ends = tf.while_loop(
            lambda rows, *_: tf.size(rows) > 0,
            step,
            step(rows, roots, starts, roots, first),
            (VECTOR,) * 4,
            parallel_iterations=1,
        )
        return tf.gather(self._piece_ids, ends), tf.gather(
            self._piece_sizes, ends
        )


def _hop(sizes, splits):
    """Goes through each word from piece to piece.

    Args:
        sizes: int32, the size of the longest piece that begins at each of the
            words' characters, 0 for none.
        splits: int32 `(words + 1,)`, where each word begins and ends.

    Returns:
        The characters at which pieces begin, the word of each, and the words
        that cannot be finished.
    """
    ends = splits[1:]

    def hop(at, words, reached, owners, broken):
        size = tf.gather(sizes, at)
        behind = at + size
        goes_on = (size > 0) & (behind < tf.gather(ends, words))
        return (
            tf.boolean_mask(behind, goes_on),
            tf.boolean_mask(words, goes_on),
            tf.concat([reached, at], 0),
            tf.concat([owners, words], 0),
            tf.concat([broken, tf.boolean_mask(words, size <= 0)], 0),
        )

    nothing = tf.zeros([0], tf.int32)
    _, _, reached, owners, broken = tf.while_loop(
        lambda at, *_: tf.size(at) > 0,
        hop,
        (splits[:-1], tf.range(tf.size(ends)), nothing, nothing, nothing),
        (VECTOR,) * 5,
        parallel_iterations=1,
    )
    return reached, owners, broken


def _in_order(matches: Matches, size: tf.Tensor) -> Matches:
    """Returns the pieces in the order of the text, of `size` characters."""
    numbers = tf.scatter_nd(
        matches.starts[:, None],
        tf.range(1, tf.size(matches.starts) + 1),
        size[None],
    )
    order = tf.boolean_mask(numbers, numbers > 0) - 1
    return Matches(*(tf.gather(part, order) for part in matches))
