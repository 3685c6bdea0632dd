"""Window attention as one XLA custom call, computed by the compiled kernel."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.native import library
from keras_longformer.ops import custom_call
from keras_longformer.ops.custom_call import Axis

MAX_HEAD_SIZE = 256  # kMaxHeadSize in native/src/band_attention.h


def available() -> bool:
    """Whether the kernel is built, and this process computes on the CPU."""
    # On a machine with a GPU, tensors live there.
    return not tf.config.get_visible_devices("GPU") and library.available()


def reason_against(
    query: tf.Tensor, *, dropout_rate: float = 0.0, return_scores: bool = False
) -> str | None:
    """Says why the kernel cannot do this, or `None` where it can."""
    if query.dtype not in (tf.float32, tf.bfloat16):
        return f"it computes float32 and bfloat16, not {query.dtype.name}"
    if query.shape[-1] is not None and query.shape[-1] > MAX_HEAD_SIZE:
        return (
            f"its heads have at most {MAX_HEAD_SIZE} elements, not "
            f"{query.shape[-1]}"
        )
    if query.shape[2] is None:
        return "the number of heads must be known when the graph is made"
    if dropout_rate:
        return "it has no attention dropout"
    if return_scores:
        return "it never holds the scores that it should return"
    return None


def window_attention(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    *,
    window_size: int,
    dilation: int | Sequence[int] = 1,
    causal: bool = False,
    key_mask: tf.Tensor | None = None,
    global_key: tf.Tensor | None = None,
    global_value: tf.Tensor | None = None,
    global_key_mask: tf.Tensor | None = None,
    dropout_rate: float = 0.0,
    dropout_seed: tf.Tensor | None = None,
    return_scores: bool = False,
) -> tf.Tensor:
    """See `keras_longformer.window_attention`.

    Time is `O(n * (window_size + g) * h * d)`. Memory is that of the result,
    one float for each query and head, and scratch that does not grow with `n`:
    for each thread some 64-token tiles forward, and
    `O((window_size + 1024) * d)` backward. Results are the same bits every
    time.

    Raises:
        NotImplementedError: see `reason_against`, and for second derivatives.
        RuntimeError: the kernel is not built.
    """
    reason = reason_against(
        query, dropout_rate=dropout_rate, return_scores=return_scores
    )
    if reason is not None:
        raise NotImplementedError(
            f"The native kernel cannot do this: {reason}. Use "
            "`implementation='chunked'`."
        )
    library.load()
    heads = query.shape[2]
    steps = (dilation,) * heads if isinstance(dilation, int) else dilation
    attributes = (
        f"reach = {window_size // 2} : i64, causal = {int(causal)} : i64, "
        f"dilation = array<i64: {', '.join(str(step) for step in steps)}>"
    )
    # What is left out has no elements; the kernel does no work for it.
    no_mask = tf.zeros((0, 0), tf.bool)
    no_tokens = tf.zeros((0, 0, 0, 0), query.dtype)
    return _attend(
        query,
        key,
        value,
        no_mask if key_mask is None else key_mask,
        no_tokens if global_key is None else global_key,
        no_tokens if global_value is None else global_value,
        no_mask if global_key_mask is None else global_key_mask,
        attributes,
    )


def _attend(*arguments):
    *tensors, attributes = arguments

    @tf.custom_gradient
    def attend(*tensors):
        output, log_sum = custom_call.call(
            tensors, {"CPU": functools.partial(_forward, attributes)}
        )

        def backward(output_gradient):
            gradients = _first_derivative(
                lambda *operands: custom_call.call(
                    operands, {"CPU": functools.partial(_backward, attributes)}
                ),
                (*tensors, output, log_sum, output_gradient),
            )
            query_key_value, globals_ = gradients[:3], gradients[3:]
            return *query_key_value, None, *globals_, None

        return output, backward

    return attend(*tensors)


def _forward(attributes, body, operands):
    query = operands[0]
    b, n, h, _ = sizes = [Axis(query, number) for number in range(4)]
    return body.call(
        "keras_longformer_window_attention",
        attributes,
        operands,
        [(query.dtype, sizes), (tf.float32, (b, h, n))],
    )


def _backward(attributes, body, operands):
    like = [
        (x.dtype, [Axis(x, number) for number in range(4)])
        for x in (operands[0], operands[4])
    ]
    return body.call(
        "keras_longformer_window_attention_gradient",
        attributes,
        operands,
        [like[0]] * 3 + [like[1]] * 2,
    )


def _first_derivative(function, tensors):
    """Calls `function` so that differentiating its result raises."""

    @tf.custom_gradient
    def once(*tensors):
        def twice(*_):
            raise NotImplementedError(
                "The native kernel has no second derivatives. Use "
                "`implementation='chunked'`."
            )

        return function(*tensors), twice

    return once(*tensors)
