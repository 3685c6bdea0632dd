"""Outputs with gradients, of one implementation and of the definition."""

import numpy as np
import tensorflow as tf

from keras_longformer.ops import native
from keras_longformer.ops import reference
from tests.ops import cases
from tests.ops.cases import Case
from tests.tolerances import assert_close


def run(case_or_inputs, module=native, upstream=None):
    """Outputs and gradients of one call, as a dict."""
    inputs = case_or_inputs
    if isinstance(inputs, Case):
        inputs = inputs.inputs()
    inputs = {"dilation": 1, "causal": False, **inputs}
    variables = cases.differentiable(inputs)
    if upstream is None:
        rng = np.random.default_rng(7)
        upstream = rng.normal(size=inputs["query"].shape)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        outputs = module.window_attention(**inputs)
    gradients = tape.gradient(
        outputs, variables, output_gradients=tf.cast(upstream, outputs.dtype)
    )
    return {"outputs": outputs, **gradients}


def assert_same(got, want, dtype="float32"):
    for name in want:
        factor = 1 if name == "outputs" else 2
        value = tf.cast(got[name], "float64")
        assert_close(value, want[name], dtype, factor=factor)


def definition(case):
    return run_definition(case.inputs())


def run_definition(inputs):
    return run(cases.to_float64(inputs), reference)
