"""Relative positions against a plain loop over queries and keys."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerAttention


def sinusoid(distance, width):
    angles = distance / 10000 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)])[:width]


def loop(layer, x, dilation, causal):
    """Transformer-XL's four terms, one pair of tokens at a time."""
    q, k, v = (
        np.einsum("nm,mhd->nhd", x, np.float64(p.kernel)) + np.float64(p.bias)
        for p in (layer.query, layer.key, layer.value)
    )
    positions = layer.positions
    u, w = (
        np.float64(positions.content_bias),
        np.float64(positions.position_bias),
    )
    n, h, d = q.shape
    context = np.zeros((n, h, d))
    for head, step in enumerate(dilation):
        kernel = np.float64(positions.kernel)[:, head]
        for i in range(n):
            seen = [
                j
                for j in range(n)
                if abs(i - j) <= layer.window_size // 2 * step
                and (i - j) % step == 0
                and (j <= i or not causal)
            ]
            scores = [
                (
                    (q[i, head] + u[head]) @ k[j, head]
                    + (q[i, head] + w[head])
                    @ (sinusoid(i - j, x.shape[-1]) @ kernel)
                )
                / np.sqrt(d)
                for j in seen
            ]
            chances = np.exp(scores) / np.exp(scores).sum()
            context[i, head] = chances @ v[seen, head]
    out = layer.attention_output
    return np.einsum(
        "nhd,hdm->nm", context, np.float64(out.kernel)
    ) + np.float64(out.bias)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dilation", [1, [1, 3, 2]])
def test_equals_a_loop(causal, dilation):
    layer = LongformerAttention(
        3, 5, 6, dilation=dilation, causal=causal, relative_positions=True
    )
    x = np.random.default_rng(0).normal(size=(1, 17, 11)).astype("float32")
    layer.build(x.shape)
    generator = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(generator.normal(0, 0.5, weight.shape))
    each = [1] * 3 if dilation == 1 else dilation
    want = loop(layer, np.float64(x[0]), each, causal)
    np.testing.assert_allclose(layer(x)[0], want, atol=2e-5)
    again = LongformerAttention.from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), layer(x))


def test_no_global_tokens():
    layer = LongformerAttention(2, 4, 4, relative_positions=True)
    x = tf.zeros((1, 5, 8))
    layer(x)
    names = [weight.path for weight in layer.weights]
    assert not any("global" in name for name in names)
    with pytest.raises(ValueError, match="has relative positions"):
        layer(x, global_mask=tf.ones((1, 5), tf.bool))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_other_dtypes(dtype):
    layer = LongformerAttention(
        2, 4, 4, causal=True, relative_positions=True, dtype=dtype
    )
    x = keras.random.normal((1, 9, 8), seed=1, dtype="float32")
    assert layer(x).dtype == layer.compute_dtype
