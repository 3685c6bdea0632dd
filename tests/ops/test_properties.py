"""What holds of any masks, windows and lengths, by every implementation."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import keras_longformer as klf
from keras_longformer.ops import window_attention
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.ops import cases
from tests.ops.cases import Case
from tests.ops.gradients import assert_same
from tests.ops.gradients import run
from tests.ops.gradients import run_definition
from tests.tolerances import assert_close

NATIVE = pytest.param("native", marks=pytest.mark.native)
every_implementation = pytest.mark.parametrize(
    "implementation", ["reference", "chunked", NATIVE]
)
BOUNDED = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MASKS = (None, "some", "none", "right", "left", "middle")
ANY = st.builds(
    Case,
    name=st.just("any"),
    n=st.integers(1, 70),
    window_size=st.integers(1, 40).map(lambda reach: 2 * reach),
    dilation=st.sampled_from([1, 2, 5, (1, 2, 1)]),
    causal=st.booleans(),
    g=st.sampled_from([None, 0, 1, 3]),
    global_count=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    key_mask=st.sampled_from(MASKS),
    d=st.integers(1, 9),
)
PADDED = ANY.map(
    lambda case: dataclasses.replace(case, key_mask=case.key_mask or "some")
)


@pytest.fixture(autouse=True)
def built(request):
    case = getattr(request.node, "callspec", None)
    if case is not None and "native" in case.params.values():
        request.getfixturevalue("kernel")


class Module:
    """An implementation, as `tests.ops.gradients.run` takes it."""

    def __init__(self, implementation):
        self.implementation = implementation

    def window_attention(self, **inputs):
        return window_attention(**inputs, implementation=self.implementation)


@pytest.mark.parametrize("implementation", ["chunked", NATIVE])
@BOUNDED
@given(case=ANY)
def test_equals_the_definition_and_so_do_gradients(implementation, case):
    inputs = case.inputs()
    got = run(inputs, Module(implementation))
    assert_same(got, run_definition(inputs))


@every_implementation
@BOUNDED
@given(case=PADDED, number=st.sampled_from([7.0, -1e4, 1e30]))
def test_what_stands_in_padding_changes_nothing(implementation, case, number):
    inputs = case.inputs()
    real = inputs["key_mask"][:, :, None, None]
    changed = inputs | {
        name: tf.where(real, inputs[name], number)
        for name in ("query", "key", "value")
    }
    got, want = (
        tf.where(real, Module(implementation).window_attention(**x), 0.0)
        for x in (changed, inputs)
    )
    np.testing.assert_array_equal(got, want)


@every_implementation
@BOUNDED
@given(case=ANY)
def test_the_order_of_rows_changes_nothing(implementation, case):
    tensors, options = cases.split(case.inputs())
    attend = Module(implementation).window_attention
    got = attend(**{k: x[::-1] for k, x in tensors.items()}, **options)
    assert_close(got[::-1], attend(**tensors, **options))


@every_implementation
@BOUNDED
@given(case=ANY, row=st.integers(0, 69))
def test_gradients_are_zero_outside_the_window(implementation, case, row):
    case = dataclasses.replace(case, g=None, dilation=2)
    inputs, i = case.inputs(), row % case.n
    value = inputs["value"]
    with tf.GradientTape() as tape:
        tape.watch(value)
        outputs = Module(implementation).window_attention(**inputs)
        loss = tf.reduce_sum(outputs[:, i])
    distance = np.arange(case.n) - i
    sees = (abs(distance) <= case.window_size) & (distance % 2 == 0)
    if case.causal:
        sees &= distance <= 0
    sees = np.broadcast_to(sees, (case.b, case.n))
    if case.key_mask:
        sees = sees & inputs["key_mask"].numpy()
    gradient = tf.convert_to_tensor(tape.gradient(loss, value)).numpy()
    got = (gradient != 0).any((2, 3))
    assert not (got & ~sees).any()
    # What is seen counts, unless its weight is too small for the dtype.
    assert (gradient.sum(1)[sees.any(1)] > 0.999).all()


@every_implementation
@BOUNDED
@given(case=ANY, scale=st.sampled_from([1e2, 1e15]), seed=st.integers(0, 99))
def test_scores_may_be_large(implementation, case, scale, seed):
    """Of values that are all one, a weighted mean is one."""
    inputs = case.inputs(seed)
    large = {
        name: x * scale if "key" in name or name == "query" else tf.ones_like(x)
        for name, x in inputs.items()
        if tf.is_tensor(x) and x.dtype.is_floating
    }
    inputs |= large
    got = run(inputs, Module(implementation))
    seen = Module("reference").window_attention(
        **inputs | {"query": tf.zeros_like(inputs["query"])}
    )
    assert_close(got["outputs"], seen)
    assert all(np.isfinite(x).all() for x in got.values())


@every_implementation
@pytest.mark.parametrize("b, n", [(0, 37), (2, 0), (0, 0)])
def test_nothing_gives_nothing(implementation, b, n):
    case = Case("empty", b=b, n=n, g=2, global_count=(1,) * b)
    inputs = case.inputs() | {"key_mask": tf.ones((b, n), tf.bool)}
    got = run(inputs, Module(implementation))
    assert got["outputs"].shape == (b, n, 3, 5)
    assert got["global_key"].shape == (b, 2, 3, 5)
    assert all(np.isfinite(x).all() for x in got.values())


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["chunked", NATIVE])
def test_a_hundred_thousand_tokens(implementation):
    """Each part is what the definition says of it and its window alone."""
    case = Case("long", n=100_000, window_size=64, b=1, h=2, d=8)
    inputs = case.inputs()
    got = Module(implementation).window_attention(**inputs)
    assert np.isfinite(got).all()
    for begin in (0, 49_990, 99_700):
        part = slice(begin, begin + 300)
        want = Module("reference").window_attention(
            **inputs
            | {x: inputs[x][:, part] for x in ("query", "key", "value")}
        )
        inner = slice(0 if begin == 0 else 32, 300 if begin > 99_000 else 268)
        assert_close(got[:, part][:, inner], want[:, inner])


def test_a_step_in_float16():
    """A scaled loss and its gradients are finite, and the weights move."""
    model = klf.LongformerBackbone(
        vocabulary_size=31,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        window_size=4,
        max_sequence_length=32,
        dtype="mixed_float16",
        pooler=False,
    )
    model.compile(
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3)),
        loss="mse",
        jit_compile=False,
    )
    before = [weight.numpy() for weight in model.trainable_weights]
    generator = np.random.default_rng(0)
    ids = generator.integers(4, 31, (3, 29))
    mask = np.arange(29) < np.array([[29], [7], [0]])
    inputs = {
        "token_ids": ids,
        "padding_mask": mask,
        "global_mask": mask & (np.arange(29) < 1),
    }
    outputs = model(inputs)
    assert outputs.dtype == "float16" and np.isfinite(outputs).all()
    loss = model.train_on_batch(inputs, np.ones((3, 29, 8), "f4"))
    assert np.isfinite(loss)
    after = [weight.numpy() for weight in model.trainable_weights]
    assert all(np.isfinite(x).all() for x in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
