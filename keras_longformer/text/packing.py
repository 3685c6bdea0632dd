"""Packs ragged token ids into dense model inputs with special tokens.

    one segment     <s> a a a </s>
    two segments    <s> a a a </s> </s> b b </s>

or whatever a `RowTemplate` says. KerasHub's `MultiSegmentPacker` needs a fixed
length; here rows may be padded to the longest of the batch or to a few fixed
lengths.
"""

import typing
from collections.abc import Sequence
from numbers import Integral

import tensorflow as tf

from keras_longformer.text.template import RowTemplate

TRUNCATIONS = ("round_robin", "waterfall")
PADDINGS = ("sequence_length", "longest")
PadTo = str | Sequence[int]


class Packed(typing.NamedTuple):
    """A dense batch.

    Attributes:
        token_ids: int `(b, n)`.
        padding_mask: bool `(b, n)`, `True` at tokens, special ones included.
        second_start: int32 `(b,)`, the column of the second segment's first
            token, or the first column after all tokens without one.
    """

    token_ids: tf.Tensor
    padding_mask: tf.Tensor
    second_start: tf.Tensor


def pack(
    first: tf.RaggedTensor,
    second: tf.RaggedTensor | None = None,
    *,
    template: RowTemplate,
    sequence_length: int | None = None,
    pad_to: PadTo = "sequence_length",
    truncate: str = "round_robin",
) -> Packed:
    """Packs one or two segments a row into a dense batch.

    Anything that comes one per token is packed the same way: character
    offsets, for example, with `template.filled_with(0)`.

    Args:
        first: int, ragged `(b, None)`.
        second: int, ragged `(b, None)`, or `None`.
        template: the special tokens around the segments.
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
    first_size = tf.cast(first.row_lengths(), tf.int32)
    second_size = tf.zeros_like(first_size)
    if second is not None:
        second_size = tf.cast(second.row_lengths(), tf.int32)
    num_special = template.num_special(1 if second is None else 2)
    if sequence_length is not None:
        sequence_length = int(sequence_length)
        room = sequence_length - num_special
        first_size = _first_share(first_size, second_size, room, truncate)
        second_size = tf.minimum(second_size, room - first_size)
    size = first_size + second_size + num_special
    lead = len(template.start)
    first_end = lead + first_size
    gap = template.end if second is None else template.between
    second_start = first_end + len(gap)
    length = _padded_length(size, num_special, sequence_length, pad_to)

    column = tf.range(length)
    start = tf.cast(tf.constant([template.start]), first.dtype)
    start = tf.tile(start, [tf.size(size), 1])
    token_ids = tf.concat([start, _dense(first, length - lead)], 1)
    token_ids = tf.where(column < first_end[:, None], token_ids, template.pad)
    token_ids = _put(token_ids, column, first_end, gap)
    if second is not None:
        within = column - second_start[:, None]
        is_second = (within >= 0) & (within < second_size[:, None])
        within = tf.where(is_second, within, 0)
        shifted = tf.gather(_dense(second, length), within, batch_dims=1)
        token_ids = tf.where(is_second, shifted, token_ids)
        token_ids = _put(
            token_ids, column, second_start + second_size, template.end
        )
    return Packed(
        token_ids=token_ids,
        padding_mask=column < size[:, None],
        second_start=second_start,
    )


def pad_rows(
    rows: tf.RaggedTensor,
    *,
    pad_id: int,
    sequence_length: int | None = None,
    pad_to: PadTo = "sequence_length",
    shortest: int = 1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pads rows that have their special tokens, as `pack` pads.

    Args:
        rows: int, ragged `(b, None)`, none longer than `sequence_length`.
        pad_id: int, what stands for padding.
        sequence_length, pad_to: as `pack` takes them.
        shortest: int, the columns of a batch without any rows.

    Returns:
        `token_ids`, int, and `padding_mask`, bool, `(b, n)`.
    """
    size = tf.cast(rows.row_lengths(), tf.int32)
    length = _padded_length(size, shortest, sequence_length, pad_to)
    padding_mask = tf.range(length) < size[:, None]
    token_ids = tf.where(padding_mask, _dense(rows, length), pad_id)
    return token_ids, padding_mask


def length_buckets(
    longest: int, shortest: int = 256, per_doubling: int = 1
) -> list[int]:
    """Returns lengths for `pad_to`: doubling from `shortest` to `longest`.

    Args:
        longest: int, the last of them.
        shortest: int, the first.
        per_doubling: int, how many, evenly spaced, from one length up to its
            double. Rows of any length are padded by a third on average with
            one, and by a tenth with four.

    Example: `length_buckets(1500)` is `[256, 512, 1024, 1500]`, and
    `length_buckets(600, per_doubling=4)` `[256, 320, 384, 448, 512, 600]`.
    """
    buckets = []
    while shortest < longest:
        buckets += [
            shortest + shortest * i // per_doubling for i in range(per_doubling)
        ]
        shortest *= 2
    return [*(length for length in buckets if length < longest), longest]


def check_packing(
    sequence_length: int | None, pad_to: PadTo, truncate: str
) -> None:
    """Raises a `ValueError` for arguments that `pack` cannot work with."""
    if sequence_length is not None and not (
        isinstance(sequence_length, Integral) and sequence_length >= 4
    ):
        raise ValueError(
            "`sequence_length` must be an integer that leaves room for `<s>` "
            "and up to three `</s>`, or None. "
            f"Received: sequence_length={sequence_length!r}. Try 512."
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


def _put(token_ids, column, at, ids):
    """Writes `ids` into each row, from the column `at` `(b,)` on."""
    for offset, i in enumerate(ids):
        here = tf.equal(column, at[:, None] + offset)
        token_ids = tf.where(here, tf.cast(i, token_ids.dtype), token_ids)
    return token_ids


def _padded_length(size, num_special, sequence_length, pad_to):
    """Returns the number of columns: an int where it is always the same."""
    if pad_to == "sequence_length" and sequence_length is not None:
        return int(sequence_length)
    longest = tf.reduce_max(tf.concat([size, [num_special]], 0))
    if isinstance(pad_to, str):
        return longest
    lengths = tf.constant(list(pad_to), tf.int32)
    return lengths[tf.searchsorted(lengths, longest[None])[0]]


def _dense(rows: tf.RaggedTensor, length: int | tf.Tensor) -> tf.Tensor:
    """Returns dense `(b, length)`, cut off or with 0 after each row."""
    if isinstance(length, int):
        return rows.to_tensor(shape=[None, length])
    dense = rows.to_tensor()[:, :length]
    return tf.pad(dense, [[0, 0], [0, length - tf.shape(dense)[1]]])
