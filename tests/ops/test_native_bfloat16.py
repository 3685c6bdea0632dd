"""Products of bfloat16 in the compiled kernel, on everyone's cases."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import chunked
from keras_longformer.ops import native
from keras_longformer.ops import window_attention
from tests.native.kernel import bfloat16_instructions as bfloat16_instructions
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.ops.gradients import assert_same
from tests.ops.gradients import definition
from tests.ops.gradients import run
from tests.ops.gradients import run_definition

pytestmark = [
    pytest.mark.native,
    pytest.mark.usefixtures("bfloat16_instructions"),
]

# The kernel's tiles of 64, the processor's of 16 by 32, and their edges.
TILES = [
    Case("tile", n=64, d=32, window_size=64),
    Case("odd", n=193, d=67, window_size=130, g=2, key_mask="some"),
    Case("wide", n=150, d=33, window_size=1000, g=65, global_count=(65, 1)),
    Case("large-heads", n=131, d=256, window_size=50, causal=True, b=1, h=1),
    Case("small-heads", n=331, d=1, window_size=34, segments=(90, 3, 100), g=3),
    Case("dilated", n=707, d=7, window_size=38, dilation=(1, 5, 2), causal=True,
         key_mask="some"),
    Case("long", n=2309, d=16, h=1, b=1, window_size=200, global_count=(1,),
         g=3),
]  # fmt: skip


def in_bfloat16(cases):
    return [dataclasses.replace(case, dtype="bfloat16") for case in cases]


# Of cases with positions one is enough: they are not computed so.
TABLE = [
    case
    for case in CASES
    if case.dtype == "float32"
    and (not case.positions or case.name == "positions-chunks")
]


@pytest.mark.parametrize("case", in_bfloat16(TILES + TABLE), ids=str)
def test_matches_reference(case):
    got = run(case)
    assert got["outputs"].dtype == case.dtype
    assert_same(got, definition(case), case.dtype)


@pytest.mark.parametrize("rate", [0.0, 0.3], ids=["", "dropout"])
@pytest.mark.parametrize(
    "case",
    [
        Case("plain", n=601, d=64, window_size=256, g=2),
        Case("odd", n=509, d=40, window_size=90, g=2, key_mask="some"),
        Case("segments", n=601, d=64, window_size=256, segments=(101, 200)),
        Case("causal", n=601, d=64, window_size=256, dilation=2, causal=True),
    ],
    ids=str,
)
def test_errors_are_at_most_twice_those_of_chunked(case, rate):
    """The largest, and the mean of squares, which tells more."""
    case = dataclasses.replace(case, dtype="bfloat16")
    inputs = case.inputs()
    if rate:
        inputs |= dict(dropout_rate=rate, dropout_seed=[1, 2])
    want = run_definition(inputs)
    for measure in (np.max, lambda x: np.mean(x**2) ** 0.5):
        ours, plain = (
            {
                name: measure(np.abs(tf.cast(x, "float64") - want[name]))
                for name, x in run(inputs, module).items()
            }
            for module in (native, chunked)
        )
        for name in want:
            assert ours[name] <= 2 * plain[name], (name, ours, plain)


def test_drops_what_others_drop():
    """A weight that is dropped by one alone would be an error of its size."""
    case = Case(
        "any",
        n=277,
        d=9,
        window_size=70,
        g=5,
        key_mask="some",
        dilation=(1, 2, 1),
        dtype="bfloat16",
    )
    inputs = {**case.inputs(), "dropout_rate": 0.5, "dropout_seed": [-7, 5]}
    assert_same(run(inputs), run_definition(inputs), "bfloat16")


def test_same_bits_whatever_the_threads():
    case = Case(
        "any",
        n=1201,
        d=16,
        window_size=100,
        key_mask="some",
        g=70,
        dilation=(1, 2, 1),
        global_count=(70, 3),
        dtype="bfloat16",
    )
    first = run(case)
    for _ in range(5):
        again = run(case)
        for name in first:
            np.testing.assert_array_equal(first[name], again[name], name)


@pytest.mark.parametrize("name", ["query", "key", "value", "upstream"])
@pytest.mark.parametrize("n", [37, 200])
def test_not_finite_stays_where_it_is_seen(name, n):
    """Queries that see no bad number have the same bits as without it."""
    case = Case("any", n=n, window_size=6, d=3, g=2, key_mask="some",
                dtype="bfloat16")  # fmt: skip
    inputs = case.inputs()
    position, hidden = n // 2, n // 2 + 10
    mask = inputs["key_mask"].numpy()
    mask[:, position], mask[:, hidden] = True, False
    inputs["key_mask"] = tf.constant(mask)
    inputs["upstream"] = tf.ones_like(inputs["query"])

    def compute(**inputs):
        upstream = inputs.pop("upstream")
        return run(inputs, upstream=upstream)

    good = compute(**inputs)
    for bad in (np.nan, np.inf, -np.inf):
        values = inputs[name].numpy()
        values[0, position] = bad
        if name in ("key", "value"):  # a hidden key shows to nobody
            values[0, hidden] = bad
        got = compute(**{**inputs, name: tf.constant(values)})
        clean = np.ones((2, n), bool)
        if name != "upstream":
            reach = 0 if name == "query" else 3
            clean[0, position - reach : position + reach + 1] = False
            outputs = tf.cast(got["outputs"], "float32")[~clean]
            # A score of -inf has the weight 0.
            some = np.any if np.isnan(bad) else np.all
            assert not some(np.isfinite(outputs))
        np.testing.assert_array_equal(
            got["outputs"][clean], good["outputs"][clean]
        )
        clean[0, position - 6 : position + 7] = False
        for other in ("query", "key", "value"):
            np.testing.assert_array_equal(
                got[other][clean], good[other][clean], other
            )


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_not_finite_reaches_those_that_see_it(name):
    """The gradients that are not finite are those of TensorFlow's own ops."""
    case = Case("any", n=150, window_size=90, d=3, dtype="bfloat16")
    inputs = case.inputs()
    values = inputs[name].numpy()
    values[0, 70, 1, 2] = np.nan
    inputs[name] = tf.constant(values)
    got, want = (
        {k: np.isnan(tf.cast(x, "float32")) for k, x in run(inputs, m).items()}
        for m in (native, chunked)
    )
    # Einsums over chunks spread it further; nothing may be missing.
    for other in ("outputs", "query", "key", "value"):
        assert got[other][0, 70 - 45 : 70 + 46, 1].any() == (
            want[other][0, 70 - 45 : 70 + 46, 1].any()
        )
        assert not got[other][1].any() and not got[other][0, :, 0].any()
    assert got["outputs"][0, 70, 1].any()


def test_unseen_rows_are_zeros():
    case = Case("any", n=133, key_mask="none", g=2, global_count=(0, 2),
                dtype="bfloat16")  # fmt: skip
    got = run(case)
    for name in ("outputs", "query", "key", "value", "global_key"):
        assert not np.any(tf.cast(got[name][0], "float32")), name


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_compiles(jit):
    case = Case("any", n=139, g=3, d=40, key_mask="some", dtype="bfloat16")
    inputs = case.inputs()
    function = tf.function(
        lambda: window_attention(**inputs, implementation="native"),
        jit_compile=jit,
    )
    np.testing.assert_array_equal(function(), run(case)["outputs"])
