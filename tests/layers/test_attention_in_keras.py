"""LongformerAttention among Keras' other layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerAttention
from tests.layers.test_attention import D
from tests.layers.test_attention import H
from tests.layers.test_attention import M
from tests.layers.test_attention import definition
from tests.layers.test_attention import make_inputs
from tests.layers.test_attention import make_layer
from tests.layers.test_attention import marks
from tests.layers.test_attention import padding
from tests.tolerances import assert_close


def functional_model(**config):
    inputs = {
        "x": keras.Input((None, M), name="x"),
        "p": keras.Input((None,), dtype="bool", name="p"),
        "g": keras.Input((None,), dtype="bool", name="g"),
    }
    outputs = LongformerAttention(H, D, window_size=6, **config)(
        inputs["x"], padding_mask=inputs["p"], global_mask=inputs["g"]
    )
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("jit_compile", [False, True, "auto"])
def test_fit_and_save(jit_compile, tmp_path):
    model = functional_model(max_global_tokens=13, dropout=0.1)
    data = {"x": make_inputs(), "p": padding("right"), "g": marks("first")}
    model.compile("adam", "mse", jit_compile=jit_compile)
    y = make_inputs(seed=1)
    history = model.fit(data, y, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    want = model.predict(data, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(again.predict(data, verbose=0), want)


def test_symbolic_shapes():
    x = keras.Input((None, M))
    g = keras.Input((None,), dtype="bool")
    layer = LongformerAttention(H, D, window_size=6, max_global_tokens=5)
    assert layer(x).shape == (None, None, M)
    y, scores, global_scores = layer(
        x, global_mask=g, return_attention_scores=True
    )
    assert y.shape == (None, None, M)
    assert scores.shape == (None, H, None, 5 + 6 + 1)
    assert global_scores.shape == (None, H, None, 5)


def test_mask_of_an_embedding_is_used():
    ids = np.array([[4, 5, 6, 0, 0], [1, 2, 3, 4, 5]])
    embedding = keras.layers.Embedding(7, M, mask_zero=True)
    layer = make_layer()
    got = layer(embedding(ids))
    want = layer(tf.identity(embedding(ids)), padding_mask=ids > 0)
    assert_close(got, want)


def test_lora():
    layer, x = make_layer(), make_inputs()
    masks = dict(global_mask=marks("first"))
    want = layer(x, **masks)
    for name in ("query", "value", "global_key", "global_value"):
        getattr(layer, name).enable_lora(2)
    assert_close(layer(x, **masks), want)
    layer.global_key.lora_kernel_b.assign(
        keras.random.normal(layer.global_key.lora_kernel_b.shape)
    )
    assert np.abs(layer(x, **masks) - want)[:, 0].max() > 1e-3
    assert_close(layer(x, **masks), definition(layer, x, **masks))


def test_quantized():
    layer, x = make_layer(), make_inputs()
    masks = dict(global_mask=marks("first"))
    want = layer(x, **masks)
    for part in layer._flatten_layers(include_self=False):
        part.quantize("int8")
    got = layer(x, **masks)
    assert 0 < np.abs(got - want).max() < 0.2 * np.abs(want).max()


def test_gradients_without_global_tokens_are_zero():
    """Not `None`, of which Keras warns; the others' are as they were."""
    layer = LongformerAttention(num_heads=2, key_dim=4, window_size=4)
    x = tf.random.stateless_normal([2, 9, 8], [0, 1])
    layer.build(x.shape)
    weights = layer.trainable_variables
    gradients = []
    for mask in (None, tf.zeros([2, 9], tf.bool)):
        with tf.GradientTape() as tape:
            y = layer(x, global_mask=mask, training=True)
            loss = tf.reduce_sum(y**2)
        variables = [weight.value for weight in weights]
        gradients.append(tape.gradient(loss, variables))
    for got, want, weight in zip(*gradients, weights, strict=True):
        assert_close(got, want)
        is_global = "global_" in weight.path
        assert bool(np.any(np.asarray(got))) != is_global
