"""The files that Hugging Face keeps a WordPiece tokenizer in."""

import json

import pytest

from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)
from tests.tokenizers.equal import check_rows
from tests.tokenizers.equal import check_texts
from tests.tokenizers.equal import eagerly as eagerly
from tests.tokenizers.equal import theirs
from tests.tokenizers.folders import write
from tests.tokenizers.word_piece import folders
from tests.tokenizers.word_piece.vocabularies import texts_of

TEXTS = [
    "hello hell [E] [X]hello [Ent]",
    " Hello [ent]x  [X]  HELL-hello 中文文",
    "[MASK] é <s> [mask] [M] world  [E] é",
    "[CLS] [SEP]<pad> [PAD] [UNK]hell[SEP] e\u0301 wor\x7fld\u200b!",
    "[ENT]中文 hello ü Üé ho\tworld",
    *texts_of("words", 4),
    *texts_of("wide", 4),
]


def check_equal(ours, wanted):
    """Compares rows, pairs, types and offsets, and texts without control
    tokens by default."""
    for _, spans, encoded in check_rows(ours, wanted, TEXTS):
        assert spans == encoded
    check_texts(ours, wanted, TEXTS)


@pytest.mark.own_process
@pytest.mark.parametrize(
    "name",
    [
        # Every other one always, all of them by `-m slow`.
        pytest.param(name, marks=pytest.mark.slow if i % 2 else ())
        for i, name in enumerate(folders.EQUAL)
    ],
)
def test_equal_to_transformers(name, tmp_path, eagerly):
    """Also after it was written, and read again by both."""
    files = write(tmp_path / "theirs", folders.EQUAL[name], "longformer")
    ours = open_tokenizer(files)
    assert type(ours) is LongformerWordPieceTokenizer
    check_equal(ours, theirs(tmp_path / "theirs"))
    written = ours.hugging_face_files(128)
    files = write(tmp_path / "ours", written, "longformer")
    again = open_tokenizer(files)
    wanted = theirs(tmp_path / "ours")
    check_equal(again, wanted)
    assert again.get_config() | {"name": ""} == ours.get_config() | {"name": ""}
    assert again.vocabulary == ours.vocabulary
    assert wanted.model_max_length == 128
    types = wanted("a", "b").get("token_type_ids")
    assert (types is None) == (ours.row_template.token_types is None)


@pytest.mark.parametrize("name", folders.REFUSED)
def test_refused_by_name(name, tmp_path):
    files, words = folders.REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        open_tokenizer(write(tmp_path / "folder", files, "longformer"))


def test_no_class_named(tmp_path):
    """Chinese Longformers have a `vocab.txt` and nothing else."""
    files = {"vocab.txt": folders.VOCAB_TXT}
    ours = open_tokenizer(write(tmp_path / "folder", files, "longformer"))
    assert ours.lowercase and ours.split_on_cjk
    assert ours.row_template.token_types == (0, 1)


def test_keras_hubs_vocabulary(tmp_path):
    config = {
        "class_name": "BertTokenizer",
        "config": {"lowercase": True, "sequence_length": None},
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(config), "utf-8")
    tokens = tmp_path / "vocabulary.txt"
    tokens.write_text(folders.VOCAB_TXT, "utf-8")
    ours = LongformerWordPieceTokenizer.from_hugging_face(
        {"tokenizer.json": str(path), "vocabulary.txt": str(tokens)}
    )
    assert (ours.lowercase, ours.strip_accents) == (True, False)
    assert ours.vocabulary == folders.VOCABULARY


def test_files_of_other_kinds(tmp_path):
    """They are left to other tokenizers."""
    for i, model in enumerate(
        (
            {"type": "BPE", "vocab": {"a": 0}, "merges": []},
            {"type": "Unigram", "vocab": [["a", 0.0]]},
            {"type": "WordLevel", "vocab": {"a": 0}},
        )
    ):
        files = write(tmp_path / f"{i}", {"tokenizer.json": {"model": model}})
        assert LongformerWordPieceTokenizer.from_hugging_face(files) is None
