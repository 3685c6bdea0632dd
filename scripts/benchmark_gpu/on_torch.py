"""PyTorch: the kernels launched by Triton, FlexAttention and dense SDPA."""

import functools

import numpy as np
import torch

from benchmark_gpu import check
from benchmark_gpu import kernels
from benchmark_gpu import package
from benchmark_gpu import torch_methods
from benchmark_gpu import triton_launch
from benchmark_gpu.calls import Call
from benchmark_gpu.calls import Calls
from benchmark_gpu.triton_launch import Attention
from benchmark_gpu.walk import Problem

THROUGH = {
    "kernel": "Triton launch (PyTorch)",
    "FlexAttention": "PyTorch",
    "dense SDPA": "PyTorch",
}
CALLS = Calls()
DEVICE = "cuda"


def start(device):
    global DEVICE
    DEVICE = "cuda" if device == "gpu" else "cpu"
    torch.manual_seed(0)


def describe():
    """Dict, or an error where there is no GPU."""
    if DEVICE == "cpu":
        name = "CPU"
    elif torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        raise RuntimeError("PyTorch sees no CUDA GPU.")
    versions = f"PyTorch {torch.__version__}"
    if package.installed("triton"):
        versions += f", {triton_launch.version()}"
    return {"gpu": name, "versions": versions, "through": THROUGH}


clear = CALLS.clear
first = CALLS.first
seconds = CALLS.seconds


def wait(results=None):
    if DEVICE == "cuda":
        torch.cuda.synchronize()


# Checking


def check_case(name, dtype, tiles=None):
    """See `check.compare`; `tiles` as in `prepare`."""
    run_case = functools.partial(_run_case, tiles=tiles)
    return check.compare(name, dtype, run_case)


def _run_case(case, inputs, upstream, dtype, tiles):
    dtype_ = getattr(torch, dtype)

    def convert(x):
        if x.dtype == bool:
            return torch.tensor(x.astype("uint8"), device=DEVICE)
        return torch.tensor(x, device=DEVICE).to(dtype_)

    attention = Attention(
        case.b,
        case.n,
        case.h,
        case.d,
        reach=case.window_size // 2,
        g=inputs["global_key"].shape[1] if "global_key" in inputs else 0,
        causal=case.causal,
        dilation=case.dilation,
        fixed_sizes=False,
    )
    config = torch_methods.config_of(dtype, case.d, tiles, DEVICE)
    tensors = {name: convert(x) for name, x in inputs.items()}
    output, log_sum = triton_launch.forward(attention, config, tensors)
    gradients = triton_launch.backward(
        attention, config, tensors, output, log_sum, convert(upstream)
    )
    results = {"output": output} | gradients
    return {k: x.double().cpu().numpy() for k, x in results.items()}


# Timing


def rates(size, copy_bytes):
    """Prepares a product of matrices and a copy, and names them."""
    a, b = (
        torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16)
        for _ in range(2)
    )
    x = torch.randn(copy_bytes // 4, device=DEVICE)
    y = torch.empty_like(x)
    CALLS.by_name["matrix"] = Call(lambda: a @ b, wait)
    CALLS.by_name["copy"] = Call(lambda: y.copy_(x), wait)


def prepare(problem, dtype, backward, name, tiles=None):
    """Prepares a method; returns whether there is one of this name.

    Args:
        problem: dict of `Problem`'s arguments.
        dtype: str.
        backward: bool, forward + backward.
        name: str.
        tiles: dict of tuned tiles by kernel.
    """
    makers = {
        "kernel": functools.partial(torch_methods.kernel, tiles=tiles),
        "FlexAttention": torch_methods.flex,
        "dense SDPA": torch_methods.dense,
    }
    no_backward = DEVICE == "cpu" and name == "FlexAttention"
    if name not in makers or (backward and no_backward):
        return False
    problem = Problem(**problem)
    output, leaves = makers[name](
        problem, torch_methods.band_inputs(problem, dtype, DEVICE)
    )
    CALLS.by_name[name] = _call(output, leaves, backward)
    return True


def _call(output, leaves, backward):
    def to_numpy(results):
        return results[0].detach().double().cpu().numpy()

    def forward():
        with torch.no_grad():
            return [output()]

    if not backward:
        return Call(forward, wait, to_numpy)
    upstream = torch.randn_like(output().detach())

    def both():
        return torch.autograd.grad(output(), leaves, upstream)

    return Call(both, wait, to_numpy)


def agreement(name, other):
    """The largest difference of two methods' first results, relative."""
    got, want = (
        call.to_numpy(call.run())
        for call in (CALLS.by_name[name], CALLS.by_name[other])
    )
    return float(np.abs(got - want).max() / np.abs(want).max())


def peak(name):
    """Bytes above what the inputs take, results included."""
    call = CALLS.by_name[name]
    call.wait(call.run())
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    rest = torch.cuda.memory_allocated()
    results = call.run()
    torch.cuda.synchronize()
    del results
    return torch.cuda.max_memory_allocated() - rest


# Tuning


def prepare_kernel(problem, dtype, kernel, tile, name):
    """Prepares one kernel with one tile."""
    problem = Problem(**problem)
    inputs = {
        k: x.detach()
        for k, x in torch_methods.band_inputs(problem, dtype, DEVICE).items()
    }
    attention = torch_methods.attention_of(problem)
    config = torch_methods.config_of(dtype, problem.d, None, DEVICE)
    output, log_sum = triton_launch.forward(attention, config, inputs)
    saved = {
        "output": output,
        "log_sum": log_sum,
        "output_gradient": torch.randn_like(output),
    }
    launch = triton_launch.run_kernel
    if kernel in ("key_gradient", "global_gradient"):
        of_query = launch("query_gradient", attention, config, inputs, saved)
        saved["delta"] = of_query["delta"]
    config = config.with_tile(kernel, kernels.Tile(*tile))

    def run():
        if kernel == "forward":
            return triton_launch.forward(attention, config, inputs)
        return launch(kernel, attention, config, inputs, saved)

    CALLS.by_name[name] = Call(run, wait)
