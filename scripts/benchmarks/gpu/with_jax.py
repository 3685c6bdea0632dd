"""JAX: the stored kernels as XLA's own custom call, as TensorFlow has them."""

import jax
import jax.numpy as jnp
import numpy as np

from keras_longformer.native.gpu import ir

TARGET = "__gpu$xla.gpu.triton"
KERNEL = "kernel (XLA, JAX)"
ON_GPU = jax.default_backend() == "gpu"
DTYPES = {"bool": jnp.bool_, "int32": jnp.int32, "float32": jnp.float32}


def describe():
    return f"{jax.devices()[0].device_kind}, JAX {jax.__version__}"


def wait(results):
    jax.block_until_ready(results)


def kernel_call(name, scalars, operands):
    """One kernel as a custom call; returns its results by name."""
    query = operands["query"]
    variant = ir.find(name, query.dtype.name, int(scalars["d"]))
    own = {k: v for k, v in scalars.items() if k in variant.scalars}
    if "splits" in variant.scalars:
        own["splits"] = variant.splits
    sizes = scalars | {"splits": variant.splits}
    results = [
        jax.ShapeDtypeStruct(
            tuple(sizes[axis] for axis in buffer.shape),
            DTYPES.get(buffer.dtype, query.dtype),
        )
        for buffer in variant.results
    ]
    outputs = jax.ffi.ffi_call(TARGET, results)(
        *(operands[buffer.name] for buffer in variant.operands),
        **{
            key: value if isinstance(value, str) else np.int32(value)
            for key, value in variant.backend_config(own).items()
        },
    )
    names = [buffer.name for buffer in variant.results]
    return dict(zip(names, outputs, strict=True))


def make(reach, causal=False, dilation=1):
    """Two functions: output, and output with all gradients.

    Of a dict of inputs as `window_attention` names them, and the latter of
    the output's gradient too.
    """
    per_head = not isinstance(dilation, int)

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
        scalars = dict(b=b, n=n, h=h, d=d, g=operands["global_key"].shape[1])
        scalars |= {
            "behind": min(reach, n),
            "ahead": 0 if causal else min(reach, n),
            "dilation": max(dilation) if per_head else dilation,
            "has_key_mask": int("key_mask" in inputs),
            "has_dilations": int(per_head),
            "scale": d**-0.5,
        }
        return operands, scalars

    def forward(inputs):
        operands, scalars = prepared(inputs)
        return kernel_call("forward", scalars, operands)["output"]

    def both(inputs, upstream):
        operands, scalars = prepared(inputs)
        operands |= kernel_call("forward", scalars, operands)
        operands["output_gradient"] = upstream
        operands |= kernel_call("query_gradient", scalars, operands)
        of_keys = kernel_call("key_gradient", scalars, operands)
        results = {
            "output": operands["output"],
            "query": operands["query_gradient"],
            "key": of_keys["key_gradient"],
            "value": of_keys["value_gradient"],
        }
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


def run_case(case, inputs, upstream, dtype):
    """See `check.compare`."""

    def convert(x):
        return jnp.asarray(x, None if x.dtype == bool else dtype)

    _, both = make(case.window_size // 2, case.causal, case.dilation)
    tensors = {k: convert(x) for k, x in inputs.items()}
    results = jax.jit(both)(tensors, convert(upstream))
    return {k: np.asarray(x, np.float64) for k, x in results.items()}


def matrix(size):
    """A call that multiplies two square matrices in bfloat16."""
    keys = jax.random.split(jax.random.key(0))
    a, b = (jax.random.normal(key, (size, size), jnp.bfloat16) for key in keys)
    product = jax.jit(jnp.matmul)
    return lambda: product(a, b)


def methods(problem, dtype, backward, tiles=None):
    """Yields (name, call); the tiles are those of the stored kernels."""
    b, n, h, d, g = problem.b, problem.n, problem.h, problem.d, problem.g
    keys = jax.random.split(jax.random.key(0), 4)
    query, key, value, upstream = (
        jax.random.normal(key, (b, n, h, d)).astype(dtype) for key in keys
    )
    inputs = {
        "query": query,
        "key": key,
        "value": value,
        "key_mask": jnp.broadcast_to(jnp.arange(n) >= g, (b, n)),
        "global_key": key[:, :g],
        "global_value": value[:, :g],
        "global_key_mask": jnp.ones((b, g), bool),
    }
    forward, both = make(problem.reach)
    arguments = (inputs, upstream) if backward else (inputs,)
    run = jax.jit(both if backward else forward).lower(*arguments).compile()

    def call():
        return run(*arguments)

    call.compiled = run
    yield KERNEL, call


def peak(call):
    """Bytes that XLA plans for results and what is between."""
    sizes = call.compiled.memory_analysis()
    return int(sizes.temp_size_in_bytes + sizes.output_size_in_bytes)
