"""One door: tokenizers and preprocessors open what the tasks open."""

import json
import pathlib

import keras_hub
import pytest

import keras_longformer as klf
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)
from tests.tasks import small
from tests.tasks.table import KINDS
from tests.tokenizers import folders

CONFIG = {
    "model_type": "roberta",
    "vocab_size": folders.NEXT + 3,  # Padded: one token is added.
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
TEXT = "hello [E] hell " * 40


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """A folder without weights: none are read."""
    folder = tmp_path_factory.mktemp("folder") / "roberta"
    files = {**folders.EQUAL["additional special"], "config.json": CONFIG}
    folders.write(folder, files)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A preset of a text classifier of ours."""
    folder = str(tmp_path_factory.mktemp("own") / "preset")
    task = small.make_classifier()
    task.preprocessor.sequence_length = 32
    task.save_to_preset(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_preprocessors(kind, hugging_face, own):
    cls = kind.cls.preprocessor_cls
    made = cls.from_preset(str(hugging_face))
    assert made.sequence_length == 64  # The model's, without the two offsets.
    assert made.tokenizer.token_to_id("[E]") == folders.NEXT
    shorter = cls.from_preset(hugging_face, sequence_length=16)
    assert shorter.sequence_length == 16 and shorter.pad_to == [16]
    same = cls.from_preset(own)
    assert same.tokenizer.get_vocabulary()
    model = json.loads(pathlib.Path(own, "config.json").read_text("utf-8"))
    longest = model["config"]["max_sequence_length"]
    is_saved = cls is klf.LongformerTextClassifierPreprocessor
    assert same.sequence_length == (32 if is_saved else longest)
    assert cls.from_preset(own, sequence_length=24).sequence_length == 24


def test_rows_of_a_folder(hugging_face):
    made = klf.LongformerTextClassifierPreprocessor.from_preset(
        hugging_face, sequence_length=16, over_long="head_tail"
    )
    ids = made([TEXT])["token_ids"].numpy()
    assert ids.shape == (1, 16) and folders.NEXT in ids
    assert made.over_long == "head_tail"


def test_tokenizers(hugging_face, own, tmp_path):
    door = klf.LongformerTokenizer
    ids = door.from_preset(hugging_face).tokenize("hello [E]").numpy().tolist()
    assert ids[-1] == folders.NEXT
    cut = door.from_preset(
        hugging_face, sequence_length=2, special_tokens_in_text=["<mask>"]
    )
    assert cut.tokenize("hello [E]").numpy().tolist() == ids[:2]
    assert cut.special_tokens_in_text == ["<mask>"]
    assert isinstance(door.from_preset(own), door)
    assert isinstance(keras_hub.models.Tokenizer.from_preset(own), door)
    door.from_preset(hugging_face).save_to_preset(str(tmp_path / "alone"))
    alone = door.from_preset(str(tmp_path / "alone"), sequence_length=3)
    assert alone.tokenize("hello [E]").numpy().tolist() == ids[:3]
    files = folders.write(
        tmp_path / "files", folders.EQUAL["slow"], model_type=None
    )
    assert "config.json" not in files
    assert door.from_preset(str(tmp_path / "files")).vocabulary_size()


def test_keras_hub_finds_ours(own):
    made = keras_hub.models.TextClassifierPreprocessor.from_preset(own)
    # It takes the last one that was defined, in another test too.
    assert isinstance(made, klf.LongformerTextClassifierPreprocessor)


def test_other_kinds_by_name(own, hugging_face, tmp_path):
    other = LongformerWordPieceTokenizer
    with pytest.raises(ValueError, match="has a LongformerTokenizer. Open it"):
        other.from_preset(own)
    with pytest.raises(ValueError, match="has a LongformerTokenizer. Open it"):
        other.from_preset(hugging_face)
    model = {"model": {"type": "WordLevel", "vocab": {"a": 0}}}
    files = {"tokenizer.json": model, "config.json": CONFIG}
    folders.write(tmp_path / "words", files)
    words = "tokenizer.json's model is of type 'WordLevel'.*Looked for: byte"
    with pytest.raises(ValueError, match=f"(?s){words}"):
        klf.LongformerTokenizer.from_preset(tmp_path / "words")
    folders.write(tmp_path / "none", {"config.json": CONFIG})
    with pytest.raises(ValueError, match="has no tokenizer beside it"):
        klf.LongformerTextClassifierPreprocessor.from_preset(tmp_path / "none")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"vocabulary_size": folders.NEXT},
            rf"none for '\[E\]' \({folders.NEXT}\)",
        ),
        (
            {"vocabulary_size": 300, "pad_token_id": 0},
            "pads with 1.*pad_token_id=0",
        ),
    ],
    ids=["beyond the embeddings", "another padding"],
)
def test_tokenizer_of_another_model(hugging_face, config, words):
    backbone = small.make_backbone(**config)
    reader = klf.LongformerTextClassifierPreprocessor.from_preset(hugging_face)
    with pytest.raises(ValueError, match=words):
        klf.LongformerTextClassifier(backbone, 2, preprocessor=reader)
    # The padding is a number like others where positions do not count it.
    if "pad_token_id" in config:
        backbone = small.make_backbone(**config, position_rule="absolute")
        klf.LongformerTextClassifier(backbone, 2, preprocessor=reader)


def test_padded_vocabulary(hugging_face):
    reader = klf.LongformerTextClassifierPreprocessor.from_preset(hugging_face)
    backbone = small.make_backbone(vocabulary_size=CONFIG["vocab_size"])
    task = klf.LongformerTextClassifier(backbone, 2, preprocessor=reader)
    assert task.predict([TEXT], verbose=0).shape == (1, 2)


def test_masked_lm_needs_a_mask():
    tokenizer = klf.LongformerTokenizer(
        folders.VOCABULARY, folders.MERGES, mask_token=None
    )
    with pytest.raises(ValueError, match="needs a tokenizer with a mask token"):
        klf.LongformerMaskedLMPreprocessor(tokenizer)
