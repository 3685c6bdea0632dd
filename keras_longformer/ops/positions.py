"""Relative positions inside a band: their rows, checks and scores in chunks."""

import tensorflow as tf


def num_offsets(window_size: int, causal: bool) -> int:
    """How many keys a token's window has, and `position_key` rows."""
    return window_size // 2 + 1 if causal else window_size + 1


def check_positions(
    position_query: tf.Tensor | None,
    position_key: tf.Tensor | None,
    query: tf.Tensor,
    *,
    window_size: int,
    causal: bool,
    has_globals: bool,
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Returns both as tensors, or both `None`.

    Raises:
        ValueError: one without the other, with global keys, or of a shape that
            does not go with `query` and the window.
        TypeError: not of `query`'s dtype.
    """
    if position_query is None and position_key is None:
        return None, None
    if position_query is None or position_key is None:
        raise ValueError(
            "`position_query` and `position_key` belong together. Give both "
            "or none."
        )
    if has_globals:
        raise ValueError(
            "Global keys have no distance from a query in its window, so that "
            "`position_query` and `position_key` do not go with `global_key`. "
            "Leave out one or the other."
        )
    b, n, h, d = query.shape
    rows = num_offsets(window_size, causal)
    wanted = {
        "position_query": (position_query, (b, n, h, d)),
        "position_key": (position_key, (rows, h, d)),
    }
    tensors = []
    for name, (x, shape) in wanted.items():
        x = tf.convert_to_tensor(x)
        if x.dtype != query.dtype:
            raise TypeError(
                f"`{name}` must have `query`'s dtype, {query.dtype.name}. "
                f"Received: {name}.dtype={x.dtype.name}"
            )
        if not x.shape.is_compatible_with(shape):
            raise ValueError(
                f"`{name}` must have the shape {tf.TensorShape(shape)} to go "
                f"with `query` and window_size={window_size}, "
                f"causal={causal}. Received: {name}.shape={x.shape}"
            )
        tensors.append(x)
    return tuple(tensors)


def band_scores(
    query: tf.Tensor,
    key: tf.Tensor,
    n: int | tf.Tensor,
    columns: int | tf.Tensor,
    left: int | tf.Tensor,
    reach: int,
    causal: bool,
) -> tf.Tensor:
    """Scores of the distances, where the scores of chunks have those keys.

    Each query meets each row of `key` once. Read row by row with one column
    less, each row of a matrix shifts by one, with zeros around it:

        a a a 0 0 0        a a a 0 0
        b b b 0 0 0   ->   0 b b b 0
        c c c 0 0 0        0 0 c c c

    Args:
        query: float `(b, h, c, q, d)`.
        key: float `(o, h, d)`, the rows of a window's keys.
        n: int or int32 scalar, the length. Farther keys are left out.
        columns: int or int32 scalar, gathered keys.
        left: int or int32 scalar, keys before the chunk's first query.
        reach, causal: the window.

    Returns:
        float `(b, h, c, q, columns)`. What lies outside of a window has the
        score of some other distance, or 0.
    """
    if tf.is_tensor(n):
        past = tf.maximum(tf.minimum(reach, n - 1), 0)
    else:
        past = max(min(reach, n - 1), 0)
    future = 0 if causal else past
    key = key[reach - past : reach + future + 1]
    x = tf.einsum("bhcqd,ohd->bhcqo", query, key)
    sizes = zip(x.shape.as_list(), tf.unstack(tf.shape(x)), strict=True)
    b, h, c, q, rows = (size if i is None else i for i, size in sizes)
    # The first query's own column is `left`, and its own row is `past`.
    first = past - left
    padding = columns + first + 1 - rows
    x = tf.pad(x, [[0, 0]] * 4 + [[0, padding]])
    x = tf.reshape(x, [b, h, c, q * (columns + first + 1)])
    x = x[..., first : first + q * (columns + first)]
    x = tf.reshape(x, [b, h, c, q, columns + first])
    return x[..., :columns]
