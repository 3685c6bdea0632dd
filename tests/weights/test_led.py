"""LED's weights under the names of TensorFlow's files.

The names are those that transformers' `modeling_tf_led.py` gives its layers.
"""

import json

import h5py
import numpy as np
import pytest

from keras_longformer import weights
from keras_longformer.weights.families import LED

SIZES = {
    "vocab_size": 11,
    "d_model": 6,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 7,
    "decoder_ffn_dim": 5,
    "attention_window": 4,
    "max_encoder_position_embeddings": 9,
    "max_decoder_position_embeddings": 8,
}


def hdf5_name(name, array):
    """A name of PyTorch's and its array, as Keras 2 wrote them."""
    if name == "shared.weight":
        return "led.shared/led.shared/weight:0", array
    *modules, leaf = name.split(".")
    if "layers" in modules:
        i = modules.index("layers")
        modules[i : i + 2] = [f"layers.{modules[i + 1]}"]
    if "norm" in modules[-1]:
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    elif "embed" in modules[-1]:
        leaf = "embeddings"
    elif leaf == "weight":
        leaf, array = "kernel", array.T
    path = ["led", "tf_led_for_conditional_generation", "led", *modules]
    return "/".join([*path, f"{leaf}:0"]), array


def test_hdf5(tmp_path):
    config = {**SIZES, "model_type": "led"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    keywords = LED.to_keywords(config)
    generator = np.random.default_rng(0)
    width, d = 6, {"encoder": 2, "decoder": 3}
    ours = {}
    for entry in LED.entries(LED.num_layers(keywords)):
        side = entry.ours.split("_")[0]
        inner = SIZES.get(f"{side}_ffn_dim")
        heads = (width // d[side], d[side]) if side in d else ()
        module, leaf = entry.ours.split("/")[-2:]
        if leaf == "embeddings":
            rows = SIZES.get(f"max_{side}_position_embeddings", 11)
            shape = (rows, width)
        elif leaf in ("gamma", "beta"):
            shape = (width,)
        elif module == "intermediate":
            shape = (width, inner) if leaf == "kernel" else (inner,)
        elif module == "output":
            shape = (inner, width) if leaf == "kernel" else (width,)
        elif module == "attention_output":
            shape = (*heads, width) if leaf == "kernel" else (width,)
        else:
            shape = (width, *heads) if leaf == "kernel" else heads
        ours[entry.ours] = generator.normal(size=shape).astype("float32")
    theirs = LED.to_theirs(ours, num_layers=LED.num_layers(keywords))
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        for name, array in theirs.items():
            path, array = hdf5_name(name, array)
            file[path] = array
    found = weights.open_seq2seq(tmp_path).arrays
    assert found.keys() == ours.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(np.asarray(found[name]), array, name)


def test_what_says_nothing_may_be_anything():
    """BART's key for positions, which LED's files have left over."""
    config = {**SIZES, "model_type": "led", "max_position_embeddings": None}
    assert LED.to_keywords(config)["num_layers"] == SIZES["encoder_layers"]
    with pytest.raises(ValueError, match="decoder_attention_heads=4, which do"):
        LED.to_keywords({**config, "decoder_attention_heads": 4})
