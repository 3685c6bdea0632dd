"""The one door to window attention: checks its arguments and chooses."""

import contextlib
import contextvars
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from numbers import Integral

import tensorflow as tf

from keras_longformer.ops import chunked
from keras_longformer.ops import native
from keras_longformer.ops import reference
from keras_longformer.ops import taken
from keras_longformer.ops.dropout import check_dropout
from keras_longformer.ops.positions import check_positions

IMPLEMENTATIONS = {
    "native": native,
    "chunked": chunked,
    "reference": reference,
}

_imposed = contextvars.ContextVar("imposed", default=None)


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
    implementation: str | None = None,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """Lets each token see its neighbours and the global tokens.

    For `window_size=2` and token 0 global, row = query, 1 = seen:

        1 1 0 0 0
        1 1 1 0 0
        1 1 1 1 0
        1 0 1 1 1
        1 0 0 1 1

    (Row 0 is what token 0 sees through its window; a global token's own row,
    which sees everything, is computed by `LongformerAttention`.) All keys that
    a query sees are in one softmax. Time and memory grow as
    `n * (window_size + g)`, save for `implementation="reference"`.

    Args:
        query: float `(b, n, h, d)`, unscaled; the op divides by `sqrt(d)`.
            float32, bfloat16, float16 or float64.
        key: float `(b, n, h, d)`, in `query`'s dtype.
        value: float `(b, n, h, d)`, in `query`'s dtype.
        window_size: even int, both sides together (the paper's *w*): a token
            sees `window_size // 2` keys on each side and itself.
        dilation: int, or one int for each head: the step between the keys of
            a window, as the paper's dilated window. 1 has no gaps.
        causal: bool, whether a token's window ends with the token itself.
            Global keys are seen all the same.
        key_mask: bool `(b, n)`, `True` where a key may be seen through a
            window. Leave out padding, and tokens that are among the global
            keys: they would count twice.
        global_key: float `(b, g, h, d)`, keys that every query sees.
        global_value: float `(b, g, h, d)`, their values.
        global_key_mask: bool `(b, g)`, `True` where a global key is there and
            not just padding.
        segment_ids: int32 `(b, n)`, which document each token is of, where a
            row holds several: a query sees no key of another segment, so that
            windows stop at the documents' borders. By default a row is one.
        global_segment_ids: int32 `(b, g)`, the segments of the global keys,
            wanted where there are both. A global key is seen by its own
            segment only.
        position_query: float `(b, n, h, d)`, unscaled, in `query`'s dtype: the
            queries of the distances. With it, the score of a query and a key
            is `(query . key + position_query . position_key[t]) / sqrt(d)`,
            the relative positions of Transformer-XL. Not with global keys.
        position_key: float `(o, h, d)`, wanted with `position_query`: a row
            for each key of a window, `window_size + 1` of them, or
            `window_size // 2 + 1` if causal. Row `t` is for the key that lies
            `(window_size // 2 - t) * dilation` tokens before the query: the
            first for the farthest in the past, row `window_size // 2` for the
            token itself.
        dropout_rate: float in [0, 1), the share of probabilities dropped, to
            the nearest multiple of 2**-16; the others are divided by what is
            kept.
        dropout_seed: int32 `(2,)`, wanted where `dropout_rate` is not 0. The
            same seed drops the same probabilities, whatever implementation
            computes them: see `keras_longformer.ops.dropout`.
        return_scores: bool, whether to return the probabilities too.
        implementation: `"native"`, a compiled kernel; `"chunked"`, stock
            TensorFlow; `"reference"`; or `None`: on a CPU native where it is
            built (`python -m keras_longformer.native.build`) and can do what
            is asked, otherwise chunked. Where it is not built, the first call
            starts to build it, for the next process: `native/README.md`. On
            GPUs native has to be named, for
            it has never run on one; all that TensorFlow sees must have compute
            capability 8.0 or more.

    Returns:
        float `(b, n, h, d)` in `query`'s dtype; the softmax is in float32.
        A query that sees nothing gets zeros, never NaN. With `return_scores`,
        also float `(b, h, n, g + window_size + 1)`: the probabilities (before
        dropout) of the global keys, then of the keys
        `i + dilation * (j - window_size // 2)` of token `i` for
        `j = 0 ... window_size`, as Hugging Face returns them.

    Raises:
        ValueError: a window, dilation, shape or rate that cannot be.
        TypeError: a mask that is not bool, or unequal dtypes.
        NotImplementedError: the named implementation cannot do this.
        RuntimeError: the native kernel is named and not built (on a CPU).

    Example:
    ```python
    query, key, value = tf.random.normal([3, 2, 1024, 12, 64])
    x = keras_longformer.window_attention(
        query, key, value, window_size=512, causal=True
    )  # (2, 1024, 12, 64)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 3.1.
    """
    query, key, value = (tf.convert_to_tensor(x) for x in (query, key, value))
    window_size = check_window_size(window_size)
    dilation = check_dilation(
        dilation, query.shape[2] if query.shape.rank == 4 else None
    )
    _check_tensors(query=query, key=key, value=value)
    given = [x is not None for x in (global_key, global_value, global_key_mask)]
    if any(given) != all(given):
        raise ValueError(
            "`global_key`, `global_value` and `global_key_mask` belong "
            "together. Give all three or none."
        )
    if all(given):
        global_key = tf.convert_to_tensor(global_key)
        global_value = tf.convert_to_tensor(global_value)
        _check_tensors(
            query=query, global_key=global_key, global_value=global_value
        )
        global_key_mask = check_mask(
            "global_key_mask", global_key_mask, global_key, "global_key"
        )
    key_mask = check_mask("key_mask", key_mask, key, "key")
    segment_ids = check_segments("segment_ids", segment_ids, key, "key")
    global_segment_ids = check_segments(
        "global_segment_ids", global_segment_ids, global_key, "global_key"
    )
    has_segments = segment_ids is not None
    wants = has_segments and global_key is not None
    if wants != (global_segment_ids is not None):
        raise ValueError(
            "`global_segment_ids` is for global keys of rows with "
            "`segment_ids`. Give it where both are given, and only there."
        )
    position_query, position_key = check_positions(
        position_query,
        position_key,
        query,
        window_size=window_size,
        causal=causal,
        has_globals=global_key is not None,
    )
    dropout_rate, dropout_seed = check_dropout(dropout_rate, dropout_seed)
    implementation = _choose(
        implementation,
        query,
        dropout_rate=dropout_rate,
        return_scores=return_scores,
        has_segments=has_segments,
        has_positions=position_key is not None,
    )
    return IMPLEMENTATIONS[implementation].window_attention(
        query,
        key,
        value,
        window_size=window_size,
        dilation=dilation,
        causal=causal,
        key_mask=key_mask,
        global_key=global_key,
        global_value=global_value,
        global_key_mask=global_key_mask,
        segment_ids=segment_ids,
        global_segment_ids=global_segment_ids,
        position_query=position_query,
        position_key=position_key,
        dropout_rate=dropout_rate,
        dropout_seed=dropout_seed,
        return_scores=return_scores,
    )


@contextlib.contextmanager
def imposed(implementation: str) -> Iterator[None]:
    """What is traced inside takes this implementation, whatever it names.

    For a graph that is to run elsewhere than the model it is made of. Other
    threads are not concerned.
    """
    check_implementation(implementation)
    token = _imposed.set(implementation)
    try:
        yield
    finally:
        _imposed.reset(token)


def _choose(implementation, query, **options):
    """The one place that says which implementation runs."""
    implementation = _imposed.get() or implementation
    check_implementation(implementation)
    if implementation is not None:
        taken.note(implementation)
        return implementation
    # Asked for only where it can be taken: asking may start to build it.
    reason = native.reason_against(query, **options)
    if reason is None and native.preferred():
        taken.note("native")
        return "native"
    taken.note("chunked", reason or native.reason_against_default())
    return "chunked"


def check_implementation(implementation: str | None) -> None:
    """Raises `ValueError` for a name that is no implementation's."""
    if implementation is not None and implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"`implementation` must be None or one of {list(IMPLEMENTATIONS)}. "
            f"Received: implementation={implementation!r}"
        )


def check_window_size(window_size: int) -> int:
    """Returns an int for an integer of any kind.

    Raises:
        ValueError: it is not positive and even.
    """
    if not isinstance(window_size, Integral) or window_size < 1:
        raise ValueError(
            "`window_size` must be a positive even integer. "
            f"Received: window_size={window_size!r}"
        )
    if window_size % 2:
        raise ValueError(
            "`window_size` must be even, half of it lying on each side of a "
            f"token. Received: window_size={window_size}. "
            f"Try {window_size + 1}."
        )
    return int(window_size)


def check_dilation(
    dilation: int | Sequence[int], num_heads: int | None
) -> int | tuple[int, ...]:
    """Returns an int, or a tuple of ints, for integers of any kind.

    Raises:
        ValueError: not a positive integer, or one for each head.
    """
    is_one = not isinstance(dilation, Iterable)
    steps = [dilation] if is_one else list(dilation)
    if not all(isinstance(step, Integral) and step >= 1 for step in steps):
        raise ValueError(
            "`dilation` must be a positive integer, or one for each head; 1 "
            f"has no gaps. Received: dilation={dilation!r}"
        )
    if not is_one and num_heads not in (None, len(steps)):
        raise ValueError(
            f"`dilation` must be one integer, or one for each of the "
            f"{num_heads} heads. Received: dilation={dilation!r}"
        )
    return int(dilation) if is_one else tuple(int(step) for step in steps)


def _check_tensors(**tensors):
    """All rank 4, of one dtype, equal in every axis but the length's.

    Tensors whose names share the same beginning share the length too.
    """
    (first_name, first), *others = tensors.items()
    for name, x in tensors.items():
        if x.shape.rank != 4:
            raise ValueError(
                f"`{name}` must have the shape (batch, length, heads, head "
                f"size). Received: {name}.shape={x.shape}"
            )
    if not first.dtype.is_floating:
        raise TypeError(
            f"`{first_name}` must be floating point. Received: "
            f"{first_name}.dtype={first.dtype.name}"
        )
    for name, x in others:
        if x.dtype != first.dtype:
            raise TypeError(
                f"`{name}` must have `{first_name}`'s dtype, "
                f"{first.dtype.name}. Received: {name}.dtype={x.dtype.name}"
            )
        want = first.shape
        if name.startswith("global"):
            want = tf.TensorShape([want[0], None, want[2], want[3]])
        if not x.shape.is_compatible_with(want):
            raise ValueError(
                f"`{name}` must have the shape {want} to go with "
                f"`{first_name}`. Received: {name}.shape={x.shape}"
            )
    *_, (a_name, a), (b_name, b) = tensors.items()
    if not a.shape.is_compatible_with(b.shape):
        raise ValueError(
            f"`{a_name}` and `{b_name}` must have the same shape. Received: "
            f"{a.shape} and {b.shape}"
        )


def check_mask(
    name: str, mask: tf.Tensor | None, tensor: tf.Tensor, tensor_name: str
) -> tf.Tensor | None:
    """Returns a mask of `tensor`'s tokens as a tensor, `None` as it is.

    Raises:
        TypeError: it is not bool.
        ValueError: its shape is not the tensor's `(b, n)`.
    """
    if mask is None:
        return None
    mask = tf.convert_to_tensor(mask)
    if mask.dtype != tf.bool:
        raise TypeError(
            f"`{name}` must be bool. Received: {name}.dtype={mask.dtype.name}. "
            f"Try `tf.cast({name}, tf.bool)`."
        )
    if not mask.shape.is_compatible_with(tensor.shape[:2]):
        raise ValueError(
            f"`{name}` must have the shape (batch, length) of `{tensor_name}`, "
            f"{tensor.shape[:2]}. Received: {name}.shape={mask.shape}"
        )
    return mask


def check_segments(
    name: str,
    segments: tf.Tensor | None,
    tensor: tf.Tensor | None,
    tensor_name: str,
) -> tf.Tensor | None:
    """Returns segments of `tensor`'s tokens as int32, `None` as it is.

    Raises:
        TypeError: they are not integers.
        ValueError: their shape is not the tensor's `(b, n)`.
    """
    if segments is None or tensor is None:
        return segments
    segments = tf.convert_to_tensor(segments)
    if not segments.dtype.is_integer:
        raise TypeError(
            f"`{name}` must be int32. Received: "
            f"{name}.dtype={segments.dtype.name}"
        )
    if not segments.shape.is_compatible_with(tensor.shape[:2]):
        raise ValueError(
            f"`{name}` must have the shape (batch, length) of `{tensor_name}`, "
            f"{tensor.shape[:2]}. Received: {name}.shape={segments.shape}"
        )
    return tf.cast(segments, tf.int32)
