import json
import math

import keras
import keras_hub
import numpy as np
import pytest

import keras_longformer
from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.weights.keras_hub import read_keras_hub
from keras_longformer.weights.load import open_foreign
from keras_longformer.weights.load import preset_kind
from tests.tasks import small

SIZES = {
    "vocabulary_size": 19,
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 15,
    "intermediate_dim": 17,
    "max_sequence_length": 11,
}


def random_backbone(cls="RobertaBackbone"):
    backbone = getattr(keras_hub.models, cls)(**SIZES)
    rng = np.random.default_rng(0)
    for weight in backbone.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return backbone


def softmax(scores):
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


def layer_norm(x, arrays, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt(np.mean(np.square(x), -1, keepdims=True) + 1e-5)
    return x * arrays[f"{name}/gamma"] + arrays[f"{name}/beta"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def roberta(arrays, token_ids, num_layers):
    """A dense RoBERTa in NumPy, on our names: what they must mean."""
    n = len(token_ids)
    x = arrays["embeddings/token_embedding/embeddings"][token_ids]
    x = x + arrays["embeddings/position_embedding/embeddings"][2 : n + 2]
    x = x + arrays["embeddings/token_type_embedding/embeddings"][0]
    x = layer_norm(x, arrays, "embeddings/layer_norm")
    for i in range(num_layers):

        def dense(x, name, equation, i=i):
            name = f"layer_{i}/{name}"
            kernel = arrays[f"{name}/kernel"]
            return np.einsum(equation, x, kernel) + arrays[f"{name}/bias"]

        query, key, value = (
            dense(x, f"attention/{part}", "nm,mhd->nhd")
            for part in ("query", "key", "value")
        )
        scores = np.einsum("qhd,khd->hqk", query, key)
        scores = softmax(scores / np.sqrt(query.shape[-1]))
        context = np.einsum("hqk,khd->qhd", scores, value)
        y = dense(context, "attention/attention_output", "nhd,hdm->nm")
        x = layer_norm(x + y, arrays, f"layer_{i}/attention_layer_norm")
        y = gelu(dense(x, "intermediate", "nm,mf->nf"))
        y = dense(y, "output", "nf,fm->nm")
        x = layer_norm(x + y, arrays, f"layer_{i}/output_layer_norm")
    return x


def test_our_names_mean_what_keras_hub_computes():
    backbone = random_backbone()
    preset = read_keras_hub(backbone)
    token_ids = np.array([0, 7, 12, 5, 18, 3, 2])
    want = backbone.predict(
        {
            "token_ids": token_ids[None],
            "padding_mask": np.ones((1, 7), "int32"),
        },
        verbose=0,
    )[0]
    got = roberta(preset.arrays, token_ids, 2)
    np.testing.assert_allclose(got, want, atol=2e-5)
    rows = preset.arrays["embeddings/position_embedding/embeddings"]
    assert rows.shape == (13, 15) and not rows[:2].any()
    assert not preset.arrays["embeddings/token_type_embedding/embeddings"].any()


@pytest.mark.parametrize("cls", ["RobertaBackbone", "XLMRobertaBackbone"])
def test_preset_folder(tmp_path, cls):
    backbone = random_backbone(cls)
    backbone.save_to_preset(tmp_path)
    assert preset_kind(tmp_path) == "keras_hub_encoder"
    preset = open_foreign(tmp_path, max_sequence_length=20, window_size=4)
    assert preset.config["pooler"] is False
    assert preset.config["max_sequence_length"] == 20
    assert preset.tokenizer_files == {}
    want = read_keras_hub(backbone).arrays
    name = "layer_1/attention/attention_output/kernel"
    assert preset.arrays[name].shape == (3, 5, 15)
    np.testing.assert_array_equal(preset.arrays[name], want[name])
    np.testing.assert_array_equal(
        preset.arrays["layer_0/attention/global_key/bias"],
        want["layer_0/attention/key/bias"],
    )


@pytest.mark.parametrize(
    "cls, options, names",
    [
        (
            "RobertaMaskedLM",
            {},
            [
                "lm_head/intermediate_dense/kernel",
                "lm_head/intermediate_dense/bias",
                "lm_head/intermediate_layer_norm/gamma",
                "lm_head/intermediate_layer_norm/beta",
                "lm_head/output_bias",
            ],
        ),
        (
            "RobertaTextClassifier",
            {"num_classes": 4},
            [
                "pooled_dense/kernel",
                "pooled_dense/bias",
                "logits/kernel",
                "logits/bias",
            ],
        ),
    ],
)
def test_task_preset(tmp_path, cls, options, names):
    backbone = random_backbone()
    task = getattr(keras_hub.models, cls)(backbone, **options)
    bare = read_keras_hub(backbone).arrays
    task.save_to_preset(tmp_path)
    head_modules = getattr(
        keras_longformer, cls.replace("Roberta", "Longformer")
    ).head_modules
    assert set(bare) == {
        n for n in open_foreign(tmp_path).arrays if "/global_" not in n
    }
    arrays = open_foreign(tmp_path, head_modules=head_modules).arrays
    assert set(names) == {n for n in arrays if "/global_" not in n} - set(bare)
    want = read_keras_hub(task, head_modules=head_modules).arrays
    for name in names:
        np.testing.assert_array_equal(arrays[name], want[name])
    assert open_foreign(tmp_path, load_weights=False).arrays == {}


def test_tokenizer(tmp_path):
    mine = small.make_tokenizer()
    vocabulary, merges = dict(mine.vocabulary), list(mine.merges)
    tokenizer = keras_hub.tokenizers.RobertaTokenizer(vocabulary, merges)
    random_backbone().save_to_preset(tmp_path)
    tokenizer.save_to_preset(tmp_path)
    preset = open_foreign(tmp_path, load_weights=False)
    again = open_tokenizer(preset.tokenizer_files)
    assert again.vocabulary == vocabulary and again.merges == merges
    assert preset.arrays == {}


def test_other_presets_are_left_to_keras_hub(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"class_name": "AlbertBackbone", "registered_name": "x"})
    )
    assert preset_kind(tmp_path) == "keras_hub"
    with pytest.raises(ValueError, match="take `from_preset` of the backbone"):
        open_foreign(tmp_path)
    assert preset_kind("albert_base_en_uncased") == "keras_hub"


def test_a_missing_folder_is_named():
    with pytest.raises(ValueError, match="'owner/name', which is not a folder"):
        preset_kind("owner/name")


def test_known_names():
    for name in (
        "roberta_base_en",
        "xlm_roberta_base_multi",
        "kaggle://keras/roberta/keras/roberta_base_en",
        "bert_base_en",
    ):
        assert preset_kind(name) == "keras_hub_encoder"


def test_another_backbone_is_refused():
    with pytest.raises(ValueError, match="Received: Dense"):
        read_keras_hub(keras.layers.Dense(2))
