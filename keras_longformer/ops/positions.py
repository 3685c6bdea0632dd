"""Relative positions inside a band: their rows, and what is asked of them."""

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
