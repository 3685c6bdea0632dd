"""The compiled kernel where it is differentiated: loops, `fit`, recomputing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from keras_longformer.ops import native
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.ops.cases import Case
from tests.tolerances import assert_close

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("kernel")]


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


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
def test_recomputation_drops_the_same(jit):
    inputs = {"dilation": 1, "causal": False, **Case("any", n=70, g=2).inputs()}

    def attend(x, seed):
        for _ in range(2):
            x = native.window_attention(
                **{**inputs, "query": x},
                dropout_rate=0.3,
                dropout_seed=seed,
            )
            seed += 1
        return x

    def gradient(function):
        def compute(x, seed):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(function(x, seed) ** 2)
            return tape.gradient(loss, x)

        seed = tf.constant([3, 4])
        return tf.function(compute, jit_compile=jit)(inputs["query"], seed)

    np.testing.assert_array_equal(
        gradient(keras.remat(attend)), gradient(attend)
    )


def test_a_layer_drops_the_same_as_with_chunked():
    config = dict(num_heads=3, key_dim=5, window_size=8, dropout=0.4)
    layers = [
        LongformerAttention(**config, implementation=implementation)
        for implementation in ("native", "chunked")
    ]
    x = tf.random.stateless_normal((2, 70, 15), [1, 2])
    global_mask = tf.constant([[True] + [False] * 69, [False] * 70])
    results = []
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights(layers[0].get_weights())

        def compute(training, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(
                    x,
                    global_mask=global_mask,
                    dropout_seed=[3, 4],
                    training=training,
                )
            return y, tape.gradient(y, x)

        results.append(compute(True))
        assert np.abs(results[-1][0] - compute(False)[0]).max() > 0.1
    for got, want in zip(*results, strict=True):
        assert_close(got, want, factor=2)


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
