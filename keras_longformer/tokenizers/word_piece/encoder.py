"""WordPiece inside a TensorFlow graph, equal to Hugging Face's.

The way from texts to ids, all in stock TensorFlow operations:

1. UTF-8 into characters, invalid bytes into U+FFFD: one flat vector of
   characters of all texts;
2. special tokens are cut out of the text, if asked;
3. characters into symbols of normalized characters (`normalizer.py`);
4. symbols into words, from each one's neighbours alone;
5. words into the longest pieces (`matching.py`).
"""

import tensorflow as tf

from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.word_piece.characters import Normalization
from keras_longformer.tokenizers.word_piece.matching import Matcher
from keras_longformer.tokenizers.word_piece.normalizer import SPACE
from keras_longformer.tokenizers.word_piece.normalizer import Normalizer
from keras_longformer.tokenizers.word_piece.normalizer import number_characters


class WordPieceEncoder:
    """Turns texts into token ids.

    Every method works eagerly and in a graph, on any number of texts of any
    length.

    Args:
        vocabulary: the tokens.
        normalization: what is done to texts first.
        max_word_characters: the most characters of a word; a longer one is
            unknown.
    """

    def __init__(
        self,
        vocabulary,
        normalization: Normalization,
        max_word_characters: int,
    ):
        alphabet = number_characters(
            vocabulary.characters(),
            handle_chinese_chars=normalization.handle_chinese_chars,
        )
        self._first_alone = alphabet.first_alone
        self._normalize = Normalizer(normalization, alphabet)
        pieces = [
            {
                tuple(alphabet.symbols[[*map(ord, piece)]].tolist()): i
                for piece, i in group.items()
            }
            for group in (vocabulary.first_pieces(), vocabulary.other_pieces())
        ]
        self._match = Matcher(
            *pieces,
            num_symbols=alphabet.size,
            unknown_id=vocabulary.unknown_id,
            max_word_characters=max_word_characters,
        )
        self.word_table = self._match.word_table

    def encode(
        self, texts: tf.Tensor, special_tokens: dict[str, int] | None = None
    ) -> tf.RaggedTensor:
        """Returns the int32 ragged `(b, None)` ids of string `(b,)` texts.

        Args:
            texts: the texts, UTF-8.
            special_tokens: tokens to cut out of the texts, with their ids;
                without it their characters are text like any other.
        """
        return self.encode_with_offsets(texts, special_tokens).ids

    def encode_with_offsets(
        self, texts: tf.Tensor, special_tokens: dict[str, int] | None = None
    ) -> Tokens:
        """Returns `encode`'s ids and where in its text each comes from."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        code_points = decoded.values
        size = tf.size(code_points, tf.int64)
        piece_starts = marks(decoded.row_splits, size)
        pieces = tf.cumsum(tf.cast(piece_starts, tf.int32))
        characters = self._normalize(code_points, pieces)
        symbols, sources = characters.symbols, characters.sources
        starts, ends = self._words(symbols, tf.gather(pieces, sources))
        matches = self._match(symbols, starts, ends)
        first = tf.gather(sources, matches.starts)
        last = tf.gather(sources, matches.starts + matches.sizes - 1)
        row_splits = tf.cast(decoded.row_splits, tf.int32)
        ids = tf.RaggedTensor.from_row_splits(
            matches.ids,
            tf.searchsorted(first, row_splits, out_type=tf.int64),
            validate=False,
        )
        positions = tf.ragged.range(decoded.row_lengths()).values
        return Tokens(
            ids=ids,
            starts=ids.with_values(tf.gather(positions, first)),
            ends=ids.with_values(tf.gather(positions, last) + 1),
        )

    def _words(self, symbols, pieces):
        """Returns where words start and end, int32 `(words,)` each."""
        is_space = tf.equal(symbols, SPACE)
        is_alone = symbols >= self._first_alone
        starts = shifted_right(is_space | is_alone, True) | is_alone
        starts |= pieces != shifted_right(pieces, -1)
        starts &= ~is_space
        # A word ends where the next one starts or something is between.
        edges = tf.where(starts | is_space)[:, 0]
        edges = tf.cast(edges, tf.int32)
        ends = tf.concat([edges, tf.size(symbols)[None]], 0)[1:]
        is_word = tf.gather(starts, edges)
        return (
            tf.boolean_mask(edges, is_word),
            tf.boolean_mask(ends, is_word),
        )
