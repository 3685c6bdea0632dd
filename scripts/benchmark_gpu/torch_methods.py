"""The methods that PyTorch compares, and their inputs."""

import torch

from benchmark_gpu import kernels
from benchmark_gpu import triton_launch
from benchmark_gpu.triton_launch import Attention


def config_of(dtype, d, tiles, device):
    """The package's tiles, but those given; small ones for the interpreter."""
    if device == "cpu":
        return kernels.Config(kernels.SMALL, splits=3)
    config = kernels.default(dtype, d)
    for name, tile in (tiles or {}).items():
        config = config.with_tile(name, kernels.Tile(*tile))
    return config


def band_inputs(problem, dtype, device):
    """Normal numbers; the first `g` tokens are global, and so not in the band.

    Returns:
        Dict of tensors as `window_attention` names them.
    """
    shape = problem.b, problem.n, problem.h, problem.d
    generator = torch.Generator(device).manual_seed(0)
    inputs = {
        name: torch.randn(shape, generator=generator, device=device)
        .to(getattr(torch, dtype))
        .requires_grad_()
        for name in ("query", "key", "value")
    }
    g = problem.g
    if g:
        mask = torch.ones(shape[:2], dtype=torch.uint8, device=device)
        mask[:, :g] = 0
        inputs["key_mask"] = mask
        for name in ("key", "value"):
            own = inputs[name][:, :g].detach().clone().requires_grad_()
            inputs[f"global_{name}"] = own
        inputs["global_key_mask"] = torch.ones_like(mask[:, :g]).contiguous()
    return inputs


def attention_of(problem):
    return Attention(
        problem.b,
        problem.n,
        problem.h,
        problem.d,
        reach=problem.reach,
        g=problem.g,
        causal=problem.causal,
        dilation=problem.dilation,
    )


def kernel(problem, inputs, tiles):
    """A function that gives the output, and the tensors with gradients."""
    dtype = str(inputs["query"].dtype).removeprefix("torch.")
    device = inputs["query"].device.type
    config = config_of(dtype, problem.d, tiles, device)
    call = attention_of(problem)
    leaves = [x for x in inputs.values() if x.requires_grad]
    return (
        lambda: triton_launch.attention(call, config, inputs),
        leaves,
    )


def _heads_first(inputs):
    return [
        inputs[name].detach().transpose(1, 2).contiguous().requires_grad_()
        for name in ("query", "key", "value")
    ]


def flex(problem, inputs):
    """The same mask, the global keys among the others."""
    from torch.nn.attention.flex_attention import create_block_mask
    from torch.nn.attention.flex_attention import flex_attention

    device = inputs["query"].device.type
    reach, step, g = problem.reach, problem.dilation, problem.g
    causal = problem.causal

    def mask(batch, head, q, k):
        seen = ((q - k).abs() <= reach * step) & ((q - k) % step == 0)
        if causal:
            seen = seen & (q >= k)
        return seen | (k < g)

    n = problem.n
    make = create_block_mask
    if device == "cuda":  # uncompiled it would make all n * n entries
        make = torch.compile(create_block_mask)
    blocks = make(mask, None, None, n, n, device=device)
    attend = flex_attention
    if device == "cuda":
        torch._dynamo.reset()
        attend = torch.compile(flex_attention, dynamic=False)
    leaves = _heads_first(inputs)
    if device == "cpu":  # it has no backward there, and says so early
        leaves = [x.detach() for x in leaves]
    return (
        lambda: attend(*leaves, block_mask=blocks).transpose(1, 2),
        leaves,
    )


def dense(problem, inputs):
    """Every token sees every other: more work, another result."""
    leaves = _heads_first(inputs)
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda: attend(*leaves).transpose(1, 2), leaves
