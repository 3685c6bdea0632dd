"""Window attention as XLA custom calls, computed by the compiled kernels.

On the CPU it is the C++ kernel (`native_cpu`), on a GPU the Triton kernels
(`native_gpu`). Nothing here has run on a GPU: its kernels were compiled for
GPUs by TensorFlow's own XLA, and computed in Triton's interpreter.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.ops import chunked
from keras_longformer.ops import custom_call
from keras_longformer.ops import dropout
from keras_longformer.ops import native_cpu
from keras_longformer.ops import native_gpu

_KERNELS = {"CPU": native_cpu, "CUDA": native_gpu}

_portable = contextvars.ContextVar("portable", default=False)


def preferred() -> bool:
    """Whether to take the kernel where no implementation is named.

    In a process that sees no GPU, and where the CPU's kernel is built when this
    is first asked; where it is not, it may then be built in the background for
    the next process. The GPU's has never run on one, so that it has to be asked
    for.
    """
    return reason_against_default() is None


def reason_against_default(wait: bool = False) -> str | None:
    """Says why the kernel is not taken unasked, or `None` where it is.

    Args:
        wait: bool, whether to build the CPU's here rather than do without.
    """
    if _device() != "CPU":
        return "on a GPU it has to be asked for"
    return native_cpu.reason_against_default(wait)


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """What is traced inside runs on GPUs, whether or not there is one here.

    And on this machine's CPU, where the kernel for that is built. Without it,
    calls are made for the devices of this process alone: the code for GPUs is
    some 50 kB for each layer in a graph, with gradients 150 kB, and took 20 us
    of each eager call (on two busy cores).
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def reason_against(
    query: tf.Tensor | tf.TensorSpec,
    *,
    dropout_rate: float = 0.0,
    return_scores: bool = False,
    has_segments: bool = False,
    has_positions: bool = False,
) -> str | None:
    """Says why the kernel cannot do this, or `None` where it can."""
    if query.shape[2] is None:
        return "the number of heads must be known when the graph is made"
    if return_scores and _device() == "CUDA":
        return "on a GPU it returns no scores"
    if dropout_rate and _device() == "CUDA":
        return "on a GPU it has no attention dropout"
    if has_segments and _device() == "CUDA":
        return "on a GPU its windows do not stop at segments' borders"
    if has_positions and _device() == "CUDA":
        return "on a GPU its scores have no positions"
    return _KERNELS[_device()].reason_against(query)


def platforms(query: tf.Tensor | tf.TensorSpec) -> list[str]:
    """Returns the kinds of device that a call is made for.

    Raises:
        NotImplementedError: the process's GPUs cannot run the kernel.
        RuntimeError: the CPU's is not built.
    """
    if _device() == "CPU":
        native_cpu.load()
        return ["CPU"]
    reason = None if _portable.get() else native_gpu.reason_against_devices()
    if reason is not None:
        raise NotImplementedError(
            f"The native kernel cannot run here: {reason}. Use "
            "`implementation='chunked'`."
        )
    if native_cpu.available() and native_cpu.reason_against(query) is None:
        return ["CPU", "CUDA"]
    return ["CUDA"]


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
    segment_ids: tf.Tensor | None = None,
    global_segment_ids: tf.Tensor | None = None,
    position_query: tf.Tensor | None = None,
    position_key: tf.Tensor | None = None,
    dropout_rate: float = 0.0,
    dropout_seed: tf.Tensor | None = None,
    return_scores: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """See `keras_longformer.window_attention`.

    Dropout is computed anew for the gradients, and no mask of it kept.

    Time is `O(n * (window_size + g) * h * d)`. Memory is that of the result
    and one float for each query and head. The CPU adds scratch that does not
    grow with `n`: for each thread some 64-token tiles forward, and
    `O((window_size + 1024) * d)` backward; a GPU adds, backward, one float for
    each query and head and some copies of the global keys' gradients. Positions
    add, backward, the size of a head's `position_key` for each head and 1024
    tokens. Results are the same bits every time.

    bfloat16 is multiplied as bfloat16 where the processor does that well, with
    AMX or AMD's AVX512-BF16, and else as float32; sums and the softmax are
    float32. See `native/README.md`.

    With `return_scores` the CPU's scores are computed a second time, from the
    sums of the forward pass: half as much time again, and what writing them
    takes; no memory but theirs, `b * h * n * (g + window_size + 1)` numbers.
    The kernel does not differentiate them. Where a loss depends on them, their
    gradients are those of `chunked`, which then computes them once more at its
    own cost in time and memory; where it does not, that is found out when it
    runs, and left out.

    In a process with a GPU a call is made for both kinds of device, where the
    CPU's kernel is built, and runs on the one that TensorFlow puts it on. XLA
    compiles it for each new shape, in or outside of `jit_compile=True`; for
    GPUs that takes about a second, so give it few different lengths.

    Raises:
        NotImplementedError: see `reason_against`, and for second derivatives,
            and for a GPU that the kernels do not run on.
        RuntimeError: the CPU's kernel is not built.
    """
    reason = reason_against(
        query,
        dropout_rate=dropout_rate,
        return_scores=return_scores,
        has_segments=segment_ids is not None,
        has_positions=position_key is not None,
    )
    if reason is not None:
        raise NotImplementedError(
            f"The native kernel cannot do this: {reason}. Use "
            "`implementation='chunked'`."
        )
    heads = query.shape[2]
    options = dict(
        reach=window_size // 2,
        causal=causal,
        threshold=dropout.threshold(dropout_rate),
        dilations=(
            (dilation,) * heads
            if isinstance(dilation, int)
            else tuple(dilation)
        ),
    )
    # What is left out has no elements; the kernel does no work for it.
    no_mask = tf.zeros((0, 0), tf.bool)
    none = tf.zeros((0, 0), tf.int32)
    no_tokens = tf.zeros((0, 0, 0, 0), query.dtype)
    positions = () if position_key is None else (position_query, position_key)
    return _attend(
        (
            query,
            key,
            value,
            no_mask if key_mask is None else key_mask,
            no_tokens if global_key is None else global_key,
            no_tokens if global_value is None else global_value,
            no_mask if global_key_mask is None else global_key_mask,
            none if segment_ids is None else segment_ids,
            none if global_segment_ids is None else global_segment_ids,
            tf.convert_to_tensor(dropout_seed)
            if dropout_rate
            else tf.zeros((0,), tf.int32),
        ),
        positions,
        options,
        platforms(query),
        functools.partial(_chunked_scores, window_size, dilation, causal)
        if return_scores
        else None,
    )


def _device():
    """The kind of device that this process computes on."""
    # On a machine with a GPU, tensors live there.
    gpu = _portable.get() or tf.config.get_visible_devices("GPU")
    return "CUDA" if gpu else "CPU"


def _attend(tensors, positions, options, platforms, scores_again):
    """Calls the kernels. `scores_again` computes scores that are wanted too,
    of all tensors, so that TensorFlow can differentiate them."""
    count = len(tensors)

    def call(operands, step):
        return custom_call.call(
            operands,
            {
                platform: functools.partial(
                    getattr(_KERNELS[platform], step), **options
                )
                for platform in platforms
            },
        )

    @tf.custom_gradient
    def attend(*tensors):
        step = "forward" if scores_again is None else "forward_with_scores"
        output, log_sum, *scores = call(tensors, step)
        operands, positions = tensors[:count], tensors[count:]

        def backward(output_gradient, *score_gradients):
            gradients = _first_derivative(
                lambda *operands: call(operands, "backward"),
                (*operands, output, log_sum, output_gradient, *positions),
            )
            gradients = [
                *gradients[:3],
                None,
                *gradients[3:5],
                None,
                None,
                None,
                None,
                *gradients[5:],
            ]
            if score_gradients:
                more = _score_gradients(scores_again, tensors, *score_gradients)
                for number, gradient in more.items():
                    gradients[number] += gradient
            return gradients

        return (output, *scores), backward

    results = attend(*tensors, *positions)
    return results[0] if scores_again is None else tuple(results)


# Places in a call's tensors that scores depend on: query, key, global key,
# position query and position key.
_OF_SCORES = (0, 1, 4, 10, 11)


def _score_gradients(scores_again, tensors, upstream):
    """What a loss has of the scores themselves: place -> gradient.

    Most have nothing of them, and TensorFlow then hands over zeros.
    """
    places = [place for place in _OF_SCORES if place < len(tensors)]
    wanted = [tensors[place] for place in places]

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            scores = scores_again(*tensors)
        return tape.gradient(
            scores, wanted, upstream, unconnected_gradients="zero"
        )

    def nothing():
        return [tf.zeros_like(x) for x in wanted]

    is_used = tf.reduce_any(tf.not_equal(upstream, 0))
    return dict(zip(places, tf.cond(is_used, compute, nothing), strict=True))


def _chunked_scores(window_size, dilation, causal, *tensors):
    """The scores of a call's tensors by stock TensorFlow."""
    query, key, value, key_mask, global_key, global_value = tensors[:6]
    global_mask, segments, global_segments, _, *positions = tensors[6:]
    position_query, position_key = positions or (None, None)

    def given(x):
        """What was left out has no elements: see `window_attention`."""
        return None if 0 in x.shape[:2] else x

    _, scores = chunked.window_attention(
        query,
        key,
        value,
        window_size=window_size,
        dilation=dilation,
        causal=causal,
        key_mask=given(key_mask),
        global_key=given(global_key),
        global_value=given(global_value),
        global_key_mask=given(global_mask),
        segment_ids=given(segments),
        global_segment_ids=given(global_segments),
        position_query=position_query,
        position_key=position_key,
        return_scores=True,
    )
    return scores


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
