"""Which rows an item of work owns, and which tiles its band touches.

Dilation `s` makes `s` phases of the sequence, which start at token 0, ...,
`s - 1` and take every `s`-th token. They never meet, and each is a plain band:
an item is a block of rows of one phase of one head, and walks memory in steps
of `s` tokens.
"""

import triton
import triton.language as tl


@triton.jit
def count_items(b, n, h, dilation, ROWS: tl.constexpr):
    """Items of all heads, `dilation` being the largest of any head.

    `s` phases of `ceil(n / s)` rows have at most `ceil(n / ROWS) + s - 1`
    blocks; what is too much of that owns no rows.
    """
    return b * h * (tl.cdiv(n, ROWS) + dilation - 1)


@triton.jit
def own_rows(
    item, n, h, dilation, has_dilations, dilations, ROWS: tl.constexpr
):
    """Finds an item's rows.

    Returns:
        batch: int64, index in the batch.
        head: int64.
        step: the head's dilation.
        phase: the token that row 0 is.
        first: the first of the `ROWS` rows.
        limit: how many rows the phase has. 0 for an item without rows.
    """
    blocks = tl.cdiv(n, ROWS) + dilation - 1
    head = (item // blocks) % h
    batch = item // blocks // h
    step = dilation
    if has_dilations != 0:
        step = tl.load(dilations + head)
    in_phase = tl.cdiv(tl.cdiv(n, step), ROWS)
    phase = (item % blocks) // tl.maximum(in_phase, 1)
    first = (item % blocks) % tl.maximum(in_phase, 1) * ROWS
    limit = tl.where(phase < step, tl.cdiv(tl.maximum(n - phase, 0), step), 0)
    return (
        tl.cast(batch, tl.int64),
        tl.cast(head, tl.int64),
        step,
        phase,
        first,
        limit,
    )


@triton.jit
def band_tiles(
    first, behind, ahead, limit, ROWS: tl.constexpr, STEP: tl.constexpr
):
    """Cuts the columns that `ROWS` rows see into tiles of `STEP`.

    Row `i` sees the columns `i - behind ... i + ahead` that are before
    `limit`.

    Returns:
        start <= inside <= edge <= stop: the tiles that start in
        `[inside, edge)` are seen whole by every row, those in
        `[start, inside)` and `[edge, stop)` need a mask.
    """
    start = tl.maximum(first - behind, 0) // STEP * STEP
    stop = tl.maximum(tl.minimum(first + ROWS + ahead, limit), start)
    inside = tl.cdiv(tl.maximum(first + ROWS - 1 - behind, 0), STEP) * STEP
    inside = tl.minimum(tl.maximum(inside, start), stop)
    edge = tl.minimum(first + ahead + 1, limit) // STEP * STEP
    edge = tl.maximum(edge, inside)
    return start, inside, edge, stop
