"""KerasHub's models, converted in one call."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.weights.keras_hub import read_keras_hub
from tests.tasks import small

SIZES = {
    "vocabulary_size": 270,
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 24,
    "intermediate_dim": 37,
    "max_sequence_length": 32,
}
LONG = {"max_sequence_length": 64, "window_size": 16}
WORDS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "good", "bad", "##der"]
TOKEN_IDS = np.array([[5, 7, 8, 6, 9, 11], [5, 3, 4, 6, 1, 1]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
TYPES = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]])


def random(model):
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(
            generator.normal("gamma" in weight.path, 0.1, weight.shape)
        )
    return model


def make(family):
    cls = getattr(keras_hub.models, f"{family}Backbone")
    return random(cls(**SIZES))


def call(model, theirs):
    inputs = {"token_ids": TOKEN_IDS, "padding_mask": MASK}
    if "segment_ids" in model.input:
        inputs["segment_ids"] = TYPES
    if "token_type_ids" in model.input:
        inputs["token_type_ids"] = TYPES
    if not theirs:
        inputs["padding_mask"] = MASK.astype(bool)
    if "mask_positions" in model.input:
        inputs["mask_positions"] = np.array([[1, 2], [1, 0]])
    outputs = model(inputs)
    if isinstance(outputs, dict):
        outputs = outputs["sequence_output"] * MASK[..., None]
    elif not hasattr(model, "backbone"):
        outputs = outputs * MASK[..., None]
    return np.asarray(outputs)


@pytest.mark.parametrize("family", ["Roberta", "XLMRoberta", "Bert"])
def test_backbones(family, tmp_path):
    theirs = make(family)
    theirs.save_to_preset(tmp_path)
    want = call(theirs, True)
    for preset in (theirs, tmp_path):
        ours = klf.LongformerBackbone.from_preset(preset, **LONG)
        assert ours.max_sequence_length == 64 and ours.window_size == 16
        np.testing.assert_allclose(call(ours, False), want, atol=2e-6)


@pytest.mark.parametrize("family", ["Roberta", "Bert"])
def test_tasks(family, tmp_path):
    backbone = make(family)
    classifier = random(
        getattr(keras_hub.models, f"{family}TextClassifier")(
            backbone, num_classes=3, activation="softmax", dropout=0.3
        )
    )
    classifier.save_to_preset(tmp_path)
    for preset in (classifier, tmp_path):
        ours = klf.LongformerTextClassifier.from_preset(
            preset, preprocessor=None, **LONG
        )
        assert ours.activation is keras.activations.softmax
        assert ours.dropout == 0.3 and ours.backbone.dropout == 0.1
        np.testing.assert_allclose(
            call(ours, False), call(classifier, True), atol=2e-6
        )
    masked_lm = random(getattr(keras_hub.models, f"{family}MaskedLM")(backbone))
    ours = klf.LongformerMaskedLM.from_preset(masked_lm, preprocessor=None)
    # Of BERT, KerasHub's head has another epsilon.
    tolerance = 2e-6 if family == "Roberta" else 1e-3
    np.testing.assert_allclose(
        call(ours, False), call(masked_lm, True), atol=tolerance
    )


def test_tokenizers():
    mine = small.make_tokenizer()
    roberta = keras_hub.models.RobertaTokenizer(
        mine.vocabulary, list(mine.merges)
    )
    bert = keras_hub.models.BertTokenizer(WORDS, lowercase=True)
    for family, tokenizer in (("Roberta", roberta), ("Bert", bert)):
        name = f"{family}TextClassifier"
        preprocessor = getattr(keras_hub.models, f"{name}Preprocessor")(
            tokenizer, sequence_length=16
        )
        theirs = getattr(keras_hub.models, name)(
            make(family), num_classes=2, preprocessor=preprocessor
        )
        ours = klf.LongformerTextClassifier.from_preset(theirs)
        texts = ["Good badder", "bad"]
        got = ours.preprocessor(texts)["token_ids"]
        want = preprocessor(texts)["token_ids"]
        np.testing.assert_array_equal(got[:, :16], want)
        assert ours.backbone.pad_token_id == tokenizer.pad_token_id


def test_what_is_refused():
    tokenizer = keras_hub.models.BertTokenizer(WORDS, split=False)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer)
    theirs = keras_hub.models.BertTextClassifier(
        make("Bert"), num_classes=2, preprocessor=preprocessor
    )
    with pytest.raises(ValueError, match="do not: split=False"):
        read_keras_hub(theirs)
    with pytest.raises(ValueError, match="must be one of .*: Sequential"):
        klf.LongformerBackbone.from_preset(keras.Sequential())
