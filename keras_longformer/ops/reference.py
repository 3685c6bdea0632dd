"""Window attention by its definition: the other implementations match this.

Dense: every score is computed and most are masked. Time and memory grow as
`n ** 2`, so it is for tests and short inputs.
"""

import tensorflow as tf

from keras_longformer.ops import dropout
from keras_longformer.ops import masks


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
    """See `keras_longformer.window_attention`; memory is `b * h * n ** 2`.

    float64 inputs are computed in float64, all others in float32.
    """
    dtype = query.dtype
    compute_dtype = tf.float64 if dtype == tf.float64 else tf.float32
    query, key, value = (tf.cast(x, compute_dtype) for x in (query, key, value))
    reach = window_size // 2
    n = tf.shape(query)[1]
    scale = tf.cast(query.shape[-1], compute_dtype) ** -0.5

    position = tf.range(n)
    visible = masks.band_mask(
        position[:, None],
        position,
        reach,
        tf.reshape(tf.constant(dilation), (-1, 1, 1)),
        causal,
    )[None]  # (1, h or 1, q, k)
    if key_mask is not None:
        visible &= key_mask[:, None, None, :]
    if segment_ids is not None:
        visible &= tf.equal(
            segment_ids[:, None, :, None], segment_ids[:, None, None, :]
        )
    scores = scale * tf.einsum("bqhd,bkhd->bhqk", query, key)
    if position_key is not None:
        scores += scale * _position_scores(
            tf.cast(position_query, compute_dtype),
            tf.cast(position_key, compute_dtype),
            reach,
            dilation,
        )
    visible = tf.broadcast_to(visible, tf.shape(scores))

    if global_key is not None:
        global_scores = scale * tf.einsum(
            "bqhd,bghd->bhqg", query, tf.cast(global_key, compute_dtype)
        )
        global_visible = global_key_mask[:, None, None, :]
        if segment_ids is not None:
            global_visible &= tf.equal(
                segment_ids[:, None, :, None],
                global_segment_ids[:, None, None, :],
            )
        global_visible = tf.broadcast_to(
            global_visible, tf.shape(global_scores)
        )
        scores = tf.concat([global_scores, scores], axis=-1)
        visible = tf.concat([global_visible, visible], axis=-1)
        value = tf.concat([tf.cast(global_value, compute_dtype), value], axis=1)

    probabilities = masks.masked_softmax(scores, visible)
    dropped = probabilities
    if dropout_rate:
        g = 0 if global_key is None else tf.shape(global_key)[1]
        kept = _kept(probabilities, g, dilation, dropout_rate, dropout_seed)
        share = tf.cast(dropout.kept_share(dropout_rate), compute_dtype)
        dropped = tf.where(kept, probabilities / share, 0)
    outputs = tf.cast(tf.einsum("bhqk,bkhd->bqhd", dropped, value), dtype)
    if not return_scores:
        return outputs
    g = 0 if global_key is None else tf.shape(global_key)[1]
    band = _band(probabilities[..., g:], reach, dilation)
    scores = tf.concat([probabilities[..., :g], band], axis=-1)
    return outputs, tf.cast(scores, dtype)


def _kept(probabilities, g, dilation, rate, seed):
    """Says which probabilities dropout keeps, `(b, h, q, g + k)`."""
    b, h, n, _ = tf.unstack(tf.shape(probabilities))
    row_keys, column_keys = dropout.head_keys(seed, b, h)
    rows = tf.transpose(dropout.rows(row_keys, n), (0, 2, 1))  # (b, h, q)
    # The keys' numbers: global ones, then those of windows, (h, 1, g + k).
    of_globals = tf.broadcast_to(tf.range(g), [h, 1, g])
    steps = tf.range(n) // tf.reshape(tf.constant(dilation), (-1, 1, 1))
    steps = tf.broadcast_to(steps, [h, 1, n])
    number = tf.cast(tf.concat([of_globals, steps], axis=-1), tf.uint32)
    first = tf.where(
        tf.range(g + n) < g, tf.constant(dropout.GLOBAL, tf.int64), 0
    )
    pairs = number // 2 + tf.cast(first, tf.uint32)
    columns = dropout.columns(column_keys[:, :, None, None], pairs)
    z = dropout.halves(rows[..., None], columns)
    half = tf.where(tf.equal(number % 2, 0), z % 2**16, z // 2**16)
    return half >= dropout.threshold(rate)


def _position_scores(position_query, position_key, reach, dilation):
    """Products with each key's row of `position_key`, `(b, h, q, k)`.

    Those of keys outside of the window mean nothing.
    """
    products = tf.einsum("bqhd,ohd->bhqo", position_query, position_key)
    b, h, n, rows = tf.unstack(tf.shape(products))
    position = tf.range(n)
    steps = position - position[:, None]  # (q, k)
    row = steps // tf.reshape(tf.constant(dilation), (-1, 1, 1)) + reach
    row = tf.broadcast_to(tf.clip_by_value(row, 0, rows - 1), [b, h, n, n])
    return tf.gather(products, row, batch_dims=3)


def _band(probabilities, reach, dilation):
    """Reads keys `i + dilation * (j - reach)` from `(b, h, q, k)`."""
    n = tf.shape(probabilities)[-1]
    per_head = tf.broadcast_to(
        tf.constant(dilation), [probabilities.shape[1]]
    )  # (h,)
    step = tf.range(2 * reach + 1) - reach
    key = (
        tf.range(n)[:, None] + per_head[:, None, None] * step
    )  # (h, q, 2 * reach + 1)
    inside = (key >= 0) & (key < n)
    key = tf.broadcast_to(
        tf.clip_by_value(key, 0, tf.maximum(n - 1, 0)),
        tf.concat([tf.shape(probabilities)[:1], tf.shape(key)], axis=0),
    )
    band = tf.gather(probabilities, key, batch_dims=3)
    return tf.where(inside, band, 0)
