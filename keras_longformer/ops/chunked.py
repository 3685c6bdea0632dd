"""Window attention as einsums over banded chunks, in stock TensorFlow.

The queries are cut into chunks, and each chunk is multiplied with the keys
that any of its queries can reach. With chunks of 2 queries and `reach=2`:

    query   keys gathered for the chunk, * = seen
    0       . .|* * *
    1       . .|* * * *
    2           * * * * * .
    3           . * * * * *
    4               * * * *|. .
    5               . * * *|. .

One product a chunk, with the corners masked, instead of one a query. Dilation
`r` is the same band on each of the `r` sequences that start at token 0, 1, ...,
`r - 1` and take every `r`-th token.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from keras_longformer.ops import dropout
from keras_longformer.ops import masks
from keras_longformer.ops import positions

# Of 64, 128, 256 and 512 queries, 128 was fastest forward and backward at
# n = 4096, window_size = 512, 12 heads of 64 (float32, two AVX-512 cores):
# fewer queries copy each key more often, more compute more masked scores.
CHUNK_SIZE = 128

# Each row of scores is a multiple of this many numbers long, with keys at its
# end that no query sees: a GPU moves 16 bytes at once where rows start at a
# multiple of them, and else one number at a time.
ROW_MULTIPLE = 16

# Added to the score of a key that may not be seen. In float32 it leaves nothing
# of a score below 1e31, so that the key's weight is exactly 0, also beside
# scores that are as large: what stands in padding may be anything.
_HIDDEN = -3e38


class _Tensors(NamedTuple):
    query: tf.Tensor  # (b, n, h, d), as are key and value
    key: tf.Tensor
    value: tf.Tensor
    key_mask: tf.Tensor | None  # (b, n)
    global_key: tf.Tensor | None  # (b, g, h, d), as is global_value
    global_value: tf.Tensor | None
    global_key_mask: tf.Tensor | None  # (b, g)
    segment_ids: tf.Tensor | None  # (b, n)
    global_segment_ids: tf.Tensor | None  # (b, g)
    position_query: tf.Tensor | None  # (b, n, h, d)
    position_key: tf.Tensor | None  # (o, h, d)
    rows: tf.Tensor | None  # (b, n, h), as the next of `dropout`
    column_keys: tf.Tensor | None  # (b, h)


def window_attention(
    query,
    key,
    value,
    *,
    window_size,
    dilation=1,
    causal=False,
    key_mask=None,
    global_key=None,
    global_value=None,
    global_key_mask=None,
    segment_ids=None,
    global_segment_ids=None,
    position_query=None,
    position_key=None,
    dropout_rate=0.0,
    dropout_seed=None,
    return_scores=False,
):
    """See `keras_longformer.window_attention`.

    Time is `O(n * (window_size + CHUNK_SIZE + g) * h * d)`. Memory is
    `O(n * (window_size + CHUNK_SIZE + g) * h)` for the scores, and
    `1 + window_size / CHUNK_SIZE` times their own size for the gathered keys
    and values. Up to `window_size + CHUNK_SIZE` tokens are a single chunk,
    where `n` takes the window's place in both. Positions take as much again
    for their scores.
    """
    rows = column_keys = None
    if dropout_rate:
        sizes = (_size(query, axis) for axis in range(3))
        rows, column_keys = dropout.rows_and_column_keys(dropout_seed, *sizes)
    tensors = _Tensors(
        query,
        key,
        value,
        key_mask,
        global_key,
        global_value,
        global_key_mask,
        segment_ids,
        global_segment_ids,
        position_query,
        position_key,
        rows,
        column_keys,
    )
    options = dict(
        reach=window_size // 2,
        causal=causal,
        dropout_rate=dropout_rate,
        return_scores=return_scores,
    )
    outputs, scores = _by_head(tensors, dilation, options)
    if return_scores:
        return outputs, tf.transpose(scores, (0, 2, 1, 3))
    return outputs


def _by_head(tensors, dilation, options):
    """Runs all heads of one dilation together, then restores their order."""
    if isinstance(dilation, int):
        return _by_phase(tensors, dilation, options)
    groups, order = [], []
    for step in sorted(set(dilation)):
        heads = [head for head, own in enumerate(dilation) if own == step]
        take = functools.partial(_optional, tf.gather, indices=heads, axis=2)
        group = tensors._replace(
            query=take(tensors.query),
            key=take(tensors.key),
            value=take(tensors.value),
            global_key=take(tensors.global_key),
            global_value=take(tensors.global_value),
            position_query=take(tensors.position_query),
            position_key=_optional(
                tf.gather, tensors.position_key, indices=heads, axis=1
            ),
            rows=take(tensors.rows),
            column_keys=_optional(
                tf.gather, tensors.column_keys, indices=heads, axis=1
            ),
        )
        groups.append(_by_phase(group, step, options))
        order += heads
    place = [order.index(head) for head in range(len(order))]

    def join(parts):
        return tf.gather(tf.concat(parts, axis=2), place, axis=2)

    outputs, scores = zip(*groups)
    return join(outputs), join(scores) if options["return_scores"] else None


def _by_phase(tensors, dilation, options):
    """Runs each of the `dilation` interleaved sequences as one of the batch."""
    if dilation == 1:
        return _attend(tensors, **options)
    b, n = (_size(tensors.query, axis) for axis in (0, 1))
    steps = (n + dilation - 1) // dilation
    padding = steps * dilation - n
    key_mask = tensors.key_mask
    if key_mask is None:
        key_mask = tf.ones((b, n), tf.bool)

    def split(x):  # (b, n, ...) -> (b * dilation, steps, ...)
        rest = x.shape[2:].as_list()
        x = tf.pad(x, [[0, 0], [0, padding]] + [[0, 0]] * len(rest))
        x = tf.reshape(x, [b, steps, dilation, *rest])
        x = tf.experimental.numpy.swapaxes(x, 1, 2)
        return tf.reshape(x, [b * dilation, steps, *rest])

    def join(x):  # (b * dilation, steps, ...) -> (b, n, ...)
        rest = [_size(x, axis) for axis in range(2, x.shape.rank)]
        x = tf.reshape(x, [b, dilation, steps, *rest])
        x = tf.experimental.numpy.swapaxes(x, 1, 2)
        return tf.reshape(x, [b, steps * dilation, *rest])[:, :n]

    repeat = functools.partial(_optional, tf.repeat, repeats=dilation, axis=0)
    phases = _Tensors(
        query=split(tensors.query),
        key=split(tensors.key),
        value=split(tensors.value),
        key_mask=split(key_mask),
        global_key=repeat(tensors.global_key),
        global_value=repeat(tensors.global_value),
        global_key_mask=repeat(tensors.global_key_mask),
        segment_ids=_optional(split, tensors.segment_ids),
        global_segment_ids=repeat(tensors.global_segment_ids),
        position_query=_optional(split, tensors.position_query),
        position_key=tensors.position_key,
        rows=_optional(split, tensors.rows),
        column_keys=repeat(tensors.column_keys),
    )
    outputs, scores = _attend(phases, **options)
    return join(outputs), _optional(join, scores)


def _attend(tensors, *, reach, causal, **options):
    """Takes a short sequence as one chunk, and cuts a longer one."""
    n = _size(tensors.query, 1)
    left, right = reach, 0 if causal else reach
    short = n <= CHUNK_SIZE + left + right

    def either(one, several):
        # Not `tf.cond`: XLA would compile both ways, for shapes that only one
        # of them can have.
        if tf.is_tensor(short):
            return tf.where(short, one, several)
        return one if short else several

    g = 0 if tensors.global_key is None else _size(tensors.global_key, 1)
    # No negative numbers are divided, which ONNX does towards 0.
    chunks = (n + CHUNK_SIZE - 1) // CHUNK_SIZE
    spare = (ROW_MULTIPLE - 1) * (g + CHUNK_SIZE + left + right) % ROW_MULTIPLE
    return _attend_chunks(
        tensors,
        either(1, chunks),
        either(n, CHUNK_SIZE),
        *(either(0, x) for x in (left, right, spare)),
        reach,
        causal,
        **options,
    )


def _attend_chunks(
    tensors,
    chunks,
    size,
    left,
    right,
    spare,
    reach,
    causal,
    dropout_rate,
    return_scores,
):
    """Multiplies each chunk of `size` queries with the keys around it.

    Args:
        tensors: the `_Tensors`.
        chunks: int or int32 scalar, so that `chunks * size >= n`.
        size: int or int32 scalar, queries in a chunk.
        left: int, keys taken before the chunk's first query.
        right: int, keys taken after its last.
        spare: int or int32 scalar, keys taken after those, which none sees.
        reach, causal: the window, inside those keys.
        dropout_rate, return_scores: as in `window_attention`.

    Returns:
        float `(b, n, h, d)`, and `(b, n, h, g + 2 * reach + 1)` or `None`.
    """
    b, n, h, d = (_size(tensors.query, axis) for axis in range(4))
    g = 0 if tensors.global_key is None else _size(tensors.global_key, 1)

    def cut(x):  # (b, n, h, d) -> (b, h, c, q, d), scaled
        x *= x.shape[-1] ** -0.5
        x = tf.pad(x, [[0, 0], [0, chunks * size - n], [0, 0], [0, 0]])
        return tf.reshape(_heads_first(x), [b, h, chunks, size, d])

    query = cut(tensors.query)

    steps = tf.range(-left, size + right + spare)
    key_index = tf.range(chunks)[:, None] * size + steps
    visible = _visible(tensors, key_index, size, left, reach, causal)
    bias = tf.where(visible, 0.0, _HIDDEN)[:, None]  # (b or 1, 1, c, q, g + k)

    def windows(x, global_x):  # (b, h, c, g + k, d)
        x = x if global_x is None else tf.concat([global_x, x], axis=1)
        return _take_keys(_heads_first(x), key_index, g, n, axis=2)

    keys = windows(tensors.key, tensors.global_key)
    scores = tf.einsum("bhcqd,bhckd->bhcqk", query, keys)
    softmax_dtype = tf.float64 if query.dtype == tf.float64 else tf.float32
    scores = tf.cast(scores, softmax_dtype) + tf.cast(bias, softmax_dtype)
    if tensors.position_key is not None:
        position_scores = positions.band_scores(
            cut(tensors.position_query),
            tensors.position_key,
            n,
            _size(scores, -1),
            left,
            reach,
            causal,
        )
        scores += tf.cast(position_scores, softmax_dtype)
    probabilities = tf.cast(tf.nn.softmax(scores), query.dtype)
    dropped = probabilities
    if dropout_rate:
        kept = dropout.kept_in_chunks(
            tensors.rows,
            tensors.column_keys,
            chunks,
            size,
            left,
            _size(steps, 0),
            g,
            dropout_rate,
        )
        dropped = tf.where(kept, probabilities, tf.zeros((), query.dtype))
    values = windows(tensors.value, tensors.global_value)
    outputs = tf.einsum("bhcqk,bhckd->bhcqd", dropped, values)
    if dropout_rate:  # Of all factors the same: fewer products, afterwards.
        outputs *= 1 / dropout.kept_share(dropout_rate)

    def join(x):  # (b, h, c, q, ...) -> (b, n, h, ...), hidden rows 0
        x = tf.reshape(x, [b, h, chunks * size, _size(x, -1)])[:, :, :n]
        x = _heads_first(x)
        if tensors.key_mask is None:  # each query sees at least itself
            return x
        sees = tf.reduce_any(visible, axis=-1)  # (b, c, q)
        sees = tf.reshape(sees, [b, chunks * size, 1, 1])[:, :n]
        return tf.where(sees, x, 0)

    if not return_scores:
        return join(outputs), None
    band = _band(probabilities[..., g:], left, right, reach)
    band = tf.concat([probabilities[..., :g], band], axis=-1)
    return join(outputs), join(band)


def _visible(tensors, key_index, size, left, reach, causal):
    """Says which gathered keys each query sees, `(b or 1, c, q, g + k)`."""
    n = _size(tensors.query, 1)
    inside = (key_index >= 0) & (key_index < n)  # (c, k)
    if tensors.key_mask is None:
        seen = inside[None]
    else:
        seen = inside & _take_keys(tensors.key_mask, key_index, 0, n, axis=1)
    band = masks.band_mask(
        tf.range(size)[:, None],
        tf.range(_size(key_index, 1)) - left,
        reach,
        causal=causal,
    )  # (q, k)
    visible = seen[:, :, None, :] & band
    own = None
    if tensors.segment_ids is not None:
        own = _query_segments(tensors.segment_ids, key_index, size)
        keys = _take_keys(tensors.segment_ids, key_index, 0, n, axis=1)
        visible &= tf.equal(own, keys[:, :, None, :])
    if tensors.global_key is None:
        return visible
    b, g = (_size(tensors.global_key, axis) for axis in (0, 1))
    _, c, q, k = (_size(visible, axis) for axis in range(4))
    shown = tensors.global_key_mask[:, None, None, :]
    if own is not None:
        theirs = tensors.global_segment_ids[:, None, None, :]
        shown &= tf.equal(own, theirs)
    shown = tf.broadcast_to(shown, [b, c, q, g])
    visible = tf.broadcast_to(visible, [b, c, q, k])
    return tf.concat([shown, visible], axis=-1)


def _query_segments(segment_ids, key_index, size):
    """Returns the segments of each chunk's queries, `(b, c, q, 1)`."""
    b, n = (_size(segment_ids, axis) for axis in (0, 1))
    chunks = _size(key_index, 0)
    segments = tf.pad(segment_ids, [[0, 0], [0, chunks * size - n]])
    return tf.reshape(segments, [b, chunks, size, 1])


def _take_keys(x, key_index, g, n, axis):
    """Gathers the `g` first of `axis` and the keys, for each chunk.

    An index before the first or after the last key takes that key; it is
    hidden by `_visible`.
    """
    if key_index.shape[0] == 1:  # one chunk takes them all: a view
        return tf.expand_dims(x, axis)
    key_index = g + tf.clip_by_value(key_index, 0, n - 1)
    first = tf.tile(tf.range(g)[None], [_size(key_index, 0), 1])
    return tf.gather(x, tf.concat([first, key_index], axis=1), axis=axis)


def _band(probabilities, left, right, reach):
    """Moves query `i`'s keys `i - reach ... i + reach` into its columns.

    Read row by row with one column more, each row of a matrix shifts by one:
    `(q, k)` becomes `(q, k + 1)` with the diagonal as its first column.
    """
    before, after = reach - left, reach - right
    x = tf.pad(probabilities, [[0, 0]] * 4 + [[before, after]])
    b, h, c, q, k = (_size(x, axis) for axis in range(5))
    x = tf.pad(tf.reshape(x, [b, h, c, q * k]), [[0, 0]] * 3 + [[0, q]])
    return tf.reshape(x, [b, h, c, q, k + 1])[..., : 2 * reach + 1]


def _heads_first(x):
    """Swaps length and heads: `(b, n, h, d)` and `(b, h, n, d)`."""
    return tf.transpose(x, (0, 2, 1, 3))


def _size(x, axis):
    """The size of an axis: an int where it is known, else a scalar."""
    known = x.shape[axis]
    return tf.shape(x)[axis] if known is None else known


def _optional(function, x, **arguments):
    return None if x is None else function(x, **arguments)
