"""The C++ kernel's custom calls: `native/src`, on the CPU."""

from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.native import choice
from keras_longformer.native import library
from keras_longformer.ops.custom_call import Axis
from keras_longformer.ops.custom_call import Body
from keras_longformer.ops.custom_call import Value

MAX_HEAD_SIZE = 256  # kMaxHeadSize in native/src/band_attention.h


def available() -> bool:
    """Whether the kernel is built."""
    return library.available()


def reason_against_default(wait: bool = False) -> str | None:
    """Says why the kernel is not taken unasked, or `None`.

    Once in a process: see `native.choice`, which may start to build it.

    Args:
        wait: bool, whether to build it here, where that is not decided yet.
    """
    return choice.prepare() if wait else choice.reason_against()


def leave() -> None:
    """Decides not to take the kernel unasked, where nothing is decided yet."""
    choice.leave()


def load() -> None:
    """Makes the kernel known to XLA.

    Raises:
        RuntimeError: it is not built.
    """
    library.load()


def reason_against(query: tf.Tensor | tf.TensorSpec) -> str | None:
    """Says why the kernel cannot take such queries, or `None`."""
    if query.dtype not in (tf.float32, tf.bfloat16):
        return f"it computes float32 and bfloat16, not {query.dtype.name}"
    if query.shape[-1] is not None and query.shape[-1] > MAX_HEAD_SIZE:
        return (
            f"its heads have at most {MAX_HEAD_SIZE} elements, not "
            f"{query.shape[-1]}"
        )
    return None


def forward(
    body: Body,
    operands: Sequence[Value],
    *,
    reach: int,
    causal: bool,
    threshold: int,
    dilations: Sequence[int],
) -> list[Value]:
    """Adds the forward call: see `native.window_attention`.

    Args:
        body: what to add to.
        operands: query, key, value, key mask, global key, global value, global
            key mask, segments, global segments, dropout seed. What is left out
            has no elements. With relative positions, then position query and
            position key.
        reach: int, tokens on each side of a window.
        causal: bool.
        threshold: int, of `ops.dropout`; 0 drops nothing.
        dilations: one int for each head.

    Returns:
        `(b, n, h, d)` and log2 of the sums of weights, float32 `(b, h, n)`.
    """
    query = operands[0]
    b, n, h, _ = sizes = _sizes(query)
    return body.call(
        "keras_longformer_window_attention",
        _attributes(reach, causal, threshold, dilations),
        operands,
        [(query.dtype, sizes), (tf.float32, (b, h, n))],
    )


def forward_with_scores(
    body: Body,
    operands: Sequence[Value],
    *,
    reach: int,
    causal: bool,
    threshold: int,
    dilations: Sequence[int],
) -> list[Value]:
    """Adds the forward call, and the one that computes probabilities anew.

    Args:
        body, operands, reach, causal, threshold, dilations: as in `forward`.

    Returns:
        Its results, and the probabilities before dropout,
        `(b, h, n, g + 2 * reach + 1)`.
    """
    options = dict(
        reach=reach, causal=causal, threshold=threshold, dilations=dilations
    )
    output, log_sum = forward(body, operands, **options)
    query, global_key = operands[0], operands[4]
    b, n, h, _ = _sizes(query)
    columns = Axis(global_key, 1, 2 * reach + 1)
    scores = body.call(
        "keras_longformer_window_attention_scores",
        _attributes(**options),
        [*operands[:10], log_sum, *operands[10:]],
        [(query.dtype, (b, h, n, columns))],
    )
    return [output, log_sum, *scores]


def backward(
    body: Body,
    operands: Sequence[Value],
    *,
    reach: int,
    causal: bool,
    threshold: int,
    dilations: Sequence[int],
) -> list[Value]:
    """Adds the backward call.

    Args:
        body: what to add to.
        operands: the first ten of `forward`, its results, the gradient of
            the first of them, and the positions, if any.
        reach, causal, threshold, dilations: as there.

    Returns:
        The gradients of query, key, value, global key, global value and
        positions.
    """
    query, global_key = operands[0], operands[4]
    positions = operands[13:]
    return body.call(
        "keras_longformer_window_attention_gradient",
        _attributes(reach, causal, threshold, dilations),
        operands,
        [(query.dtype, _sizes(query))] * 3
        + [(query.dtype, _sizes(global_key))] * 2
        + [(query.dtype, _sizes(x)) for x in positions],
    )


def _sizes(value):
    return [Axis(value, number) for number in range(len(value.shape))]


def _attributes(reach, causal, threshold, dilations):
    steps = ", ".join(str(step) for step in dilations)
    return (
        f"reach = {reach} : i64, causal = {int(causal)} : i64, "
        f"threshold = {threshold} : i64, dilation = array<i64: {steps}>"
    )
