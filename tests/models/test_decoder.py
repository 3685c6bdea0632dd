"""The decoder: causal to the bit, and as far-sighted as the formula says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf

SMALL = {
    "vocabulary_size": 11,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 13,
    "window_size": [4, 6, 4],
    "dilation": [1, [1, 2], [3, 1]],
}


def make(**config):
    keras.utils.set_random_seed(3)
    backbone = klf.LongformerDecoderBackbone(**{**SMALL, **config})
    generator = np.random.default_rng(5)
    for weight in backbone.trainable_weights:
        noise = generator.normal(0, 0.3, weight.shape)
        weight.assign(weight + noise.astype(weight.dtype))
    return backbone


def token_ids(n, seed=0):
    return np.random.default_rng(seed).integers(0, 11, (2, n), np.int32)


@pytest.mark.parametrize(
    "implementation",
    [None, "chunked", pytest.param("reference", marks=pytest.mark.slow)],
)
def test_the_future_changes_nothing(implementation):
    """Of every layer, to the last bit."""
    backbone = make(implementation=implementation)
    inputs = keras.Input((None,), dtype="int32")
    x, every = backbone.token_embedding(inputs), []
    for layer in backbone.transformer_layers:
        x = layer(x)
        every.append(x)
    model = keras.Model(inputs, every)
    ids = token_ids(37)
    want = model(ids)
    for place in (1, 17, 36):
        changed = ids.copy()
        changed[:, place] = (changed[:, place] + 1) % 11
        for layer, (a, b) in enumerate(zip(want, model(changed), strict=True)):
            np.testing.assert_array_equal(a[:, :place], b[:, :place], layer)
            assert np.any(np.asarray(a[:, place]) != np.asarray(b[:, place]))


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_each_head_looks_back(layer):
    """What each head's output depends on: its own window, by gradients."""
    attention = make().transformer_layers[layer].attention
    reach, dilation = attention.window_size // 2, attention.dilation
    dilation = [dilation] * 2 if isinstance(dilation, int) else dilation
    x = tf.random.stateless_normal((1, 23, 8), [1, 2])
    # Behind the output projection heads mix, so that all but one are cut off.
    kernel = attention.attention_output.kernel
    whole = np.array(kernel)
    for head in range(2):
        alone = np.zeros_like(whole)
        alone[head] = whole[head]
        kernel.assign(alone)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(attention(x)[0, 19] ** 2)
        touched = np.abs(tape.gradient(y, x)[0]).max(-1) > 0
        want = [19 - step * dilation[head] for step in range(reach + 1)]
        assert np.flatnonzero(touched).tolist() == sorted(want)


@pytest.mark.parametrize(
    "window_size, dilation",
    [(4, 1), ([2, 4, 6], 1), ([2, 4, 6], [1, [1, 2], 3]), (2, [[1, 4], 1, 1])],
)
def test_receptive_field(window_size, dilation):
    """1 + sum of reach * dilation tokens, measured by gradients."""
    backbone = make(window_size=window_size, dilation=dilation, dropout=0.0)
    want = backbone.receptive_field
    embedded = tf.random.stateless_normal((1, want + 9, 8), [4, 2])
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        x = embedded
        for layer in backbone.transformer_layers:
            x = layer(x)
        y = tf.reduce_sum(backbone.layer_norm(x)[0, -1] ** 2 * np.arange(8.0))
    touched = np.flatnonzero(np.abs(tape.gradient(y, embedded)[0]).max(-1))
    assert len(embedded[0]) - touched[0] == want


def test_padding_behind_a_text_changes_nothing():
    backbone = make()
    ids = token_ids(13)
    want = backbone({"token_ids": ids})
    padded = np.pad(ids, [[0, 0], [0, 6]], constant_values=10)
    mask = np.arange(19)[None] < np.full((2, 1), 13)
    got = backbone({"token_ids": padded, "padding_mask": mask})
    np.testing.assert_allclose(got[:, :13], want, atol=1e-5)


def test_order_matters():
    """Positions are known: the same tokens in another order differ."""
    backbone = make(num_layers=1, window_size=8, dilation=1)
    ids = np.array([[1, 2, 3, 4]], np.int32)
    one, other = (
        backbone({"token_ids": x}) for x in (ids, ids[:, [1, 0, 2, 3]])
    )
    assert np.abs(one[0, -1] - other[0, -1]).max() > 1e-4


def test_saved_and_opened(tmp_path):
    backbone = make()
    backbone.save_to_preset(str(tmp_path))
    again = klf.LongformerDecoderBackbone.from_preset(str(tmp_path))
    assert again.get_config() == backbone.get_config()
    inputs = {"token_ids": token_ids(9)}
    np.testing.assert_array_equal(again(inputs), backbone(inputs))
    wider = again.with_windows([8, 10, 12])
    assert wider.window_size == [8, 10, 12]
    for a, b in zip(wider.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_refused():
    with pytest.raises(ValueError, match="of layer 1"):
        make(window_size=[4, 5, 4])
    with pytest.raises(ValueError, match="must divide"):
        make(num_heads=3)
    with pytest.raises(TypeError, match="max_length"):
        make(max_length=9)
