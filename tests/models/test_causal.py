"""Windows that end with their own token, through block and backbone."""

import numpy as np
import pytest

from keras_longformer.layers import LongformerBlock
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.ops import reference
from keras_longformer.weights.hugging_face import save_hugging_face
from tests.tolerances import assert_close

N = 29


def make_backbone(causal=True, **config):
    config = {
        "vocabulary_size": 19,
        "num_layers": 3,
        "num_heads": 3,
        "hidden_dim": 15,
        "intermediate_dim": 17,
        "window_size": [4, 6, 4],
        "dilation": [1, 2, [1, 3, 1]],
        "max_sequence_length": 31,
        "dropout": 0.0,
        "causal": causal,
    } | config
    return LongformerBackbone(**config)


def layers_of(backbone, token_ids):
    x = backbone.embeddings(token_ids)
    outputs = []
    for layer in backbone.transformer_layers:
        x = layer(x)
        outputs.append(x.numpy())
    return outputs


@pytest.mark.parametrize("position_rule", ["padding_offset", "absolute"])
def test_a_later_token_changes_nothing_before_it(position_rule):
    backbone = make_backbone(position_rule=position_rule)
    token_ids = np.random.default_rng(0).integers(2, 19, (2, N))
    before = layers_of(backbone, token_ids)
    changed = token_ids.copy()
    changed[:, 17] = 2 + (token_ids[:, 17] - 1) % 17
    for i, (one, other) in enumerate(
        zip(before, layers_of(backbone, changed), strict=True)
    ):
        np.testing.assert_array_equal(one[:, :17], other[:, :17], str(i))
        assert np.any(one[:, 17] != other[:, 17])
    inputs = {"padding_mask": np.ones((2, N), bool)}
    got = backbone.sequence_output({"token_ids": token_ids, **inputs})
    assert_close(got, before[-1], "float32")


def test_one_for_each_layer():
    backbone = make_backbone(causal=[True, False, True])
    layers = backbone.transformer_layers
    assert [layer.attention.causal for layer in layers] == [True, False, True]
    again = LongformerBackbone.from_config(backbone.get_config())
    assert again.causal == [True, False, True]
    with pytest.raises(ValueError, match="one for each of the 3 layers"):
        make_backbone(causal=[True, False])
    with pytest.raises(ValueError, match=r"`causal\[1\]`, of layer 1: .* 2"):
        make_backbone(causal=[True, 2, False])


def test_block_equals_the_reference():
    block = LongformerBlock(3, 17, window_size=6, dilation=2, causal=True)
    block.build((None, None, 15))
    x = np.random.default_rng(0).normal(size=(2, N, 15)).astype("float32")
    layer = block.attention
    context = reference.window_attention(
        layer.query(x),
        layer.key(x),
        layer.value(x),
        window_size=6,
        dilation=2,
        causal=True,
    )
    y = block.attention_layer_norm(x + layer.attention_output(context))
    want = block.output_layer_norm(
        y + block.output_dense(block.intermediate(y))
    )
    assert_close(block(x), want, "float32")
    assert LongformerBlock.from_config(block.get_config()).causal is True


def test_hugging_face_has_none(tmp_path):
    backbone = make_backbone(dilation=1, num_token_types=1)
    with pytest.raises(ValueError, match="causal=True"):
        save_hugging_face(backbone, tmp_path)


@pytest.mark.parametrize(
    "config, match",
    [
        ({"window_size": [4, 6, 7]}, r"`window_size\[2\]`.*even.*=7"),
        ({"dilation": [1, 0, 1]}, r"`dilation\[1\]`.*positive"),
        ({"dilation": [1, 1, [1, 2]]}, r"`dilation\[2\]`.*3 heads"),
        ({"num_heads": 4}, "num_heads=4, hidden_dim=15"),
        ({"position_rule": "first"}, "position_rule='first'"),
    ],
)
def test_errors_say_which_layer(config, match):
    with pytest.raises(ValueError, match=match):
        make_backbone(**config)
