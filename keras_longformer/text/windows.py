"""Texts longer than the model, cut into windows that overlap.

For rows of `longest=6` tokens, `<s> ... </s>`, and the tokens 1 to 9,

    <s> 1 2 3 4 </s>   <s> 4 5 6 7 </s>   <s> 6 7 8 9 </s>

Every token is in a window, and the last window ends with the text. A prefix,
such as a question, stands in front of each window. All of it is stock
TensorFlow on ragged tensors, for whole batches and in any graph.
`keras_longformer/text/merging.py` puts together what a model says of them.
"""

import typing
from collections.abc import Sequence
from numbers import Integral

import tensorflow as tf

from keras_longformer.text.packing import pad_rows

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
    end_id: int,
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
        end_id: int, the id of `</s>`.
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
    room = longest - 1 - prefix_lengths
    check = tf.debugging.Assert(
        tf.reduce_all(room > 0),
        [
            f"A row of {longest} tokens has no room for the text behind "
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
    ends = tf.fill([tf.size(of), 1], tf.cast(end_id, tf.int32))
    rows = tf.concat(
        [
            tf.cast(tf.gather(prefix, of), tf.int32),
            tf.cast(pieces, tf.int32),
            ends,
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


def repeated(token_id: int, like: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns int32, ragged `(b, None)`, one `token_id` in each row."""
    column = tf.fill([like.nrows(tf.int32), 1], tf.cast(token_id, tf.int32))
    return tf.RaggedTensor.from_tensor(column)


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


class TextWindows:
    """Turns texts of any length into windows for the model.

    A mixin before `TextPacking`, for preprocessors of one text a row, which
    say in `model_inputs` what the model takes.
    """

    def windows(
        self, x: str | Sequence[str], stride: int | None = None
    ) -> tuple[dict[str, tf.Tensor], Windows]:
        """Returns the model's inputs for every window of every text.

        Args:
            x: a string or a batch of strings, of any length.
            stride: as `cut_windows` takes it.

        Returns:
            The dict that `call` gives as `x`, with a row for each window, and
            the `Windows` that say what each row is of.

        Raises:
            ValueError: pairs of texts, or a `sequence_length` of `None`.
        """
        if isinstance(x, tuple | dict):
            raise ValueError(
                f"{type(self).__name__} makes windows of one text a row. "
                f"Received: a {type(x).__name__} of {len(x)}."
            )
        longest = windows_length(self)
        tokens = self.token_rows(x)
        with tf.device("CPU"):
            windows = cut_windows(
                tokens,
                repeated(self.tokenizer.start_token_id, tokens),
                longest=longest,
                end_id=self.tokenizer.end_token_id,
                stride=stride,
            )
            return self.model_inputs(*self.pad_windows(windows)), windows

    def pad_windows(self, windows: Windows) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `token_ids` int32 and `padding_mask` bool, `(r, n)`."""
        return pad_rows(
            windows.token_ids,
            pad_id=self.tokenizer.pad_token_id,
            sequence_length=self.sequence_length,
            pad_to=self.pad_to,
        )


def windows_length(preprocessor) -> int:
    """Returns the most tokens of a window's row.

    Raises:
        ValueError: the preprocessor has no limit to cut at.
    """
    if preprocessor.sequence_length is None:
        raise ValueError(
            "Windows are of `sequence_length` tokens, and this preprocessor "
            f"({type(preprocessor).__name__}) has none: make it with "
            "`sequence_length=4096`, or what the model reads."
        )
    return int(preprocessor.sequence_length)
