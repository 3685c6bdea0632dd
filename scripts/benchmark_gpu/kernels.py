"""The four Triton kernels of `keras_longformer.native.gpu`, and their tiles."""

import dataclasses
from collections.abc import Mapping

from benchmark_gpu import package

tiles = package.native("gpu.tiles")
Tile = tiles.Tile

# Module of the package; the kernel in it is `window_attention_<module>`.
KERNELS = ("forward", "query_gradient", "key_gradient", "global_gradient")

# Their scalars, save for `scale`.
INTEGERS = (
    *("b", "n", "h", "d", "g", "behind", "ahead", "dilation", "splits"),
    *("has_key_mask", "has_dilations"),
)

# Where the interpreter walks them, in seconds and not in minutes.
SMALL = {
    "forward": Tile(32, 16, 4, 2),
    "query_gradient": Tile(32, 16, 4, 2),
    "key_gradient": Tile(32, 16, 4, 2),
    "global_gradient": Tile(16, 32, 4, 2),
}

HALF = {
    "forward": [
        Tile(64, 32, 4, 3),
        Tile(64, 64, 4, 2),
        Tile(64, 64, 4, 3),
        Tile(64, 128, 4, 2),
        Tile(128, 32, 4, 3),
        Tile(128, 64, 4, 2),
        Tile(128, 64, 4, 3),
        Tile(128, 64, 8, 2),
        Tile(128, 64, 8, 3),
        Tile(128, 128, 8, 2),
    ],
    "query_gradient": [
        Tile(64, 32, 4, 3),
        Tile(64, 64, 4, 2),
        Tile(64, 64, 4, 3),
        Tile(128, 32, 4, 3),
        Tile(128, 64, 4, 2),
        Tile(128, 64, 8, 2),
        Tile(128, 64, 8, 3),
    ],
    "key_gradient": [
        Tile(64, 32, 4, 3),
        Tile(64, 64, 4, 2),
        Tile(64, 64, 4, 3),
        Tile(128, 32, 4, 3),
        Tile(128, 32, 8, 3),
        Tile(128, 64, 8, 2),
        Tile(128, 64, 8, 3),
        Tile(64, 128, 8, 2),
    ],
    "global_gradient": [
        Tile(16, 64, 4, 2),
        Tile(16, 64, 4, 3),
        Tile(16, 128, 4, 2),
        Tile(16, 128, 8, 2),
    ],
}
FLOAT32 = {
    "forward": [
        Tile(32, 32, 4, 2),
        Tile(64, 32, 4, 2),
        Tile(64, 32, 4, 3),
        Tile(64, 64, 8, 2),
        Tile(128, 32, 8, 2),
    ],
    "query_gradient": [
        Tile(32, 32, 4, 2),
        Tile(64, 32, 4, 2),
        Tile(64, 32, 8, 2),
        Tile(64, 64, 8, 2),
    ],
    "key_gradient": [
        Tile(32, 32, 4, 2),
        Tile(64, 32, 4, 2),
        Tile(64, 32, 8, 2),
        Tile(64, 64, 8, 2),
    ],
    "global_gradient": [Tile(16, 32, 4, 2), Tile(16, 64, 4, 2)],
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The tile of each kernel, of global keys, and parts of their gradient."""

    tiles: Mapping
    group: int = tiles.BLOCK_G
    splits: int = tiles.SPLITS

    def with_tile(self, name, tile):
        return dataclasses.replace(self, tiles={**self.tiles, name: tile})


def head_size(d):
    """int, the columns of a tile, of which those past `d` are zero."""
    return next(size for size in tiles.HEAD_SIZES if size >= d)


def default(dtype, d):
    """The package's own `Config`."""
    size = head_size(d)
    return Config({k: tiles.tile(k, dtype, size, size > d) for k in KERNELS})


def candidates(name, dtype, d):
    """The tiles that tuning tries, the package's own first."""
    size = head_size(d)
    own = tiles.tile(name, dtype, size, size > d)
    listed = (FLOAT32 if dtype == "float32" else HALF)[name]
    return [own] + [tile for tile in listed if tile != own]


def spell(tile):
    return f"{tile.own} x {tile.met}, {tile.warps} warps, {tile.stages} stages"


def export():
    """The package's module that knows operands, results and shapes."""
    return package.native("gpu.export")


def constants(name, config, d, precision="ieee"):
    """The kernel's compile-time arguments."""
    kernel = export().KERNELS[name]
    size = head_size(d)
    values = {
        "D": size,
        "PADDED": size != d,
        "BLOCK_G": config.group,
        "PRECISION": precision,
        kernel.own: config.tiles[name].own,
        kernel.met: config.tiles[name].met,
    }
    return {k: v for k, v in values.items() if k in kernel.function.arg_names}


def items(name, config, *, b, n, h, g, dilation):
    """int, the blocks of work that the kernel's programs share."""
    own = config.tiles[name].own
    if name == "global_gradient":
        return config.splits * -(-g // own) * b * h
    return b * h * (-(-n // own) + dilation - 1)
