"""Tile sizes, by kernel, dtype and padded head size.

Not measured: chosen by an estimate, and so that next to nothing is spilled from
registers and the 99 KiB of shared memory of capability 8.9 are enough, in code
compiled for 8.0, 8.9 and 9.0 (tests/native/test_gpu_compile.py).
"""

from typing import NamedTuple

HEAD_SIZES = (16, 32, 64, 128, 256)


class Tile(NamedTuple):
    """What one program works on.

    Attributes:
        own: int, rows that it owns: queries in `forward` and
            `query_gradient`, keys in `key_gradient` and `global_gradient`.
        met: int, rows of a tile that they meet.
        warps: int, warps of 32 threads.
        stages: int, tiles under way from memory at a time.
    """

    own: int
    met: int
    warps: int
    stages: int


# Global keys that are too few for a tile of `met` come in tiles of this many.
BLOCK_G = 16

# Of the queries, in `global_gradient`.
SPLITS = 32

# A thread's registers hold a tile of sums and the numbers on their way: wider
# heads take smaller tiles. Of each width, 16, 32, ... 512.
_HALF = {
    "forward": (
        *3 * [Tile(64, 64, 4, 2)],
        Tile(128, 64, 8, 3),
        *2 * [Tile(32, 32, 8, 2)],
    ),
    "query_gradient": (
        *3 * [Tile(64, 64, 4, 2)],
        Tile(64, 32, 8, 2),
        *2 * [Tile(16, 32, 8, 2)],
    ),
    "key_gradient": (
        *3 * [Tile(64, 64, 4, 2)],
        Tile(64, 32, 8, 2),
        Tile(32, 32, 8, 2),
        Tile(16, 32, 8, 2),
    ),
    "global_gradient": (
        *3 * [Tile(16, 64, 4, 2)],
        *2 * [Tile(16, 32, 4, 2)],
        Tile(16, 32, 8, 2),
    ),
}
_FLOAT32_BACKWARD = (
    Tile(64, 32, 4, 2),
    *2 * [Tile(64, 32, 8, 2)],
    Tile(32, 32, 8, 2),
    Tile(16, 32, 8, 2),
    Tile(16, 16, 8, 2),
)
_FLOAT32 = {
    "forward": (
        Tile(64, 32, 4, 2),
        *3 * [Tile(64, 32, 8, 2)],
        Tile(32, 16, 8, 2),
        Tile(16, 32, 8, 2),
    ),
    "query_gradient": _FLOAT32_BACKWARD,
    "key_gradient": _FLOAT32_BACKWARD,
    "global_gradient": (
        *4 * [Tile(16, 32, 4, 2)],
        *2 * [Tile(16, 32, 8, 2)],
    ),
}


def tile(kernel: str, dtype: str, head_size: int, padded: bool = False) -> Tile:
    """The tile of a kernel for heads of `head_size`, or padded to it.

    A padded head's rows are not aligned: each number has an address of its
    own, which takes registers as a head twice as wide does.
    """
    widths = (_FLOAT32 if dtype == "float32" else _HALF)[kernel]
    return widths[HEAD_SIZES.index(head_size) + padded]
