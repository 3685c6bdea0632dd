import json
import os
from functools import partial

import numpy as np
import pytest
from safetensors import safe_open

from keras_longformer.tasks.masked_lm.model import LongformerMaskedLM
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.weights import assign
from keras_longformer.weights import readers
from keras_longformer.weights.hugging_face import read_hugging_face
from keras_longformer.weights.hugging_face import save_hugging_face
from keras_longformer.weights.load import open_foreign
from tests.vocabularies import tiny_vocabulary

ARCHITECTURES = {
    None: "LongformerModel",
    "masked_lm": "LongformerForMaskedLM",
    "classifier": "LongformerForSequenceClassification",
    "question_answering": "LongformerForQuestionAnswering",
    "token_classifier": "LongformerForTokenClassification",
}


def filled(model_of, arrays, **config):
    model = model_of(arrays, **config)
    assign(model, arrays)
    return model


@pytest.mark.parametrize("head", list(ARCHITECTURES))
def test_there_and_back_is_exact(
    arrays, model_of, task_of, modules_of, tmp_path, head
):
    ours = arrays(head)
    make = partial(task_of, head) if head else model_of
    save_hugging_face(filled(make, ours), tmp_path)
    preset = read_hugging_face(tmp_path, head_modules=modules_of(head))
    # transformers' tasks have no pooler.
    want = {n: a for n, a in ours.items() if not head or "pooler" not in n}
    assert set(preset.arrays) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(preset.arrays[name], array)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == [ARCHITECTURES[head]]
    assert config["attention_window"] == [4, 6]
    labels = 7 if head in ("classifier", "token_classifier") else 0
    assert len(config.get("id2label", ())) == labels
    assert preset.config["pooler"] is (head is None)
    assert preset.config["max_sequence_length"] == 11
    # A backbone takes its own alone.
    bare = read_hugging_face(tmp_path)
    assert set(bare.arrays) == set(arrays()) & set(want)


def test_only_whole_files_are_left(arrays, model_of, tmp_path):
    folder = tmp_path / "a" / "b"
    model = filled(model_of, arrays())
    for _ in range(2):  # the second time over the first
        save_hugging_face(model, folder)
        assert sorted(os.listdir(folder)) == [
            "config.json",
            "model.safetensors",
        ]
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert "embeddings.word_embeddings.weight" in file.keys()


def test_a_file_that_fails_leaves_the_old_one(
    arrays, model_of, tmp_path, monkeypatch
):
    model = filled(model_of, arrays())
    save_hugging_face(model, tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_hugging_face(model, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert len(os.listdir(tmp_path)) == 2


def test_tokenizer_files(arrays, model_of, tmp_path):
    model = filled(model_of, arrays())
    tokenizer = LongformerTokenizer(*tiny_vocabulary())
    model.preprocessor = type("Preprocessor", (), {"tokenizer": tokenizer})
    save_hugging_face(model, tmp_path)
    preset = read_hugging_face(tmp_path)
    again = open_tokenizer(preset.tokenizer_files)
    assert again.vocabulary == tokenizer.vocabulary
    assert again.merges == tokenizer.merges


def test_no_pooler_is_said(arrays, model_of, tmp_path):
    ours = {n: a for n, a in arrays().items() if "pooler" not in n}
    model = filled(model_of, ours, pooler=False)
    with pytest.warns(UserWarning, match="add_pooling_layer=False"):
        save_hugging_face(model, tmp_path)
    assert read_hugging_face(tmp_path).config["pooler"] is False


def test_what_cannot_be_expressed(arrays, model_of, tmp_path):
    folder = tmp_path / "new"
    model = filled(model_of, arrays(), dilation=[1, 2])
    with pytest.raises(ValueError, match=r"dilation=\[1, 2\]"):
        save_hugging_face(model, folder)
    ours = arrays() | {"layer_0/adapter/kernel": np.ones((2, 2), np.float32)}
    with pytest.raises(ValueError, match="layer_0/adapter/kernel"):
        save_hugging_face(filled(model_of, ours), folder)
    assert not folder.exists()


@pytest.mark.parametrize("positions", ["copy", "sinusoidal", "random"])
def test_roberta_is_made_long(golden, positions):
    folder = golden / "roberta-masked_lm"
    short = open_foreign(folder)
    assert short.config["max_sequence_length"] == 20
    assert short.config["window_size"] == 512
    assert short.config["pooler"] is False
    long = open_foreign(
        folder,
        max_sequence_length=47,
        window_size=6,
        positions=positions,
        head_modules=LongformerMaskedLM.head_modules,
    )
    assert long.config["max_sequence_length"] == 47
    assert long.config["window_size"] == 6
    name = "embeddings/position_embedding/embeddings"
    assert long.arrays[name].shape == (49, 24)
    np.testing.assert_array_equal(
        long.arrays["layer_1/attention/global_key/kernel"],
        short.arrays["layer_1/attention/key/kernel"],
    )
    assert len([n for n in long.arrays if n.startswith("lm_head/")]) == 5
    assert not [n for n in short.arrays if "lm_head" in n]


def test_longformer_is_made_longer(golden):
    folder = golden / "longformer-base"
    short = open_foreign(folder)
    assert short.config["pooler"] is True
    assert short.config["window_size"] == [4, 8]
    long = open_foreign(folder, max_sequence_length=130)
    rows = long.arrays["embeddings/position_embedding/embeddings"]
    np.testing.assert_array_equal(rows[2:66], rows[66:130])
    name = "layer_0/attention/global_query/kernel"
    np.testing.assert_array_equal(long.arrays[name], short.arrays[name])
    local = short.arrays["layer_0/attention/query/kernel"]
    assert np.any(np.asarray(short.arrays[name]) != np.asarray(local))


def test_configuration_only(golden):
    preset = open_foreign(golden / "longformer-base", load_weights=False)
    assert preset.arrays == {} and preset.config["pooler"] is True


def test_shards_hold_the_same_weights(golden):
    whole = open_foreign(golden / "longformer-base").arrays
    shards = open_foreign(golden / "longformer-sharded").arrays
    assert set(whole) == set(shards)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, shards[name])


def test_no_array_is_read_before_it_is_assigned(golden, monkeypatch):
    def refuse(self, name):
        raise AssertionError(f"{name} was read")

    with monkeypatch.context() as patch:
        patch.setattr(readers.LazyArrays, "__getitem__", refuse)
        arrays = open_foreign(golden / "longformer-base").arrays
        shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes["layer_1/attention/global_key/kernel"] == (24, 3, 8)
    for name, array in arrays.items():
        assert np.asarray(array).shape == shapes[name]
