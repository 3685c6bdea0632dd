"""Byte-level BPE inside a TensorFlow graph, equal to Hugging Face's.

The way from texts to ids, all in stock TensorFlow operations:

1. UTF-8 into characters, invalid bytes into U+FFFD (`words.py` from here on
   sees one flat vector of characters and where each text begins);
2. special tokens are cut out of the text, if asked (`special_tokens.py`);
3. characters into words (`words.py`);
4. each different word once: those that are a token as a whole are looked up,
   the bytes of the others are merged (`merges.py`);
5. every word of every text takes the ids of its different word.
"""

import typing
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.merge_tables import (
    build_merge_tables,
)
from keras_longformer.tokenizers.byte_pair.merges import MergeLoop
from keras_longformer.tokenizers.byte_pair.vocabulary import Vocabulary
from keras_longformer.tokenizers.byte_pair.vocabulary import token_bytes
from keras_longformer.tokenizers.byte_pair.words import word_starts
from keras_longformer.tokenizers.characters import BLANK
from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.characters import shifted_left
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import find_tokens

NOT_A_TOKEN = -1


class Characters(typing.NamedTuple):
    """All texts' characters, one after another.

    Attributes:
        code_points: int32 `(characters,)`.
        row_splits: int64 `(b + 1,)`, where each text begins and ends.
        positions: int32 `(characters,)`, the index of each within its text.
        piece_starts: bool `(characters,)`, where something begins that is
            split into words by itself.
        special_ids: int32 `(characters,)`, the id of the special token that a
            character belongs to, -1 for none; `None` if none was looked for.
    """

    code_points: tf.Tensor
    row_splits: tf.Tensor
    positions: tf.Tensor
    piece_starts: tf.Tensor
    special_ids: tf.Tensor | None = None


class BytePairEncoder:
    """Turns texts into token ids.

    Every method works eagerly and in a graph, on any number of texts of any
    length. `word_table` must be tracked by the object that a SavedModel is
    made of.

    Args:
        vocabulary: the tokens and merges.
        unknown_id: the id of a byte that has no token, or `None` where each
            byte that stands in UTF-8 has one.
        add_prefix_space: puts a space before a text (and before what follows
            a special token) that does not begin with one.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        unknown_id: int | None,
        add_prefix_space: bool = False,
    ):
        self._add_prefix_space = add_prefix_space
        self._classes = CharacterClasses()
        tables = build_merge_tables(
            vocabulary.merges,
            vocabulary.tokens,
            NOT_A_TOKEN if unknown_id is None else unknown_id,
        )
        self._merge = MergeLoop(tables)
        self._token_ids = cpu_constant(tables.token_ids)
        sizes = [len(text) for text in vocabulary.token_bytes_by_id()]
        if unknown_id is not None:
            sizes[unknown_id] = 1  # It stands for one byte without a token.
        self._id_sizes = cpu_constant(sizes, tf.int32)
        self.word_table = self._build_word_table(vocabulary)

    def encode_words(
        self, words: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> tf.RaggedTensor:
        """Returns `encode`'s ids of words within a text.

        Each has a space before it, in the same places as a whole text has
        with `add_prefix_space`.
        """
        characters = self._characters(words, special_tokens)
        if not self._add_prefix_space:
            characters = _with_prefix_spaces(characters)
        return self._encode_characters(characters)[0]

    def encode(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> tf.RaggedTensor:
        """Returns the int32 ragged `(b, None)` ids of string `(b,)` texts.

        Args:
            texts: the texts, UTF-8.
            special_tokens: tokens to cut out of the texts; without them
                their characters are text like any other.
        """
        characters = self._characters(texts, special_tokens)
        ids, _ = self._encode_characters(characters)
        return ids

    def encode_with_offsets(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> Tokens:
        """Returns `encode`'s ids and where in its text each comes from.

        A token that is part of a character gets the whole character.
        """
        characters = self._characters(texts, special_tokens)
        ids, token_sizes = self._encode_characters(characters)
        # The tokens of all texts cover all bytes of all texts, in order.
        ends = tf.cumsum(token_sizes)
        sizes = _utf8_sizes(characters.code_points)
        owners = tf.repeat(characters.positions, sizes)
        return Tokens(
            ids=ids,
            starts=ids.with_values(tf.gather(owners, ends - token_sizes)),
            ends=ids.with_values(tf.gather(owners, ends - 1) + 1),
        )

    def _characters(self, texts, special_tokens) -> Characters:
        """Decodes texts and finds where to split them unconditionally."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        code_points, row_splits = decoded.values, decoded.row_splits
        text_starts = marks(row_splits, tf.size(code_points, tf.int64))
        characters = Characters(
            code_points=code_points,
            row_splits=row_splits,
            positions=tf.ragged.range(decoded.row_lengths()).values,
            piece_starts=text_starts,
        )
        if special_tokens:
            pieces = find_tokens(
                code_points, text_starts, special_tokens, self._classes
            )
            characters = characters._replace(
                piece_starts=pieces.starts, special_ids=pieces.special_ids
            )
        if self._add_prefix_space:
            characters = _with_prefix_spaces(characters)
        return characters

    def _encode_characters(
        self, characters: Characters
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Returns all ids and, flat, the number of bytes after each."""
        starts = word_starts(
            characters.code_points,
            self._classes(characters.code_points),
            characters.piece_starts,
        )
        special_ids = characters.special_ids
        if special_ids is not None:
            starts &= (special_ids < 0) | characters.piece_starts
        words_at = tf.where(starts)[:, 0]
        words = _words(characters.code_points, words_at)
        different_words, index = tf.unique(words)
        ids = self._encode_words(different_words)
        sizes = tf.gather(self._id_sizes, ids.values)
        if special_ids is not None:
            special_ids = tf.gather(special_ids, words_at)
            ids, sizes, index = _with_special_words(
                ids, sizes, index, special_ids, tf.strings.length(words)
            )
        sizes = tf.gather(ids.with_values(sizes), index).values
        ids = tf.gather(ids, index)
        first_words = tf.searchsorted(words_at, characters.row_splits)
        row_splits = tf.gather(ids.row_splits, first_words)
        ids = tf.RaggedTensor.from_row_splits(
            ids.values, tf.cast(row_splits, tf.int64), validate=False
        )
        return ids, sizes

    def _encode_words(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of string `(words,)`, splitting none of them."""
        whole = self.word_table.lookup(words)
        known = tf.where(whole != NOT_A_TOKEN)[:, 0]
        others = tf.where(whole == NOT_A_TOKEN)[:, 0]
        other_ids, other_words = self._merge_bytes(tf.gather(words, others))
        other_words = tf.gather(tf.cast(others, tf.int32), other_words)
        ids = tf.concat([tf.gather(whole, known), other_ids], 0)
        owners = tf.concat([tf.cast(known, tf.int32), other_words], 0)
        order = tf.argsort(owners, stable=True)
        return tf.RaggedTensor.from_value_rowids(
            tf.gather(ids, order),
            tf.gather(owners, order),
            nrows=tf.size(words),
            validate=False,
        )

    def _merge_bytes(self, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the ids that merging gives and the word of each."""
        data = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        sizes = tf.strings.length(words)
        owners = tf.repeat(tf.range(tf.size(words)), sizes)
        tokens, owners = self._merge(tf.cast(data, tf.int32), owners, sizes)
        return tf.gather(self._token_ids, tokens), owners

    def cut_tokens(self, tokens: Sequence[bytes]) -> list[bytes]:
        """Returns those whose own bytes merge into more than one token."""
        if not tokens:
            return []
        with tf.device("CPU"):
            _, owners = self._merge_bytes(tf.constant(tokens))
            counts = tf.math.bincount(owners, minlength=len(tokens)).numpy()
        return [t for t, n in zip(tokens, counts, strict=True) if n != 1]

    def _build_word_table(
        self, vocabulary: Vocabulary
    ) -> tf.lookup.StaticHashTable:
        """Returns a table from every word that merges into one token to it.

        Merging decides, not the vocabulary: a token that its own bytes do not
        merge into stays out, so the table is exact whatever the vocabulary.
        """
        with tf.init_scope(), tf.device("CPU"):
            words = {
                token_bytes(left + right) for left, right in vocabulary.merges
            }
            words.update(bytes([byte]) for byte in range(256))
            words = tf.constant(sorted(words))
            ids, owners = self._merge_bytes(words)
            counts = tf.math.bincount(owners, minlength=tf.size(words))
            single = tf.where(tf.gather(counts, owners) == 1)[:, 0]
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.gather(words, tf.gather(owners, single)),
                tf.gather(ids, single),
            )
            return tf.lookup.StaticHashTable(initializer, NOT_A_TOKEN)


def _utf8_sizes(code_points: tf.Tensor) -> tf.Tensor:
    """Returns the number of bytes, 1 to 4, of each character in UTF-8."""
    sizes = tf.ones_like(code_points)
    for first_longer in (0x80, 0x800, 0x10000):
        sizes += tf.cast(code_points >= first_longer, tf.int32)
    return sizes


def _words(code_points: tf.Tensor, words_at: tf.Tensor) -> tf.Tensor:
    """Returns string `(words,)`, the UTF-8 of each word."""
    end = tf.size(code_points, tf.int64)[None]
    words = tf.RaggedTensor.from_row_splits(
        code_points, tf.concat([words_at, end], 0), validate=False
    )
    return tf.strings.unicode_encode(words, "UTF-8")


def _with_special_words(ids, sizes, index, special_ids, word_sizes):
    """Gives each word that is a special token one id and all its bytes.

    Args:
        ids: ragged int32, the ids of each different word.
        sizes: int32, flat, the number of bytes of each of those ids.
        index: int32 `(words,)`, the different word of each word.
        special_ids: int32 `(words,)`, the special token's id or -1.
        word_sizes: int32 `(words,)`, the bytes of each word.

    Returns:
        `ids`, `sizes` and `index`, with one more row for every special word.
    """
    special = tf.where(special_ids >= 0)
    rows = tf.cast(ids.nrows(), tf.int32)
    rows += tf.range(tf.size(special), dtype=tf.int32)
    index = tf.tensor_scatter_nd_update(index, special, rows)
    sizes = tf.concat([sizes, tf.gather_nd(word_sizes, special)], 0)
    new = tf.RaggedTensor.from_tensor(
        tf.gather(special_ids, special), row_splits_dtype=tf.int32
    )
    return tf.concat([ids, new], 0), sizes, index


def _with_prefix_spaces(characters: Characters) -> Characters:
    """Puts a space before every piece of text that begins without one.

    The new space gets the position of the character after it, as in Hugging
    Face's offsets.
    """
    needed = characters.piece_starts & (characters.code_points != BLANK)
    if characters.special_ids is not None:
        needed &= characters.special_ids < 0
    places = tf.where(needed)[:, 0]
    size = tf.size(needed, tf.int64)
    source = tf.sort(tf.concat([tf.range(size), places], 0))
    is_new = tf.equal(source, shifted_left(source, -1))
    is_behind_new = shifted_right(is_new, False)
    special_ids = characters.special_ids
    return Characters(
        code_points=tf.where(
            is_new, BLANK, tf.gather(characters.code_points, source)
        ),
        row_splits=characters.row_splits
        + tf.searchsorted(places, characters.row_splits, out_type=tf.int64),
        positions=tf.gather(characters.positions, source),
        piece_starts=tf.gather(characters.piece_starts, source)
        & ~is_behind_new,
        special_ids=None
        if special_ids is None
        else tf.gather(special_ids, source),
    )
