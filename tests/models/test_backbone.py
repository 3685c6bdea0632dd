"""The encoder: inputs, outputs, saving, presets."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small
from tests.tolerances import assert_close

B, N = 2, 37


def make_inputs(**more):
    rng = np.random.default_rng(0)
    token_ids = rng.integers(4, 200, (B, N)).astype("int32")
    token_ids[1, 20:] = 1
    global_mask = np.zeros((B, N), bool)
    global_mask[:, 0] = True
    return {
        "token_ids": token_ids,
        "padding_mask": token_ids != 1,
        "global_mask": global_mask,
        **more,
    }


def test_outputs():
    backbone = small.make_backbone(pooler=True)
    outputs = backbone(make_inputs())
    assert outputs["sequence_output"].shape == (B, N, 24)
    pooled = np.tanh(
        outputs["sequence_output"][:, 0] @ backbone.pooled_dense.kernel
        + backbone.pooled_dense.bias
    )
    assert_close(outputs["pooled_output"], pooled)
    backbone = small.make_backbone()
    assert backbone(make_inputs()).shape == (B, N, 24)


@pytest.mark.parametrize("way", ["eager", "predict", "data", "symbolic"])
@pytest.mark.parametrize("max_global_tokens", [None, 0, 2])
def test_global_mask_may_be_left_out(way, max_global_tokens):
    backbone = small.make_backbone(max_global_tokens=max_global_tokens)
    inputs = make_inputs()
    inputs["global_mask"] = np.zeros((B, N), bool)
    want = backbone(inputs)
    del inputs["global_mask"]
    if way == "eager":
        got = backbone(inputs)
    elif way == "predict":
        got = backbone.predict(inputs, verbose=0)
    elif way == "data":
        data = tf.data.Dataset.from_tensors(inputs)
        got = backbone.predict(data, verbose=0)
    else:
        symbols = {
            name: keras.Input((None,), dtype=dtype, name=name)
            for name, dtype in [
                ("token_ids", "int32"),
                ("padding_mask", "bool"),
            ]
        }
        got = keras.Model(symbols, backbone(symbols))(inputs)
    assert_close(got, want)


def test_padding_changes_nothing():
    """The second row alone, without its padding."""
    backbone, inputs = small.make_backbone(), make_inputs()
    alone = {name: x[1:, :20] for name, x in inputs.items()}
    assert_close(backbone(inputs)[1:, :20], backbone(alone))


def test_windows_and_dilations_of_each_layer():
    backbone = small.make_backbone(
        num_layers=2, window_size=[2, 6], dilation=[1, [1, 2, 3]]
    )
    first, second = (x.attention for x in backbone.transformer_layers)
    assert (first.window_size, first.dilation) == (2, 1)
    assert (second.window_size, second.dilation) == (6, [1, 2, 3])
    backbone(make_inputs())
    with pytest.raises(ValueError, match="one for each of the 2 layers"):
        small.make_backbone(num_layers=2, window_size=[2, 4, 6])
    with pytest.raises(ValueError, match="must be even"):
        small.make_backbone(window_size=5)


def test_token_types():
    backbone = small.make_backbone(num_token_types=2)
    types = np.zeros((B, N), "int32")
    first = backbone(make_inputs(token_type_ids=types))
    second = backbone(make_inputs(token_type_ids=1 - types))
    assert np.abs(first - second).max() > 1e-3


def test_dtypes_of_masks_are_cast():
    """KerasHub's masks are int32."""
    backbone, inputs = small.make_backbone(), make_inputs()
    want = backbone(inputs)
    assert_close(
        backbone({name: x.astype("int32") for name, x in inputs.items()}), want
    )


def test_mixed_precision():
    backbone = small.make_backbone()
    half = small.make_backbone(dtype="mixed_bfloat16")
    half.set_weights(backbone.get_weights())
    got = half(make_inputs())
    assert got.dtype == "bfloat16"
    assert half.layers[1].weights[0].dtype == "float32"
    assert_close(
        tf.cast(got, "float32"), backbone(make_inputs()), "bfloat16", factor=3
    )


def test_config_round_trip():
    backbone = small.make_backbone(
        num_layers=2,
        dilation=[1, 2],
        dropout=0.2,
        attention_dropout=0.3,
        pooler=True,
        activation="gelu_approximate",
    )
    again = klf.LongformerBackbone.from_config(backbone.get_config())
    assert again.get_config() == backbone.get_config()
    with pytest.raises(ValueError, match="`activation` must be one of"):
        small.make_backbone(activation="gelu_new")


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5", "preset"])
def test_saved_and_loaded(file, tmp_path):
    backbone = small.make_backbone(pooler=True)
    want = backbone(make_inputs())
    path = str(tmp_path / file)
    if file == "model.keras":
        backbone.save(path)
        again = keras.saving.load_model(path)
    elif file == "preset":
        backbone.save_to_preset(path)
        again = keras_hub.models.Backbone.from_preset(path)
    else:
        backbone.save_weights(path)
        again = small.make_backbone(pooler=True)
        again.load_weights(path)
    assert type(again) is klf.LongformerBackbone
    got = again(make_inputs())
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


def test_own_preset_made_long(tmp_path):
    backbone = small.make_backbone()
    backbone.save_to_preset(tmp_path)
    longer = klf.LongformerBackbone.from_preset(
        tmp_path, max_sequence_length=150, window_size=16, dropout=0.4
    )
    assert longer.max_sequence_length == 150
    assert longer.window_size == 16
    assert longer.dropout == 0.4
    table = backbone.embeddings.position_embedding.embeddings.numpy()
    copies = np.concatenate([table[:2], *[table[2:]] * 3])[:152]
    np.testing.assert_array_equal(
        longer.embeddings.position_embedding.embeddings, copies
    )
    same = klf.LongformerBackbone.from_preset(tmp_path, window_size=8)
    assert_close(same(make_inputs()), backbone(make_inputs()))
    with pytest.raises(ValueError, match="positions='copied'"):
        klf.LongformerBackbone.from_preset(tmp_path, positions="copied")


def test_numpy_integers():
    backbone = small.make_backbone(
        window_size=np.array([8]),
        dilation=[[np.int64(1), 2, 1]],
        max_sequence_length=np.int64(64),
        max_global_tokens=np.int32(1),
    )
    again = type(backbone).from_config(backbone.get_config())
    assert again.get_config() == backbone.get_config()
    layer = backbone.transformer_layers[0].attention
    assert type(layer.window_size) is int
    assert layer.dilation == [1, 2, 1]


def test_misspelt_arguments_are_refused(tmp_path):
    with pytest.raises(TypeError, match="'windowsize'.* window_size, "):
        small.make_backbone(windowsize=4)
    small.make_backbone().save_to_preset(tmp_path)
    with pytest.raises(TypeError, match="no argument 'windowsize'"):
        klf.LongformerBackbone.from_preset(tmp_path, windowsize=4)


def test_global_projections_start_anew_after_pretraining(tmp_path, caplog):
    """Training without global tokens leaves them behind the local ones."""
    backbone = small.make_backbone(max_global_tokens=0)
    attention = backbone.transformer_layers[0].attention
    assert not attention.global_query.trainable_weights
    backbone.save_to_preset(tmp_path)
    again = klf.LongformerBackbone.from_preset(tmp_path, max_global_tokens=2)
    attention = again.transformer_layers[0].attention
    np.testing.assert_array_equal(
        attention.global_query.kernel, attention.query.kernel
    )
    assert attention.global_query.trainable_weights
    assert "trained without global tokens" in caplog.text


def test_lora(tmp_path):
    backbone = small.make_backbone()
    want = backbone(make_inputs())
    backbone.enable_lora(2)
    assert_close(backbone(make_inputs()), want)
    trainable = {w.path.split("/")[2] for w in backbone.trainable_weights}
    assert trainable == {"query", "value"}


def test_reads_the_longformer_paper_recipe():
    """More layers, a window that grows, and one dilated head pair."""
    backbone = small.make_backbone(
        num_layers=3,
        hidden_dim=24,
        num_heads=4,
        window_size=[2, 4, 8],
        dilation=[1, 1, [1, 1, 2, 2]],
    )
    assert np.isfinite(backbone(make_inputs())).all()


def test_own_preset_with_other_arguments(tmp_path):
    """`None` and a new pooler are arguments too."""
    backbone = small.make_backbone(attention_dropout=0.3)
    backbone.save_to_preset(tmp_path)
    again = klf.LongformerBackbone.from_preset(
        tmp_path, attention_dropout=None, max_global_tokens=None, pooler=True
    )
    assert again.attention_dropout is None
    assert again.max_global_tokens is None
    inputs = make_inputs()
    assert_close(again(inputs)["sequence_output"], backbone(inputs))
