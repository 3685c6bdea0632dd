"""Window attention as one XLA custom call, computed by the compiled kernel.

`XlaCallModule` carries the call as text in StableHLO, so that the same op runs
eagerly, in a graph and inside XLA. It is private to TensorFlow, and the text's
details are undocumented: both stay within this module.
"""

import functools
from collections.abc import Sequence

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

from keras_longformer.native import library

MAX_HEAD_SIZE = 256  # kMaxHeadSize in native/src/band_attention.h

_DTYPES = {tf.float32: "f32", tf.bfloat16: "bf16", tf.bool: "i1"}

# Written by TensorFlow 2.20's and read by 2.20's and 2.21's XlaCallModule.
_MODULE_VERSION = 9


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
        query, global_key = tensors[0], tensors[4]
        output, log_sum = _call(
            "keras_longformer_window_attention",
            attributes,
            tensors,
            # log_sum is (b, h, n): axes 0, 2 and 1 of the query.
            [(query.dtype, 0, (0, 1, 2, 3)), (tf.float32, 0, (0, 2, 1))],
        )

        def backward(output_gradient):
            like_query = (query.dtype, 0, (0, 1, 2, 3))
            like_global_key = (global_key.dtype, 4, (0, 1, 2, 3))
            gradients = _first_derivative(
                functools.partial(
                    _call,
                    "keras_longformer_window_attention_gradient",
                    attributes,
                    results=[like_query] * 3 + [like_global_key] * 2,
                ),
                (*tensors, output, log_sum, output_gradient),
            )
            query_key_value, globals_ = gradients[:3], gradients[3:]
            return *query_key_value, None, *globals_, None

        return output, backward

    return attend(*tensors)


def _first_derivative(function, tensors):
    """Calls `function` so that differentiating its result raises."""

    @tf.custom_gradient
    def once(*tensors):
        def twice(*_):
            raise NotImplementedError(
                "The native kernel has no second derivatives. Use "
                "`implementation='chunked'`."
            )

        return function(operands=tensors), twice

    return once(*tensors)


def _call(target, attributes, operands, results):
    """Calls the custom call `target`.

    Args:
        target: its registered name.
        attributes: its attributes, as StableHLO text.
        operands: tensors.
        results: for each, its dtype and where its shape comes from: the number
            of an operand, and axes of that operand.

    Returns:
        The list of results.
    """
    shapes = [
        tf.TensorShape([operands[operand].shape[axis] for axis in axes])
        for _, operand, axes in results
    ]
    return gen_xla_ops.xla_call_module(
        args=list(operands),
        version=_MODULE_VERSION,
        module=_module_text(target, attributes, operands, results),
        Sout=shapes,
        Tout=[dtype for dtype, *_ in results],
        platforms=["CPU"],
        dim_args_spec=[],
        function_list=[],
        has_token_input_output=False,
        disabled_checks=[],
    )


def _module_text(target, attributes, operands, results):
    """One StableHLO function that holds nothing but the custom call.

    Shapes that are not known are followed by XLA from the operands to the
    results through further operands, which the kernel does not get.
    """
    names = [f"%a{number}" for number in range(len(operands))]
    types = [_type(x.dtype, x.shape) for x in operands]
    parameters = ", ".join(
        f"{n}: {t}" for n, t in zip(names, types, strict=True)
    )
    result_shapes = [
        [operands[operand].shape[axis] for axis in axes]
        for _, operand, axes in results
    ]
    result_types = [
        _type(dtype, shape)
        for (dtype, *_), shape in zip(results, result_shapes, strict=True)
    ]
    lines, shape_operands = [], []
    # XLA wants a shape for each result, or none.
    if any(None in shape for shape in result_shapes):
        for number, (_, operand, axes) in enumerate(results):
            name, shape = f"%s{number}", result_shapes[number]
            lines += _shape_lines(
                name, names[operand], types[operand], shape, axes
            )
            shape_operands.append((name, f"tensor<{len(shape)}xi32>"))
    all_names = names + [name for name, _ in shape_operands]
    all_types = types + [type_ for _, type_ in shape_operands]
    first = len(operands)
    indices = ", ".join(str(first + i) for i in range(len(shape_operands)))
    dynamic = (
        f"indices_of_shape_operands = dense<[{indices}]> : "
        f"tensor<{len(shape_operands)}xi64>, "
        if shape_operands
        else ""
    )
    ranks = [x.shape.rank for x in operands] + [1] * len(shape_operands)
    result_ranks = [len(axes) for *_, axes in results]
    outputs = ", ".join(result_types)
    returned = ", ".join(f"%r#{i}" for i in range(len(results)))
    body = "\n    ".join(
        [
            *lines,
            f"%r:{len(results)} = stablehlo.custom_call @{target}"
            f"({', '.join(all_names)}) {{api_version = 4 : i32, "
            f"backend_config = {{{attributes}}}, {dynamic}"
            f"operand_layouts = {_layouts(ranks)}, "
            f"result_layouts = {_layouts(result_ranks)}}} : "
            f"({', '.join(all_types)}) -> ({outputs})",
            f"return {returned} : {outputs}",
        ]
    )
    header = (
        " attributes {jax.uses_shape_polymorphism = true}"
        if shape_operands
        else ""
    )
    return (
        f"module @window_attention{header} {{\n"
        f"  func.func public @main({parameters}) -> ({outputs}) {{\n"
        f"    {body}\n  }}\n}}"
    )


def _shape_lines(name, operand, operand_type, shape, axes):
    """Lines that put the shape of a result into the tensor `name`."""
    lines, parts = [], []
    for number, (size, axis) in enumerate(zip(shape, axes, strict=True)):
        part = f"{name}_{number}"
        parts.append(part)
        if size is not None:
            lines.append(
                f"{part} = stablehlo.constant dense<{size}> : tensor<1xi32>"
            )
            continue
        lines.append(
            f"{part}_ = stablehlo.get_dimension_size {operand}, dim = {axis} "
            f": ({operand_type}) -> tensor<i32>"
        )
        lines.append(
            f"{part} = stablehlo.reshape {part}_ : (tensor<i32>) -> "
            "tensor<1xi32>"
        )
    ones = ", ".join(["tensor<1xi32>"] * len(parts))
    lines.append(
        f"{name} = stablehlo.concatenate {', '.join(parts)}, dim = 0 : "
        f"({ones}) -> tensor<{len(parts)}xi32>"
    )
    return lines


def _type(dtype, shape):
    sizes = "".join(f"{'?' if size is None else size}x" for size in shape)
    return f"tensor<{sizes}{_DTYPES[dtype]}>"


def _layouts(ranks):
    """Row-major, the only layout that the kernel reads and writes."""
    layouts = [
        f"dense<[{', '.join(str(a) for a in reversed(range(rank)))}]> : "
        f"tensor<{rank}xindex>"
        for rank in ranks
    ]
    return f"[{', '.join(layouts)}]"
