"""Every implementation against the definition, on the same cases."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import IMPLEMENTATIONS
from keras_longformer.ops import chunked
from keras_longformer.ops import native
from keras_longformer.ops import window_attention
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.tolerances import assert_close

# The compiled kernel runs the same cases in `test_native.py`, where it is
# built first.
OTHERS = ["chunked"]
STOCK = ["chunked", "reference"]


def definition(inputs, **options):
    return window_attention(
        **cases.to_float64(inputs), implementation="reference", **options
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("implementation", OTHERS)
def test_matches_reference(implementation, case):
    inputs = case.inputs()
    got, got_scores = window_attention(
        **inputs, implementation=implementation, return_scores=True
    )
    want, want_scores = definition(inputs, return_scores=True)
    assert got.dtype == case.dtype
    assert_close(tf.cast(got, "float64"), want, case.dtype)
    assert_close(tf.cast(got_scores, "float64"), want_scores, case.dtype)
    alone = window_attention(**inputs, implementation=implementation)
    np.testing.assert_array_equal(
        tf.cast(alone, "float32"), tf.cast(got, "float32")
    )


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
@pytest.mark.parametrize("case", CASES[::2], ids=str)
@pytest.mark.parametrize("implementation", OTHERS)
def test_compiles(implementation, case, jit):
    tensors, options = cases.split(case.inputs())
    function = tf.function(
        lambda tensors: window_attention(
            **tensors, **options, implementation=implementation
        ),
        jit_compile=jit,
    )
    assert_close(
        tf.cast(function(tensors), "float64"),
        definition(case.inputs()),
        case.dtype,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("implementation", OTHERS)
def test_unknown_batch_and_length(implementation, case):
    tensors, options = cases.split(case.inputs())
    unknown = {
        name: tf.TensorSpec([None, None, *x.shape[2:]], x.dtype)
        if name != "position_key"
        else tf.TensorSpec(x.shape, x.dtype)
        for name, x in tensors.items()
    }
    function = tf.function(
        lambda tensors: window_attention(
            **tensors, **options, implementation=implementation
        ),
        input_signature=[unknown],
    )
    got = function(tensors)
    assert_close(tf.cast(got, "float64"), definition(case.inputs()), case.dtype)


@pytest.mark.parametrize("implementation", STOCK)
def test_one_graph_for_all_lengths(implementation):
    spec = tf.TensorSpec([None, None, 3, 5])
    function = tf.function(
        lambda q, k, v: window_attention(
            q, k, v, window_size=6, implementation=implementation
        ),
        input_signature=[spec] * 3,
    )
    for n in (0, 1, 2, 37, 133, 134, 135, 307):
        inputs = Case("any", n=n).inputs()
        got = function(inputs["query"], inputs["key"], inputs["value"])
        assert got.shape == (2, n, 3, 5)
        if n:
            assert_close(got, definition(inputs))


def gradients(inputs, upstream, **options):
    variables = cases.differentiable(inputs)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        outputs = window_attention(**inputs, **options)
        loss = tf.reduce_sum(outputs * tf.cast(upstream, outputs.dtype))
    return tape.gradient(loss, variables)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "float16" not in case.name], ids=str
)
@pytest.mark.parametrize("implementation", OTHERS)
def test_gradients_match_reference(implementation, case):
    inputs = case.inputs()
    upstream = np.random.default_rng(7).normal(size=inputs["query"].shape)
    got = gradients(inputs, upstream, implementation=implementation)
    want = gradients(
        cases.to_float64(inputs), upstream, implementation="reference"
    )
    for name in want:
        # A key that nothing sees has no gradient in one and 0 in the other.
        assert np.isfinite(tf.cast(got[name], "float32")).all(), name
        assert_close(
            tf.cast(got[name], "float64"), want[name], case.dtype, factor=2
        )


SMALL = dict(b=1, n=5, d=2, window_size=2, dilation=(1, 2, 1), dtype="float64")
DROPPED = {"dropout_rate": 0.3, "dropout_seed": (1, 2)}


@pytest.mark.parametrize(
    "case",
    [
        Case("global", g=2, global_count=(1,), key_mask="some", **SMALL),
        Case("positions", positions=True, **SMALL),
    ],
    ids=str,
)
@pytest.mark.parametrize("dropped", [{}, DROPPED], ids=["kept", "dropout"])
@pytest.mark.parametrize("implementation", STOCK)
def test_gradients_by_finite_differences(implementation, dropped, case):
    inputs = {**case.inputs(), **dropped}
    variables = cases.differentiable(inputs)
    upstream = np.random.default_rng(7).normal(size=inputs["query"].shape)

    def loss(*values):
        outputs = window_attention(
            **{**inputs, **dict(zip(variables, values, strict=True))},
            implementation=implementation,
        )
        return tf.reduce_sum(outputs * upstream)

    theoretical, numerical = tf.test.compute_gradient(
        tf.function(loss), list(variables.values()), delta=1e-5
    )
    for by_tape, by_difference in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(by_tape, by_difference, atol=1e-8)


@pytest.mark.parametrize("implementation", STOCK)
def test_definition_by_hand(implementation):
    """Three tokens, window 2, all scores equal: means of the values seen."""
    zeros = tf.zeros((1, 3, 1, 1))
    value = tf.reshape([1.0, 10.0, 100.0], (1, 3, 1, 1))
    outputs, scores = window_attention(
        zeros,
        zeros,
        value,
        window_size=2,
        return_scores=True,
        implementation=implementation,
    )
    assert_close(outputs[0, :, 0, 0], [11 / 2, 111 / 3, 110 / 2])
    assert_close(
        scores[0, 0],
        [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0]],
    )


@pytest.mark.parametrize("n", [37, 307])
@pytest.mark.parametrize("dilation", [1, 2, (1, 2, 3)], ids=str)
@pytest.mark.parametrize("implementation", STOCK)
def test_sees_the_window_and_nothing_else(implementation, dilation, n):
    """A key's gradient is 0 exactly where the query must not see it."""
    case = Case("any", n=n, window_size=10, dilation=dilation, b=1)
    inputs = case.inputs()
    query = n // 2
    with tf.GradientTape() as tape:
        tape.watch(inputs["value"])
        outputs = window_attention(**inputs, implementation=implementation)
        loss = tf.reduce_sum(outputs[:, query], axis=-1)
    seen = tape.gradient(loss, inputs["value"])[0, :, :, 0].numpy() != 0
    steps = dilation if isinstance(dilation, tuple) else [dilation] * 3
    for head, step in enumerate(steps):
        want = {query + step * j for j in range(-5, 6)} & set(range(n))
        assert set(np.flatnonzero(seen[:, head])) == want


@pytest.mark.parametrize("implementation", STOCK)
def test_large_scores_stay_finite(implementation):
    inputs = Case("large", n=307, g=2, key_mask="some").inputs()
    inputs["query"] *= 1e4
    got = window_attention(**inputs, implementation=implementation)
    assert_close(got, definition(inputs), factor=10)


@pytest.mark.parametrize("implementation", OTHERS)
def test_same_bits_twice(implementation):
    inputs = Case("any", n=307, g=3, key_mask="some").inputs()
    first = window_attention(**inputs, implementation=implementation)
    second = window_attention(**inputs, implementation=implementation)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("built", [True, False])
def test_none_takes_the_best(built, monkeypatch):
    """Native where it is built and can, else chunked."""
    taken = []
    for name, module in IMPLEMENTATIONS.items():
        monkeypatch.setattr(
            module,
            "window_attention",
            lambda *_, name=name, **__: taken.append(name),
        )
    monkeypatch.setattr(native, "preferred", lambda: built)
    inputs = Case("any").inputs()
    window_attention(**inputs)
    window_attention(**inputs, dropout_rate=0.1, dropout_seed=[1, 2])
    window_attention(**inputs, return_scores=True)
    window_attention(**Case("any", dtype="float16").inputs())
    best = "native" if built else "chunked"
    assert taken == [best, best, best, "chunked"]


def test_short_input_is_one_chunk_of_its_own_length():
    """30 tokens with a window of 512 cost 30 x 30 scores, not 128 x 640."""
    inputs = Case("short", n=31, window_size=512).inputs()
    tensors, options = cases.split(inputs)
    graph = tf.function(
        lambda t: window_attention(**t, **options, implementation="chunked")
    ).get_concrete_function(tensors)
    sizes = {
        output.shape.num_elements()
        for op in graph.graph.get_operations()
        for output in op.outputs
    }
    assert max(sizes) == 2 * 3 * 31 * 31
    assert chunked.CHUNK_SIZE > 31


ERRORS = [
    (dict(window_size=5), ValueError, "must be even.*Try 6"),
    (dict(window_size=0), ValueError, "positive even integer"),
    (dict(window_size=2.0), ValueError, "positive even integer"),
    (dict(dilation=0), ValueError, "`dilation` must be a positive"),
    (dict(dilation=(1, 2)), ValueError, "one for each of the 3 heads"),
    (dict(implementation="fast"), ValueError, "'chunked'.*'fast'"),
    (dict(key_mask=np.ones((2, 37), int)), TypeError, "must be bool"),
    (dict(key_mask=np.ones((2, 36), bool)), ValueError, r"\(2, 37\)"),
    (dict(query=np.ones((2, 37, 15), "f")), ValueError, "heads, head size"),
    (dict(key=np.ones((2, 37, 3, 7), "f")), ValueError, "`key` must have"),
    (dict(value=np.ones((2, 36, 3, 5), "f")), ValueError, "`value` must"),
    (dict(key=np.ones((2, 37, 3, 5), "d")), TypeError, "float32.*float64"),
    (
        dict(
            query=np.ones((2, 37, 3, 5), int),
        ),
        TypeError,
        "floating point",
    ),
    (dict(global_key=np.ones((2, 2, 3, 5), "f")), ValueError, "all three"),
    (dict(dropout_rate=1.0), ValueError, r"\[0, 1\)"),
    (dict(dropout_rate=0.1), ValueError, "needs a `dropout_seed`"),
]


@pytest.mark.parametrize(
    "change, error, match", ERRORS, ids=[error[2] for error in ERRORS]
)
def test_errors(change, error, match):
    with pytest.raises(error, match=match):
        window_attention(**{**Case("any").inputs(), **change})


@pytest.mark.parametrize("implementation", STOCK)
@pytest.mark.parametrize("dilation", [1, 3])
def test_a_segment_is_computed_as_if_alone(implementation, dilation):
    """Packed rows give each document the numbers that it gets alone."""
    case = Case("packed", n=307, window_size=22, dilation=dilation, g=3)
    inputs = case.inputs()
    borders = [0, 90, 91, 250, 307]
    segments = np.repeat(np.arange(4), np.diff(borders))[None].repeat(2, 0)
    of_globals = tf.constant([[0, 2, 2], [3, 1, 0]])
    packed = window_attention(
        **inputs,
        segment_ids=segments,
        global_segment_ids=of_globals,
        implementation=implementation,
    )
    for i in range(4):
        own = slice(borders[i], borders[i + 1])
        alone = {k: inputs[k][:, own] for k in ("query", "key", "value")}
        mask = inputs["global_key_mask"] & (of_globals == i)
        got = window_attention(
            **{**inputs, **alone, "global_key_mask": mask},
            implementation=implementation,
        )
        assert_close(packed[:, own], got)


def test_segment_errors():
    inputs = Case("any", g=3).inputs()
    segments = np.zeros((2, 37), int)
    with pytest.raises(ValueError, match="`global_segment_ids` is for"):
        window_attention(**inputs, segment_ids=segments)
    with pytest.raises(ValueError, match="`segment_ids` must have"):
        window_attention(**inputs, segment_ids=segments[:, 1:])
    with pytest.raises(TypeError, match="`segment_ids` must be int32"):
        window_attention(**inputs, segment_ids=segments > 0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dilation", [1, 3])
def test_positions_by_a_loop(causal, dilation):
    """Distances counted one by one, as the docstring has them."""
    case = Case(
        "loop", n=11, d=4, dilation=dilation, causal=causal, positions=True
    )
    inputs = {k: np.array(v) for k, v in case.inputs().items()}
    query, key = inputs["query"], inputs["key"]
    _, got = window_attention(**case.inputs(), return_scores=True)
    want = np.zeros((2, 3, 11, 7))
    for b, h, i in np.ndindex(2, 3, 11):
        for t in range(4 if causal else 7):
            distance = (3 - t) * dilation
            if not 0 <= i - distance < 11:
                continue
            score = query[b, i, h] @ key[b, i - distance, h]
            score += (
                inputs["position_query"][b, i, h] @ inputs["position_key"][t, h]
            )
            want[b, h, i, t] = np.exp(score / 2)
    want /= want.sum(-1, keepdims=True)
    assert_close(got, want)


POSITION_ERRORS = [
    (dict(position_key=None), ValueError, "belong together"),
    (
        dict(position_key=np.ones((6, 3, 5), "f")),
        ValueError,
        r"`position_key` must have the shape \(7, 3, 5\).*window_size=6",
    ),
    (dict(causal=True), ValueError, r"\(4, 3, 5\).*causal=True"),
    (
        dict(position_query=np.ones((2, 36, 3, 5), "f")),
        ValueError,
        "`position_query` must have",
    ),
    (
        dict(position_query=np.ones((2, 37, 3, 5))),
        TypeError,
        "`position_query` must have `query`'s dtype",
    ),
    (
        Case("globals", g=2).inputs(),
        ValueError,
        "do not go with `global_key`",
    ),
]


@pytest.mark.parametrize(
    "change, error, match", POSITION_ERRORS, ids=range(len(POSITION_ERRORS))
)
def test_position_errors(change, error, match):
    inputs = Case("any", positions=True).inputs()
    with pytest.raises(error, match=match):
        window_attention(**{**inputs, **change})


def test_numpy_integers():
    inputs = Case("any", dilation=(1, 2, 1)).inputs()
    want = window_attention(**inputs)
    inputs["window_size"] = np.int64(inputs["window_size"])
    inputs["dilation"] = np.array(inputs["dilation"])
    np.testing.assert_array_equal(window_attention(**inputs), want)


def test_global_errors():
    inputs = Case("any", g=3).inputs()
    with pytest.raises(ValueError, match="same shape"):
        window_attention(
            **{**inputs, "global_value": inputs["global_value"][:, :2]}
        )
    with pytest.raises(ValueError, match="`global_key_mask` must have"):
        window_attention(
            **{**inputs, "global_key_mask": inputs["global_key_mask"][:, :2]}
        )
