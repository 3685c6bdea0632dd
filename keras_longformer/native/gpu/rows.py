"""Tiles of rows: reading and writing them.

A row is one head of one token, `d` numbers. A tile holds `ROWS` rows, `stride`
numbers apart, in `D >= d` columns, of which those past `d` are zero.
"""

import triton
import triton.language as tl


@triton.jit
def load_rows(
    base,
    first,
    stride,
    limit,
    d,
    ROWS: tl.constexpr,
    D: tl.constexpr,
    PADDED: tl.constexpr,
    CHECK: tl.constexpr,
):
    """Reads the rows from `first` on, `(ROWS, D)`.

    Rows from `limit` on are zero where `CHECK` is set, else there are none.
    """
    row = tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, D)[None, :]
    # All that is large is in the one 64-bit offset of the tile.
    tile = base + tl.cast(first, tl.int64) * stride
    places = tile + (row * stride + column)
    if PADDED and CHECK:
        inside = (column < d) & (first + row < limit)
        return tl.load(places, mask=inside, other=0.0)
    elif PADDED:
        return tl.load(places, mask=column < d, other=0.0)
    elif CHECK:
        return tl.load(places, mask=first + row < limit, other=0.0)
    else:
        return tl.load(places)


@triton.jit
def store_rows(
    base,
    tile,
    first,
    stride,
    limit,
    d,
    ROWS: tl.constexpr,
    D: tl.constexpr,
    PADDED: tl.constexpr,
):
    """Writes the rows of a `(ROWS, D)` tile that lie before `limit`."""
    row = tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, D)[None, :]
    places = base + tl.cast(first, tl.int64) * stride + (row * stride + column)
    inside = first + row < limit
    if PADDED:
        inside = inside & (column < d)
    tl.store(places, tile.to(base.dtype.element_ty), mask=inside)
