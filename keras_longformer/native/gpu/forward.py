"""Forward: softmax over the window and the global keys, in one pass.

As in FlashAttention, no score is stored: a block of queries meets the keys in
tiles, with a running maximum and a running sum.
"""

import triton
import triton.language as tl

from keras_longformer.native.gpu.band import band_tiles
from keras_longformer.native.gpu.band import count_items
from keras_longformer.native.gpu.band import own_rows
from keras_longformer.native.gpu.rows import load_rows
from keras_longformer.native.gpu.rows import store_rows

LOG2_E = tl.constexpr(1.4426950408889634)

# The running maximum before there is a score. Finite, so that no difference of
# two maxima is NaN, and below every score.
NO_SCORE = tl.constexpr(-1e30)


@triton.jit
def window_attention_forward(
    query,
    key,
    value,
    key_mask,
    global_key,
    global_value,
    global_key_mask,
    dilations,
    output,
    log_sum,
    b,
    n,
    h,
    d,
    g,
    behind,
    ahead,
    dilation,
    has_key_mask,
    has_dilations,
    scale,
    D: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_G: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Computes `output` and `log_sum`, log2 of the sum of `exp(score)`.

    A query that sees nothing gets zeros, and a `log_sum` of infinity, with
    which the backward kernels make all its weights zero.
    """
    scale2 = scale * LOG2_E
    items = count_items(b, n, h, dilation, BLOCK_Q)
    for item in range(tl.program_id(0), items, tl.num_programs(0)):
        batch, head, step, phase, first, limit = own_rows(
            item, n, h, dilation, has_dilations, dilations, BLOCK_Q
        )
        stride = step * h * d
        of_head = ((batch * n + phase) * h + head) * d
        of_mask = key_mask + batch * n + phase
        q = load_rows(
            query + of_head, first, stride, limit, d, BLOCK_Q, D, PADDED, True
        )
        q_row = first + tl.arange(0, BLOCK_Q)
        sums = tl.zeros((BLOCK_Q, D), tl.float32)
        total = tl.zeros((BLOCK_Q,), tl.float32)
        top = tl.full((BLOCK_Q,), NO_SCORE, tl.float32)

        of_global = (batch * g * h + head) * d
        whole = g // BLOCK_K * BLOCK_K
        sums, total, top = _meet_global_keys(
            sums, total, top, q, 0, whole,
            global_key + of_global, global_value + of_global,
            global_key_mask + batch * g, g, h, d, scale2,
            D, PADDED, BLOCK_K, PRECISION,
        )  # fmt: skip
        sums, total, top = _meet_global_keys(
            sums, total, top, q, whole, g,
            global_key + of_global, global_value + of_global,
            global_key_mask + batch * g, g, h, d, scale2,
            D, PADDED, BLOCK_G, PRECISION,
        )  # fmt: skip

        start, inside, edge, stop = band_tiles(
            first, behind, ahead, limit, BLOCK_Q, BLOCK_K
        )
        sums, total, top = _meet_window(
            sums, total, top, q, q_row, start, inside,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, True, PRECISION,
        )  # fmt: skip
        sums, total, top = _meet_window(
            sums, total, top, q, q_row, inside, edge,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, False, PRECISION,
        )  # fmt: skip
        sums, total, top = _meet_window(
            sums, total, top, q, q_row, edge, stop,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, True, PRECISION,
        )  # fmt: skip

        sees_none = total == 0.0
        sums = sums / tl.where(sees_none, 1.0, total)[:, None]
        store_rows(
            output + of_head, sums, first, stride, limit, d,
            BLOCK_Q, D, PADDED,
        )  # fmt: skip
        of_row = log_sum + (batch * h + head) * n + phase
        tl.store(
            of_row + q_row * step,
            tl.where(sees_none, float("inf"), top + tl.log2(total)),
            mask=q_row < limit,
        )


@triton.jit
def _meet_window(
    sums, total, top, q, q_row, start, stop,
    key, value, key_mask, has_key_mask,
    step, stride, limit, behind, ahead, d, scale,
    D: tl.constexpr, PADDED: tl.constexpr, BLOCK_K: tl.constexpr,
    EDGE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds the keys of the tiles from `start` to `stop`.

    Only where `EDGE` is set, a query may not see all keys of a tile.
    """
    first_seen = (q_row - behind)[:, None]
    last_seen = tl.minimum(q_row + ahead, limit - 1)[:, None]
    for at in range(start, stop, BLOCK_K):
        k = load_rows(key, at, stride, limit, d, BLOCK_K, D, PADDED, EDGE)
        v = load_rows(value, at, stride, limit, d, BLOCK_K, D, PADDED, EDGE)
        k_row = at + tl.arange(0, BLOCK_K)
        scores = tl.dot(q, tl.trans(k), input_precision=PRECISION)
        if EDGE:
            seen = (k_row >= first_seen) & (k_row <= last_seen)
            scores = tl.where(seen, scores, float("-inf"))
        if has_key_mask != 0:
            shown = tl.load(
                key_mask + k_row * step, mask=k_row < limit, other=0
            )
            scores = tl.where((shown != 0)[None, :], scores, float("-inf"))
        sums, total, top = _soften(
            sums, total, top, scores, v, scale, PRECISION
        )
    return sums, total, top


@triton.jit
def _meet_global_keys(
    sums, total, top, q, start, stop,
    global_key, global_value, global_key_mask, g, h, d, scale,
    D: tl.constexpr, PADDED: tl.constexpr, BLOCK_G: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds the global keys from `start` to `stop`, seen by every query."""
    for at in range(start, stop, BLOCK_G):
        k = load_rows(global_key, at, h * d, g, d, BLOCK_G, D, PADDED, True)
        v = load_rows(global_value, at, h * d, g, d, BLOCK_G, D, PADDED, True)
        row = at + tl.arange(0, BLOCK_G)
        shown = tl.load(global_key_mask + row, mask=row < g, other=0)
        scores = tl.dot(q, tl.trans(k), input_precision=PRECISION)
        scores = tl.where((shown != 0)[None, :], scores, float("-inf"))
        sums, total, top = _soften(
            sums, total, top, scores, v, scale, PRECISION
        )
    return sums, total, top


@triton.jit
def _soften(sums, total, top, scores, v, scale, PRECISION: tl.constexpr):
    """Takes one tile of scores into a softmax.

    Args:
        sums: float32 `(q, D)`, sums of weight times value.
        total: float32 `(q,)`, sums of weights.
        top: float32 `(q,)`, largest scores, scaled.
        scores: float32 `(q, k)`, not scaled, `-inf` where hidden.
        v: `(k, D)`.
        scale: makes scores powers of two, positive.
    """
    new_top = tl.maximum(top, tl.max(scores, 1) * scale)
    weights = tl.exp2(tl.fma(scores, scale, -new_top[:, None]))
    decay = tl.exp2(top - new_top)
    total = total * decay + tl.sum(weights, 1)
    sums = tl.dot(
        weights.to(v.dtype),
        v,
        sums * decay[:, None],
        input_precision=PRECISION,
    )
    return sums, total, new_top
