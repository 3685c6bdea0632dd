"""The compiled kernel against the definition, on everyone's cases."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import chunked
from keras_longformer.ops import native
from keras_longformer.ops import reference
from tests.native.kernel import compiler as compiler
from tests.native.kernel import instructions as instructions
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.ops.gradients import assert_same
from tests.ops.gradients import definition
from tests.ops.gradients import run
from tests.tolerances import TOLERANCES

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("kernel")]

SUPPORTED = [case for case in CASES if case.dtype in ("float32", "bfloat16")]

# Where the kernel's own tiles of 64 have edges, and heads odd sizes.
TILES = [
    Case("one-tile", n=64, d=16, window_size=64),
    Case("two-tiles", n=128, d=17, window_size=128, g=65, global_count=(65, 1)),
    Case("reach-beyond-n", n=150, d=64, window_size=1000, key_mask="some"),
    Case("large-heads", n=131, d=256, window_size=50, b=1, global_count=(1,)),
    Case(
        "long", n=2309, d=7, h=1, b=1, window_size=200, global_count=(1,), g=3
    ),
    Case(
        "positions-tiles", n=331, d=17, window_size=130, key_mask="some",
        dilation=(1, 2, 1), positions=True,
    ),
    Case(
        "positions-reach-beyond-n", n=150, d=64, window_size=1000, causal=True,
        b=1, positions=True,
    ),
    Case("bfloat16-tiles", n=193, d=67, window_size=96, dtype="bfloat16", g=2),
]  # fmt: skip


@pytest.mark.parametrize("case", SUPPORTED + TILES, ids=str)
def test_matches_reference(instructions, case):
    got = run(case)
    assert got["outputs"].dtype == case.dtype
    assert_same(got, definition(case), case.dtype)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
@pytest.mark.parametrize("case", SUPPORTED[::4] + TILES[1:2], ids=str)
def test_compiles(case, jit):
    tensors, options = cases.split(case.inputs())
    function = tf.function(
        lambda tensors: run({**tensors, **options}), jit_compile=jit
    )
    assert_same(function(tensors), definition(case), case.dtype)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_unknown_batch_and_length(jit):
    def unknown(x):
        return tf.TensorSpec([None, None, *x.shape[2:]], x.dtype)

    first = Case("first", g=3, key_mask="some", dilation=(1, 2, 1))
    tensors, options = cases.split(first.inputs())

    def compute(tensors, upstream):
        return run({**tensors, **options}, upstream=upstream)

    function = tf.function(
        compute,
        input_signature=[
            {name: unknown(x) for name, x in tensors.items()},
            unknown(tensors["query"]),
        ],
        jit_compile=jit,
    )
    for n, g in [(37, 3), (131, 1), (0, 2), (5, 0)]:
        case = Case("any", n=n, g=g, key_mask="some", dilation=(1, 2, 1))
        tensors, _ = cases.split(case.inputs())
        upstream = tf.random.normal(tensors["query"].shape)
        got = function(tensors, upstream)
        assert got["outputs"].shape == (2, n, 3, 5)
        if n:
            inputs = cases.to_float64(case.inputs())
            assert_same(got, run(inputs, reference, upstream))


def test_some_arguments_unknown():
    """A known length beside an unknown batch, and globals of known number."""
    inputs = Case("any", g=3, key_mask="some").inputs()
    tensors, options = cases.split(inputs)
    function = tf.function(
        lambda tensors, upstream: run({**tensors, **options}, native, upstream),
        input_signature=[
            {
                name: tf.TensorSpec([None, *x.shape[1:]], x.dtype)
                for name, x in tensors.items()
            },
            tf.TensorSpec([None, 37, None, None]),
        ],
    )
    upstream = tf.random.normal(inputs["query"].shape)
    want = run(cases.to_float64(inputs), reference, upstream)
    assert_same(function(tensors, upstream), want)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c not in SUPPORTED], ids=str
)
def test_other_dtypes_are_for_others(case):
    with pytest.raises(NotImplementedError, match=f"not {case.dtype}"):
        native.window_attention(**case.inputs())


def test_heads_too_large():
    inputs = Case("any", d=257).inputs()
    with pytest.raises(NotImplementedError, match="at most 256.*not 257"):
        native.window_attention(**inputs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_error_is_at_most_twice_that_of_chunked(dtype):
    case = Case("any", n=601, d=64, window_size=256, g=2, dtype=dtype)
    want = definition(case)
    native_error, chunked_error = (
        {
            name: np.abs(tf.cast(value, "float64") - want[name]).max()
            for name, value in run(case, module).items()
        }
        for module in (native, chunked)
    )
    for name in want:
        floor = TOLERANCES[dtype] / 10
        assert native_error[name] <= max(2 * chunked_error[name], floor), name
