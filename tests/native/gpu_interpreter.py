"""Runs the GPU kernels in Triton's interpreter, on NumPy's arrays.

For a process of its own, which never imports TensorFlow: it and Triton bring
an LLVM each, and a process that has both crashes.
"""

import dataclasses
import os
from typing import NamedTuple

import numpy as np

# Read wherever a kernel is defined; Triton's own functions are kernels.
os.environ["TRITON_INTERPRET"] = "1"

import triton  # noqa: E402

from keras_longformer.native.gpu import forward  # noqa: E402
from keras_longformer.native.gpu import global_gradient  # noqa: E402
from keras_longformer.native.gpu import ir  # noqa: E402
from keras_longformer.native.gpu import key_gradient  # noqa: E402
from keras_longformer.native.gpu import query_gradient  # noqa: E402

KERNELS = {
    "forward": forward.window_attention_forward,
    "query_gradient": query_gradient.window_attention_query_gradient,
    "key_gradient": key_gradient.window_attention_key_gradient,
    "global_gradient": global_gradient.window_attention_global_gradient,
}


class Blocks(NamedTuple):
    """Sizes of tiles; programs, or `None` for one an item."""

    q: int = 64
    k: int = 64
    g: int = 16
    splits: int = 2
    programs: int | None = None


class _Array:
    """As much of a PyTorch tensor as the interpreter asks for."""

    def __init__(self, array):
        self.array = np.ascontiguousarray(array)
        self.dtype = self.array.dtype

    def data_ptr(self):
        return self.array.ctypes.data

    # The interpreter copies storages to the CPU and back: they are there.
    def untyped_storage(self):
        return self

    def cpu(self):
        return self

    def copy_(self, storage):
        pass

    def new_empty(self, size, device):
        return self

    def set_(self, storage, offset, size, stride):
        pass

    def storage_offset(self):
        return 0

    def size(self):
        return self.array.shape

    def stride(self):
        return self.array.strides


class Attention:
    """The four kernels on one set of arguments.

    Args:
        inputs: the arguments of `window_attention`, tensors as arrays.
        blocks: the `Blocks`.
    """

    def __init__(self, inputs, blocks):
        query = inputs["query"]
        b, n, h, d = query.shape
        no_tokens = np.zeros((b, 0, h, d), query.dtype)
        reach, dilation = inputs["window_size"] // 2, inputs["dilation"]
        per_head = not isinstance(dilation, int)
        self.blocks = blocks
        self.buffers = {
            "query": query,
            "key": inputs["key"],
            "value": inputs["value"],
            "key_mask": inputs.get("key_mask", np.zeros((0, 0), bool)),
            "global_key": inputs.get("global_key", no_tokens),
            "global_value": inputs.get("global_value", no_tokens),
            "global_key_mask": inputs.get(
                "global_key_mask", np.zeros((b, 0), bool)
            ),
            "dilations": np.array(dilation if per_head else [], np.int32),
        }
        self.scalars = {
            "b": b,
            "n": n,
            "h": h,
            "d": d,
            "g": self.buffers["global_key"].shape[1],
            "behind": reach,
            "ahead": 0 if inputs["causal"] else reach,
            "dilation": max(dilation) if per_head else dilation,
            "has_key_mask": int("key_mask" in inputs),
            "has_dilations": int(per_head),
            "splits": blocks.splits,
            "scale": d**-0.5,
        }

    def run(self, kernel):
        """Runs a kernel and keeps its results, by name, in `buffers`."""
        d = self.scalars["d"]
        dtype = self.buffers["query"].dtype.name
        own, met = self.blocks.q, self.blocks.k
        if kernel == "key_gradient":
            own, met = met, own
        if kernel == "global_gradient":
            own = self.blocks.g
        variant = dataclasses.replace(
            ir.find(kernel, dtype, d), own=own, splits=self.blocks.splits
        )
        scalars = {name: self.scalars[name] for name in variant.scalars}
        for result in variant.results:
            shape = [self.scalars[axis] for axis in result.shape]
            # What no program writes shows.
            self.buffers[result.name] = np.full(shape, np.nan, result.dtype)
        arrays = {
            buffer.name: _Array(self.buffers[buffer.name])
            for buffer in (*variant.operands, *variant.results)
        }
        head_size = max(16, triton.next_power_of_2(d))
        constants = {
            "D": head_size,
            "PADDED": d < head_size,
            "BLOCK_Q": self.blocks.q,
            "BLOCK_K": self.blocks.k,
            "BLOCK_G": self.blocks.g,
            "PRECISION": "ieee",
        }
        function = KERNELS[kernel]
        wanted = [name for name in constants if name in function.arg_names]
        programs = self.blocks.programs or variant.programs(scalars)
        with np.errstate(all="ignore"):  # as on a GPU
            function[(programs,)](
                **arrays,
                **scalars,
                **{name: constants[name] for name in wanted},
            )
        for result in variant.results:
            self.buffers[result.name] = arrays[result.name].array

    def forward(self):
        """Returns the output."""
        self.run("forward")
        return self.buffers["output"]

    def backward(self, output_gradient):
        """Returns gradients by the names of the arguments."""
        self.buffers["output_gradient"] = output_gradient
        self.run("query_gradient")
        self.run("key_gradient")
        gradients = {
            name: self.buffers[f"{name}_gradient"]
            for name in ("query", "key", "value")
        }
        if self.scalars["g"]:
            self.run("global_gradient")
            for name in ("global_key", "global_value"):
                parts = self.buffers[f"{name}_gradients"]
                gradients[name] = parts.sum(0).astype(output_gradient.dtype)
        return gradients


def attend(inputs, output_gradient, blocks):
    """Runs forward and backward on one set of arguments.

    Args:
        inputs: dict, the arguments of `window_attention`, tensors as arrays.
        output_gradient: `(b, n, h, d)`.
        blocks: fields of `Blocks`.

    Returns:
        Dict of arrays: "output", "log_sum", and gradients by the names of the
        arguments.
    """
    attention = Attention(inputs, Blocks(**blocks))
    output = attention.forward()
    gradients = attention.backward(output_gradient)
    log_sum = attention.buffers["log_sum"]
    return {"output": output, "log_sum": log_sum, **gradients}
