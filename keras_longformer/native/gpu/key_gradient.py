"""Backward: gradients of keys and values, a block of keys at a time.

Seen from a key the band is mirrored: the queries that see key `k` are
`k - ahead ... k + behind`. Scores are held as `(k, q)`, so that every product
adds along rows.
"""

import triton
import triton.language as tl

from keras_longformer.native.gpu.band import band_tiles
from keras_longformer.native.gpu.band import count_items
from keras_longformer.native.gpu.band import own_rows
from keras_longformer.native.gpu.forward import LOG2_E
from keras_longformer.native.gpu.rows import load_rows
from keras_longformer.native.gpu.rows import store_rows


@triton.jit
def window_attention_key_gradient(
    query,
    key,
    value,
    key_mask,
    dilations,
    log_sum,
    output_gradient,
    delta,
    key_gradient,
    value_gradient,
    b,
    n,
    h,
    d,
    behind,
    ahead,
    dilation,
    has_key_mask,
    has_dilations,
    scale,
    D: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Computes `key_gradient` and `value_gradient`, 0 for a hidden key."""
    items = count_items(b, n, h, dilation, BLOCK_K)
    for item in range(tl.program_id(0), items, tl.num_programs(0)):
        batch, head, step, phase, first, limit = own_rows(
            item, n, h, dilation, has_dilations, dilations, BLOCK_K
        )
        stride = step * h * d
        of_head = ((batch * n + phase) * h + head) * d
        of_row = (batch * h + head) * n + phase
        k = load_rows(
            key + of_head, first, stride, limit, d, BLOCK_K, D, PADDED, True
        )
        v = load_rows(
            value + of_head, first, stride, limit, d, BLOCK_K, D, PADDED, True
        )
        k_row = first + tl.arange(0, BLOCK_K)
        first_seen = k_row - ahead
        last_seen = tl.minimum(k_row + behind, limit - 1)
        dk = tl.zeros((BLOCK_K, D), tl.float32)
        dv = tl.zeros((BLOCK_K, D), tl.float32)
        start, inside, edge, stop = band_tiles(
            first, ahead, behind, limit, BLOCK_K, BLOCK_Q
        )
        dk, dv = meet_queries(
            dk, dv, k, v, first_seen, last_seen, start, inside,
            query + of_head, output_gradient + of_head,
            log_sum + of_row, delta + of_row,
            step, stride, limit, d, scale,
            D, PADDED, BLOCK_Q, True, PRECISION,
        )  # fmt: skip
        dk, dv = meet_queries(
            dk, dv, k, v, first_seen, last_seen, inside, edge,
            query + of_head, output_gradient + of_head,
            log_sum + of_row, delta + of_row,
            step, stride, limit, d, scale,
            D, PADDED, BLOCK_Q, False, PRECISION,
        )  # fmt: skip
        dk, dv = meet_queries(
            dk, dv, k, v, first_seen, last_seen, edge, stop,
            query + of_head, output_gradient + of_head,
            log_sum + of_row, delta + of_row,
            step, stride, limit, d, scale,
            D, PADDED, BLOCK_Q, True, PRECISION,
        )  # fmt: skip
        if has_key_mask != 0:  # no key adds to another one's gradient
            shown = tl.load(
                key_mask + batch * n + phase + k_row * step,
                mask=k_row < limit,
                other=0,
            )
            dk = tl.where((shown != 0)[:, None], dk, 0.0)
            dv = tl.where((shown != 0)[:, None], dv, 0.0)
        store_rows(
            key_gradient + of_head, dk * scale, first, stride, limit, d,
            BLOCK_K, D, PADDED,
        )  # fmt: skip
        store_rows(
            value_gradient + of_head, dv, first, stride, limit, d,
            BLOCK_K, D, PADDED,
        )  # fmt: skip


@triton.jit
def meet_queries(
    dk, dv, k, v, first_seen, last_seen, start, stop,
    query, output_gradient, log_sum, delta,
    step, stride, limit, d, scale,
    D: tl.constexpr, PADDED: tl.constexpr, BLOCK_Q: tl.constexpr,
    EDGE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds what the queries of the tiles from `start` to `stop` give.

    Only where `EDGE` is set, a key may be hidden from queries of a tile: those
    before its `first_seen` and after its `last_seen`.

    Returns:
        dk: float32 `(k, D)`, not yet scaled.
        dv: float32 `(k, D)`.
    """
    for at in range(start, stop, BLOCK_Q):
        q = load_rows(query, at, stride, limit, d, BLOCK_Q, D, PADDED, EDGE)
        do = load_rows(
            output_gradient, at, stride, limit, d, BLOCK_Q, D, PADDED, EDGE
        )
        q_row = at + tl.arange(0, BLOCK_Q)
        if EDGE:
            row_log_sum = tl.load(
                log_sum + q_row * step, mask=q_row < limit, other=float("inf")
            )
            row_delta = tl.load(
                delta + q_row * step, mask=q_row < limit, other=0.0
            )
        else:
            row_log_sum = tl.load(log_sum + q_row * step)
            row_delta = tl.load(delta + q_row * step)
        scores = tl.dot(k, tl.trans(q), input_precision=PRECISION)
        if EDGE:
            seen = (q_row[None, :] >= first_seen[:, None]) & (
                q_row[None, :] <= last_seen[:, None]
            )
            scores = tl.where(seen, scores, float("-inf"))
        weights = tl.exp2(tl.fma(scores, scale * LOG2_E, -row_log_sum[None, :]))
        dv = tl.dot(weights.to(do.dtype), do, dv, input_precision=PRECISION)
        of_weights = tl.dot(v, tl.trans(do), input_precision=PRECISION)
        of_scores = weights * (of_weights - row_delta[None, :])
        dk = tl.dot(of_scores.to(q.dtype), q, dk, input_precision=PRECISION)
    return dk, dv
