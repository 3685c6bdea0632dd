"""Packs ragged token ids into dense model inputs with special tokens.

    one segment     <s> a a a </s>
    two segments    <s> a a a </s> </s> b b </s>

as RoBERTa was trained. KerasHub's `MultiSegmentPacker` needs a fixed length;
here rows may be padded to the longest of the batch or to a few fixed lengths.
"""

import typing
from collections.abc import Sequence

import tensorflow as tf

TRUNCATIONS = ("round_robin", "waterfall")
PADDINGS = ("sequence_length", "longest")
PadTo = str | Sequence[int]


class Packed(typing.NamedTuple):
    """A dense batch.

    Attributes:
        token_ids: int `(b, n)`.
        padding_mask: bool `(b, n)`, `True` at tokens, special ones included.
        second_start: int32 `(b,)`, the column of the second segment's first
            token, or the first column behind all tokens without one.
    """

    token_ids: tf.Tensor
    padding_mask: tf.Tensor
    second_start: tf.Tensor


def pack(
    first: tf.RaggedTensor,
    second: tf.RaggedTensor | None = None,
    *,
    start_id: int,
    end_id: int,
    pad_id: int,
    sequence_length: int | None = None,
    pad_to: PadTo = "sequence_length",
    truncate: str = "round_robin",
) -> Packed:
    """Packs one or two segments a row into a dense batch.

    Anything that comes one per token is packed the same way: character
    offsets, for example, with 0 for the three ids.

    Args:
        first: int, ragged `(b, None)`.
        second: int, ragged `(b, None)`, or `None`.
        start_id, end_id, pad_id: what stands for `<s>`, `</s>` and padding.
        sequence_length: the most tokens of a row, special ones included; the
            rest is cut off. `None` cuts nothing.
        pad_to: `"sequence_length"` pads to it; `"longest"` to the longest row
            of the batch; ascending ints to the least of them that holds the
            longest row. Without a `sequence_length`, `"sequence_length"` is
            `"longest"` too.
        truncate: what is cut off two segments: `"round_robin"` shortens the
            longer one until both are equal, then both; `"waterfall"` cuts the
            second before the first.
    """
    num_special = 2 if second is None else 4
    first_size, second_size = first.row_lengths(), None
    if sequence_length is not None:
        room = tf.constant(sequence_length - num_special, first_size.dtype)
        second_size = 0 if second is None else second.row_lengths()
        first_size = _first_share(first_size, second_size, room, truncate)
        first = _trimmed(first, first_size)
    edge = tf.ones_like(first_size, first.dtype)[:, None]
    segments = [edge * start_id, first, edge * end_id]
    if second is not None:
        if sequence_length is not None:
            second = _trimmed(
                second, tf.minimum(second_size, room - first_size)
            )
        segments += [edge * end_id, second, edge * end_id]
    rows = tf.concat(segments, 1)
    sizes = rows.row_lengths()
    length = _padded_length(sizes, sequence_length, pad_to)
    second_start = first_size + (2 if second is None else 3)
    return Packed(
        token_ids=_padded(rows, length, pad_id),
        padding_mask=tf.sequence_mask(sizes, length),
        second_start=tf.cast(second_start, tf.int32),
    )


def length_buckets(longest: int, shortest: int = 256) -> list[int]:
    """Returns lengths for `pad_to`: doubling from `shortest` to `longest`.

    Example: `length_buckets(1500)` is `[256, 512, 1024, 1500]`.
    """
    buckets = []
    while shortest < longest:
        buckets.append(shortest)
        shortest *= 2
    return [*buckets, longest]


def check_packing(
    sequence_length: int | None, pad_to: PadTo, truncate: str
) -> None:
    """Raises a `ValueError` for arguments that `pack` cannot work with."""
    if sequence_length is not None and sequence_length < 4:
        raise ValueError(
            "`sequence_length` must leave room for `<s>` and up to three "
            f"`</s>`. Received: sequence_length={sequence_length}. Try 512."
        )
    if truncate not in TRUNCATIONS:
        raise ValueError(
            f"`truncate` must be one of {TRUNCATIONS}. "
            f"Received: truncate={truncate!r}."
        )
    if isinstance(pad_to, str):
        if pad_to not in PADDINGS:
            raise ValueError(
                f"`pad_to` must be one of {PADDINGS} or a list of lengths. "
                f"Received: pad_to={pad_to!r}."
            )
        return
    lengths = list(pad_to)
    if not lengths or lengths != sorted(lengths):
        raise ValueError(
            "`pad_to` must list lengths in ascending order. "
            f"Received: pad_to={pad_to!r}."
        )
    if sequence_length is None or lengths[-1] < sequence_length:
        raise ValueError(
            "The last length of `pad_to` must hold the longest row there can "
            f"be. Received: pad_to={pad_to!r}, "
            f"sequence_length={sequence_length}."
        )


def _first_share(first_size, second_size, room, truncate):
    """Returns how many tokens of each row's `room` the first segment gets."""
    if truncate == "waterfall":
        return tf.minimum(first_size, room)
    share = tf.maximum(room - second_size, (room + 1) // 2)
    return tf.minimum(first_size, tf.minimum(share, room))


def _trimmed(rows: tf.RaggedTensor, sizes: tf.Tensor) -> tf.RaggedTensor:
    """Returns the first `sizes[i]` entries of each row."""
    column = tf.ragged.range(rows.row_lengths()).values
    kept = column < tf.repeat(sizes, rows.row_lengths())
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(rows.values, kept), sizes, validate=False
    )


def _padded_length(sizes, sequence_length, pad_to):
    """Returns the number of columns: an int where it is always the same."""
    if pad_to == "sequence_length" and sequence_length is not None:
        return sequence_length
    longest = tf.reduce_max(tf.concat([sizes, [0]], 0))
    if isinstance(pad_to, str):
        return longest
    lengths = tf.constant(list(pad_to), longest.dtype)
    return lengths[tf.searchsorted(lengths, longest[None])[0]]


def _padded(rows: tf.RaggedTensor, length, pad_id: int) -> tf.Tensor:
    """Returns dense `(b, length)`, for a `length` that holds every row."""
    if isinstance(length, int):
        return rows.to_tensor(pad_id, shape=[None, length])
    dense = rows.to_tensor(pad_id)
    missing = tf.cast(length, tf.int32) - tf.shape(dense)[1]
    return tf.pad(dense, [[0, 0], [0, missing]], constant_values=pad_id)
