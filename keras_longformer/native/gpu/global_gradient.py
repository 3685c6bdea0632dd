"""Backward: gradients of the global keys and values.

Every query adds to them. So that the sums always run in the same order, there
are no atomic additions: the queries are split into `splits` equal stretches,
each makes a sum of its own, and the caller adds these up.
"""

import triton
import triton.language as tl

from keras_longformer.native.gpu.key_gradient import meet_queries
from keras_longformer.native.gpu.rows import load_rows
from keras_longformer.native.gpu.rows import store_rows


@triton.jit
def window_attention_global_gradient(
    query,
    global_key,
    global_value,
    global_key_mask,
    log_sum,
    output_gradient,
    delta,
    global_key_gradients,
    global_value_gradients,
    b,
    n,
    h,
    d,
    g,
    splits,
    scale,
    D: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK_G: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Computes both results in parts, float32 `(splits, b, g, h, d)`."""
    stretch = tl.cdiv(tl.cdiv(n, splits), BLOCK_Q) * BLOCK_Q
    blocks = tl.cdiv(g, BLOCK_G)
    stride = h * d
    for item in range(
        tl.program_id(0), splits * blocks * b * h, tl.num_programs(0)
    ):
        split = item % splits
        first = item // splits % blocks * BLOCK_G
        head = tl.cast(item // splits // blocks % h, tl.int64)
        batch = tl.cast(item // splits // blocks // h, tl.int64)
        of_global = (batch * g * h + head) * d
        of_head = (batch * n * h + head) * d
        of_row = (batch * h + head) * n
        k = load_rows(
            global_key + of_global, first, stride, g, d,
            BLOCK_G, D, PADDED, True,
        )  # fmt: skip
        v = load_rows(
            global_value + of_global, first, stride, g, d,
            BLOCK_G, D, PADDED, True,
        )  # fmt: skip
        k_row = first + tl.arange(0, BLOCK_G)
        dk = tl.zeros((BLOCK_G, D), tl.float32)
        dv = tl.zeros((BLOCK_G, D), tl.float32)

        start = tl.minimum(split * stretch, n)
        stop = tl.minimum(start + stretch, n)
        edge = stop // BLOCK_Q * BLOCK_Q
        # A global key is hidden from no query, so only the end has an edge.
        last_seen = k_row * 0 + (stop - 1)
        dk, dv = meet_queries(
            dk, dv, k, v, k_row * 0, last_seen, start, edge,
            query + of_head, output_gradient + of_head,
            log_sum + of_row, delta + of_row,
            1, stride, n, d, scale,
            D, PADDED, BLOCK_Q, False, PRECISION,
        )  # fmt: skip
        dk, dv = meet_queries(
            dk, dv, k, v, k_row * 0, last_seen, tl.maximum(start, edge), stop,
            query + of_head, output_gradient + of_head,
            log_sum + of_row, delta + of_row,
            1, stride, n, d, scale,
            D, PADDED, BLOCK_Q, True, PRECISION,
        )  # fmt: skip
        shown = tl.load(
            global_key_mask + batch * g + k_row, mask=k_row < g, other=0
        )
        dk = tl.where((shown != 0)[:, None], dk, 0.0)
        dv = tl.where((shown != 0)[:, None], dv, 0.0)
        of_part = ((split * b + batch) * g * h + head) * d
        store_rows(
            global_key_gradients + of_part, dk * scale, first, stride, g, d,
            BLOCK_G, D, PADDED,
        )  # fmt: skip
        store_rows(
            global_value_gradients + of_part, dv, first, stride, g, d,
            BLOCK_G, D, PADDED,
        )  # fmt: skip
