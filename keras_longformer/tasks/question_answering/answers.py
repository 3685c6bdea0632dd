"""Answers as text and characters, as tokens, and back.

Characters are code points, as Python indexes a `str`, of the text with each
invalid byte sequence replaced by U+FFFD. A token's word has its blank in front
of it; an answer's text does not.
"""

import typing

import tensorflow as tf

from keras_longformer.tasks.labels import Labels
from keras_longformer.text.coercion import as_tensor
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.columns import any_column
from keras_longformer.text.columns import frame_columns
from keras_longformer.text.columns import is_frame
from keras_longformer.text.columns import text_column
from keras_longformer.text.windows import Windows
from keras_longformer.tokenizers.contract import Tokens

NO_TOKEN = -1  # Where a row has fewer answers than others.
_MOST_CHARACTERS = 2**32


class AnswerLabels(Labels):
    """Answers: a dict of `"text"` and `"start"`, one or several a question."""

    called = "answers"
    wanted = "answers: `fit(x, y)`"

    def read(self, y, x):
        if is_frame(y):
            y = frame_columns(y)
        check_answers(y)
        starts = any_column(y["start"], 'Answers\' "start"')
        if starts.dtype == tf.string:
            raise TypeError(
                'Answers\' "start" must be characters, ints. Received: strings.'
            )
        texts = text_column(y["text"], 'Answers\' "text"', (1, 2))
        if isinstance(texts, tf.RaggedTensor) and not isinstance(
            starts, tf.RaggedTensor
        ):
            starts = tf.RaggedTensor.from_tensor(starts)
        return {"text": texts, "start": tf.cast(starts, tf.int32)}

    def in_graph(self, y, x):
        return y


class Answers(typing.NamedTuple):
    """Which tokens answer each question.

    Attributes:
        first: int32 `(b, a)`, the first token of each answer in the context;
            `NO_TOKEN` where there is none.
        last: int32 `(b, a)`, its last one.
    """

    first: tf.Tensor
    last: tf.Tensor


def find_answers(y: dict, contexts: tf.Tensor, tokens: Tokens) -> Answers:
    """Returns the tokens of answers that are given as text and offsets.

    Args:
        y: dict of `"text"`, strings, and `"start"`, ints, the character of
            the context at which each text starts. Both `(b,)`; or `(b, a)`,
            ragged or padded with `""` and -1.
        contexts: string `(b,)`, where they stand.
        tokens: the contexts' tokens and offsets.

    Raises:
        ValueError, TypeError: `y` is no such dict.
        InvalidArgumentError: an answer does not stand where `y` says.
    """
    texts, starts = _dense_answers(y)
    texts, contexts = readable(texts), readable(contexts)
    is_given = (starts >= 0) & tf.not_equal(texts, "")
    sizes = tf.strings.length(texts, "UTF8_CHAR")
    starts = tf.where(is_given, starts, 0)
    sizes = tf.where(is_given, sizes, 0)
    check = _check_offsets(texts, starts, sizes, is_given, contexts)
    with tf.control_dependencies([] if check is None else [check]):
        first, last = _covering(tokens, starts, starts + sizes)
    return Answers(
        tf.where(is_given, first, NO_TOKEN), tf.where(is_given, last, NO_TOKEN)
    )


def mark_answers(
    answers: Answers, windows: Windows, length: tf.Tensor, first_only: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Marks the answers that lie within each window.

    Args:
        answers: `(b, a)`, those of the texts.
        windows: the rows.
        length: int, the columns of a row, `n`.
        first_only: whether only the first answer of a row is marked.

    Returns:
        bool `(r, n, 2)`, `True` at first and at last tokens, `<s>` both where
        a row has no answer; and bool `(r, a)`, the answers in each row.
    """
    first = tf.gather(answers.first, windows.text_index)
    last = tf.gather(answers.last, windows.text_index)
    within = windows.first_token[:, None]
    end = within + windows.num_tokens[:, None]
    found = (first != NO_TOKEN) & (first >= within) & (last < end)
    marked = found
    if first_only:
        marked &= tf.equal(tf.cumsum(tf.cast(found, tf.int32), axis=1), 1)
    shift = windows.first_column[:, None] - within
    return tf.stack(
        [_columns(column + shift, marked, length) for column in (first, last)],
        axis=-1,
    ), found


def text_of_tokens(
    contexts: tf.Tensor, tokens: Tokens, first: tf.Tensor, last: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the text that tokens come from, without blanks around it.

    Args:
        contexts: string `(b,)`.
        tokens: their tokens and offsets.
        first: int32 `(b, k)`, first tokens, or `NO_TOKEN`.
        last: int32 `(b, k)`, last tokens.

    Returns:
        string `(b, k)`, and int32 `(b, k)` characters, where each starts and
        the one after its last; "", 0 and 0 for `NO_TOKEN`.
    """
    contexts = readable(contexts)
    is_there = first != NO_TOKEN
    row = tokens.starts.row_starts()[:, None]
    # One more, so that an empty batch of tokens can be gathered from.
    starts = tf.concat([tokens.starts.values, [0]], 0)
    ends = tf.concat([tokens.ends.values, [0]], 0)

    def offsets(values, token):
        at = tf.where(is_there, row + tf.cast(token, tf.int64), 0)
        return tf.where(is_there, tf.gather(values, at), 0)

    start, end = offsets(starts, first), offsets(ends, last)
    shape = tf.shape(first)
    texts = tf.strings.substr(
        tf.broadcast_to(contexts[:, None], shape),
        start,
        end - start,
        "UTF8_CHAR",
    )
    texts = tf.strings.regex_replace(texts, r"[\s\p{Z}]+\z", "")
    trimmed = tf.strings.regex_replace(texts, r"\A[\s\p{Z}]+", "")
    size = tf.strings.length(texts, "UTF8_CHAR")
    kept = tf.strings.length(trimmed, "UTF8_CHAR")
    start += size - kept
    return trimmed, start, start + kept


def readable(texts: tf.Tensor) -> tf.Tensor:
    """Returns texts as the tokenizer reads them, invalid bytes replaced."""
    return tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", errors="replace"
    )


def _dense_answers(y):
    """Returns string `(b, a)` and int32 `(b, a)`, "" and -1 for none."""
    check_answers(y)
    texts, starts = as_answers(y).values()
    if isinstance(texts, tf.RaggedTensor):
        texts = texts.to_tensor("")
    if isinstance(starts, tf.RaggedTensor):
        starts = starts.to_tensor(-1)
    if texts.shape.rank == 1:
        texts, starts = texts[:, None], starts[:, None]
    check = tf.debugging.assert_equal(
        tf.shape(texts),
        tf.shape(starts),
        'Answers must have one "start" for each "text".',
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(texts), tf.cast(starts, tf.int32)


def check_answers(y) -> None:
    """Raises `ValueError` where `y` is no dict of answers."""
    if not isinstance(y, dict) or set(y) != {"text", "start"}:
        received = sorted(y) if isinstance(y, dict) else type(y).__name__
        raise ValueError(
            'Answers are a dict of "text", as it stands in the context, and '
            '"start", the character of the context where it starts. '
            f"Received: {received}"
        )


def as_answers(y: dict) -> dict[str, tf.Tensor | tf.RaggedTensor]:
    """Returns answers in lists, of any number a question, as tensors."""
    starts = y["start"]
    if not isinstance(starts, tf.Tensor | tf.RaggedTensor):
        starts = as_tensor(starts, tf.int32)
    # TensorFlow makes floats of empty lists.
    return {"text": as_texts(y["text"]), "start": tf.cast(starts, tf.int32)}


def _check_offsets(texts, starts, sizes, is_given, contexts):
    lengths = tf.strings.length(contexts, "UTF8_CHAR")[:, None]
    inside = starts + sizes <= lengths
    found = tf.strings.substr(
        tf.broadcast_to(contexts[:, None], tf.shape(texts)),
        tf.where(inside, starts, 0),
        tf.where(inside, sizes, 0),
        "UTF8_CHAR",
    )
    wrong = is_given & ~(inside & tf.equal(found, texts))
    at = tf.concat([tf.where(wrong), [[0, 0]]], 0)[0]

    def told(values):
        # "" stands in where there is no answer at all.
        flat = tf.pad(values, [[0, 1], [0, 1]])
        return tf.gather_nd(flat, at)

    message = tf.strings.join(
        [
            "The answer '",
            told(texts),
            "' does not stand at character ",
            tf.strings.as_string(told(starts)),
            " of its context (question ",
            tf.strings.as_string(at[0]),
            " of the batch), where there is '",
            told(found),
            "'. `start` counts characters, not bytes.",
        ]
    )
    return tf.debugging.Assert(~tf.reduce_any(wrong), [message])


def _covering(tokens, starts, ends):
    """First and last token of the characters `starts` to `ends`, `(b, a)`."""
    rows = tf.cast(tokens.starts.value_rowids(), tf.int64) * _MOST_CHARACTERS
    row = tf.range(tokens.starts.nrows())[:, None] * _MOST_CHARACTERS
    row_starts = tokens.starts.row_starts()[:, None]

    # `tf.searchsorted` fails where there are no keys, or nothing is looked for.
    def search(bound, offsets, at):
        keys = rows + tf.cast(offsets.values, tf.int64)
        queries = row + tf.cast(at, tf.int64)
        found = bound(
            sorted_inputs=keys[None],
            values=tf.reshape(queries, [1, -1]),
            out_type=tf.int64,
        )
        found = tf.reshape(found, tf.shape(queries))
        return tf.cast(found - row_starts, tf.int32)

    return (
        search(tf.raw_ops.UpperBound, tokens.ends, starts),
        search(tf.raw_ops.LowerBound, tokens.starts, ends) - 1,
    )


def _columns(columns, marked, length):
    """bool `(r, length)`, `True` at the marked columns, at 0 if none is."""
    rows = tf.cast(tf.shape(marked)[0], tf.int64)
    at = tf.where(marked)
    column = tf.cast(tf.gather_nd(columns, at), tf.int64)
    none = tf.where(~tf.reduce_any(marked, 1))
    at = tf.concat(
        [
            tf.stack([at[:, 0], column], 1),
            tf.concat([none, tf.zeros_like(none)], 1),
        ],
        0,
    )
    counts = tf.scatter_nd(
        at,
        tf.ones_like(at[:, 0], tf.int32),
        tf.stack([rows, tf.cast(length, tf.int64)]),
    )
    return counts > 0
