"""WordPiece inside a TensorFlow graph, equal to Hugging Face's.

The way from texts to ids, all in stock TensorFlow operations:

1. UTF-8 into characters, invalid bytes into U+FFFD: one flat vector of
   characters of all texts;
2. special and added tokens are cut out of the text, if asked; those that are
   `normalized` out of what the next step gives;
3. characters into symbols of normalized characters (`normalizer.py`);
4. symbols into words, from each one's neighbours alone;
5. words into the longest pieces (`matching.py`).
"""

import dataclasses
import functools
import typing
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.characters import CharacterTable
from keras_longformer.tokenizers.characters import marks
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.special_tokens import find_tokens
from keras_longformer.tokenizers.word_piece.characters import Normalization
from keras_longformer.tokenizers.word_piece.characters import normalized
from keras_longformer.tokenizers.word_piece.characters import normalized_text
from keras_longformer.tokenizers.word_piece.matching import Matcher
from keras_longformer.tokenizers.word_piece.normalizer import CODE_POINTS
from keras_longformer.tokenizers.word_piece.normalizer import SPACE
from keras_longformer.tokenizers.word_piece.normalizer import UNKNOWN
from keras_longformer.tokenizers.word_piece.normalizer import Normalizer
from keras_longformer.tokenizers.word_piece.normalizer import number_characters
from keras_longformer.tokenizers.word_piece.vocabulary import Vocabulary
from keras_longformer.tokenizers.word_piece.vocabulary import characters_of

ORDINARY = -1


class Symbols(typing.NamedTuple):
    """All texts' normalized characters, one after another.

    Attributes:
        values: int32 `(characters,)`, the symbols.
        sources: int32 `(characters,)`, ascending, the character of the texts
            as they were given that each comes from.
        pieces: int32 `(characters,)`, ascending, the number of the text, or
            of the piece of one that is split into words by itself.
        special_ids: int32 `(characters,)`, the id of the special token that a
            character belongs to, -1 for none; `None` if none was looked for.
    """

    values: tf.Tensor
    sources: tf.Tensor
    pieces: tf.Tensor
    special_ids: tf.Tensor | None


class WordPieceEncoder:
    """Turns texts into token ids.

    Every method works eagerly and in a graph, on any number of texts of any
    length. `word_table` must be tracked by the object that a SavedModel is
    made of.

    Args:
        vocabulary: the tokens.
        normalization: what is done to texts first.
        unknown_id: int, the id of words that are not made of tokens.
        max_word_characters: int, the most characters of a word; a longer one
            is unknown.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        normalization: Normalization,
        *,
        unknown_id: int,
        max_word_characters: int,
    ):
        apart = normalization.handle_chinese_chars
        pieces = vocabulary.pieces(apart)
        alphabet = number_characters(
            characters_of(pieces), handle_chinese_chars=apart
        )
        self._alphabet = alphabet
        self._normalization = normalization
        self._classes = CharacterClasses()
        self._normalize = Normalizer(normalized(normalization), alphabet)
        by_symbols = [
            {
                tuple(alphabet.symbols[[*map(ord, piece)]].tolist()): i
                for piece, i in group.items()
            }
            for group in pieces
        ]
        self._match = Matcher(
            *by_symbols,
            num_symbols=alphabet.size,
            unknown_id=unknown_id,
            max_word_characters=max_word_characters,
        )
        self.word_table = self._match.word_table

    def encode(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> tf.RaggedTensor:
        """Returns the int32 ragged `(b, None)` ids of string `(b,)` texts.

        Args:
            texts: the texts, UTF-8.
            special_tokens: tokens to cut out of the texts; without them
                their characters are text like any other.
        """
        return self.encode_with_offsets(texts, special_tokens).ids

    def encode_with_offsets(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> Tokens:
        """Returns `encode`'s ids and where in its text each comes from."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        symbols = self._symbols(decoded, special_tokens)
        starts, ends = self._words(symbols)
        matches = self._match(symbols.values, starts, ends)
        ids = matches.ids
        if symbols.special_ids is not None:
            special_ids = tf.gather(symbols.special_ids, matches.starts)
            ids = tf.where(special_ids == ORDINARY, ids, special_ids)
        first = tf.gather(symbols.sources, matches.starts)
        last = tf.gather(symbols.sources, matches.starts + matches.sizes - 1)
        row_splits = tf.cast(decoded.row_splits, tf.int32)
        ids = tf.RaggedTensor.from_row_splits(
            ids,
            tf.searchsorted(first, row_splits, out_type=tf.int64),
            validate=False,
        )
        positions = tf.ragged.range(decoded.row_lengths()).values
        return Tokens(
            ids=ids,
            starts=ids.with_values(tf.gather(positions, first)),
            ends=ids.with_values(tf.gather(positions, last) + 1),
        )

    def _symbols(self, decoded, special_tokens) -> Symbols:
        """Normalizes texts, having cut the special tokens out."""
        code_points = decoded.values
        starts = marks(decoded.row_splits, tf.size(code_points, tf.int64))
        special_ids = is_special = None
        raw = [token for token in special_tokens if not token.normalized]
        later = [token for token in special_tokens if token.normalized]
        if raw:
            found = find_tokens(code_points, starts, raw, self._classes)
            starts, special_ids = found.starts, found.special_ids
            is_special = special_ids != ORDINARY
        pieces = tf.cumsum(tf.cast(starts, tf.int32))
        normalize = self._normalize_text if later else self._normalize
        values, sources = normalize(code_points, pieces, is_special)
        pieces = tf.gather(pieces, sources)
        if special_ids is not None:
            special_ids = tf.gather(special_ids, sources)
        symbols = Symbols(values, sources, pieces, special_ids)
        return self._without(symbols, later) if later else symbols

    def _without(self, symbols, tokens) -> Symbols:
        """Cuts tokens out of normalized texts, still in code points."""
        starts = symbols.pieces != shifted_right(symbols.pieces, -1)
        found = find_tokens(
            symbols.values,
            starts,
            [self._normalized_token(token) for token in tokens],
            self._classes,
        )
        special_ids = found.special_ids
        if symbols.special_ids is not None:
            special_ids = tf.maximum(special_ids, symbols.special_ids)
        return Symbols(
            values=tf.where(
                special_ids == ORDINARY,
                self._symbols_of(symbols.values),
                UNKNOWN,
            ),
            sources=symbols.sources,
            pieces=tf.cumsum(tf.cast(found.starts, tf.int32)),
            special_ids=special_ids,
        )

    @functools.cached_property
    def _outputs(self):
        return normalized(self._normalization, with_blanks=True)

    @functools.cached_property
    def _normalize_text(self) -> Normalizer:
        """Gives code points where `_normalize` gives symbols."""
        return Normalizer(self._outputs, CODE_POINTS)

    @functools.cached_property
    def _symbols_of(self) -> CharacterTable:
        return CharacterTable(self._alphabet.symbols)

    def _normalized_token(self, token):
        return dataclasses.replace(
            token,
            content=normalized_text(self._outputs, token.content),
            normalized=False,
        )

    def check_tokens(self, tokens: Sequence[AddedToken]) -> list[str]:
        """Returns a sentence for each token that normalizing spoils."""
        tokens = [token for token in tokens if token.normalized]
        owners, problems = {}, []
        for token in tokens:
            content = self._normalized_token(token).content
            owner = owners.setdefault(content, token.content)
            if not content:
                problems.append(
                    f"nothing is left of added token {token.content!r} when "
                    "it is normalized"
                )
            elif owner != token.content:
                problems.append(
                    f"added tokens {owner!r} and {token.content!r} are the "
                    "same when they are normalized"
                )
        return problems or check_tokens(
            [self._normalized_token(token) for token in tokens]
        )

    def _words(self, symbols: Symbols) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns where words start and end, int32 `(words,)` each."""
        values, pieces = symbols.values, symbols.pieces
        is_space = tf.equal(values, SPACE)
        is_alone = values >= self._alphabet.first_alone
        starts = shifted_right(is_space | is_alone, True) | is_alone
        starts |= pieces != shifted_right(pieces, -1)
        starts &= ~is_space
        # A word ends where the next one starts or something is between.
        edges = tf.where(starts | is_space)[:, 0]
        edges = tf.cast(edges, tf.int32)
        ends = tf.concat([edges, tf.size(values)[None]], 0)[1:]
        is_word = tf.gather(starts, edges)
        return tf.boolean_mask(edges, is_word), tf.boolean_mask(ends, is_word)
