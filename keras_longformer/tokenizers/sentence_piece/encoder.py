"""SentencePiece inside a TensorFlow graph.

TensorFlow Text's operation does most: it normalizes, finds the best pieces and
tells the bytes of the text that each stands for. Here are put around it:

1. invalid UTF-8 reads as U+FFFD, as Python's `errors="replace"` reads it;
2. added and special tokens are cut out of the text, if asked;
3. a mark before or after a text, a piece of its own that is taken away again,
   where Hugging Face's `tokenizer.json` treats white space otherwise than
   SentencePiece does (`EncoderOptions`);
4. neighbouring unknown characters become one unknown token;
5. the model's pieces take their ids by an `IdLayout`, and bytes become
   characters.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import shifted_left
from keras_longformer.tokenizers.characters import shifted_right
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.sentence_piece.model import BYTE
from keras_longformer.tokenizers.sentence_piece.model import MARK
from keras_longformer.tokenizers.sentence_piece.model import OTHER_NONCHARACTER
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.model import piece_sizes
from keras_longformer.tokenizers.sentence_piece.offsets import ExactEnds
from keras_longformer.tokenizers.sentence_piece.offsets import Spans
from keras_longformer.tokenizers.sentence_piece.offsets import characters_of
from keras_longformer.tokenizers.sentence_piece.operation import (
    SentencePieceOperation,
)
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import cut_texts
from keras_longformer.tokenizers.special_tokens import join_pieces

MARK_BYTES = len(MARK.encode("utf-8"))
PREFIXED = ("always", "first", "never")
TRAILING = ("never", "before_tokens", "always")


@dataclasses.dataclass(frozen=True)
class EncoderOptions:
    """What a `tokenizer.json` does with white space.

    Attributes:
        prepend_scheme: which pieces of a text get the model's `▁` before
            their first word: `"always"` each, `"first"` one with which the
            text begins, none behind a token that was cut out, `"never"` none.
        trailing_space: where white space at the end of a piece of text is a
            `▁`, not nothing: `"never"`; `"before_tokens"` that are looked for
            in the normalized text, which is stripped as a whole; `"always"`.
    """

    prepend_scheme: str = "always"
    trailing_space: str = "never"

    def needs_marks(self, added_tokens: Sequence[AddedToken]) -> bool:
        """Whether `MARK` must be put into texts."""
        if self.trailing_space == "before_tokens":
            keeps = any(token.normalized for token in added_tokens)
        else:
            keeps = self.trailing_space == "always"
        return keeps or self.prepend_scheme != "always"


class SentencePieceEncoder:
    """Turns texts into token ids.

    Every method works eagerly and in a graph. `resources` must be tracked by
    the object that a SavedModel is made of.

    Args:
        model: the model.
        piece_ids: list of int, the id of each of its pieces.
        unknown_id: int, the id of unknown characters.
        options: what is done with white space.
        added_tokens: all tokens that may be cut out of texts.
    """

    def __init__(
        self,
        model: SentencePieceModel,
        piece_ids: Sequence[int],
        unknown_id: int,
        options: EncoderOptions,
        added_tokens: Sequence[AddedToken] = (),
    ):
        self._options = options
        self._adds_prefix = model.adds_prefix
        self._has_marks = options.needs_marks(added_tokens)
        proto, pieces, types = model.running(self._has_marks)
        self._sentence_piece = SentencePieceOperation(proto)
        others = [unknown_id] * (len(pieces) - len(piece_ids))
        self._ids = cpu_constant([*piece_ids, *others], tf.int32)
        # Bytes of unknown characters, where the model itself has none.
        self._is_unknown_byte = cpu_constant(
            [kind == BYTE and not model.has_bytes for kind in types]
        )
        self._mark_index = len(pieces) - 1  # Where there is one.
        self._ends = ExactEnds(model, piece_sizes(pieces, types))
        self._classes = CharacterClasses()

    @property
    def resources(self) -> tuple:
        """What holds the two models that the operations run."""
        return self._sentence_piece, self._ends.measure

    def encode(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> tf.RaggedTensor:
        """Returns the int32 ragged `(b, None)` ids of string `(b,)` texts.

        Args:
            texts: the texts, UTF-8.
            special_tokens: tokens to cut out of the texts; without them
                their characters are text like any other.
        """
        if not special_tokens:
            return self._encode(*self._whole(texts))
        cut, *ordinary = self._cut(texts, special_tokens)
        ids = self._encode(*ordinary)
        return join_pieces(cut, ids, cut.special_ids)

    def encode_with_offsets(
        self, texts: tf.Tensor, special_tokens: Sequence[AddedToken] = ()
    ) -> Tokens:
        """Returns `encode`'s ids and the characters that each stands for."""
        if not special_tokens:
            return self._encode_with_offsets(*self._whole(texts))
        cut, *ordinary = self._cut(texts, special_tokens)
        tokens = self._encode_with_offsets(*ordinary)
        shift = tf.boolean_mask(cut.starts, cut.special_ids < 0)[:, None]
        return Tokens(
            ids=join_pieces(cut, tokens.ids, cut.special_ids),
            starts=join_pieces(cut, tokens.starts + shift, cut.starts),
            ends=join_pieces(cut, tokens.ends + shift, cut.ends),
        )

    def _whole(self, texts):
        """Returns texts in one piece, as `_cut` does."""
        keeps = tf.fill(
            tf.shape(texts), self._options.trailing_space == "always"
        )
        return _valid(texts), tf.ones(tf.shape(texts), tf.bool), keeps

    def _cut(self, texts, special_tokens):
        """Cuts tokens out; returns as well what lies between them, whether
        each of that is what its text begins with, and whether white space at
        its end counts."""
        cut = cut_texts(texts, special_tokens, self._classes)
        is_ordinary = cut.special_ids < 0
        keeps = tf.fill(
            tf.shape(is_ordinary), self._options.trailing_space == "always"
        )
        normalized = [t.id for t in special_tokens if t.normalized]
        if normalized and self._options.trailing_space == "before_tokens":
            is_normalized = tf.reduce_any(
                cut.special_ids[:, None] == tf.constant(normalized), 1
            )
            # A piece of ordinary text goes on to its text's next token.
            keeps = shifted_left(is_normalized & (cut.starts > 0), False)
        return (
            cut,
            tf.boolean_mask(cut.pieces, is_ordinary),
            tf.equal(tf.boolean_mask(cut.starts, is_ordinary), 0),
            tf.boolean_mask(keeps, is_ordinary),
        )

    def _encode(self, texts, begins_text, keeps_space):
        marked, num_before = self._with_marks(texts, begins_text, keeps_space)
        found = self._sentence_piece.tokenize(marked)
        pieces, rows = found.values, found.value_rowids()
        if self._has_marks:
            kept = self._between_marks(found, num_before)
            pieces = tf.boolean_mask(pieces, kept)
            rows = tf.boolean_mask(rows, kept)
        firsts = self._is_first_of_token(pieces, rows)
        return tf.RaggedTensor.from_value_rowids(
            tf.gather(self._ids, tf.boolean_mask(pieces, firsts)),
            tf.boolean_mask(rows, firsts),
            nrows=tf.size(texts, tf.int64),
            validate=False,
        )

    def _encode_with_offsets(self, texts, begins_text, keeps_space) -> Tokens:
        marked, num_before = self._with_marks(texts, begins_text, keeps_space)
        found, starts, ends = self._sentence_piece.tokenize_with_offsets(marked)
        rows = tf.cast(found.value_rowids(), tf.int32)
        spans = Spans(
            found.values,
            starts.values,
            ends.values,
            rows,
        )
        if self._has_marks:
            kept = self._between_marks(found, num_before)
            spans = Spans(*(tf.boolean_mask(x, kept) for x in spans))
            shift = MARK_BYTES * tf.gather(num_before, spans.rows)
            most = tf.gather(tf.strings.length(texts), spans.rows)
            spans = spans._replace(
                starts=tf.minimum(spans.starts - shift, most),
                ends=tf.minimum(spans.ends - shift, most),
            )
        characters = characters_of(texts)
        has_prefix = tf.equal(num_before, 0) & self._adds_prefix
        ends = self._ends(characters, spans, has_prefix)
        firsts = self._is_first_of_token(spans.pieces, spans.rows)
        # A token of several bytes ends where the last of them does.
        lasts = tf.concat([firsts[1:], tf.ones([1], tf.bool)], 0)
        lasts = lasts[: tf.size(firsts)]
        ends = tf.boolean_mask(ends, lasts)
        starts = tf.boolean_mask(spans.starts, firsts)
        rows = tf.boolean_mask(spans.rows, firsts)
        base = tf.gather(characters.first_bytes, rows)
        first = tf.gather(characters.firsts, rows)
        starts = tf.gather(characters.at_byte, base + starts) - first
        ends = tf.gather(characters.at_byte, base + ends) - first
        # A `▁` put before a text takes the place of its first character.
        size = tf.gather(tf.strings.length(texts, "UTF8_CHAR"), rows)
        starts = tf.minimum(starts, size - 1)
        ends = tf.minimum(tf.maximum(ends, starts + 1), size)
        ids = tf.RaggedTensor.from_value_rowids(
            tf.gather(self._ids, tf.boolean_mask(spans.pieces, firsts)),
            tf.cast(rows, tf.int64),
            nrows=tf.size(texts, tf.int64),
            validate=False,
        )
        return Tokens(ids, ids.with_values(starts), ids.with_values(ends))

    def _with_marks(self, texts, begins_text, keeps_space):
        """Returns texts with marks, and how many, 0 or 1, are before each."""
        if not self._has_marks:
            return texts, tf.zeros(tf.shape(texts), tf.int32)
        texts = tf.strings.regex_replace(texts, MARK, OTHER_NONCHARACTER)
        before = {
            "always": tf.zeros_like(begins_text),
            "first": ~begins_text,
            "never": tf.ones_like(begins_text),
        }[self._options.prepend_scheme]
        before &= tf.not_equal(texts, "")
        marked = tf.where(before, MARK + texts, texts)
        keeps_space &= tf.not_equal(texts, "")
        marked = tf.where(keeps_space, marked + MARK, marked)
        return marked, tf.cast(before, tf.int32)

    def _between_marks(self, found, num_before):
        """Returns bool `(t,)`: behind the mark before a text, if there is
        one, and before the one after it."""
        is_mark = tf.equal(found.values, self._mark_index)
        seen = tf.cumsum(tf.cast(is_mark, tf.int32))
        seen_before = tf.gather(tf.pad(seen, [[1, 0]]), found.row_starts())
        rows = found.value_rowids()
        seen -= tf.gather(seen_before, rows)
        return ~is_mark & tf.equal(seen, tf.gather(num_before, rows))

    def _is_first_of_token(self, pieces, rows):
        """Returns bool `(t,)`, `False` at all but the first of neighbouring
        bytes of unknown characters."""
        is_byte = tf.gather(self._is_unknown_byte, pieces)
        goes_on = is_byte & shifted_right(is_byte, False)
        return ~(goes_on & tf.equal(rows, shifted_right(rows, -1)))


def _valid(texts):
    return tf.strings.unicode_transcode(
        texts,
        "UTF-8",
        "UTF-8",
        errors="replace",
        replace_control_characters=False,
    )
