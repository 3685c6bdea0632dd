"""The kernels launched by Triton, for PyTorch tensors.

Operands have the names of `window_attention`; an `Attention` holds what is no
tensor.
"""

import dataclasses
import functools

import torch
import triton

from keras_longformer.native.gpu import export
from keras_longformer.native.gpu import tiles
from keras_longformer.native.gpu.tiles import Tile

KERNELS = tuple(export.KERNELS)

# Scalars by which Triton may compile a kernel again: where one becomes 1 or a
# multiple of 16. Many small cases are checked faster without.
INTEGERS = (
    *("b", "n", "h", "g", "behind", "ahead", "dilation", "splits"),
    *("has_key_mask", "has_dilations"),
)

# Where the interpreter walks them, in seconds and not in minutes.
SMALL = {name: Tile(32, 16, 4, 2) for name in KERNELS}
SMALL["global_gradient"] = Tile(16, 32, 4, 2)


@dataclasses.dataclass(frozen=True)
class Attention:
    """Shapes and options of one attention call, and the kernels' tiles."""

    b: int
    n: int
    h: int
    d: int
    reach: int
    tiles: dict
    g: int = 0
    causal: bool = False
    dilation: int | tuple = 1
    specialize: bool = True
    splits: int = tiles.SPLITS

    @property
    def per_head(self):
        return not isinstance(self.dilation, int)

    def with_tile(self, name, tile):
        return dataclasses.replace(self, tiles={**self.tiles, name: tile})

    def scalars(self):
        """Dict of the kernels' scalars, save for `has_key_mask`."""
        return {
            "b": self.b,
            "n": self.n,
            "h": self.h,
            "d": self.d,
            "g": self.g,
            "behind": self.reach,
            "ahead": 0 if self.causal else self.reach,
            "dilation": max(self.dilation) if self.per_head else self.dilation,
            "has_dilations": int(self.per_head),
            "scale": self.d**-0.5,
            "splits": self.splits,
        }


def head_size(d):
    """int, the columns of a tile, of which those past `d` are zero."""
    return next(size for size in tiles.HEAD_SIZES if size >= d)


def own_tiles(dtype, d):
    """The package's tile of each kernel."""
    size = head_size(d)
    return {k: tiles.tile(k, dtype, size, size > d) for k in KERNELS}


def candidates(name, dtype, d):
    """The tiles that tuning tries, the package's own first."""
    own = own_tiles(dtype, d)[name]
    if name == "global_gradient":
        sizes = [(16, 32), (16, 64), (16, 128)]
    elif dtype == "float32":
        sizes = [(32, 32), (64, 32), (64, 64), (128, 32)]
    else:
        sizes = [(64, 32), (64, 64), (64, 128), (128, 32), (128, 64)]
    ways = [(4, 2), (4, 3), (8, 2), (8, 3)]
    listed = [Tile(*size, *way) for size in sizes for way in ways]
    return [own] + [tile for tile in listed if tile != own]


@functools.lru_cache
def _function(name, specialize):
    function = export.KERNELS[name].function
    if specialize:
        return function
    scalars = [x for x in function.arg_names if x in INTEGERS]
    return triton.jit(function.fn, do_not_specialize=scalars)


def _launch(name, call, tensors):
    """Starts one kernel; `tensors` holds operands and results by name."""
    kernel = _function(name, call.specialize)
    about, tile, size = (
        export.KERNELS[name],
        call.tiles[name],
        head_size(call.d),
    )
    scalars = call.scalars()
    fixed = {
        "D": size,
        "PADDED": size != call.d,
        "BLOCK_G": tiles.BLOCK_G,
        "PRECISION": "ieee",
        about.own: tile.own,
        about.met: tile.met,
    }
    fixed = {k: v for k, v in fixed.items() if k in kernel.arg_names}
    values = tensors | scalars | fixed
    if name == "global_gradient":
        programs = call.splits * -(-call.g // tile.own) * call.b * call.h
    else:
        blocks = -(-call.n // tile.own) + scalars["dilation"] - 1
        programs = call.b * call.h * blocks
    kernel[(programs,)](
        **{k: values[k] for k in kernel.arg_names},
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


@functools.lru_cache
def _dilations(dilations, device):
    return torch.tensor(dilations, dtype=torch.int32, device=device)


def _operands(call, inputs):
    """All operands that the kernels name; those not given are never read."""
    query = inputs["query"]
    nothing = torch.zeros(1, dtype=torch.uint8, device=query.device)
    operands = {
        "has_key_mask": int("key_mask" in inputs),
        "key_mask": nothing,
        "global_key": query,  # A pointer of the right type.
        "global_value": query,
        "global_key_mask": nothing,
        "dilations": _dilations(
            call.dilation if call.per_head else (1,), query.device
        ),
    }
    return operands | inputs


def run_kernel(name, call, inputs, saved):
    """Starts a kernel; returns its results by name.

    Args:
        name: one of `KERNELS`.
        call: an `Attention`.
        inputs: tensors as `window_attention` names them; masks are uint8.
        saved: dict with what the kernel takes of those before it: output,
            log_sum, output_gradient and delta.
    """
    query = inputs["query"]
    sums = (call.b, call.h, call.n)
    parts = (call.splits, call.b, call.g, call.h, call.d)
    shapes = {"log_sum": sums, "delta": sums}
    results = {}
    for result in export.KERNELS[name].results:
        shape = parts if result.startswith("global") else shapes.get(result)
        results[result] = (
            query.new_empty(shape, dtype=torch.float32)
            if shape
            else torch.empty_like(query)
        )
    _launch(name, call, _operands(call, inputs) | saved | results)
    return results


def backward(call, inputs, saved):
    """Dict of gradients under the inputs' names.

    `saved`: dict with output, log_sum and output_gradient.
    """
    saved = saved | run_kernel("query_gradient", call, inputs, saved)
    of_keys = run_kernel("key_gradient", call, inputs, saved)
    gradients = {
        "query": saved["query_gradient"],
        "key": of_keys["key_gradient"],
        "value": of_keys["value_gradient"],
    }
    if call.g:
        parts = run_kernel("global_gradient", call, inputs, saved)
        for name in ("global_key", "global_value"):
            total = parts[f"{name}_gradients"].sum(0)
            gradients[name] = total.to(saved["output"].dtype)
    return gradients


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, call, names, *tensors):
        inputs = dict(zip(names, tensors, strict=True))
        results = run_kernel("forward", call, inputs, {})
        ctx.save_for_backward(results["output"], results["log_sum"], *tensors)
        ctx.given = call, names
        return results["output"]

    @staticmethod
    def backward(ctx, output_gradient):
        call, names = ctx.given
        output, log_sum, *tensors = ctx.saved_tensors
        saved = {
            "output": output,
            "log_sum": log_sum,
            "output_gradient": output_gradient.contiguous(),
        }
        inputs = dict(zip(names, tensors, strict=True))
        gradients = backward(call, inputs, saved)
        return None, None, *(gradients.get(name) for name in names)


def attention(call, inputs):
    """The output, with a gradient. `inputs`: dict of tensors."""
    return _Function.apply(call, tuple(inputs), *inputs.values())
