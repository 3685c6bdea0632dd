"""The transformer block and the embeddings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerBlock
from keras_longformer.layers import LongformerEmbeddings
from keras_longformer.ops import masks
from tests.tolerances import assert_close

B, N, M = 2, 37, 21


def make_block(**config):
    block = LongformerBlock(3, 41, window_size=6, name="block", **config)
    block.build((None, None, M))
    return block


def make_inputs():
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(B, N, M)), tf.float32)
    padding_mask = tf.sequence_mask([N, 20], N)
    global_mask = tf.constant(rng.random((B, N)) < 0.1)
    return x, padding_mask, global_mask


def test_no_two_sublayers_or_steps_share_a_seed(monkeypatch):
    """Those of global rows among them, which have one more of their own."""
    seeds = []

    def drop(x, rate, seed):
        seeds.append(tuple(seed.numpy()))
        return x

    monkeypatch.setattr(masks, "drop", drop)
    block = make_block(dropout=0.3, attention_dropout=0.2, max_global_tokens=9)
    x, _, global_mask = make_inputs()
    for _ in range(3):
        block(x, global_mask=global_mask, training=True)
    assert len(seeds) == len(set(seeds)) == 9


@pytest.mark.parametrize("way", ["eager", "graph", "jit"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_rematerialization_changes_no_gradient(way, dtype):
    """With dropout everywhere: the second computation drops the same."""
    config = dict(
        dropout=0.3, attention_dropout=0.2, max_global_tokens=9, dtype=dtype
    )
    plain = make_block(**config)
    rematerialized = make_block(**config, rematerialize=True)
    rematerialized.set_weights(plain.get_weights())
    rematerialized.seed_generator.state.assign(plain.seed_generator.state)

    def run(block):
        def gradients(x, padding_mask, global_mask):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = block(
                    x,
                    padding_mask=padding_mask,
                    global_mask=global_mask,
                    training=True,
                )
                loss = tf.reduce_sum(tf.square(tf.cast(y, tf.float32)) * x)
            weights = [w.value for w in block.trainable_weights]
            return loss, tape.gradient(loss, [x, *weights])

        if way != "eager":
            gradients = tf.function(gradients, jit_compile=way == "jit")
        return gradients(*make_inputs())

    loss, want = run(plain)
    again, got = run(rematerialized)
    # The key's bias has gradient 0 but for rounding: tolerances are absolute.
    scale = max(np.abs(w).max() for w in want)
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    np.testing.assert_allclose(loss, again, rtol=tolerance)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=0, atol=tolerance * scale)


def test_block_by_hand():
    """Post-LayerNorm residuals and exact GELU around the attention."""
    block = make_block()
    x, padding_mask, global_mask = make_inputs()
    masks = dict(padding_mask=padding_mask, global_mask=global_mask)
    y = block.attention_layer_norm(x + block.attention(x, **masks))
    hidden = keras.activations.gelu(
        y @ block.intermediate.kernel + block.intermediate.bias,
        approximate=False,
    )
    z = hidden @ block.output_dense.kernel + block.output_dense.bias
    assert_close(block(x, **masks), block.output_layer_norm(y + z))


def test_block_config_round_trip():
    block = make_block(dilation=[1, 2, 3], dropout=0.1, rematerialize=True)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(block)
    )
    assert again.get_config() == block.get_config()


def test_block_error():
    with pytest.raises(ValueError, match="`num_heads` must divide.*width 20"):
        LongformerBlock(3, 41)(np.ones((1, 2, 20), "float32"))


def make_embeddings(**config):
    return LongformerEmbeddings(
        53, M, 7, **{"num_token_types": 2, "name": "embeddings", **config}
    )


def test_positions_follow_the_tokens():
    embeddings = make_embeddings()
    ids = np.array([[1, 5, 6, 1, 7, 1, 1], [0, 5, 2, 1, 1, 1, 1]])
    types = np.array([[0, 1, 1, 0, 0, 0, 0]] * 2)
    positions = [[1, 2, 3, 1, 4, 1, 1], [2, 3, 4, 1, 1, 1, 1]]
    want = (
        embeddings.token_embedding(ids)
        + embeddings.position_embedding(np.array(positions))
        + embeddings.token_type_embedding(types)
    )
    assert_close(
        embeddings(ids, token_type_ids=types), embeddings.layer_norm(want)
    )


def test_padding_beyond_the_table_is_fine():
    embeddings = make_embeddings()
    ids = np.array([[0, 5, 6, 2] + [1] * 20])
    assert_close(embeddings(ids)[:, :4], embeddings(ids[:, :4]))


def test_too_long():
    embeddings = make_embeddings()
    embeddings(np.full((1, 7), 5))
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"(?s)max_sequence_length=7.*Truncate.*\[8\]",
    ):
        embeddings(np.full((1, 8), 5))
    call = tf.function(
        embeddings.__call__,
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    call(np.full((1, 7), 5))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Truncate"):
        call(np.full((1, 8), 5))


def test_too_long_is_nan_under_xla():
    call = tf.function(make_embeddings().__call__, jit_compile=True)
    assert np.isnan(call(tf.fill([1, 8], 5))).all()
    assert np.isfinite(call(tf.fill([1, 7], 5))).all()
    for unknown in (-1, 53):
        assert np.isnan(call(tf.fill([1, 7], unknown))).all()


def test_pad_token_id_shifts_the_positions():
    embeddings = make_embeddings(pad_token_id=0)
    embeddings.build((None, None))
    assert embeddings.position_embedding.embeddings.shape == (8, M)
    assert np.isfinite(embeddings(np.full((1, 7), 5))).all()
