"""Tile sizes, by kernel, dtype and padded head size.

Guesses, not measured: of a few, registers and shared memory were counted in
code compiled for compute capability 9.0 (README.md).
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


def tile(kernel: str, dtype: str, head_size: int) -> Tile:
    """The tile of a kernel for heads padded to `head_size`."""
    wide = head_size > 128
    if dtype == "float32":
        return {
            "forward": Tile(64, 32, 4 if head_size < 128 else 8, 2),
            "query_gradient": Tile(64, 32, 4 if head_size < 128 else 8, 2),
            "key_gradient": Tile(64, 32, 4 if head_size < 128 else 8, 2),
            "global_gradient": Tile(16, 32, 4, 2),
        }[kernel]
    if wide:
        return {
            "forward": Tile(64, 32, 4, 2),
            "query_gradient": Tile(64, 32, 4, 2),
            "key_gradient": Tile(32, 32, 4, 2),
            "global_gradient": Tile(16, 32, 4, 2),
        }[kernel]
    return {
        "forward": Tile(128, 64, 8 if head_size > 64 else 4, 3),
        "query_gradient": Tile(128, 64, 8, 3),
        "key_gradient": Tile(128, 64, 8, 3 if head_size <= 64 else 2),
        "global_gradient": Tile(16, 64, 4, 2),
    }[kernel]
