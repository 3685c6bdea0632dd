"""Texts as words, and words as tokens.

Classifiers of tokens are trained on text that is split already, one label a
word. Each word is tokenized as if it stood after a blank, the first one too,
which is what Hugging Face's tokenizers do with `is_split_into_words=True` and
`add_prefix_space=True`:

    words     Longformer        reads
    tokens    ĠLong   former    Ġreads
    first     1       0         1
"""

import functools
import typing

import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import as_texts
from keras_longformer.tokenizers.characters import SPACE
from keras_longformer.tokenizers.characters import CharacterClasses
from keras_longformer.tokenizers.characters import shifted_right


class Words(typing.NamedTuple):
    """The words of texts, each ragged `(b, None)`.

    Attributes:
        words: string.
        starts: int32, the character (code point, as Python indexes a `str`)
            of its text at which each word starts.
        ends: int32, the character after each word's last.
    """

    words: tf.RaggedTensor
    starts: tf.RaggedTensor | None
    ends: tf.RaggedTensor | None


class WordTokens(typing.NamedTuple):
    """The tokens of the words of texts.

    Attributes:
        ids: int32, ragged `(b, None)`, the tokens of each text's words.
        word: int32 `(tokens,)`, the word that each of all tokens is of,
            counted through all texts.
        is_first: bool `(tokens,)`, whether it is the first token of its word.
    """

    ids: tf.RaggedTensor
    word: tf.Tensor
    is_first: tf.Tensor


def split_texts(texts: tf.Tensor) -> Words:
    """Splits string `(b,)` texts at whitespace, Unicode's too.

    Invalid UTF-8 reads as U+FFFD.
    """
    characters = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    code_points = characters.values
    column = tf.ragged.range(tf.cast(characters.row_lengths(), tf.int32))
    not_space = tf.not_equal(character_classes()(code_points), SPACE)
    is_start = tf.equal(column.values, 0) | ~shifted_right(not_space, False)
    is_start &= not_space
    word = tf.cumsum(tf.cast(is_start, tf.int32)) - 1
    word = tf.boolean_mask(word, not_space)
    num_words = tf.reduce_sum(tf.cast(is_start, tf.int32))
    letters = tf.RaggedTensor.from_value_rowids(
        tf.boolean_mask(code_points, not_space),
        word,
        nrows=num_words,
        validate=False,
    )
    starts = tf.boolean_mask(column.values, is_start)
    rows = tf.RaggedTensor.from_value_rowids(
        starts,
        tf.boolean_mask(column.value_rowids(), is_start),
        nrows=column.nrows(),
        validate=False,
    )
    ends = starts + tf.cast(letters.row_lengths(), tf.int32)
    return Words(
        words=rows.with_values(tf.strings.unicode_encode(letters, "UTF-8")),
        starts=rows,
        ends=rows.with_values(ends),
    )


def as_words(x) -> Words:
    """Returns the words of texts.

    Args:
        x: texts, a string or `(b,)` strings, which are split at whitespace;
            or words, `(b, w)` strings, ragged, as lists of lists, or padded
            with "", whose `starts` and `ends` are `None`.

    Raises:
        TypeError: something else.
    """
    if isinstance(x, np.ndarray) and x.dtype == object:
        x = [row if isinstance(row, str | bytes) else [*row] for row in x]
    x = as_texts(x)
    if x.shape.rank is None or x.shape.rank > 2:
        raise TypeError(
            "Words of texts are strings of shape `(b, words)`, ragged where "
            f"texts have different numbers. Received: shape={x.shape}."
        )
    if x.shape.rank < 2:
        return split_texts(tf.reshape(x, [-1]))
    if not isinstance(x, tf.RaggedTensor):
        x = tf.RaggedTensor.from_tensor(x)
    return Words(x, None, None)


def is_one_text(x) -> bool:
    """Whether `x` is one string, which has no batch axis."""
    return isinstance(x, str | bytes) or (
        isinstance(x, tf.Tensor) and x.shape.rank == 0
    )


def tokenize_words(tokenizer, words: tf.RaggedTensor) -> WordTokens:
    """Returns the tokens of words; an empty word has none.

    Args:
        tokenizer: a `GraphTokenizer`.
        words: string, ragged `(b, None)`.
    """
    ids = tokenizer.tokenize_words(words.values)
    lengths = ids.row_lengths()
    splits = tf.gather(ids.row_splits, words.row_splits)
    word = ids.value_rowids()
    place = tf.range(tf.size(ids.values, tf.int64))
    return WordTokens(
        ids=tf.RaggedTensor.from_row_splits(ids.values, splits, validate=False),
        word=tf.cast(word, tf.int32),
        is_first=tf.equal(
            place, tf.gather(tf.cumsum(lengths, exclusive=True), word)
        ),
    )


def words_of_tokens(
    outputs: tf.RaggedTensor, tokens: WordTokens, words: tf.RaggedTensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Takes each word's output from its first token.

    Args:
        outputs: float, ragged `(b, None, k)`, one of each token of a text; of
            a text that was cut off, of its first tokens.
        tokens: the `WordTokens` of the texts.
        words: ragged `(b, None)`, anything that comes one a word.

    Returns:
        float, ragged `(b, None, k)`, one of each word, and bool, ragged `(b,
        None)`, `False` and zeros where a word has no tokens or was cut off.
    """
    column = tf.ragged.range(tokens.ids.row_lengths())
    row = column.value_rowids()
    is_there = column.values < tf.gather(outputs.row_lengths(), row)
    chosen = tf.where(tokens.is_first & is_there)[:, 0]
    at = tf.gather(outputs.row_starts(), row) + column.values
    word = tf.gather(tokens.word, chosen)[:, None]
    num_words = tf.size(words.values)
    k = tf.shape(outputs.values)[-1]
    of_words = tf.scatter_nd(
        word,
        tf.gather(outputs.values, tf.gather(at, chosen)),
        tf.stack([num_words, k]),
    )
    of_words.set_shape([None, outputs.values.shape[-1]])
    has_output = tf.scatter_nd(word, tf.ones_like(word[:, 0]), num_words[None])
    return words.with_values(of_words), words.with_values(has_output > 0)


@functools.cache
def character_classes() -> CharacterClasses:
    """Returns the table of characters, made once."""
    return CharacterClasses()
