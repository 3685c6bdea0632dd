"""What the compiled kernel promises beside right numbers: bits, NaN, errors."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import custom_call
from tests.native.kernel import compiler as compiler
from tests.native.kernel import instructions as instructions
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import Case
from tests.ops.gradients import run

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("kernel")]


@pytest.mark.parametrize(
    "others",
    [dict(g=70, global_count=(70, 3)), dict(positions=True)],
    ids=["global", "positions"],
)
def test_same_bits_whatever_the_threads(instructions, others):
    case = Case("any", n=1201, d=16, window_size=100, key_mask="some",
                dilation=(1, 2, 1), **others)  # fmt: skip
    first = run(case)
    for _ in range(5):
        again = run(case)
        for name in first:
            np.testing.assert_array_equal(first[name], again[name], name)


def test_concurrent_calls():
    """Many callers share XLA's threads; each gets its own result."""
    sizes = [Case("any", n=n, g=2, key_mask="some") for n in (5, 37, 64, 200)]
    want = [run(case) for case in sizes]

    def call(number):
        got = run(sizes[number % 4])
        return all(
            np.array_equal(got[name], value)
            for name, value in want[number % 4].items()
        )

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(200)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("name", ["query", "key", "value"])
@pytest.mark.parametrize("n", [37, 200])
def test_not_finite_stays_where_it_is_seen(instructions, name, bad, n):
    """Queries that see no bad number have the same bits as without it."""
    case = Case("any", n=n, window_size=6, d=3, g=2, key_mask="some")
    inputs = case.inputs()
    position = n // 2
    hidden = position + 10
    mask = inputs["key_mask"].numpy()
    mask[:, position], mask[:, hidden] = True, False
    inputs["key_mask"] = tf.constant(mask)
    good = run(inputs)
    values = inputs[name].numpy()
    values[0, position] = bad
    if name != "query":  # a hidden key shows to nobody
        values[0, hidden] = bad
    inputs[name] = tf.constant(values)
    got = run(inputs)
    reach = 0 if name == "query" else 3
    band = slice(position - reach, position + reach + 1)
    assert not np.isfinite(got["outputs"][0, band]).any(-1).all()
    clean = np.ones((2, n), bool)
    clean[0, band] = False
    np.testing.assert_array_equal(got["outputs"][clean], good["outputs"][clean])
    # Its neighbours' neighbours share a weight with it, nobody beyond.
    clean[0, position - 6 : position + 7] = False
    for other in ("query", "key", "value"):
        np.testing.assert_array_equal(got[other][clean], good[other][clean])


def test_upstream_nan_stays_in_its_row():
    case = Case("any", n=150, window_size=6)
    upstream = np.ones((2, 150, 3, 5))
    good = run(case, upstream=upstream)
    upstream[0, 70] = np.nan
    got = run(case, upstream=upstream)
    clean = np.ones((2, 150), bool)
    clean[0, 67:74] = False
    for name in ("query", "key", "value"):
        assert np.isnan(got[name][0, 70]).all()
        np.testing.assert_array_equal(got[name][clean], good[name][clean])


def test_positions_that_are_not_finite_stay_where_they_are_seen(instructions):
    """The farthest offset is seen by no query before the `reach`-th."""
    case = Case("any", n=200, window_size=6, positions=True)
    inputs = case.inputs()
    good = run(inputs)
    for name, row in [("position_key", 0), ("position_query", (0, 70))]:
        values = inputs[name].numpy()
        values[row] = np.nan
        got = run({**inputs, name: tf.constant(values)})
        bad = np.zeros((2, 200), bool)
        if name == "position_key":
            bad[:, 3:] = True
        else:
            bad[0, 70] = True
        assert np.isnan(got["outputs"][bad]).all()
        assert np.isnan(got["position_query"][bad]).all()
        for other in ("outputs", "query", "position_query"):
            np.testing.assert_allclose(
                got[other][~bad], good[other][~bad], rtol=1e-5, atol=1e-6
            )


ERRORS = [
    (dict(key=(2, 37, 3, 7)), r"key is \[2,37,3,7\], must be \[2,37,3,5\]"),
    (dict(value=(2, 36, 3, 5)), r"value is \[2,36,3,5\].*as query"),
    (dict(query=(2, 37, 15)), r"query is \[2,37,15\], must be \(b, n, h, d\)"),
    (dict(key_mask=(2, 36)), r"key_mask is \[2,36\], must be \[2,37\]"),
    (dict(global_key=(2, 3, 3, 4)), r"global_key is \[2,3,3,4\]"),
    (dict(global_value=(2, 2, 3, 5)), r"global_value is \[2,2,3,5\]"),
    (dict(global_key_mask=(2, 2)), r"global_key_mask is \[2,2\]"),
    (
        dict(key=(2, 37, 3, 7), key_mask=(1, 37)),
        r"key is \[2,37,3,7\].*; key_mask is \[1,37\]",
    ),
    (dict(query=(2, 37, 3, 300)), "head size must be at most 256"),
    (dict(segment_ids=(2, 36)), r"segment_ids is \[2,36\], must be \[2,37\]"),
    (dict(global_segment_ids=(1, 3)), r"global_segment_ids is \[1,3\]"),
]


def call_kernel(attributes, operands):
    """The forward call without Python's checks."""

    def forward(body, operands):
        query = operands[0]
        sizes = [custom_call.Axis(query, n) for n in range(len(query.shape))]
        log_sum = (sizes[0], sizes[2], sizes[1])
        return body.call(
            "keras_longformer_window_attention",
            attributes,
            operands,
            [(query.dtype, sizes), (tf.float32, log_sum)],
        )

    custom_call.call(operands, {"CPU": forward})


@pytest.mark.parametrize("shapes, match", ERRORS, ids=range(len(ERRORS)))
def test_kernel_checks_shapes(shapes, match):
    """What Python may not know before it runs, C++ finds out."""
    inputs = Case("any", g=3, key_mask="some", segments=(5, 9)).inputs()
    tensors, _ = cases.split(inputs)
    for name, shape in shapes.items():
        tensors[name] = tf.zeros(shape, tensors[name].dtype)
    operands = [
        tensors[name]
        for name in (
            "query key value key_mask global_key global_value global_key_mask "
            "segment_ids global_segment_ids"
        ).split()
    ]
    operands.append(tf.zeros((0,), tf.int32))
    attributes = (
        "reach = 3 : i64, causal = 0 : i64, threshold = 0 : i64, "
        "dilation = array<i64: 1, 1, 1>"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        call_kernel(attributes, operands)


@pytest.mark.parametrize(
    "name, shape, match",
    [
        ("position_key", (6, 3, 5), r"\[6,3,5\], must be \[7,3,5\]"),
        ("position_query", (2, 36, 3, 5), r"\[2,36,3,5\].*as query"),
        ("global_key", (2, 3, 3, 5), "does not go with global_key"),
    ],
)
def test_kernel_checks_positions(name, shape, match):
    tensors = cases.split(Case("any", positions=True).inputs())[0]
    tensors |= dict(global_key=tf.zeros((0, 0, 0, 0)))
    tensors[name] = tf.zeros(shape)
    mask, segments = tf.zeros((0, 0), tf.bool), tf.zeros((0, 0), tf.int32)
    operands = [tensors[x] for x in ("query", "key", "value")]
    operands += [mask, *[tensors["global_key"]] * 2, mask, segments, segments]
    operands.append(tf.zeros((0,), tf.int32))
    operands += [tensors["position_query"], tensors["position_key"]]
    attributes = (
        "reach = 3 : i64, causal = 0 : i64, threshold = 0 : i64, "
        "dilation = array<i64: 1, 1, 1>"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        call_kernel(attributes, operands)


@pytest.mark.parametrize(
    "reach, threshold, dilation, match",
    [
        (-1, 0, "1, 1, 1", "reach is -1"),
        (3, 0, "1, 1",
         r"dilation is \[1,1\], must have one value for each of the 3 heads"),
        (3, 0, "1, 0, 1", "must be at least 1"),
        (3, 65536, "1, 1, 1", r"threshold is 65536, must lie in \[0, 65536\)"),
        (3, 1, "1, 1, 1", r"seed is \[0\], must be \[2\] for dropout"),
    ],
    ids=["reach", "heads", "dilation", "threshold", "seed"],
)  # fmt: skip
def test_kernel_checks_attributes(reach, threshold, dilation, match):
    tensors = Case("any").inputs()
    empty = tf.zeros((0, 0), tf.bool)
    nothing = tf.zeros((0, 0, 0, 0))
    none = tf.zeros((0, 0), tf.int32)
    operands = [tensors["query"], tensors["key"], tensors["value"], empty]
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        call_kernel(
            f"reach = {reach} : i64, causal = 0 : i64, threshold = {threshold} "
            f": i64, dilation = array<i64: {dilation}>",
            [
                *operands,
                nothing,
                nothing,
                empty,
                none,
                none,
                tf.zeros((0,), tf.int32),
            ],
        )
