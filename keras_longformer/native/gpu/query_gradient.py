"""Backward: the gradient of the queries, a block of queries at a time.

The weights are made anew from the scores and `log_sum`. With `do` the gradient
of the output, the score of query `q` and key `k` has the gradient

    weight[q, k] * (do[q] . value[k] - delta[q]),  delta[q] = do[q] . output[q]
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
def window_attention_query_gradient(
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
    output_gradient,
    query_gradient,
    delta,
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
    """Computes `query_gradient`, and `delta` for the kernels that follow."""
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
        out = load_rows(
            output + of_head, first, stride, limit, d, BLOCK_Q, D, PADDED, True
        )
        do = load_rows(
            output_gradient + of_head, first, stride, limit, d,
            BLOCK_Q, D, PADDED, True,
        )  # fmt: skip
        q_row = first + tl.arange(0, BLOCK_Q)
        of_row = (batch * h + head) * n + phase
        row_delta = tl.sum(out.to(tl.float32) * do.to(tl.float32), 1)
        tl.store(delta + of_row + q_row * step, row_delta, mask=q_row < limit)
        row_log_sum = tl.load(
            log_sum + of_row + q_row * step,
            mask=q_row < limit,
            other=float("inf"),
        )
        dq = tl.zeros((BLOCK_Q, D), tl.float32)

        of_global = (batch * g * h + head) * d
        whole = g // BLOCK_K * BLOCK_K
        dq = _meet_global_keys(
            dq, q, do, row_log_sum, row_delta, 0, whole,
            global_key + of_global, global_value + of_global,
            global_key_mask + batch * g, g, h, d, scale2,
            D, PADDED, BLOCK_K, PRECISION,
        )  # fmt: skip
        dq = _meet_global_keys(
            dq, q, do, row_log_sum, row_delta, whole, g,
            global_key + of_global, global_value + of_global,
            global_key_mask + batch * g, g, h, d, scale2,
            D, PADDED, BLOCK_G, PRECISION,
        )  # fmt: skip

        start, inside, edge, stop = band_tiles(
            first, behind, ahead, limit, BLOCK_Q, BLOCK_K
        )
        dq = _meet_window(
            dq, q, do, row_log_sum, row_delta, q_row, start, inside,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, True, PRECISION,
        )  # fmt: skip
        dq = _meet_window(
            dq, q, do, row_log_sum, row_delta, q_row, inside, edge,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, False, PRECISION,
        )  # fmt: skip
        dq = _meet_window(
            dq, q, do, row_log_sum, row_delta, q_row, edge, stop,
            key + of_head, value + of_head, of_mask, has_key_mask,
            step, stride, limit, behind, ahead, d, scale2,
            D, PADDED, BLOCK_K, True, PRECISION,
        )  # fmt: skip
        store_rows(
            query_gradient + of_head, dq * scale, first, stride, limit, d,
            BLOCK_Q, D, PADDED,
        )  # fmt: skip


@triton.jit
def _meet_window(
    dq, q, do, row_log_sum, row_delta, q_row, start, stop,
    key, value, key_mask, has_key_mask,
    step, stride, limit, behind, ahead, d, scale,
    D: tl.constexpr, PADDED: tl.constexpr, BLOCK_K: tl.constexpr,
    EDGE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds what the keys of the tiles from `start` to `stop` give."""
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
        dq = _add_tile(
            dq, do, row_log_sum, row_delta, scores, k, v, scale, PRECISION
        )
    return dq


@triton.jit
def _meet_global_keys(
    dq, q, do, row_log_sum, row_delta, start, stop,
    global_key, global_value, global_key_mask, g, h, d, scale,
    D: tl.constexpr, PADDED: tl.constexpr, BLOCK_G: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds what the global keys from `start` to `stop` give."""
    for at in range(start, stop, BLOCK_G):
        k = load_rows(global_key, at, h * d, g, d, BLOCK_G, D, PADDED, True)
        v = load_rows(global_value, at, h * d, g, d, BLOCK_G, D, PADDED, True)
        row = at + tl.arange(0, BLOCK_G)
        shown = tl.load(global_key_mask + row, mask=row < g, other=0)
        scores = tl.dot(q, tl.trans(k), input_precision=PRECISION)
        scores = tl.where((shown != 0)[None, :], scores, float("-inf"))
        dq = _add_tile(
            dq, do, row_log_sum, row_delta, scores, k, v, scale, PRECISION
        )
    return dq


@triton.jit
def _add_tile(
    dq, do, row_log_sum, row_delta, scores, k, v, scale,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Adds one tile of score gradients times keys, not yet scaled."""
    weights = tl.exp2(tl.fma(scores, scale, -row_log_sum[:, None]))
    of_weights = tl.dot(do, tl.trans(v), input_precision=PRECISION)
    of_scores = weights * (of_weights - row_delta[:, None])
    return tl.dot(of_scores.to(k.dtype), k, dq, input_precision=PRECISION)
