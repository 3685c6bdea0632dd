"""Masks of tokens, and the rows that belong to the tokens they mark."""

from numbers import Integral

import tensorflow as tf


def check_max_global_tokens(most):
    """Returns `None` or an int; raises `ValueError` for anything else."""
    if most is None:
        return None
    if not isinstance(most, Integral) or most < 0:
        raise ValueError(
            "`max_global_tokens` must be a non-negative integer, or None to "
            "take as many as the mask marks. "
            f"Received: max_global_tokens={most!r}"
        )
    return int(most)


def both(mask, other):
    """Where both masks are `True`, of which the second may be `None`."""
    return mask if other is None else mask & other


def find_global_tokens(global_mask, most, name):
    """Lists each row's global tokens in order.

    Args:
        global_mask: bool `(b, n)`.
        most: int, the layer's `max_global_tokens`, or `None`.
        name: str, the layer's, for the message.

    Returns:
        index: int32 `(b, g)`, positions, all of them different in a row.
        real: bool `(b, g)`, `False` where a row has fewer than `g`; the
            index is then some other token's.
        overflow: bool `(b,)`, whether a row has more than
            `max_global_tokens`; `None` where there is no such limit.
    """
    marked = tf.cast(global_mask, tf.int32)
    count = tf.reduce_sum(marked, axis=1)  # (b,)
    if most is None:
        g, overflow = tf.reduce_max(count), None
    else:
        n = global_mask.shape[1]
        g = (
            min(most, n)
            if n is not None
            else tf.minimum(most, tf.shape(global_mask)[1])
        )
        overflow = count > most
        check = tf.debugging.assert_less_equal(
            count,
            most,
            message=(
                f"'{name}' takes at most max_global_tokens={most} "
                "global tokens in a row, and `global_mask` marks more. "
                "Mark fewer, or build the model with a larger "
                "`max_global_tokens`, or None for any number. Marked in "
                "each row, and the limit:"
            ),
            summarize=64,
        )
        with tf.control_dependencies([check] if check is not None else []):
            marked = tf.identity(marked)
    # Of equal values `top_k` takes the first, so marks keep their order.
    values, index = tf.math.top_k(marked, k=g)
    return index, values > 0, overflow


def with_zero_gradients(x, weights):
    """Returns `x`, with gradients of 0 for weights that it does not use.

    Without any, Keras warns at each `fit` of a layer without global tokens.
    With them, an optimizer's weight decay acts on these weights, as it does in
    a model whose global mask is all `False`.

    Args:
        x: float tensor.
        weights: list of Keras variables.
    """

    @tf.custom_gradient
    def identity(x, *unused):
        def gradient(upstream):
            return upstream, *(tf.zeros_like(weight) for weight in unused)

        return tf.identity(x), gradient

    return identity(x, *(tf.convert_to_tensor(w.value) for w in weights))


def replace_rows(context, rows, index, real):
    """Puts `(b, g, h, d)` rows in their places of `(b, n, h, d)`."""
    current = tf.gather(context, index, batch_dims=1)
    rows = tf.where(real[:, :, None, None], rows, current)
    b = tf.broadcast_to(tf.range(tf.shape(index)[0])[:, None], tf.shape(index))
    return tf.tensor_scatter_nd_update(
        context, tf.stack([b, index], axis=-1), rows
    )


def fill_rows(context, padding_mask, overflow):
    """Makes padding 0, and what has too many global tokens NaN.

    The NaN is what is left of the error where XLA drops the assertion.
    """
    if padding_mask is None and overflow is None:
        return context
    keep, fill = padding_mask, tf.zeros((), context.dtype)
    if overflow is not None:
        keep = both(~overflow[:, None], padding_mask)
        fill = tf.where(overflow, float("nan"), 0.0)[:, None, None, None]
        fill = tf.cast(fill, context.dtype)
    return tf.where(keep[:, :, None, None], context, fill)


# The most global tokens in a row at which one product with zeros paid (width
# 768, 12 heads, 100 tokens, two cores with AVX-512).
FEW = 4


def fold_queries(queries, kernel, most):
    """Puts a key projection into queries: `bghd,mhd->bghm`.

    For few queries as one product of them all with the whole kernel, in which
    the other heads' parts of a query are 0: for einsum the kernel would first
    be turned about, which takes longer than the multiplications by 0.

    Args:
        queries: float `(b, g, h, d)`.
        kernel: float `(m, h, d)`.
        most: int, the layer's `max_global_tokens`, or `None`.
    """
    if most is None or most > FEW:
        return tf.einsum("bghd,mhd->bghm", queries, kernel)
    m, h, d = kernel.shape
    own_head = tf.eye(h, dtype=queries.dtype)[:, :, None]  # (h, h, 1)
    rows = tf.reshape(queries[:, :, :, None] * own_head, (-1, h * d))
    folded = tf.matmul(rows, tf.reshape(kernel, (m, h * d)), transpose_b=True)
    return tf.reshape(folded, (*_rows_of(queries), h, m))


def unfold_values(means, kernel, most):
    """Applies a value projection to each head's mean: `bghm,mhd->bghd`.

    For few rows as one product, of which each head keeps its own part: see
    `fold_queries`.

    Args:
        means: float `(b, g, h, m)`.
        kernel: float `(m, h, d)`.
        most: int, the layer's `max_global_tokens`, or `None`.
    """
    if most is None or most > FEW:
        return tf.einsum("bghm,mhd->bghd", means, kernel)
    m, h, d = kernel.shape
    rows = tf.matmul(tf.reshape(means, (-1, m)), tf.reshape(kernel, (m, h * d)))
    own_head = tf.eye(h, dtype=means.dtype)[:, :, None]
    rows = tf.reshape(rows, (*_rows_of(means), h, h, d))
    return tf.reduce_sum(rows * own_head, axis=3)


def _rows_of(x):
    return tf.shape(x)[0], tf.shape(x)[1]
