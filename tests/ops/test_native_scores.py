"""The probabilities that the compiled kernel returns, and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from keras_longformer.ops import chunked
from keras_longformer.ops import native
from keras_longformer.ops import window_attention
from tests.native.kernel import compiler as compiler
from tests.native.kernel import instructions as instructions
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import CASES
from tests.ops.cases import Case
from tests.tolerances import assert_close

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("kernel")]

SUPPORTED = [case for case in CASES if case.dtype in ("float32", "bfloat16")]
TILES = [
    Case("tiles", n=193, d=17, window_size=130, g=67, global_count=(67, 5),
         key_mask="some", dilation=(1, 2, 1)),
    Case("reach-beyond-n", n=150, window_size=1000, segments=(70, 31), g=2),
    Case("positions-tiles", n=331, d=17, window_size=130, key_mask="some",
         dilation=(1, 2, 1), positions=True),
    Case("odd-bfloat16", n=133, window_size=34, causal=True, g=3,
         dtype="bfloat16"),
]  # fmt: skip


def attend(inputs, implementation="native"):
    return window_attention(
        **inputs, implementation=implementation, return_scores=True
    )


def check(case, **more):
    inputs = {**case.inputs(), **more}
    output, scores = attend(inputs)
    _, want = attend(cases.to_float64(inputs), "reference")
    assert scores.dtype == case.dtype
    assert_close(tf.cast(scores, "float64"), want, case.dtype)
    alone = window_attention(**inputs, implementation="native")
    np.testing.assert_array_equal(output, alone)


@pytest.mark.parametrize("case", SUPPORTED, ids=str)
def test_match_reference(case):
    check(case)


@pytest.mark.parametrize("case", TILES, ids=str)
def test_all_instructions_match_reference(instructions, case):
    check(case)


def test_are_those_before_dropout():
    check(TILES[0], dropout_rate=0.3, dropout_seed=[1, 2])


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_unknown_sizes(jit):
    """Of batch, length and global keys; the number of columns follows."""
    case = Case("any", g=3, key_mask="some", segments=(5, 9))
    tensors, options = cases.split(case.inputs())
    function = tf.function(
        lambda tensors: attend({**tensors, **options}),
        input_signature=[
            {
                name: tf.TensorSpec([None, None, *x.shape[2:]], x.dtype)
                for name, x in tensors.items()
            }
        ],
        jit_compile=jit,
    )
    for n, g in [(37, 3), (131, 1), (5, 0)]:
        case = Case("any", n=n, g=g, key_mask="some", segments=(5, 9))
        inputs = case.inputs()
        _, scores = function(cases.split(inputs)[0])
        assert scores.shape == (2, 3, n, g + 7)
        _, want = attend(cases.to_float64(inputs), "reference")
        assert_close(scores, want)


def gradients(inputs, implementation, upstream, of_output):
    """Of the scores alone, or of output and scores."""
    variables = cases.differentiable(inputs)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        output, scores = attend(inputs, implementation)
        loss = tf.reduce_sum(scores * tf.cast(upstream, scores.dtype))
        if of_output:
            loss += tf.reduce_sum(output**2)
    return tape.gradient(loss, variables, unconnected_gradients="zero")


@pytest.mark.parametrize("of_output", [False, True], ids=["scores", "both"])
@pytest.mark.parametrize("how", ["eager", "graph", "jit"])
@pytest.mark.parametrize(
    "case",
    [
        Case("globals", g=3, key_mask="some", segments=(5, 17)),
        Case("positions", n=70, dilation=2, causal=True, positions=True),
    ],
    ids=str,
)
def test_gradients_through_them_are_right(case, how, of_output):
    inputs = case.inputs()
    columns = 7 + (case.g or 0)
    upstream = np.random.default_rng(3).normal(size=(2, 3, case.n, columns))

    def compute():
        return gradients(inputs, "native", upstream, of_output)

    if how != "eager":
        compute = tf.function(compute, jit_compile=how == "jit")
    got = compute()
    want = gradients(cases.to_float64(inputs), "reference", upstream, of_output)
    for name in want:
        assert_close(got[name], want[name], factor=2)


def test_what_no_loss_depends_on_is_not_differentiated(monkeypatch):
    """The scores are looked at only: nothing is computed a third time."""

    def refuse(*_, **__):
        raise AssertionError("chunked was called")

    monkeypatch.setattr(chunked, "window_attention", refuse)
    inputs = Case("any", g=3).inputs()
    query = inputs["query"]
    with tf.GradientTape() as tape:
        tape.watch(query)
        output, _ = attend(inputs)
        loss = tf.reduce_sum(output**2)
    with tf.GradientTape() as other:
        other.watch(query)
        alone = window_attention(**inputs, implementation="native")
        want = tf.reduce_sum(alone**2)
    np.testing.assert_array_equal(
        tape.gradient(loss, query), other.gradient(want, query)
    )
    with tf.GradientTape() as tape:
        tape.watch(query)
        loss = tf.reduce_sum(attend(inputs)[1] ** 2)
    with pytest.raises(AssertionError, match="chunked was called"):
        tape.gradient(loss, query)


def test_a_gpu_returns_none(monkeypatch):
    monkeypatch.setattr(native, "_device", lambda: "CUDA")
    query = Case("any").inputs()["query"]
    reason = native.reason_against(query, return_scores=True)
    assert reason == "on a GPU it returns no scores"


def test_a_layer_returns_those_of_chunked():
    config = dict(num_heads=3, key_dim=5, window_size=8, dilation=[1, 2, 1])
    x = tf.random.stateless_normal((2, 70, 15), [1, 2])
    padding_mask = np.arange(70) < np.array([[70], [41]])
    global_mask = np.arange(70) < np.array([[1], [3]])
    results = []
    for name in ("native", "chunked"):
        layer = LongformerAttention(**config, implementation=name)
        layer.build(x.shape)
        if results:
            layer.set_weights(weights)
        weights = layer.get_weights()
        results.append(
            layer(
                x,
                padding_mask=padding_mask,
                global_mask=global_mask,
                return_attention_scores=True,
            )
        )
    assert results[0][1].shape == (2, 3, 70, 3 + 9)
    for got, want in zip(*results, strict=True):
        assert_close(got, want)
