"""The rules by which positions are counted."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers import LongformerEmbeddings
from keras_longformer.weights.families import FAMILIES

LEFT, RIGHT = [1, 1, 0, 5, 7, 2], [0, 5, 7, 2, 1, 1]


def make(position_rule, max_sequence_length=6, **config):
    return LongformerEmbeddings(
        11, 3, max_sequence_length, position_rule=position_rule, **config
    )


@pytest.mark.parametrize(
    "rule, token_ids, want",
    [
        ("padding_offset", LEFT, [1, 1, 2, 3, 4, 5]),
        ("padding_offset", RIGHT, [2, 3, 4, 5, 1, 1]),
        ("absolute", LEFT, [0, 1, 2, 3, 4, 5]),
        ("absolute", RIGHT, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_rows_of_the_table(rule, token_ids, want):
    layer = make(rule)
    token_ids = tf.constant([token_ids])
    got = layer(token_ids)
    table = layer.position_embedding.embeddings.numpy()
    assert len(table) == (8 if rule == "padding_offset" else 6)
    x = layer.token_embedding.embeddings.numpy()[token_ids[0]] + table[want]
    x += layer.token_type_embedding.embeddings.numpy()[0]
    np.testing.assert_allclose(got[0], layer.layer_norm(x), atol=1e-6)


def test_absolute_positions_count_padding_against_the_limit():
    token_ids = tf.constant([RIGHT])
    assert make("padding_offset", 4)(token_ids).shape == (1, 6, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="has more to"):
        make("absolute", 4)(token_ids)


def test_config_and_error():
    layer = make("absolute")
    again = LongformerEmbeddings.from_config(layer.get_config())
    assert again.position_rule == "absolute"
    with pytest.raises(ValueError, match="Received: position_rule='relative'"):
        make("relative")


@pytest.mark.parametrize("pad_token_id", [0, 1, 3])
def test_families_leave_the_same_rows_before(pad_token_id):
    for family in FAMILIES:
        layer = make(family.position_rule, pad_token_id=pad_token_id)
        rows = layer.position_embedding.input_dim
        keywords = {"pad_token_id": pad_token_id}
        assert rows == 6 + family.position_offset(keywords)
