"""The GPU kernels against the definition, in Triton's interpreter."""

import dataclasses
import functools
import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import reference
from tests.native import gpu_process
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.tolerances import assert_close

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="the GPU kernels run in the interpreter of triton, which is missing",
)

# The interpreter multiplies the bits of bfloat16 as integers, and the kernels
# have no float64.
RUNNABLE = [
    case
    for case in CASES
    if case.dtype in ("float32", "float16")
    and not case.segments
    and not case.positions
]


@pytest.fixture(scope="module")
def attend():
    with gpu_process.process() as call:
        yield functools.partial(call, gpu_process.attend)


@pytest.fixture
def check(attend):
    """Returns a function that compares a case, and returns what it got."""

    def check(case, **blocks):
        inputs = case.inputs()
        upstream = np.random.default_rng(7).normal(size=inputs["query"].shape)
        upstream = upstream.astype(case.dtype)
        arrays = {
            name: x.numpy() if tf.is_tensor(x) else x
            for name, x in inputs.items()
        }
        got = attend(arrays, upstream, blocks)
        output, gradients = expected(inputs, upstream)
        assert_close(got["output"], output, case.dtype)
        for name, want in gradients.items():
            if want.shape.num_elements():
                assert_close(got[name], want, case.dtype, factor=2)
        return got

    return check


def expected(inputs, upstream):
    """The output and its gradients by definition, in float64."""
    inputs = cases.to_float64(inputs)
    variables = cases.differentiable(inputs)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        output = reference.window_attention(**inputs)
    upstream = tf.cast(upstream, "float64")
    return output, tape.gradient(output, variables, upstream)


def smaller(case):
    """One head of one sequence, where that is long: this is slow."""
    if case.n < 100:
        return case
    count = case.global_count[:1]
    return dataclasses.replace(case, b=1, h=1, global_count=count)


@pytest.mark.parametrize("case", RUNNABLE, ids=str)
def test_matches_reference(check, case):
    check(smaller(case))


ONE = {"b": 1, "h": 1, "global_count": (40,)}
TILES = [
    (Case("wide", n=101, window_size=62, g=43, **ONE), dict(q=16, k=64)),
    (Case("high", n=101, window_size=62, g=43, **ONE), dict(q=64, k=16)),
    (Case("whole", n=64, window_size=32, g=40, **ONE), dict(q=16, k=16, g=32)),
    (Case("head-16", n=65, d=16, g=40, **ONE), dict(q=32, k=32)),
    (Case("head-80", n=33, d=80, g=2, **ONE), dict(q=32, k=32)),
    (Case("head-256", n=33, d=256, g=2, **ONE), dict(q=32, k=32)),
    (Case("half-64", n=65, d=64, g=2, dtype="float16", **ONE), dict()),
    (Case("more-splits-than-blocks", n=33, g=2, **ONE), dict(splits=7)),
]


@pytest.mark.parametrize(
    "case, blocks", TILES, ids=[str(case) for case, _ in TILES]
)
def test_tiles(check, case, blocks):
    check(case, **blocks)


def test_any_number_of_programs(check):
    """Fewer programs than items take turns; more find nothing to do."""
    case = Case("any", dilation=(3, 1, 2), g=3, key_mask="some")
    one_each = check(case)
    for programs in (4, 40):
        got = check(case, programs=programs)
        for name, x in got.items():
            np.testing.assert_array_equal(x, one_each[name])


def test_sees_nothing(check):
    """Zeros, zero gradients, and an infinite `log_sum`."""
    case = Case("hidden", g=2, global_count=(0, 1), key_mask="none")
    got = check(case)
    for name, x in got.items():
        assert not x[0].any() or name == "log_sum", name
        assert np.isfinite(x[1]).all()
    assert np.isposinf(got["log_sum"][0]).all()


def test_log_sum(check):
    case = Case("any", n=5, window_size=10, g=2, global_count=(2, 2))
    inputs = case.inputs()
    keys = tf.concat([inputs["key"], inputs["global_key"]], axis=1)
    scores = tf.einsum("bqhd,bkhd->bhqk", inputs["query"], keys) / 5**0.5
    want = tf.reduce_logsumexp(scores, axis=-1) / np.log(2)
    assert_close(check(case)["log_sum"], want)


def test_large_scores_stay_finite(attend):
    inputs = Case("large", n=33, **ONE).inputs()
    arrays = {k: v.numpy() if tf.is_tensor(v) else v for k, v in inputs.items()}
    arrays["query"] = arrays["query"] * np.float32(1e4)
    for name, x in attend(arrays, arrays["value"], {}).items():
        assert np.isfinite(x).all(), name
