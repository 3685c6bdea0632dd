"""Encoders and decoders as ONNX files, against the dense definition."""

import os

import keras
import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.ops.chunked import CHUNK_SIZE
from keras_longformer.portable import comparison
from keras_longformer.portable import onnx_file
from tests.portable import files

VARIANTS = {
    "plain": {"max_sequence_length": 4096, "num_layers": 1},
    "dilated, any global tokens": {
        "dilation": [2, [1, 3, 2]],
        "max_global_tokens": None,
        "activation": "gelu_approximate",
    },
    "causal, packed, types, absolute": {
        "num_layers": 1,
        "causal": True,
        "packed": True,
        "num_token_types": 2,
        "position_rule": "absolute",
        "pooler": False,
    },
}


def edge(model):
    """The most tokens that are one chunk: of the first layer and the last."""
    found = []
    for layer in model.transformer_layers:
        layer = layer.attention
        reach = layer.window_size // 2
        seen = reach if layer.causal else layer.window_size
        steps = np.atleast_1d(layer.dilation)
        found += [int(step) * (CHUNK_SIZE + seen) for step in steps]
    return min(found), max(found)


def inputs_of(model, batch, length, seed=0):
    return model.example_inputs(batch, length, np.random.default_rng(seed))


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_the_definition(tmp_path, name):
    """At lengths, numbers of rows and of global tokens as they come."""
    model = files.backbone(**VARIANTS[name])
    path = files.export(model, tmp_path)
    want, opened = files.densely(model), files.session(path)
    first, last = edge(model)
    reach = model.window_size // 2
    longest = min(model.max_sequence_length, 700)
    lengths = [1, reach, reach + 1, first - 1, first, first + 1]
    lengths += [n for n in (last - 1, last, last + 1) if n <= longest]
    for number, length in enumerate([*lengths, longest]):
        inputs = inputs_of(model, 1 + number % 3, length, number)
        files.assert_same(files.run(opened, inputs), want(inputs))
    inputs["global_mask"][:] = False
    files.assert_same(files.run(opened, inputs), want(inputs))
    if model.max_sequence_length == 4096:  # Too large for the definition.
        inputs = inputs_of(model, 2, 4096)
        files.assert_same(files.run(opened, inputs), model(inputs))
    inputs = inputs_of(model, 2, first + 1)
    for level in files.LEVELS:
        opened = files.session(path, level)
        files.assert_same(files.run(opened, inputs), want(inputs))
    said = files.facts(path)
    assert said["model"] == "LongformerBackbone"
    assert said["largest_difference"] < 1e-5
    assert [1, model.max_sequence_length] in said["compared"]["rows_and_tokens"]
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.slow
def test_decoder_with_relative_positions(tmp_path):
    model = klf.LongformerDecoderBackbone(
        29, 2, 2, 8, 13, window_size=[6, 10], dilation=[1, [1, 2]]
    )
    model = files.stirred(model)
    opened = files.session(files.export(model, tmp_path))
    assert [one.name for one in opened.get_inputs()] == [
        "token_ids",
        "padding_mask",
    ]
    want = files.densely(model)
    for batch, length in ((2, 1), (1, 131), (3, 132), (2, 267), (1, 500)):
        inputs = inputs_of(model, batch, length)
        files.assert_same(files.run(opened, inputs), want(inputs))


@pytest.mark.parametrize(
    "dtype",
    ["mixed_bfloat16", pytest.param("float16", marks=pytest.mark.slow)],
)
def test_adapters_and_16_bits(tmp_path, dtype):
    """One copy in float32, with what LoRA has learnt."""
    config = {"num_layers": 1, "pooler": False, "max_sequence_length": 40}
    model = files.backbone(**config, dtype=dtype)
    model.enable_lora(2, ["query", "global_value"])
    files.stirred(model)
    path = files.export(model, tmp_path)
    plain = files.backbone(**config)
    arrays = {w.path: np.asarray(w, "float32") for w in model.weights}
    for name in ("query", "global_value"):
        at = f"layer_0/attention/{name}/"
        product = np.matmul(
            arrays.pop(f"{at}lora_kernel_a"), arrays.pop(f"{at}lora_kernel_b")
        )
        assert np.abs(product).max() > 0.1
        arrays[f"{at}kernel"] = arrays[f"{at}kernel"] + product
    for weight in plain.weights:
        if weight.path in arrays:
            weight.assign(arrays.pop(weight.path))
    assert all("seed" in name for name in arrays)
    inputs = inputs_of(plain, 2, 39)
    got = files.run(files.session(path), inputs)
    files.assert_same(got, files.densely(plain)(inputs))
    said = files.facts(path)
    assert said["dtype_policy"] == dtype
    compared = said["compared"]
    assert 1e-5 < compared["to_the_model_in_its_own_dtype"] < 0.1
    assert compared["largest_difference"] < 1e-5


def test_says_no_numbers_for_what_cannot_be(tmp_path):
    model = files.backbone(
        num_layers=1, num_token_types=2, max_sequence_length=40
    )
    opened = files.session(files.export(model, tmp_path))
    for name, value in (
        ("token_ids", -1),
        ("token_ids", 97),
        ("token_type_ids", 2),
    ):
        inputs = inputs_of(model, 2, 9)
        inputs[name][1, 3] = value
        with pytest.raises(Exception, match="out of data bounds"):
            files.run(opened, inputs)
    with pytest.raises(Exception, match="out of data bounds"):
        files.run(opened, inputs_of(model, 1, 41))
    inputs = inputs_of(model, 2, 9)
    inputs["global_mask"][0] = True
    got = files.run(opened, inputs)["sequence_output"]
    assert np.isnan(got[0]).all() and not np.isnan(got[1]).any()


def test_a_wrong_file_is_not_published(tmp_path, monkeypatch):
    """One whose GELU is another."""
    right = onnx_file._convert

    def wrong(function):
        proto = right(function)
        for node in proto.graph.node:
            node.op_type = {"Erf": "Tanh"}.get(node.op_type, node.op_type)
        return proto

    model = files.backbone(num_layers=1, max_sequence_length=40)
    monkeypatch.setattr(onnx_file, "_convert", wrong)
    (tmp_path / "model.onnx").write_text("before")
    with pytest.raises(RuntimeError, match="at 2 x 1, .*Nothing was exported"):
        model.export(str(tmp_path / "model.onnx"), format="onnx")
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "before"


def test_an_operation_that_onnx_lacks(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Embedder(klf.LongformerEmbedder):
        def call(self, inputs, training=None, mask=None):
            outputs = super().call(inputs, training=training, mask=mask)
            return keras.ops.erfinv(outputs / 9)

    model = Embedder(files.backbone(num_layers=1, max_sequence_length=40))
    with pytest.raises(ValueError, match="has none for: Erfinv"):
        model.export(str(tmp_path / "model.onnx"), format="onnx")
    assert os.listdir(tmp_path) == []


def test_refusals(tmp_path):
    model = files.backbone(num_layers=1, max_global_tokens=None)
    path = str(tmp_path / "model.onnx")
    for match, arguments in (
        ("must end in", {"filepath": "model.bin"}),
        ("without input_signature", {"input_signature": []}),
        ("without opset_version", {"opset_version": 18}),
        ("LiteRT", {"format": "litert"}),
        ("Unrecognized format", {"format": "nothing"}),
        (
            "max_global_tokens=None",
            {"format": "openvino", "filepath": "m.xml"},
        ),
    ):
        arguments = {"filepath": path, "format": "onnx", **arguments}
        with pytest.raises(ValueError, match=match):
            model.export(**arguments)
    model.quantize("int8")
    with pytest.raises(ValueError, match="quantized .int8.*float32"):
        model.export(path, format="onnx")
    assert os.listdir(tmp_path) == []


def test_where_it_is_compared():
    """The window's and the chunk's edges, of the least and the largest."""
    windows = {(6, 1, False), (10, 2, True), (8, 1, False)}
    got = comparison.lengths_of(windows, 300)
    assert got == [
        *(1, 2, 3, 4, 5, 6),
        *(CHUNK_SIZE + 5, CHUNK_SIZE + 6, CHUNK_SIZE + 7),
        *(2 * CHUNK_SIZE + 9, 2 * CHUNK_SIZE + 10, 2 * CHUNK_SIZE + 11),
        300,
    ]
    assert comparison.lengths_of(windows, 3) == [1, 2, 3]
    assert max(comparison.lengths_of(windows, None)) == 3 * CHUNK_SIZE + 13


def test_differences():
    want = {"x": np.array([[1.0, -1e9], [200.0, 0.0]])}
    one = {"x": np.array([[1.0, -1e9], [200.0, 1.0]])}
    assert comparison.difference(want, want) == 0
    assert comparison.difference(one, want) == pytest.approx(1 / 200)
    for got in (
        {"x": want["x"][:1]},
        {"y": want["x"]},
        {"x": want["x"] * np.nan},
        {"x": np.zeros((2, 2))},
    ):
        assert comparison.difference(got, want) >= 1
