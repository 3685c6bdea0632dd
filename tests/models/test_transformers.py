"""`transformers` loads what `save_hugging_face` writes, and answers the same.

In a process of its own: see tests/own_process.py.
"""

import numpy as np
import pytest

from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.tasks.masked_lm.model import LongformerMaskedLM
from keras_longformer.tasks.text_classification.model import (
    LongformerTextClassifier,
)
from keras_longformer.tasks.text_classification.preprocessor import (
    LongformerTextClassifierPreprocessor,
)
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.weights.hugging_face import save_hugging_face
from tests.golden.reading import GOLDEN
from tests.golden.reading import assert_near
from tests.golden.reading import call
from tests.golden.reading import first_is_global
from tests.golden.reading import masked_lm_logits
from tests.golden.reading import read

pytestmark = pytest.mark.own_process

CASES = ("right_padding", "left_padding_unequal_global", "middle_padding")


def load(cls, folder):
    """Loads a folder, which must hold each weight and no other."""
    model, info = cls.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], (kind, info[kind])
    return model.eval()


def answer(model, inputs):
    names = {
        "token_ids": "input_ids",
        "padding_mask": "attention_mask",
        "global_mask": "global_attention_mask",
    }
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return model(
            **{
                theirs: torch.tensor(inputs[ours].astype(np.int64))
                for ours, theirs in names.items()
            }
        )


def test_backbone(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = LongformerBackbone.from_preset(str(GOLDEN / "longformer-base"))
    save_hugging_face(model, tmp_path)
    theirs = load(transformers.AutoModel, tmp_path)
    assert type(theirs).__name__ == "LongformerModel"
    assert theirs.config.attention_window == [4, 8]
    for case in CASES:
        inputs, _ = read("longformer", case)
        got = answer(theirs, inputs)
        want = call(model, inputs)
        assert_near(got.last_hidden_state, np.asarray(want["sequence_output"]))
        assert_near(got.pooler_output, np.asarray(want["pooled_output"]))


def test_masked_lm_made_long(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = LongformerMaskedLM.from_preset(
        str(GOLDEN / "roberta-masked_lm"),
        max_sequence_length=47,
        window_size=4,
        max_global_tokens=None,
        preprocessor=None,
    )
    save_hugging_face(model, tmp_path)
    theirs = load(transformers.AutoModelForMaskedLM, tmp_path)
    inputs, _ = read("roberta_long", "with_global")
    got = answer(theirs, inputs).logits
    assert_near(got, np.asarray(masked_lm_logits(model, inputs)))


def test_classifier(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = LongformerTextClassifier.from_preset(
        str(GOLDEN / "longformer-classifier"), preprocessor=None
    )
    save_hugging_face(model, tmp_path)
    theirs = load(transformers.AutoModelForSequenceClassification, tmp_path)
    assert theirs.config.num_labels == 5
    for case in CASES:
        inputs = first_is_global(read("longformer", case)[0])
        got = answer(theirs, inputs).logits
        assert_near(got, np.asarray(call(model, inputs)))


def test_tokenizer(tmp_path, shared_data):
    transformers = pytest.importorskip("transformers")
    vocabulary = str(shared_data / "bpe" / "roberta-vocab.json")
    merges = str(shared_data / "bpe" / "roberta-merges.txt")
    backbone = LongformerBackbone(
        vocabulary_size=50265,
        num_layers=1,
        num_heads=1,
        hidden_dim=4,
        intermediate_dim=3,
        max_sequence_length=30,
        window_size=4,
        pooler=False,
    )
    model = LongformerTextClassifier(
        backbone,
        num_classes=2,
        preprocessor=LongformerTextClassifierPreprocessor(
            LongformerTokenizer(vocabulary, merges), sequence_length=30
        ),
    )
    save_hugging_face(model, tmp_path)
    texts = [
        "Hello world",
        "",
        "Ünïcödé 🤗 and  two blanks\n\nnew line",
        "x" * 99,
    ]
    want = model.preprocessor(texts)["token_ids"].numpy()
    for use_fast in (True, False):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            tmp_path, use_fast=use_fast
        )
        assert "Longformer" in type(tokenizer).__name__
        assert tokenizer.model_max_length == 30
        assert tokenizer.mask_token_id == 50264
        got = tokenizer(texts, padding="max_length", truncation=True)
        np.testing.assert_array_equal(got["input_ids"], want)
