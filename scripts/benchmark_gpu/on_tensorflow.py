"""TensorFlow: the kernels, and the same attention in stock operations."""

import numpy as np
import tensorflow as tf

from benchmark_gpu import check
from benchmark_gpu.calls import Call
from benchmark_gpu.calls import Calls
from benchmark_gpu.walk import Problem
from keras_longformer.ops import window_attention

THROUGH = {
    "kernel": "TensorFlow, XLA",
    "chunked, XLA": "TensorFlow, XLA",
    "chunked": "TensorFlow",
}
CALLS = Calls()
ON_GPU = True


def start(device):
    global ON_GPU
    ON_GPU = device == "gpu"
    tf.random.set_seed(0)


def describe():
    gpus = tf.config.list_physical_devices("GPU")
    if ON_GPU and not gpus:
        raise RuntimeError("TensorFlow sees no CUDA GPU.")
    name = "CPU"
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        name = details.get("device_name", "GPU")
    return {
        "gpu": name,
        "versions": f"TensorFlow {tf.__version__}",
        "through": THROUGH,
    }


clear = CALLS.clear
first = CALLS.first
seconds = CALLS.seconds


def wait(results):
    tf.test.experimental.sync_devices()


def _with_gradients(attend):
    def both(tensors, upstream):
        with tf.GradientTape() as tape:
            floats = {k: v for k, v in tensors.items() if v.dtype.is_floating}
            tape.watch(floats)
            output = attend(tensors)
        gradients = tape.gradient(output, floats, output_gradients=upstream)
        return {"output": output} | gradients

    return both


# Checking


def check_case(name, dtype, tiles=None):
    """See `check.compare`: the native kernel under XLA."""
    return check.compare(name, dtype, _run_case)


def _run_case(case, inputs, upstream, dtype):
    def convert(x):
        return tf.constant(x) if x.dtype == bool else tf.constant(x, dtype)

    def attend(tensors):
        return window_attention(
            **tensors,
            window_size=case.window_size,
            dilation=case.dilation,
            causal=case.causal,
            implementation="native" if ON_GPU else "chunked",
        )

    run = tf.function(
        _with_gradients(attend), jit_compile=True, autograph=False
    )
    tensors = {k: convert(x) for k, x in inputs.items()}
    results = run(tensors, convert(upstream))
    return {k: np.asarray(x).astype("float64") for k, x in results.items()}


# Timing


def rates(size, copy_bytes):
    """Prepares a product of matrices, and a pass over memory."""
    a, b = (
        tf.cast(tf.random.normal((size, size)), tf.bfloat16) for _ in range(2)
    )
    x = tf.random.normal((copy_bytes // 4,))
    product = tf.function(tf.matmul, jit_compile=True, autograph=False)
    step = tf.function(lambda x: x + 1, jit_compile=True, autograph=False)
    CALLS.by_name["matrix"] = Call(lambda: product(a, b), wait)
    CALLS.by_name["copy"] = Call(lambda: step(x), wait)


IMPLEMENTATIONS = {
    "kernel": ("native", True),
    "chunked, XLA": ("chunked", True),
    "chunked": ("chunked", None),
}


def prepare(problem, dtype, backward, name, tiles=None):
    """As in `on_torch`; the tiles are those of the stored kernels."""
    if name not in IMPLEMENTATIONS or (name == "kernel" and not ON_GPU):
        return False
    problem = Problem(**problem)
    tensors = band_inputs(problem, dtype)
    upstream = tf.cast(tf.random.normal(tensors["query"].shape), dtype)
    implementation, jit = IMPLEMENTATIONS[name]
    CALLS.by_name[name] = _call(
        problem, tensors, upstream, backward, implementation, jit
    )
    return True


def band_inputs(problem, dtype):
    shape = problem.b, problem.n, problem.h, problem.d
    tensors = {
        name: tf.cast(tf.random.normal(shape), dtype)
        for name in ("query", "key", "value")
    }
    if g := problem.g:
        mask = tf.range(problem.n) >= g
        tensors |= {
            "key_mask": tf.repeat(mask[None], problem.b, 0),
            "global_key": tensors["key"][:, :g],
            "global_value": tensors["value"][:, :g],
            "global_key_mask": tf.ones((problem.b, g), tf.bool),
        }
    return tensors


def _call(problem, tensors, upstream, backward, implementation, jit):
    def attend(tensors):
        return window_attention(
            **tensors,
            window_size=2 * problem.reach,
            dilation=problem.dilation,
            causal=problem.causal,
            implementation=implementation,
        )

    function = _with_gradients(attend) if backward else attend
    run = tf.function(function, jit_compile=jit, autograph=False)
    arguments = (tensors, upstream) if backward else (tensors,)
    return Call(lambda: run(*arguments), wait)


def peak(name):
    """Bytes above what the inputs take, results included."""
    call = CALLS.by_name[name]
    call.wait(call.run())
    tf.config.experimental.reset_memory_stats("GPU:0")
    rest = tf.config.experimental.get_memory_info("GPU:0")["current"]
    call.wait(call.run())
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] - rest
