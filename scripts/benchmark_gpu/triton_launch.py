"""The kernels launched by Triton, for PyTorch tensors.

Operands have the names of `window_attention`; a `Attention` holds what is not a
tensor.
"""

import dataclasses
import functools

import torch
import triton

from benchmark_gpu import kernels


@dataclasses.dataclass(frozen=True)
class Attention:
    """Shapes and options of one attention call.

    `fixed_sizes`: whether Triton may compile a kernel anew where a size becomes
    1 or a multiple of 16. XLA knows all sizes; many small cases are checked
    faster without.
    """

    b: int
    n: int
    h: int
    d: int
    reach: int
    g: int = 0
    causal: bool = False
    dilation: int | tuple = 1
    precision: str = "ieee"
    fixed_sizes: bool = True

    @property
    def largest_dilation(self):
        return max(self.dilation) if self.per_head else self.dilation

    @property
    def per_head(self):
        return not isinstance(self.dilation, int)


@functools.lru_cache
def _function(name, fixed_sizes):
    function = kernels.export().KERNELS[name].function
    if fixed_sizes:
        return function
    scalars = [
        argument
        for argument in function.arg_names
        if argument in kernels.INTEGERS and argument != "d"
    ]
    return triton.jit(function.fn, do_not_specialize=scalars)


@functools.lru_cache
def _small_operands(dilations, device):
    """One byte for what is not given, and the heads' dilations."""
    return (
        torch.zeros(1, dtype=torch.uint8, device=device),
        torch.tensor(dilations, dtype=torch.int32, device=device),
    )


def _launch(name, call, config, tensors):
    """Starts one kernel; `tensors` holds operands and results by name."""
    kernel = _function(name, call.fixed_sizes)
    values = tensors | {
        "b": call.b,
        "n": call.n,
        "h": call.h,
        "d": call.d,
        "g": call.g,
        "behind": call.reach,
        "ahead": 0 if call.causal else call.reach,
        "dilation": call.largest_dilation,
        "has_key_mask": int(tensors["key_mask"] is not tensors["nothing"]),
        "has_dilations": int(call.per_head),
        "scale": call.d**-0.5,
        "splits": config.splits,
    }
    fixed = kernels.constants(name, config, call.d, call.precision)
    tile = config.tiles[name]
    grid = kernels.items(
        name,
        config,
        b=call.b,
        n=call.n,
        h=call.h,
        g=call.g,
        dilation=call.largest_dilation,
    )
    given = {k: values[k] for k in kernel.arg_names if k not in fixed}
    kernel[(grid,)](
        **given, **fixed, num_warps=tile.warps, num_stages=tile.stages
    )


def _operands(call, inputs):
    """All operands that the kernels name; those not given are one byte."""
    dilations = call.dilation if call.per_head else (1,)
    nothing, dilations = _small_operands(dilations, inputs["query"].device)
    operands = {
        name: inputs.get(name, nothing)
        for name in (
            "query",
            "key",
            "value",
            "key_mask",
            "global_key",
            "global_value",
            "global_key_mask",
        )
    }
    operands["nothing"] = nothing
    operands["dilations"] = dilations
    if not call.g:  # pointers of their own type all the same
        operands["global_key"] = operands["global_value"] = inputs["query"]
    return operands


def forward(call, config, inputs):
    """`(output, log_sum)`; `inputs` as `window_attention` names them.

    Masks are uint8.
    """
    operands = _operands(call, inputs)
    query = inputs["query"]
    results = {
        "output": torch.empty_like(query),
        "log_sum": query.new_empty(
            (call.b, call.h, call.n), dtype=torch.float32
        ),
    }
    _launch("forward", call, config, operands | results)
    return results["output"], results["log_sum"]


def run_kernel(name, call, config, inputs, saved):
    """Starts one of the backward kernels; returns its results by name.

    Args:
        saved: dict with output, log_sum, output_gradient and, after
            "query_gradient", delta.
    """
    query = inputs["query"]
    if name == "global_gradient":
        shape = (config.splits, call.b, call.g, call.h, call.d)
        results = {
            key: query.new_empty(shape, dtype=torch.float32)
            for key in ("global_key_gradients", "global_value_gradients")
        }
    elif name == "query_gradient":
        results = {
            "query_gradient": torch.empty_like(query),
            "delta": torch.empty_like(saved["log_sum"]),
        }
    else:
        results = {
            key: torch.empty_like(query)
            for key in ("key_gradient", "value_gradient")
        }
    operands = _operands(call, inputs)
    _launch(name, call, config, operands | saved | results)
    return results


def backward(call, config, inputs, output, log_sum, output_gradient):
    """Dict of gradients under the inputs' names."""
    saved = {
        "output": output,
        "log_sum": log_sum,
        "output_gradient": output_gradient.contiguous(),
    }
    saved |= run_kernel("query_gradient", call, config, inputs, saved)
    of_keys = run_kernel("key_gradient", call, config, inputs, saved)
    gradients = {
        "query": saved["query_gradient"],
        "key": of_keys["key_gradient"],
        "value": of_keys["value_gradient"],
    }
    if call.g:
        parts = run_kernel("global_gradient", call, config, inputs, saved)
        for name in ("global_key", "global_value"):
            total = parts[f"{name}_gradients"].sum(0)
            gradients[name] = total.to(output.dtype)
    return gradients


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, call, config, names, *tensors):
        inputs = dict(zip(names, tensors, strict=True))
        output, log_sum = forward(call, config, inputs)
        ctx.save_for_backward(output, log_sum, *tensors)
        ctx.given = call, config, names
        return output

    @staticmethod
    def backward(ctx, output_gradient):
        call, config, names = ctx.given
        output, log_sum, *tensors = ctx.saved_tensors
        inputs = dict(zip(names, tensors, strict=True))
        gradients = backward(
            call, config, inputs, output, log_sum, output_gradient
        )
        return None, None, None, *(gradients.get(name) for name in names)


def attention(call, config, inputs):
    """The output, with a gradient. `inputs`: dict of tensors."""
    return _Function.apply(call, config, tuple(inputs), *inputs.values())


def version():
    return f"Triton {triton.__version__}"
