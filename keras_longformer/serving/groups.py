"""Runs rows of different lengths, each at about its own length.

For buckets of 4 and 8 tokens, the batch on the left runs as the two on the
right, and its outputs are put back in order:

    a a a a a a        1:  b b . .     2:  a a a a a a . .
    b b                    d d d .         c c c c c . . .
    c c c c c
    d d d
"""

from collections.abc import Callable
from collections.abc import Sequence

import tensorflow as tf

# At once: 4 rows of 4,096 tokens or 64 of 256. More rows take more memory and,
# on 2 cores, as much time a row.
TOKENS_AT_ONCE = 2**14


def run_in_groups(
    function: Callable[..., dict[str, tf.Tensor]],
    rows: tf.RaggedTensor,
    extras: dict[str, tf.Tensor],
    *,
    buckets: Sequence[int],
    pad_id: int,
    tokens_at_once: int = TOKENS_AT_ONCE,
) -> dict[str, tf.Tensor]:
    """Pads rows to the least bucket that holds each, and runs those together.

    Args:
        function: a concrete function of `token_ids` int32 `(r, n)`,
            `padding_mask` bool `(r, n)` and `extras`, whose outputs have
            the rows as first axis.
        rows: int32, ragged `(r, None)`, none longer than the last bucket.
        extras: tensors with the rows as first axis.
        buckets: ints, ascending.
        pad_id: int, the id of `<pad>`.
        tokens_at_once: int, the most tokens, padding included, of one run,
            unless one row has more.

    Returns:
        The function's outputs, for all rows.
    """
    sizes = tf.constant(list(buckets), tf.int32)
    at_once = tf.maximum(tokens_at_once // sizes, 1)
    lengths = tf.cast(rows.row_lengths(), tf.int32)
    bucket = tf.searchsorted(sizes, lengths)
    order = tf.argsort(bucket, stable=True)
    bucket = tf.gather(bucket, order)
    # Groups, as the first place in `order` of each.
    rank = tf.range(tf.size(order)) - tf.searchsorted(bucket, bucket)
    starts = tf.where(tf.equal(rank % tf.gather(at_once, bucket), 0))[:, 0]
    starts = tf.cast(starts, tf.int32)
    # No rows at all are one group, so that there are outputs.
    starts = tf.concat(
        [starts, tf.zeros([1 - tf.minimum(tf.size(starts), 1)], tf.int32)], 0
    )
    ends = tf.concat([starts[1:], [tf.size(order)]], 0)
    bucket = tf.concat([bucket, [0]], 0)

    def run(i, arrays):
        members = order[starts[i] : ends[i]]
        length = sizes[bucket[starts[i]]]
        outputs = function(
            **padded(tf.gather(rows, members), length, pad_id),
            **{name: tf.gather(x, members) for name, x in extras.items()},
        )
        return i + 1, {
            name: array.write(i, outputs[name])
            for name, array in arrays.items()
        }

    arrays = {
        name: tf.TensorArray(
            spec.dtype,
            tf.size(starts),
            infer_shape=False,
            element_shape=spec.shape,
        )
        for name, spec in function.structured_outputs.items()
    }
    _, arrays = tf.while_loop(
        lambda i, _: i < tf.size(starts),
        run,
        (0, arrays),
        parallel_iterations=1,
    )
    back = tf.argsort(order)
    outputs = {}
    for name, array in arrays.items():
        outputs[name] = tf.gather(array.concat(), back)
        outputs[name].set_shape(function.structured_outputs[name].shape)
    return outputs


def run_together(
    function: Callable[..., dict[str, tf.Tensor]],
    rows: tf.RaggedTensor,
    extras: dict[str, tf.Tensor],
    *,
    buckets: Sequence[int],
    pad_id: int,
) -> dict[str, tf.Tensor]:
    """Pads all rows to the least bucket that holds the longest.

    Few shapes: as many as there are buckets, times batch sizes.
    """
    sizes = tf.constant(list(buckets), tf.int32)
    longest = tf.reduce_max(tf.concat([rows.row_lengths(), [0]], 0))
    bucket = tf.searchsorted(sizes, tf.cast(longest, tf.int32)[None])[0]
    return function(**padded(rows, sizes[bucket], pad_id), **extras)


def padded(
    rows: tf.RaggedTensor, length: tf.Tensor, pad_id: int
) -> dict[str, tf.Tensor]:
    """Returns `token_ids` int32 and `padding_mask` bool, `(r, length)`."""
    token_ids = rows.to_tensor(pad_id)
    missing = length - tf.shape(token_ids)[1]
    return {
        "token_ids": tf.pad(
            token_ids, [[0, 0], [0, missing]], constant_values=pad_id
        ),
        "padding_mask": tf.sequence_mask(rows.row_lengths(), length),
    }
