"""Texts longer than the model, cut into windows that overlap.

For rows of `longest=6` tokens, `<s> ... </s>`, and the tokens 1 to 9,

    <s> 1 2 3 4 </s>   <s> 4 5 6 7 </s>   <s> 6 7 8 9 </s>

Every token is in a window, and the last window ends with the text. A prefix,
such as a question, stands in front of each window. All of it is stock
TensorFlow on ragged tensors, for whole batches and in any graph.
`merging.py` puts together what a model says of them.
"""

import typing
from numbers import Integral

import tensorflow as tf

from keras_longformer.text.packing import Packed
from keras_longformer.text.template import RowTemplate
from keras_longformer.text.template import repeated

# What is read of a text that is longer than a row.
OVER_LONG = ("truncate", "head_tail", "windows")

# Sun et al., 2019 (https://arxiv.org/abs/1905.05583), 5.3.1, read the first
# 128 and the last 382 of 510 tokens, and found this best.
HEAD_PART = 4

# What neighbouring windows share: enough to hold a few sentences.
OVERLAP_PART = 8


class Windows(typing.NamedTuple):
    """Rows for the model, and where in its text each is from.

    Token `first_column + j` of a row, `0 <= j < num_tokens`, is token
    `first_token + j` of text `text_index`.

    Attributes:
        token_ids: int32, ragged `(r, None)`, prefix and `</s>` included.
        text_index: int32 `(r,)`, ascending, the text that each row is of.
        first_token: int32 `(r,)`, the row's first token of the text.
        first_column: int32 `(r,)`, where in the row it stands.
        num_tokens: int32 `(r,)`, how many of the text's tokens the row has.
        num_texts: int32 `()`, the number of texts, `b`.
    """

    token_ids: tf.RaggedTensor
    text_index: tf.Tensor
    first_token: tf.Tensor
    first_column: tf.Tensor
    num_tokens: tf.Tensor
    num_texts: tf.Tensor


def cut_windows(
    token_ids: tf.RaggedTensor,
    prefix: tf.RaggedTensor,
    *,
    longest: int,
    template: RowTemplate,
    stride: int | None = None,
    max_windows: int | None = None,
) -> Windows:
    """Returns rows of at most `longest` tokens, `prefix window </s>`.

    Args:
        token_ids: int32, ragged `(b, None)`, of whole texts, without special
            tokens.
        prefix: int32, ragged `(b, None)`, what stands in front of each window
            of a text: `<s>`, or `<s> question </s></s>`.
        longest: int, the most tokens of a row.
        template: the special tokens of a row; its `end` ends each window.
        stride: int, how many tokens further each window begins than the one
            before it. By default 7/8 of what a window holds; never more than
            it holds, so that every token is in a window.
        max_windows: int, the most windows of a text; 1 reads a long text's
            beginning only. By default there is no limit.

    Raises:
        ValueError: a `stride` or `longest` that cannot be.
        InvalidArgumentError: a prefix that leaves no room.
    """
    check_stride(stride, longest)
    prefix_lengths = prefix.row_lengths()
    room = longest - len(template.end) - prefix_lengths
    check = tf.debugging.Assert(
        tf.reduce_all(room > 0),
        [
            f"A row of {longest} tokens has no room for the text after "
            "a prefix of so many tokens: ",
            tf.reduce_max(tf.concat([prefix_lengths, [0]], 0)),
        ],
    )
    with tf.control_dependencies([] if check is None else [check]):
        room = tf.identity(room)
    step = room - room // OVERLAP_PART
    if stride is not None:
        step = tf.minimum(tf.cast(stride, tf.int64), room)
    lengths = token_ids.row_lengths()
    more = tf.maximum(lengths - room, 0)
    counts = 1 + (more + step - 1) // step
    if max_windows is not None:
        counts = tf.minimum(counts, max_windows)
    index = tf.ragged.range(counts)
    of = index.value_rowids()
    # The last window ends with the text.
    starts = index.values * tf.gather(step, of)
    if max_windows is None:
        starts = tf.minimum(starts, tf.gather(more, of))
    sizes = tf.gather(tf.minimum(lengths, room), of)
    sizes = tf.minimum(sizes, tf.gather(lengths, of) - starts)
    pieces = slices(
        token_ids, starts + tf.gather(token_ids.row_starts(), of), sizes
    )
    rows = tf.concat(
        [
            tf.cast(tf.gather(prefix, of), tf.int32),
            tf.cast(pieces, tf.int32),
            repeated(template.end, pieces),
        ],
        1,
    )
    return Windows(
        token_ids=rows,
        text_index=tf.cast(of, tf.int32),
        first_token=tf.cast(starts, tf.int32),
        first_column=tf.cast(tf.gather(prefix_lengths, of), tf.int32),
        num_tokens=tf.cast(sizes, tf.int32),
        num_texts=token_ids.nrows(tf.int32),
    )


def slices(
    rows: tf.RaggedTensor, starts: tf.Tensor, lengths: tf.Tensor
) -> tf.RaggedTensor:
    """Returns rows of the `lengths` values from `starts` of all values."""
    at = tf.ragged.range(starts, starts + lengths)
    return at.with_values(tf.gather(rows.values, at.values))


def read_long(
    token_ids: tf.RaggedTensor,
    prefix: tf.RaggedTensor,
    *,
    longest: int,
    template: RowTemplate,
    over_long: str = "truncate",
    stride: int | None = None,
) -> Windows:
    """Returns rows of texts, read in one of the ways of `OVER_LONG`.

    For `longest=6` and the tokens 1 to 9,

        truncate     <s> 1 2 3 4 </s>
        head_tail    <s> 1 7 8 9 </s>
        windows      <s> 1 2 3 4 </s>   <s> 4 5 6 7 </s>   <s> 6 7 8 9 </s>

    Args:
        token_ids, prefix, longest, template, stride: as for `cut_windows`.
        over_long: what is read of a longer text.

    Returns:
        `Windows`, one of each text but for `"windows"`. Of `"head_tail"`, the
        columns of a row's tail do not count the text's tokens.
    """
    if over_long == "head_tail":
        room = longest - len(template.end) - prefix.row_lengths()
        token_ids = _head_and_tail(token_ids, room)
    return cut_windows(
        token_ids,
        prefix,
        longest=longest,
        template=template,
        stride=stride,
        max_windows=None if over_long == "windows" else 1,
    )


def one_row_each(packed: Packed) -> Windows:
    """Returns the `Windows` of rows that are packed, one of each text."""
    rows = tf.ragged.boolean_mask(packed.token_ids, packed.padding_mask)
    index = tf.range(rows.nrows(tf.int32))
    return Windows(
        token_ids=tf.cast(rows, tf.int32),
        text_index=index,
        first_token=tf.zeros_like(index),
        first_column=tf.zeros_like(index),
        num_tokens=tf.cast(rows.row_lengths(), tf.int32),
        num_texts=rows.nrows(tf.int32),
    )


def describe(over_long: str, longest: int, merging: str) -> str:
    """Says in one sentence what is read of a long text.

    Args:
        over_long: one of `OVER_LONG`.
        longest: int, the most tokens of a row.
        merging: str, what is done with the answers of windows.
    """
    room = longest - 2
    if over_long == "head_tail":
        head = room // HEAD_PART
        return (
            f"Of a text of more than {longest} tokens, special ones included, "
            f"the first {head} and the last {room - head} are read."
        )
    if over_long == "windows":
        return (
            f"A text of more than {longest} tokens, special ones included, is "
            f"read in windows that overlap by at least {room // OVERLAP_PART} "
            f"tokens; {merging}."
        )
    return (
        f"Only the first {longest} tokens, special ones included, are read; "
        "the rest of the text is cut off."
    )


def _head_and_tail(token_ids, room):
    """Keeps a quarter of the `room`, int64 `(b,)`, from the beginning of each
    longer text and the rest from its end."""
    lengths = token_ids.row_lengths()
    column = tf.ragged.range(lengths)
    row = column.value_rowids()
    room = tf.gather(room, row)
    head = room // HEAD_PART
    size = tf.gather(lengths, row)
    from_end = size - column.values
    is_read = (column.values < head) | (from_end <= room - head)
    is_read |= size <= room
    return tf.ragged.boolean_mask(token_ids, column.with_values(is_read))


def check_stride(stride: int | None, longest: int) -> None:
    """Raises `ValueError` for what is no step from window to window."""
    if stride is None:
        return
    if not (isinstance(stride, Integral) and 1 <= stride < longest):
        raise ValueError(
            "`stride` is how many tokens further each window begins than the "
            f"one before, from 1 to less than the {longest} tokens of a row. "
            f"Received: stride={stride!r}. Try {max(1, longest // 2)}."
        )
