"""From texts or padded ids to rows of token ids that the model can read.

A row is `<s> a a a </s>` of at most `longest` tokens. Over-long text becomes,
for `longest=6` and the tokens 1 to 9,

    truncate     <s> 1 2 3 4 </s>
    head_tail    <s> 1 7 8 9 </s>
    windows      <s> 1 2 3 4 </s>   <s> 4 5 6 7 </s>   <s> 6 7 8 9 </s>

All of it is stock TensorFlow, for whole batches.
"""

import tensorflow as tf

from keras_longformer.text.windows import OVERLAP_PART
from keras_longformer.text.windows import Windows
from keras_longformer.text.windows import cut_windows
from keras_longformer.text.windows import repeated
from keras_longformer.text.windows import slices

OVER_LONG = ("truncate", "head_tail", "windows")

# Sun et al., 2019 (https://arxiv.org/abs/1905.05583), 5.3.1, read the first
# 128 and the last 382 of 510 tokens, and found this best.
HEAD_PART = 4


def rows_of_texts(
    token_ids: tf.RaggedTensor,
    *,
    longest: int,
    over_long: str,
    start_id: int,
    end_id: int,
) -> Windows:
    """Returns rows of at most `longest` tokens.

    Args:
        token_ids: int32, ragged `(b, None)`, of whole texts, without `<s>`
            and `</s>`.
        longest: int, the most tokens of a row, `<s>` and `</s>` included.
        over_long: what to read of a longer text, one of `OVER_LONG`.
        start_id, end_id: ids of `<s>` and `</s>`.

    Returns:
        `Windows`, one of each text but for `"windows"`.
    """
    if over_long == "head_tail":
        token_ids = _head_and_tail(token_ids, longest - 2)
    return cut_windows(
        token_ids,
        repeated(start_id, token_ids),
        longest=longest,
        end_id=end_id,
        max_windows=None if over_long == "windows" else 1,
    )


def rows_of_tokens(
    token_ids: tf.Tensor, *, end_id: int, pad_id: int
) -> tf.RaggedTensor:
    """Returns int32, ragged `(b, None)` rows without their padding.

    What stands after a row's last `</s>` is padding, whatever its id: TF
    Serving's `pad_variable_length_inputs` repeats the tensor's first element.
    A row without `</s>` is padded with `<pad>` only.
    """
    n = tf.shape(token_ids)[1]
    is_end = tf.equal(token_ids, end_id)
    last = tf.reduce_max(tf.where(is_end, tf.range(n), -1), axis=1)
    last = tf.where(last < 0, n, last)
    real = tf.range(n) <= last[:, None]
    return tf.ragged.boolean_mask(
        token_ids, real & tf.not_equal(token_ids, pad_id)
    )


def first_tokens(
    token_ids: tf.RaggedTensor, length: int | tf.Tensor
) -> tf.RaggedTensor:
    """Returns the first `length` tokens, an int or int64 `(b,)`, of rows."""
    starts = token_ids.row_starts()
    lengths = tf.minimum(token_ids.row_lengths(), length)
    return slices(token_ids, starts, lengths)


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
            f"Of a text of more than {longest} tokens, <s> and </s> included, "
            f"the first {head} and the last {room - head} are read."
        )
    if over_long == "windows":
        return (
            f"A text of more than {longest} tokens, <s> and </s> included, is "
            f"read in windows that overlap by at least {room // OVERLAP_PART} "
            f"tokens; {merging}."
        )
    return (
        f"Only the first {longest} tokens, <s> and </s> included, are read; "
        "the rest of the text is cut off."
    )


def _head_and_tail(token_ids, room):
    head = room // HEAD_PART
    lengths = token_ids.row_lengths()
    column = tf.ragged.range(lengths)
    from_end = tf.repeat(lengths, lengths) - column.values
    is_read = (column.values < head) | (from_end <= room - head)
    is_read |= tf.repeat(lengths <= room, lengths)
    return tf.ragged.boolean_mask(token_ids, column.with_values(is_read))
