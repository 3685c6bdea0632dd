"""The longest pieces that words are made of, all words at once.

WordPiece takes the longest piece that a word begins with, then the longest
that the rest begins with, and so on; a word that cannot be finished is unknown
as a whole. Here all words walk down the trie together, one character a round:

    word starts       walk: most words are one piece, and done
    all characters    walk: the longest piece that begins at each character
    of the others     hop from piece to piece, all words together
"""

import typing

import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.words import cpu_constant
from keras_longformer.tokenizers.byte_pair.words import marks
from keras_longformer.tokenizers.word_piece.trie import REST
from keras_longformer.tokenizers.word_piece.trie import WORD
from keras_longformer.tokenizers.word_piece.trie import Trie

VECTOR = tf.TensorShape([None])
SCALAR = tf.TensorShape([])


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

    Args:
        trie: the pieces that there are.
        unknown_id: the id of a word that is not made of them.
        max_word_characters: the most characters of a word; a longer one is
            unknown.
    """

    def __init__(self, trie: Trie, unknown_id: int, max_word_characters: int):
        self._bases = cpu_constant(trie.bases)
        self._parents = cpu_constant(trie.parents)
        self._piece_ids = cpu_constant(trie.piece_ids)
        self._piece_sizes = cpu_constant(trie.piece_sizes)
        self._unknown_id = unknown_id
        self._max_word_characters = max_word_characters

    def __call__(
        self, symbols: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
    ) -> Matches:
        """Returns the pieces.

        Args:
            symbols: int32 `(characters,)`.
            starts: int32 `(words,)`, ascending, the first character of each
                word.
            ends: int32 `(words,)`, the character after each word.
        """
        # A walk ends where the next word begins: no node has a child by 0.
        inner = tf.tensor_scatter_nd_update(
            symbols, starts[:, None], tf.zeros_like(starts)
        )
        inner = tf.concat([inner, [0]], 0)
        ids, sizes = self._walk(starts, WORD, symbols, inner)
        lengths = ends - starts
        is_bad = tf.equal(sizes, 0) | (lengths > self._max_word_characters)
        is_open = ~is_bad & (sizes < lengths)
        words = Matches(ids, starts, sizes)
        return tf.cond(
            tf.reduce_any(is_open),
            lambda: self._continued(words, lengths, is_bad, is_open, inner),
            lambda: self._with_unknown(words, lengths, is_bad),
        )

    def _walk(self, starts, root, first, inner):
        """Returns the id and size of the longest piece at each of `starts`.

        Args:
            starts: int32 `(starts,)`, positions in `first` and `inner`.
            root: the node that all begin at.
            first: int32, what the first characters are read from.
            inner: int32, what all others are read from, 0 in the end.
        """
        stop = tf.size(inner) - 1

        def step(nodes, at, symbols):
            children = tf.gather(self._bases, nodes) + tf.gather(symbols, at)
            found = tf.equal(tf.gather(self._parents, children), nodes)
            nodes = tf.where(found, children, nodes)
            at = tf.where(found, at + 1, stop)
            return nodes, at, tf.reduce_any(found)

        nodes, _, _ = tf.while_loop(
            lambda nodes, at, is_walking: is_walking,
            lambda nodes, at, is_walking: step(nodes, at, inner),
            step(tf.fill(tf.shape(starts), root), starts, first),
            (VECTOR, VECTOR, SCALAR),
            parallel_iterations=1,
        )
        return tf.gather(self._piece_ids, nodes), tf.gather(
            self._piece_sizes, nodes
        )

    def _with_unknown(self, words, lengths, is_bad) -> Matches:
        return Matches(
            tf.where(is_bad, self._unknown_id, words.ids),
            words.starts,
            tf.where(is_bad, lengths, words.sizes),
        )

    def _continued(self, words, lengths, is_bad, is_open, inner) -> Matches:
        """Adds the pieces after the first, where words have some."""
        open_words = tf.where(is_open)[:, 0]
        starts = tf.gather(words.starts + words.sizes, open_words)
        ends = tf.gather(words.starts + lengths, open_words)
        rows = tf.ragged.range(starts, ends, row_splits_dtype=tf.int32)
        places = rows.values
        ids, sizes = self._walk(places, REST, inner, inner)
        reached, owners, broken = _hop(sizes, rows.row_splits)
        num_open = tf.size(starts)
        is_broken = marks(broken, num_open)
        is_bad = tf.tensor_scatter_nd_update(
            is_bad, open_words[:, None], is_broken
        )
        words = self._with_unknown(words, lengths, is_bad)
        good = tf.where(~tf.gather(is_broken, owners))[:, 0]
        reached = tf.gather(reached, good)
        return _in_order(
            Matches(
                tf.concat([words.ids, tf.gather(ids, reached)], 0),
                tf.concat([words.starts, tf.gather(places, reached)], 0),
                tf.concat([words.sizes, tf.gather(sizes, reached)], 0),
            ),
            tf.size(inner),
        )


def _hop(sizes, splits):
    """Goes through each word from piece to piece.

    Args:
        sizes: int32, the size of the longest piece that begins at each of the
            words' characters, 0 for none.
        splits: int32 `(words + 1,)`, where each word begins and ends.

    Returns:
        The characters at which pieces begin, the word of each, and the words
        that cannot be finished, which may come more than once.
    """

    def hop(at, words, reached, owners, broken):
        size = tf.gather(sizes, at)
        reached = tf.concat([reached, at], 0)
        owners = tf.concat([owners, words], 0)
        broken = tf.concat(
            [broken, tf.boolean_mask(words, tf.equal(size, 0))], 0
        )
        goes_on = tf.where((size > 0) & (at + size < tf.gather(ends, words)))
        goes_on = goes_on[:, 0]
        return (
            tf.gather(at + size, goes_on),
            tf.gather(words, goes_on),
            reached,
            owners,
            broken,
        )

    ends = splits[1:]
    nothing = tf.zeros([0], tf.int32)
    _, _, reached, owners, broken = tf.while_loop(
        lambda at, *_: tf.size(at) > 0,
        hop,
        [splits[:-1], tf.range(tf.size(ends)), nothing, nothing, nothing],
        [VECTOR] * 5,
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
