"""`LayerNorm` against NumPy, in all the ways it is computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LayerNorm


def normalized(x, layer):
    x = x.astype("float64")
    centred = x - x.mean(-1, keepdims=True)
    rows = centred / np.sqrt(x.var(-1, keepdims=True) + layer.epsilon)
    return rows * layer.gamma.numpy() + layer.beta.numpy()


@pytest.fixture
def layer():
    layer = LayerNorm(epsilon=1e-12)
    layer.build((None, None, 24))
    rng = np.random.default_rng(0)
    layer.gamma.assign(rng.uniform(0.5, 1.5, 24))
    layer.beta.assign(rng.standard_normal(24))
    return layer


def inputs(*shape, offset=0.0):
    rng = np.random.default_rng(1)
    return (rng.standard_normal(shape) + offset).astype("float32")


@pytest.mark.parametrize("shape", [(3, 24), (2, 5, 24), (0, 5, 24), (2, 0, 24)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_graphs_and_eager_calls_are_exact(layer, shape, offset):
    x = inputs(*shape, offset=offset)
    tolerance = 2e-6 if offset == 0 else 1e-4  # float32 has 7 digits
    spec = [tf.TensorSpec([None] * (len(shape) - 1) + [24])]
    for call in (layer, tf.function(layer, input_signature=spec)):
        y = call(tf.constant(x)).numpy()
        assert y.shape == shape
        np.testing.assert_allclose(y, normalized(x, layer), atol=tolerance)


def test_xla_is_exact(layer):
    x = inputs(2, 5, 24)
    y = tf.function(layer, jit_compile=True)(x)
    np.testing.assert_allclose(y, normalized(x, layer), atol=2e-6)


def test_gradients_in_a_graph_for_inference_are_those_of_training(layer):
    x = tf.constant(inputs(2, 5, 24))
    weights = tf.constant(inputs(2, 5, 24))

    @tf.function
    def gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(weights * layer(x, training=training))
        return tape.gradient(y, [x, layer.gamma.value, layer.beta.value])

    for ours, keras_own in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=1e-5)


def test_a_graph_has_the_form_that_one_dnn_takes(layer, monkeypatch):
    monkeypatch.setattr(
        "keras_longformer.layers.layer_norm._has_one_dnn", lambda x: True
    )
    spec = tf.TensorSpec([None, None, 24])

    def operations(training):
        function = tf.function(lambda x: layer(x, training=training))
        graph = function.get_concrete_function(spec).graph
        return [operation.type for operation in graph.get_operations()]

    assert "FusedBatchNormV3" in operations(False)
    assert "FusedBatchNormV3" not in operations(True)


def test_bfloat16_is_near():
    layer = LayerNorm(dtype="mixed_bfloat16")
    layer.build((None, 24))
    x = inputs(7, 24)
    y = tf.function(layer)(tf.constant(x, tf.bfloat16))
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(y, tf.float32), normalized(x, layer), atol=0.04
    )


def test_it_comes_back_from_its_configuration(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is LayerNorm
    assert again.epsilon == layer.epsilon
