"""Our models against the numbers of Hugging Face's, and back.

`tests/golden/make_golden.py` made the files, with transformers 4.57.6.
"""

import shutil

import keras_hub
import numpy as np
import pytest

from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.tasks.masked_lm.model import LongformerMaskedLM
from keras_longformer.tasks.text_classification.model import (
    LongformerTextClassifier,
)
from keras_longformer.weights.hugging_face import save_hugging_face
from tests.golden.reading import GOLDEN
from tests.golden.reading import assert_near
from tests.golden.reading import call
from tests.golden.reading import first_is_global
from tests.golden.reading import masked_lm_logits
from tests.golden.reading import read

LONGFORMER_CASES = (
    "no_mask",
    "right_padding",
    "left_padding_unequal_global",
    "middle_padding",
    "all_global_all_padding",
    "shorter_than_the_window",
    "long",
)
ROBERTA_CASES = ("none_padding", "right_padding", "left_padding")
FILES = ("model.safetensors", "tf_model.h5")


@pytest.fixture
def opened(tmp_path):
    """Returns a folder with one of a golden folder's two weights' files."""

    def open_with(name, file):
        shutil.copy(GOLDEN / name / "config.json", tmp_path)
        shutil.copy(GOLDEN / name / file, tmp_path)
        return str(tmp_path)

    return open_with


@pytest.mark.parametrize("file", FILES)
def test_longformer_backbone(opened, file):
    backbone = LongformerBackbone.from_preset(opened("longformer-base", file))
    for case in LONGFORMER_CASES:
        inputs, want = read("longformer", case)
        got = call(backbone, inputs)
        # Hugging Face's rows of padding are defined as well, and equal.
        assert_near(got["sequence_output"], want["sequence_output"])
        assert_near(got["pooled_output"], want["pooled_output"])


def test_longformer_in_shards():
    backbone = LongformerBackbone.from_preset(
        str(GOLDEN / "longformer-sharded")
    )
    inputs, want = read("longformer", "middle_padding")
    got = call(backbone, inputs)
    assert_near(got["sequence_output"], want["sequence_output"])


@pytest.mark.parametrize("file", FILES)
def test_longformer_masked_lm(opened, file):
    model = LongformerMaskedLM.from_preset(
        opened("longformer-masked_lm", file),
        preprocessor=None,
        max_global_tokens=None,
    )
    for case in LONGFORMER_CASES:
        inputs, want = read("longformer", case)
        assert_near(masked_lm_logits(model, inputs), want["masked_lm"])


@pytest.mark.parametrize("file", FILES)
def test_longformer_text_classifier(opened, file):
    model = LongformerTextClassifier.from_preset(
        opened("longformer-classifier", file), preprocessor=None
    )
    for case in LONGFORMER_CASES:
        inputs, want = read("longformer", case)
        got = call(model, first_is_global(inputs))
        assert_near(got, want["classifier"])


def test_attention_scores_have_hugging_face_shapes():
    backbone = LongformerBackbone.from_preset(str(GOLDEN / "longformer-base"))
    inputs, want = read("longformer", "right_padding")
    masks = {name: inputs[name] for name in ("padding_mask", "global_mask")}
    token_ids = inputs["token_ids"]
    x = backbone.embeddings(token_ids, token_type_ids=np.zeros_like(token_ids))
    for i, layer in enumerate(backbone.transformer_layers):
        _, scores, global_scores = layer.attention(
            x, **masks, return_attention_scores=True
        )
        assert_near(scores, want[f"attentions_{i}"])
        # Theirs go on into the padding to a multiple of the window.
        n = token_ids.shape[1]
        assert_near(global_scores, want[f"global_attentions_{i}"][:, :, :n])
        x = layer(x, **masks)


@pytest.mark.parametrize("file", FILES)
def test_roberta_is_a_longformer_with_a_large_window(opened, file):
    backbone = LongformerBackbone.from_preset(opened("roberta-base", file))
    for case in ROBERTA_CASES:
        inputs, want = read("roberta", case)
        got = call(backbone, inputs)
        # Dense attention computes something in rows of padding too.
        real = inputs["padding_mask"]
        assert_near(got["sequence_output"], want["sequence_output"], real)
        first_is_real = real[:, 0]
        assert_near(got["pooled_output"], want["pooled_output"], first_is_real)


@pytest.mark.parametrize(
    "family, file",
    [
        ("roberta", "model.safetensors"),
        ("roberta", "tf_model.h5"),
        ("xlm_roberta", "model.safetensors"),
    ],
)
def test_roberta_masked_lm(opened, family, file):
    model = LongformerMaskedLM.from_preset(
        opened(f"{family}-masked_lm", file), preprocessor=None
    )
    for case in ROBERTA_CASES:
        inputs, want = read(family, case)
        got = masked_lm_logits(model, inputs)
        assert_near(got, want["masked_lm"], inputs["padding_mask"])


@pytest.mark.parametrize(
    "family, file",
    [
        ("roberta", "model.safetensors"),
        ("roberta", "tf_model.h5"),
        ("camembert", "tf_model.h5"),
    ],
)
def test_roberta_text_classifier(opened, family, file):
    model = LongformerTextClassifier.from_preset(
        opened(f"{family}-classifier", file), preprocessor=None
    )
    for case in ROBERTA_CASES:
        inputs, want = read(family, case)
        real = inputs["padding_mask"][:, 0]
        # Copied projections: a global token that sees everything anyway
        # computes what RoBERTa's token does.
        got = call(model, first_is_global(inputs))
        assert_near(got, want["classifier"], real)


@pytest.mark.parametrize("file", FILES)
def test_roberta_made_long(opened, file):
    """The notebook's conversion of the same file, run by Hugging Face."""
    folder = opened("roberta-masked_lm", file)
    options = {"max_sequence_length": 47, "window_size": 4}
    backbone = LongformerBackbone.from_preset(folder, pooler=False, **options)
    model = LongformerMaskedLM.from_preset(
        folder, preprocessor=None, max_global_tokens=None, **options
    )
    for case in ("with_global", "without_global"):
        inputs, want = read("roberta_long", case)
        assert_near(call(backbone, inputs), want["sequence_output"])
        assert_near(masked_lm_logits(model, inputs), want["masked_lm"])


@pytest.mark.parametrize(
    "task, cls",
    [
        ("base", LongformerBackbone),
        ("masked_lm", LongformerMaskedLM),
        ("classifier", LongformerTextClassifier),
    ],
)
def test_save_hugging_face_gives_the_same_weights(task, cls, tmp_path):
    options = {} if task == "base" else {"preprocessor": None}
    model = cls.from_preset(str(GOLDEN / f"longformer-{task}"), **options)
    save_hugging_face(model, tmp_path)
    again = cls.from_preset(str(tmp_path), **options)
    assert [w.path for w in model.weights] == [w.path for w in again.weights]
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.fixture
def keras_hub_roberta():
    roberta = keras_hub.models.RobertaBackbone(
        vocabulary_size=53,
        num_layers=2,
        num_heads=3,
        hidden_dim=24,
        intermediate_dim=37,
        max_sequence_length=20,
    )
    randomize(roberta)
    return roberta


def randomize(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))


def test_keras_hub_roberta(keras_hub_roberta, tmp_path):
    keras_hub_roberta.save_to_preset(tmp_path)
    model = LongformerBackbone.from_preset(str(tmp_path))
    inputs, _ = read("roberta", "right_padding")
    want = np.asarray(call(keras_hub_roberta, inputs))
    assert_near(call(model, inputs), want, inputs["padding_mask"])


def test_keras_hub_masked_lm(keras_hub_roberta, tmp_path):
    task = keras_hub.models.RobertaMaskedLM(keras_hub_roberta)
    randomize(task)
    task.save_to_preset(tmp_path)
    model = LongformerMaskedLM.from_preset(str(tmp_path), preprocessor=None)
    inputs, _ = read("roberta", "right_padding")
    want = np.asarray(masked_lm_logits(task, inputs))
    got = masked_lm_logits(model, inputs)
    assert_near(got, want, inputs["padding_mask"])


def test_keras_hub_text_classifier(keras_hub_roberta, tmp_path):
    task = keras_hub.models.RobertaTextClassifier(keras_hub_roberta, 5)
    randomize(task)
    task.save_to_preset(tmp_path)
    model = LongformerTextClassifier.from_preset(
        str(tmp_path), preprocessor=None
    )
    inputs = first_is_global(read("roberta", "right_padding")[0])
    assert_near(call(model, inputs), np.asarray(call(task, inputs)))
