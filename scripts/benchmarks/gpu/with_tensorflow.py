"""TensorFlow: the kernels under XLA, and the same in stock operations."""

import numpy as np
import tensorflow as tf

from keras_longformer.ops import window_attention

KERNEL = "kernel (XLA, TensorFlow)"
ON_GPU = bool(tf.config.list_physical_devices("GPU"))


def describe():
    name = "CPU"
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
        details = tf.config.experimental.get_device_details(gpu)
        name = details.get("device_name", "GPU")
    return f"{name}, TensorFlow {tf.__version__}"


def wait(results):
    tf.test.experimental.sync_devices()


def _function(implementation, backward, jit, **options):
    def attend(tensors):
        return window_attention(
            **tensors, implementation=implementation, **options
        )

    def both(tensors, upstream):
        floats = {k: v for k, v in tensors.items() if v.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(floats)
            output = attend(tensors)
        gradients = tape.gradient(output, floats, output_gradients=upstream)
        return {"output": output} | gradients

    return tf.function(
        both if backward else attend, jit_compile=jit, autograph=False
    )


def run_case(case, inputs, upstream, dtype):
    """See `check.compare`."""

    def convert(x):
        return tf.constant(x) if x.dtype == bool else tf.constant(x, dtype)

    run = _function(
        "native" if ON_GPU else "chunked",
        backward=True,
        jit=True,
        window_size=case.window_size,
        dilation=case.dilation,
        causal=case.causal,
    )
    tensors = {k: convert(x) for k, x in inputs.items()}
    results = run(tensors, convert(upstream))
    return {k: np.asarray(x).astype("float64") for k, x in results.items()}


def matrix(size):
    """A call that multiplies two square matrices in bfloat16."""
    a, b = (
        tf.cast(tf.random.normal((size, size)), tf.bfloat16) for _ in range(2)
    )
    product = tf.function(tf.matmul, jit_compile=True, autograph=False)
    return lambda: product(a, b)


def methods(problem, dtype, backward, tiles=None):
    """Yields (name, call); the tiles are those of the stored kernels."""
    shape = problem.b, problem.n, problem.h, problem.d
    query, key, value, upstream = (
        tf.cast(tf.random.normal(shape), dtype) for _ in range(4)
    )
    g = problem.g
    tensors = {
        "query": query,
        "key": key,
        "value": value,
        "key_mask": tf.repeat((tf.range(problem.n) >= g)[None], problem.b, 0),
        "global_key": key[:, :g],
        "global_value": value[:, :g],
        "global_key_mask": tf.ones((problem.b, g), tf.bool),
    }
    arguments = (tensors, upstream) if backward else (tensors,)
    ways = {"chunked, XLA": ("chunked", True), "chunked": ("chunked", None)}
    if ON_GPU:
        ways = {KERNEL: ("native", True)} | ways
    for name, (implementation, jit) in ways.items():
        run = _function(
            implementation, backward, jit, window_size=2 * problem.reach
        )
        yield name, lambda run=run: run(*arguments)


def peak(call):
    """Bytes above what the inputs take, results included."""
    wait(call())
    tf.config.experimental.reset_memory_stats("GPU:0")
    rest = tf.config.experimental.get_memory_info("GPU:0")["current"]
    wait(call())
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] - rest
