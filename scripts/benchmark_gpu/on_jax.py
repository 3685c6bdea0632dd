"""JAX: the stored kernels as XLA's own custom call, as TensorFlow has them."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmark_gpu import check
from benchmark_gpu import package
from benchmark_gpu.calls import Call
from benchmark_gpu.calls import Calls
from benchmark_gpu.walk import Problem

THROUGH = {"kernel": "XLA custom call (JAX)"}
TARGET = "__gpu$xla.gpu.triton"
CALLS = Calls()
COMPILED = {}
PLATFORM = "gpu"
DTYPES = {"bool": jnp.bool_, "int32": jnp.int32, "float32": jnp.float32}


def start(device):
    global PLATFORM
    PLATFORM = device
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")


def describe():
    if jax.devices()[0].platform != PLATFORM:
        raise RuntimeError(f"JAX sees no CUDA GPU, only {jax.devices()}.")
    return {
        "gpu": "CPU" if PLATFORM == "cpu" else jax.devices()[0].device_kind,
        "versions": f"JAX {jax.__version__}",
        "through": THROUGH,
    }


clear = CALLS.clear
first = CALLS.first
seconds = CALLS.seconds


def wait(results):
    jax.block_until_ready(results)


# The kernels


def kernel_call(name, scalars, operands):
    """One kernel as a custom call; returns its results by name."""
    ir = package.native("gpu.ir")
    query = operands["query"]
    variant = ir.find(name, query.dtype.name, int(scalars["d"]))
    own = {k: v for k, v in scalars.items() if k in variant.scalars}
    if "splits" in variant.scalars:
        own["splits"] = variant.splits
    config = variant.backend_config(own)
    sizes = scalars | {"splits": variant.splits}
    results = [
        jax.ShapeDtypeStruct(
            tuple(sizes[axis] for axis in buffer.shape),
            DTYPES.get(buffer.dtype, query.dtype),
        )
        for buffer in variant.results
    ]
    call = jax.ffi.ffi_call(TARGET, results)
    outputs = call(
        *(operands[buffer.name] for buffer in variant.operands),
        **{
            key: value if isinstance(value, str) else np.int32(value)
            for key, value in config.items()
        },
    )
    names = [buffer.name for buffer in variant.results]
    return dict(zip(names, outputs, strict=True))


def scalars_of(shape, g, reach, causal, dilation, has_key_mask):
    b, n, h, d = shape
    per_head = not isinstance(dilation, int)
    return {
        "b": b,
        "n": n,
        "h": h,
        "d": d,
        "g": g,
        "behind": min(reach, n),
        "ahead": 0 if causal else min(reach, n),
        "dilation": max(dilation) if per_head else dilation,
        "has_key_mask": int(has_key_mask),
        "has_dilations": int(per_head),
        "scale": d**-0.5,
    }


def make(reach, causal, dilation):
    """Two functions: output, and output with all gradients.

    Of a dict of inputs as `window_attention` names them, and the latter of
    the output's gradient too.
    """

    def prepared(inputs):
        query = inputs["query"]
        b, n, h, d = query.shape
        none = jnp.zeros((b, 0, h, d), query.dtype)
        operands = {
            "key_mask": jnp.ones((b, n), bool),
            "global_key": none,
            "global_value": none,
            "global_key_mask": jnp.ones((b, 0), bool),
            "dilations": jnp.broadcast_to(jnp.int32(dilation), (h,)),
        } | inputs
        g = operands["global_key"].shape[1]
        scalars = scalars_of(
            query.shape, g, reach, causal, dilation, "key_mask" in inputs
        )
        return operands, scalars

    def forward(inputs):
        operands, scalars = prepared(inputs)
        return kernel_call("forward", scalars, operands)["output"]

    def both(inputs, upstream):
        operands, scalars = prepared(inputs)
        operands |= kernel_call("forward", scalars, operands)
        operands["output_gradient"] = upstream
        operands |= kernel_call("query_gradient", scalars, operands)
        results = {
            "output": operands["output"],
            "query": operands["query_gradient"],
        }
        of_keys = kernel_call("key_gradient", scalars, operands)
        results["key"] = of_keys["key_gradient"]
        results["value"] = of_keys["value_gradient"]
        if scalars["g"]:
            parts = kernel_call("global_gradient", scalars, operands)
            for name in ("global_key", "global_value"):
                total = parts[f"{name}_gradients"].sum(0)
                results[name] = total.astype(upstream.dtype)
        elif "global_key" in inputs:
            results["global_key"] = inputs["global_key"]
            results["global_value"] = inputs["global_value"]
        return results

    return forward, both


# Checking


def check_case(name, dtype, tiles=None):
    """See `check.compare`."""
    return check.compare(name, dtype, _run_case)


def _arrays(case, inputs, upstream, dtype):
    def convert(x):
        return jnp.asarray(x, None if x.dtype == bool else dtype)

    reach, dilation = case.window_size // 2, case.dilation
    _, both = make(reach, case.causal, dilation)
    return both, {k: convert(x) for k, x in inputs.items()}, convert(upstream)


def _run_case(case, inputs, upstream, dtype):
    both, inputs, upstream = _arrays(case, inputs, upstream, dtype)
    if PLATFORM == "cpu":
        raise RuntimeError("XLA compiles these kernels for GPUs only.")
    results = jax.jit(both)(inputs, upstream)
    return {k: np.asarray(x, np.float64) for k, x in results.items()}


def lower_case(name, dtype):
    """Makes StableHLO for CUDA without a GPU; returns its custom calls."""
    found = []

    def run_case(case, inputs, upstream, dtype):
        both, arrays, upstream = _arrays(case, inputs, upstream, dtype)
        traced = jax.jit(both).trace(arrays, upstream)
        lowered = traced.lower(lowering_platforms=("cuda",))
        found.append(lowered.as_text().count(f"@{TARGET}"))
        shapes = jax.eval_shape(both, arrays, upstream)
        return {k: np.zeros(x.shape) for k, x in shapes.items()}

    check.compare(name, dtype, run_case)
    return found[0]


# Timing


def rates(size, copy_bytes):
    """Prepares a product of matrices, and a pass over memory."""
    keys = jax.random.split(jax.random.key(0), 3)
    a, b = (
        jax.random.normal(key, (size, size), jnp.bfloat16) for key in keys[:2]
    )
    x = jax.random.normal(keys[2], (copy_bytes // 4,))
    product, step = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    CALLS.by_name["matrix"] = Call(lambda: product(a, b), wait)
    CALLS.by_name["copy"] = Call(lambda: step(x), wait)


def prepare(problem, dtype, backward, name, tiles=None):
    """As in `on_torch`; the tiles are those of the stored kernels."""
    if name != "kernel" or PLATFORM == "cpu":
        return False
    problem = Problem(**problem)
    b, n, h, d = shape = problem.b, problem.n, problem.h, problem.d
    keys = jax.random.split(jax.random.key(0), 4)
    query, key, value, upstream = (
        jax.random.normal(key, shape).astype(dtype) for key in keys
    )
    inputs = {"query": query, "key": key, "value": value}
    g = problem.g
    if g:
        inputs |= {
            "key_mask": jnp.broadcast_to(jnp.arange(n) >= g, (b, n)),
            "global_key": key[:, :g],
            "global_value": value[:, :g],
            "global_key_mask": jnp.ones((b, g), bool),
        }
    forward, both = make(problem.reach, problem.causal, problem.dilation)
    arguments = (inputs, upstream) if backward else (inputs,)
    run = jax.jit(both if backward else forward).lower(*arguments).compile()
    CALLS.by_name["kernel"] = Call(lambda: run(*arguments), wait)
    COMPILED["kernel"] = run
    return True


def peak(name):
    """Bytes that XLA plans for results and what is between."""
    sizes = COMPILED[name].memory_analysis()
    return int(sizes.temp_size_in_bytes + sizes.output_size_in_bytes)
