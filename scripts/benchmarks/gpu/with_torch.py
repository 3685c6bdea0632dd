"""PyTorch: the kernels launched by Triton, FlexAttention and dense SDPA."""

import numpy as np
import torch
import triton
import triton_launch
from triton_launch import Attention

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
KERNEL = "kernel (Triton launch)"


def describe():
    """str, or an error where neither a GPU nor the interpreter is there."""
    versions = f"PyTorch {torch.__version__}, Triton {triton.__version__}"
    name = torch.cuda.get_device_name() if ON_GPU else "CPU"
    return f"{name}, {versions}"


def wait(results=None):
    if ON_GPU:
        torch.cuda.synchronize()


def _own(dtype, d, tiles):
    """Tiles and splits: the package's but for `tiles`, small ones on a CPU."""
    if not ON_GPU:
        return {"tiles": triton_launch.SMALL, "splits": 3}
    return {"tiles": triton_launch.own_tiles(dtype, d) | (tiles or {})}


def run_case(case, inputs, upstream, dtype, tiles=None):
    """See `check.compare`. `tiles`: by kernel, if not the package's own."""

    def convert(x):
        if x.dtype == bool:
            return torch.tensor(x.astype("uint8"), device=DEVICE)
        return torch.tensor(x, device=DEVICE).to(getattr(torch, dtype))

    call = Attention(
        *(case.b, case.n, case.h, case.d),
        reach=case.window_size // 2,
        g=inputs["global_key"].shape[1] if "global_key" in inputs else 0,
        causal=case.causal,
        dilation=case.dilation,
        specialize=False,
        **_own(dtype, case.d, tiles),
    )
    tensors = {name: convert(x) for name, x in inputs.items()}
    saved = triton_launch.run_kernel("forward", call, tensors, {})
    saved["output_gradient"] = convert(upstream)
    results = {"output": saved["output"]}
    results |= triton_launch.backward(call, tensors, saved)
    return {k: x.double().cpu().numpy() for k, x in results.items()}


def matrix(size):
    """A call that multiplies two square matrices in bfloat16."""
    a, b = (
        torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16)
        for _ in range(2)
    )
    return lambda: a @ b


def band_inputs(problem, dtype):
    """Normal numbers; the first `g` tokens are global, and so not in the band.

    Returns:
        Dict of tensors as `window_attention` names them.
    """
    shape = problem.b, problem.n, problem.h, problem.d
    generator = torch.Generator(DEVICE).manual_seed(0)
    inputs = {
        name: torch.randn(shape, generator=generator, device=DEVICE)
        .to(getattr(torch, dtype))
        .requires_grad_()
        for name in ("query", "key", "value")
    }
    mask = torch.ones(shape[:2], dtype=torch.uint8, device=DEVICE)
    mask[:, : problem.g] = 0
    inputs["key_mask"] = mask
    for name in ("key", "value"):
        own = inputs[name][:, : problem.g].detach().clone().requires_grad_()
        inputs[f"global_{name}"] = own
    inputs["global_key_mask"] = torch.ones_like(mask[:, : problem.g])
    return inputs


def _attention(problem, dtype, tiles):
    return Attention(
        *(problem.b, problem.n, problem.h, problem.d),
        reach=problem.reach,
        g=problem.g,
        **_own(dtype, problem.d, tiles),
    )


def _heads_first(inputs):
    return [
        inputs[name].detach().transpose(1, 2).contiguous().requires_grad_()
        for name in ("query", "key", "value")
    ]


def _flex(problem, inputs):
    """The same mask, the global keys among the others."""
    from torch.nn.attention.flex_attention import create_block_mask
    from torch.nn.attention.flex_attention import flex_attention

    def mask(batch, head, q, k):
        return ((q - k).abs() <= problem.reach) | (k < problem.g)

    make, attend = create_block_mask, flex_attention
    leaves = _heads_first(inputs)
    if ON_GPU:  # Uncompiled, the mask would have all n * n entries.
        torch._dynamo.reset()
        make = torch.compile(create_block_mask)
        attend = torch.compile(flex_attention, dynamic=False)
    else:  # It has no backward there, and says so early.
        leaves = [x.detach() for x in leaves]
    n = problem.n
    blocks = make(mask, None, None, n, n, device=DEVICE)
    return lambda: attend(*leaves, block_mask=blocks).transpose(1, 2), leaves


def _dense(problem, inputs):
    """Every token sees every other: more work, another result."""
    leaves = _heads_first(inputs)
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda: attend(*leaves).transpose(1, 2), leaves


def methods(problem, dtype, backward, tiles=None):
    """Yields (name, call) of what can be prepared."""
    inputs = band_inputs(problem, dtype)
    call = _attention(problem, dtype, tiles)
    leaves = [x for x in inputs.values() if x.requires_grad]
    yield (
        KERNEL,
        _passes(
            lambda: triton_launch.attention(call, inputs), leaves, backward
        ),
    )
    makers = {"dense SDPA": _dense}
    if ON_GPU or not backward:
        makers["FlexAttention"] = _flex
    for name, make in makers.items():
        try:
            output, leaves = make(problem, inputs)
        except RuntimeError as error:  # Out of memory, or not compiled.
            print(f"left out: {name}, {error}", flush=True)
        else:
            yield name, _passes(output, leaves, backward)


def _passes(output, leaves, backward):
    def forward():
        with torch.no_grad():
            return output()

    upstream = []

    def both():
        result = output()
        if not upstream:
            upstream.append(torch.randn_like(result))
        return torch.autograd.grad(result, leaves, upstream[0])

    return both if backward else forward


def to_numpy(output):
    return output.double().cpu().numpy()


def peak(call):
    """Bytes above what the inputs take, results included."""
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    rest = torch.cuda.memory_allocated()
    results = call()
    torch.cuda.synchronize()
    del results
    return torch.cuda.max_memory_allocated() - rest


def tunable(problem, dtype, kernel, tiles):
    """Yields (tile, call) of one kernel."""
    inputs = {k: x.detach() for k, x in band_inputs(problem, dtype).items()}
    call = _attention(problem, dtype, None)
    saved = triton_launch.run_kernel("forward", call, inputs, {})
    saved["output_gradient"] = torch.randn_like(saved["output"])
    saved |= triton_launch.run_kernel("query_gradient", call, inputs, saved)
    for tile in tiles:
        tuned = call.with_tile(kernel, tile)
        yield (
            tile,
            lambda tuned=tuned: triton_launch.run_kernel(
                kernel, tuned, inputs, saved
            ),
        )


def close(got, want):
    """float, the largest difference of two arrays, of their largest."""
    return float(np.abs(got - want).max() / np.abs(want).max())
