"""The compiled kernel against the definition, on everyone's cases."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import native
from keras_longformer.ops import reference
from tests.native.kernel import compiler as compiler
from tests.native.kernel import instructions as instructions
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.tolerances import TOLERANCES
from tests.tolerances import assert_close

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
    Case("bfloat16-tiles", n=193, d=67, window_size=96, dtype="bfloat16", g=2),
]


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
    inputs = case.inputs()
    return run(cases.to_float64(inputs), reference)


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


def test_same_bits_whatever_the_threads(instructions):
    case = Case("any", n=1201, d=16, window_size=100, g=70, key_mask="some",
                global_count=(70, 3), dilation=(1, 2, 1))  # fmt: skip
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


def test_while_loop_and_recomputation():
    inputs = Case("any").inputs()
    options = {"dilation": 1, "causal": False}

    def attend(x):
        return native.window_attention(**{**inputs, **options, "query": x})

    def loop(x):
        _, x = tf.while_loop(
            lambda i, _: i < 3, lambda i, x: (i + 1, attend(x)), (0, x)
        )
        return x

    def straight(x):
        return attend(attend(attend(x)))

    def gradient(function, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(loss, x)

    x = inputs["query"]
    want = gradient(straight, x)
    for jit in (False, True):
        compute = tf.function(lambda x: gradient(loop, x), jit_compile=jit)
        if jit:  # XLA differentiates loops of a known number of steps only
            compute = tf.function(loop, jit_compile=True)
            assert_close(compute(x), straight(x))
        else:
            assert_close(compute(x), want)
    rematerialised = keras.remat(straight)
    assert_close(gradient(rematerialised, x), want)
    assert_close(tf.function(lambda x: gradient(rematerialised, x))(x), want)


@pytest.mark.parametrize("jit", [False, True, "auto"], ids=str)
def test_keras_fit(jit):
    """Unknown batch and length, in the loop that users run."""

    class Attention(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.EinsumDense(
                "bnm,mhd->bnhd", output_shape=(None, 2, 3)
            )

        def call(self, x):
            x = self.dense(x)
            return native.window_attention(
                x, x, x, window_size=4, dilation=1, causal=False
            )

        def compute_output_shape(self, shape):
            return (*shape[:2], 2, 3)

    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, Attention()(inputs))
    model.compile("adam", "mse", jit_compile=jit)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(11, 13, 5)).astype("float32")
    y = rng.normal(size=(11, 13, 2, 3)).astype("float32")
    history = model.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(x[:, :7], verbose=0).shape == (11, 7, 2, 3)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_second_derivatives_raise(graph):
    inputs = Case("any").inputs()
    x = inputs.pop("query")

    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = native.window_attention(x, **inputs)
            first = inner.gradient(y, x)
        return outer.gradient(first, x)

    if graph:
        second = tf.function(second)
    with pytest.raises(NotImplementedError, match="no second derivatives"):
        second(x)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c not in SUPPORTED], ids=str
)
def test_other_dtypes_are_for_others(case):
    with pytest.raises(NotImplementedError, match=f"not {case.dtype}"):
        native.window_attention(**case.inputs())


UNSUPPORTED = [
    (dict(dropout_rate=0.1, dropout_seed=[0, 1]), "no attention dropout"),
    (dict(return_scores=True), "never holds the scores"),
]


@pytest.mark.parametrize("options, match", UNSUPPORTED, ids=["drop", "scores"])
def test_unsupported_options(options, match):
    inputs = Case("any").inputs()
    assert native.reason_against(inputs["query"]) is None
    with pytest.raises(NotImplementedError, match=f"{match}.*'chunked'"):
        native.window_attention(**inputs, **options)


def test_heads_too_large():
    inputs = Case("any", d=257).inputs()
    with pytest.raises(NotImplementedError, match="at most 256.*not 257"):
        native.window_attention(**inputs)


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
]


@pytest.mark.parametrize("shapes, match", ERRORS, ids=range(len(ERRORS)))
def test_kernel_checks_shapes(shapes, match):
    """What Python may not know before it runs, C++ finds out."""
    inputs = Case("any", g=3, key_mask="some").inputs()
    tensors, _ = cases.split(inputs)
    for name, shape in shapes.items():
        tensors[name] = tf.zeros(shape, tensors[name].dtype)
    operands = [
        tensors[name]
        for name in (
            "query key value key_mask global_key global_value global_key_mask"
        ).split()
    ]
    results = [(tf.float32, 0, (0, 1, 2, 3)), (tf.float32, 0, (0, 2, 1))]
    if len(operands[0].shape) == 3:
        results = [(tf.float32, 0, (0, 1, 2)), (tf.float32, 0, (0, 2, 1))]
    attributes = (
        "reach = 3 : i64, causal = 0 : i64, dilation = array<i64: 1, 1, 1>"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        native._call(
            "keras_longformer_window_attention", attributes, operands, results
        )


@pytest.mark.parametrize(
    "attributes, match",
    [
        ("reach = -1 : i64, causal = 0 : i64, dilation = array<i64: 1, 1, 1>",
         "reach is -1"),
        ("reach = 3 : i64, causal = 0 : i64, dilation = array<i64: 1, 1>",
         r"dilation is \[1,1\], must have one value for each of the 3 heads"),
        ("reach = 3 : i64, causal = 0 : i64, dilation = array<i64: 1, 0, 1>",
         "must be at least 1"),
    ],
    ids=["reach", "heads", "dilation"],
)  # fmt: skip
def test_kernel_checks_attributes(attributes, match):
    tensors = Case("any").inputs()
    empty = tf.zeros((0, 0), tf.bool)
    nothing = tf.zeros((0, 0, 0, 0))
    operands = [tensors["query"], tensors["key"], tensors["value"], empty]
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        native._call(
            "keras_longformer_window_attention",
            attributes,
            [*operands, nothing, nothing, empty],
            [(tf.float32, 0, (0, 1, 2, 3)), (tf.float32, 0, (0, 2, 1))],
        )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_error_is_at_most_twice_that_of_chunked(dtype):
    from keras_longformer.ops import chunked

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
