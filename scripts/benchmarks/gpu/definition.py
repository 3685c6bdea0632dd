"""Dense window attention and its gradients in NumPy, in any precision.

In float64 it is what the kernels are compared with. With rounding, it is the
plain implementation whose error a kernel may have twice: factors of products
and results are in the low precision, sums and the softmax in float32.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

FLOATS = ("query", "key", "value", "global_key", "global_value")


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """`numbers` are computed with, `rounded` to what is stored."""

    numbers: type
    rounded: Callable


def to_bfloat16(x):
    """float32 with the 8 significant bits of bfloat16, to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


def to_float16(x):
    return np.asarray(x).astype(np.float16).astype(np.float32)


ARITHMETIC = {
    "float64": Arithmetic(np.float64, lambda x: x),
    "float32": Arithmetic(np.float32, lambda x: np.asarray(x, np.float32)),
    "bfloat16": Arithmetic(np.float32, to_bfloat16),
    "float16": Arithmetic(np.float32, to_float16),
}

# The distance from 1 to the next number.
EPSILON = {"float32": 2**-23, "bfloat16": 2**-7, "float16": 2**-10}


def visible(case):
    """bool `(h, n, n)`, what each query sees through the window of its head."""
    steps = np.broadcast_to(case.dilation, (case.h,))[:, None, None]
    gap = np.arange(case.n)[:, None] - np.arange(case.n)[None]
    seen = (abs(gap) <= case.window_size // 2 * steps) & (gap % steps == 0)
    return seen & (gap >= 0) if case.causal else seen


def attention(case, inputs, upstream, dtype):
    """Output and gradients.

    Args:
        case: of the case table.
        inputs: dict of arrays, as `case.inputs()` gives them.
        upstream: `(b, n, h, d)`, the output's gradient.
        dtype: str, a key of `ARITHMETIC`.

    Returns:
        Dict of arrays: "output", and a gradient under each input's name.
    """
    arithmetic = ARITHMETIC[dtype]
    rounded = arithmetic.rounded
    q, k, v = (
        rounded(inputs[name]).astype(arithmetic.numbers)
        for name in ("query", "key", "value")
    )
    upstream = rounded(upstream).astype(arithmetic.numbers)
    seen = np.broadcast_to(
        visible(case)[None], (case.b, case.h, case.n, case.n)
    )
    if "key_mask" in inputs:
        seen = seen & inputs["key_mask"][:, None, None]
    g = inputs["global_key"].shape[1] if "global_key" in inputs else 0
    if g:
        there = inputs["global_key_mask"][:, None, None]
        there = np.broadcast_to(there, (case.b, case.h, case.n, g))
        seen = np.concatenate([there, seen], -1)
        gk, gv = (
            rounded(inputs[name]).astype(arithmetic.numbers)
            for name in ("global_key", "global_value")
        )
        k, v = np.concatenate([gk, k], 1), np.concatenate([gv, v], 1)
    q, k, v, upstream = (x.transpose(0, 2, 1, 3) for x in (q, k, v, upstream))
    scale = arithmetic.numbers(case.d**-0.5)
    scores = np.where(seen, q @ k.swapaxes(2, 3) * scale, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-1e30)
    weights = np.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    output = rounded(rounded(weights) @ v)
    slopes = upstream @ v.swapaxes(2, 3)
    mean = (slopes * weights).sum(-1, keepdims=True)
    slopes = rounded(weights * (slopes - mean))
    d_query = rounded(slopes @ k * scale)
    d_key = rounded(slopes.swapaxes(2, 3) @ q * scale)
    d_value = rounded(rounded(weights).swapaxes(2, 3) @ upstream)
    result = {
        "output": output,
        "query": d_query,
        "key": d_key[:, :, g:],
        "value": d_value[:, :, g:],
    }
    if "global_key" in inputs:
        result |= {
            "global_key": d_key[:, :, :g],
            "global_value": d_value[:, :, :g],
        }
    return {name: x.transpose(0, 2, 1, 3) for name, x in result.items()}
