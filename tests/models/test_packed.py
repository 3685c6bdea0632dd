"""Several documents in a row: each gets the numbers that it gets alone."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.layers.positions import count_positions
from keras_longformer.models.backbone import LongformerBackbone
from tests.tolerances import assert_close

LENGTHS = [[11, 1, 17], [5, 20]]
N = 33


def make_backbone(**config):
    return LongformerBackbone(
        **{
            "vocabulary_size": 19,
            "num_layers": 2,
            "num_heads": 3,
            "hidden_dim": 15,
            "intermediate_dim": 17,
            "window_size": [4, 6],
            "dilation": [[1, 3, 1], 1],
            "max_sequence_length": 20,  # Of a document, not of a row.
            "packed": True,
            "pooler": False,
        }
        | config
    )


def packed_inputs():
    rng = np.random.default_rng(0)
    inputs = {
        "token_ids": rng.integers(3, 19, (2, N)).astype("int32"),
        "padding_mask": np.zeros((2, N), bool),
        "global_mask": np.zeros((2, N), bool),
        "segment_ids": np.full((2, N), -1, "int32"),
    }
    for row, lengths in enumerate(LENGTHS):
        for i, first in enumerate(np.cumsum([0, *lengths[:-1]])):
            own = slice(first, first + lengths[i])
            inputs["padding_mask"][row, own] = True
            inputs["segment_ids"][row, own] = i
            inputs["global_mask"][row, first] = i != 1
    inputs["token_ids"][~inputs["padding_mask"]] = 1
    return inputs


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
@pytest.mark.parametrize("position_rule", ["padding_offset", "absolute"])
def test_as_if_alone(position_rule, jit):
    backbone = make_backbone(position_rule=position_rule, max_global_tokens=3)
    for weight in backbone.weights:
        weight.assign(weight + 0.2 * tf.random.normal(weight.shape))
    inputs = packed_inputs()
    got = tf.function(backbone, jit_compile=jit)(inputs).numpy()
    for row, lengths in enumerate(LENGTHS):
        for i in range(len(lengths)):
            own = inputs["segment_ids"][row] == i
            alone = {name: x[row, own][None] for name, x in inputs.items()}
            del alone["segment_ids"]
            assert_close(got[row, own], backbone(alone)[0])


def test_documents_do_not_see_each_other():
    backbone = make_backbone()
    inputs = packed_inputs()
    before = np.asarray(backbone(inputs))
    inputs["token_ids"][0, 11:29] = 7
    after = np.asarray(backbone(inputs))
    np.testing.assert_array_equal(before[0, :11], after[0, :11])
    assert np.abs(before[0, 11:29] - after[0, 11:29]).max() > 0.1


def test_positions_start_anew():
    ids = tf.constant([[5, 5, 1, 5, 5, 5, 1, 1], [1, 1, 5, 5, 5, 5, 5, 5]])
    segments = tf.constant([[4, 4, 4, 4, 0, 0, 0, 9], [0, 0, 0, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(
        count_positions("padding_offset", ids, 1, segments),
        [[1, 2, 0, 3, 1, 2, 0, 0], [0, 0, 1, 1, 2, 1, 2, 3]],
    )
    np.testing.assert_array_equal(
        count_positions("absolute", ids, 1, segments),
        [[1, 2, 3, 4, 1, 2, 3, 1], [1, 2, 3, 1, 2, 1, 2, 3]],
    )
    none = count_positions("absolute", ids[:, :0], 1, segments[:, :0])
    assert none.shape == (2, 0)


def test_a_document_too_long_is_refused():
    inputs = packed_inputs()
    inputs["segment_ids"][:] = 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="has more to"):
        make_backbone()(inputs)


def test_saves(tmp_path):
    backbone = make_backbone()
    backbone.save_to_preset(tmp_path)
    again = LongformerBackbone.from_preset(tmp_path)
    inputs = packed_inputs()
    np.testing.assert_array_equal(backbone(inputs), again(inputs))
    short = LongformerBackbone.from_preset(tmp_path, packed=False)
    assert "segment_ids" not in short.input
