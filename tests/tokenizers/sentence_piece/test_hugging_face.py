"""Folders of Hugging Face, read and written."""

import json
import pathlib

import keras_hub
import numpy as np
import pytest

from keras_longformer.tokenizers import LongformerSentencePieceTokenizer
from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.tokenizers.sentence_piece.layout import CAMEMBERT
from keras_longformer.tokenizers.sentence_piece.layout import XLM_ROBERTA
from tests.tokenizers.sentence_piece.conftest import mixed

TEXTS = [
    "Hello  world ",
    " a ﬁnal ½ …",
    "☃☃ ☃ x",
    "",
    "   ",
    "\u3000größer \n",
    "a [ENT] b[ENT]c  [ENT]  ",
    "def parse(self):  return x",
    *mixed(20, seed=4),
]
LAYOUTS = {"XLMRoberta": XLM_ROBERTA, "Camembert": CAMEMBERT}
OLD_SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def files_of(folder):
    return {path.name: str(path) for path in pathlib.Path(folder).iterdir()}


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        if isinstance(content, str):
            content = content.encode()
        (folder / name).write_bytes(content)
    return files_of(folder)


def assert_same_ids(ours, encode, texts=TEXTS, **options):
    got = ours.tokenize(texts, **options).to_list()
    assert got == [encode(text) for text in texts]


def fast_of(kind, path):
    import transformers

    made = getattr(transformers, f"{kind}TokenizerFast")(path)
    made.add_tokens(["[ENT]"])
    return made


@pytest.mark.parametrize("kind", LAYOUTS)
def test_folders_of_fast_tokenizers(kind, proto, model_path, tmp_path):
    """With the model's file beside `tokenizer.json`, and without."""
    fast = fast_of(kind, model_path)
    fast.save_pretrained(tmp_path / "whole")
    text = (tmp_path / "whole/tokenizer.json").read_text("utf-8")
    alone = open_tokenizer(write(tmp_path / "alone", {"tokenizer.json": text}))
    whole = open_tokenizer(files_of(tmp_path / "whole"))
    assert alone.layout == whole.layout == LAYOUTS[kind]
    assert alone.vocabulary == whole.vocabulary == fast.get_vocab()

    def encode(text):
        return fast(text, add_special_tokens=False)["input_ids"]

    assert_same_ids(alone, encode)
    assert alone.tokenize(TEXTS).to_list() == whole.tokenize(TEXTS).to_list()
    # The model is rebuilt as it was.
    original = LongformerSentencePieceTokenizer(proto)._vocabulary.model
    rebuilt = alone._vocabulary.model
    assert rebuilt.scored_pieces() == original.scored_pieces()
    assert rebuilt.types == original.types
    assert rebuilt.charsmap_bytes == original.charsmap_bytes


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_is_written_is_read(kind, model_path, tmp_path):
    import transformers

    fast_of(kind, model_path).save_pretrained(tmp_path / "theirs")
    ours = open_tokenizer(files_of(tmp_path / "theirs"))
    written = write(tmp_path / "ours", ours.hugging_face_files(4096))
    again = open_tokenizer(written)
    assert again.get_config() == ours.get_config() | {"name": again.name}
    # The slow one drops the blanks before a token that was added.
    texts = [text for text in TEXTS if "[ENT]" not in text]
    for suffix in ("TokenizerFast", "Tokenizer"):
        theirs = getattr(transformers, kind + suffix).from_pretrained(
            tmp_path / "ours"
        )
        assert theirs.model_max_length == 4096
        assert_same_ids(
            ours,
            lambda text, theirs=theirs: theirs(text, add_special_tokens=False)[
                "input_ids"
            ],
            [*texts, "a <mask> b</s>c", "[ENT]a"],
            special_tokens_in_text=True,
        )
        rows, ids = ours.row_template, ours.tokenize(["a b", "c"]).to_list()
        assert theirs("a b", "c")["input_ids"] == [
            *rows.start,
            *ids[0],
            *rows.between,
            *ids[1],
            *rows.end,
        ]


@pytest.mark.own_process
def test_auto_tokenizer(proto, tmp_path):
    import transformers

    ours = LongformerSentencePieceTokenizer(proto)
    write(
        tmp_path / "ours",
        ours.hugging_face_files(64)
        | {"config.json": {"model_type": "longformer"}},
    )
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert type(theirs).__name__ == "XLMRobertaTokenizerFast"
    assert_same_ids(
        ours, lambda t: theirs(t, add_special_tokens=False).input_ids
    )


@pytest.fixture(scope="module")
def tokenizer_json(proto):
    ours = LongformerSentencePieceTokenizer(proto, added_tokens=["[ENT]"])
    return json.loads(ours.hugging_face_files(64)["tokenizer.json"])


def changed(content, *, normalizers=None, pre_tokenizer=None, **model):
    """Returns a `tokenizer.json` with other steps after `Precompiled`."""
    content = json.loads(json.dumps(content))
    steps = content["normalizer"]["normalizers"]
    if normalizers is not None:
        steps[1:] = normalizers
    if pre_tokenizer is not None:
        content["pre_tokenizer"] = pre_tokenizer
    content["model"] |= model
    return content


def metaspace(**options):
    return {"type": "Metaspace", "replacement": "▁", **options}


def after_split(**options):
    steps = [{"type": "WhitespaceSplit"}, metaspace(**options)]
    return {"type": "Sequence", "pretokenizers": steps}


VARIANTS = {
    "of the hub": ([], after_split(str_rep="▁", add_prefix_space=True)),
    "trailing space": ([OLD_SPACES], metaspace(add_prefix_space=True)),
    "first": (None, metaspace(prepend_scheme="first", split=True)),
    "never": (None, metaspace(prepend_scheme="never", split=True)),
    "not split": (None, metaspace(prepend_scheme="always", split=False)),
    "trailing, first": ([OLD_SPACES], metaspace(prepend_scheme="first")),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if i > 1 else ())
        for i, name in enumerate(VARIANTS)
    ],
)
def test_white_space_as_the_file_says(name, tokenizer_json, tmp_path):
    import tokenizers

    normalizers, pre_tokenizer = VARIANTS[name]
    content = changed(
        tokenizer_json, normalizers=normalizers, pre_tokenizer=pre_tokenizer
    )
    files = write(tmp_path / "folder", {"tokenizer.json": content})
    theirs = tokenizers.Tokenizer.from_file(files["tokenizer.json"])
    ours = open_tokenizer(files)
    texts = [*TEXTS, "[ENT] a", " [ENT]", "a [ENT]"]
    assert_same_ids(
        ours, lambda t: theirs.encode(t, add_special_tokens=False).ids, texts
    )
    found = ours.tokenize_with_offsets(texts)
    assert found.ids.to_list() == ours.tokenize(texts).to_list()
    for text, starts, ends in zip(
        texts, found.starts.to_list(), found.ends.to_list(), strict=True
    ):
        assert all(a < b <= len(text) for a, b in zip(starts, ends))


REFUSED = {
    "normalizer Lowercase": {"normalizers": [{"type": "Lowercase"}]},
    "normalizer NFKC": {"normalizers": [{"type": "NFKC"}, OLD_SPACES]},
    "runs of spaces stay": {
        "normalizers": [],
        "pre_tokenizer": metaspace(prepend_scheme="always"),
    },
    "pre_tokenizer Digits": {
        "pre_tokenizer": {"type": "Digits", "individual_digits": True}
    },
    "pre_tokenizer Metaspace .*replacement": {
        "pre_tokenizer": metaspace() | {"replacement": "_"}
    },
    "prepend_scheme 'never'": {
        "pre_tokenizer": after_split(prepend_scheme="never")
    },
    "model.unk_id = None": {"unk_id": None},
    "byte_fallback without all bytes": {"byte_fallback": True},
    "model.dropout = 0.1": {"dropout": 0.1},
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_by_name(words, tokenizer_json, tmp_path):
    content = changed(tokenizer_json, **REFUSED[words])
    files = write(tmp_path / "folder", {"tokenizer.json": content})
    with pytest.raises(ValueError, match=words):
        open_tokenizer(files)


def test_refused_files(proto, tokenizer_json, tmp_path):
    model = {"sentencepiece.bpe.model": proto}
    config = {"sp_model_kwargs": {"alpha": 0.1}, "padding_side": "left"}
    config["tokenizer_class"] = "XLMRobertaTokenizer"
    files = write(tmp_path / "a", model | {"tokenizer_config.json": config})
    with pytest.raises(ValueError, match="padding_side(.|\n)*sp_model_kwargs"):
        open_tokenizer(files)
    with pytest.raises(ValueError, match="class None with a model file"):
        open_tokenizer(write(tmp_path / "b", model))
    config = {"tokenizer_class": "T5Tokenizer"}
    files = write(tmp_path / "c", model | {"tokenizer_config.json": config})
    with pytest.raises(ValueError, match="class 'T5Tokenizer'"):
        open_tokenizer(files)
    content = tokenizer_json | {"post_processor": None}
    files = write(tmp_path / "d", {"tokenizer.json": content})
    with pytest.raises(ValueError, match="post_processor none"):
        open_tokenizer(files)


def test_another_layout(tmp_path):
    """Ids, names and rows of nobody's, from `tokenizer.json`."""
    import tokenizers

    pieces = ["[PAD]", "▁a", "▁", "a", "b", "[UNK]", "[SEP]", "▁a▁b", "[CLS]"]
    vocabulary = [[x, -1.5 - i / 8] for i, x in enumerate(pieces)]
    added = [
        {"id": i, "content": x, "special": True, "normalized": False}
        | dict.fromkeys(["single_word", "lstrip", "rstrip"], False)
        for i, x in enumerate(pieces)
        if x.startswith("[")
    ]
    content = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": OLD_SPACES,
        "pre_tokenizer": metaspace(prepend_scheme="always", split=True),
        "post_processor": {
            "type": "BertProcessing",
            "sep": ["[SEP]", 6],
            "cls": ["[CLS]", 8],
        },
        "model": {"type": "Unigram", "unk_id": 5, "vocab": vocabulary},
    }
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    files = write(
        tmp_path / "folder",
        {"tokenizer.json": content, "tokenizer_config.json": names},
    )
    ours = open_tokenizer(files)
    theirs = tokenizers.Tokenizer.from_file(files["tokenizer.json"])
    texts = ["a b", "ab a", "c a  ", "", "aab x y"]
    assert_same_ids(
        ours, lambda t: theirs.encode(t, add_special_tokens=False).ids, texts
    )
    rows = ours.row_template
    assert (rows.start, rows.between, rows.end) == ((8,), (6,), (6,))
    assert (ours.pad_token_id, ours.mask_token_id) == (0, None)
    again = open_tokenizer(
        write(tmp_path / "again", ours.hugging_face_files(64))
    )
    assert again.tokenize(texts).to_list() == ours.tokenize(texts).to_list()
    assert again.row_template == rows


def test_keras_hub_preset(proto, tmp_path):
    theirs = keras_hub.models.XLMRobertaTokenizer(proto=proto)
    theirs.save_assets(tmp_path)
    ours = open_tokenizer(files_of(tmp_path))
    texts = [text for text in TEXTS if "[ENT]" not in text]
    assert_same_ids(ours, lambda text: np.asarray(theirs(text)).tolist(), texts)
    assert ours.vocabulary_size() == theirs.vocabulary_size()
