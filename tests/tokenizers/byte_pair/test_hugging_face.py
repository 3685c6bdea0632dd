"""The files that Hugging Face keeps a byte-level BPE in."""

import json

import pytest
import tensorflow as tf

from keras_longformer.text.packing import pack
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.tokenizers import open_tokenizer
from tests.tokenizers import folders
from tests.tokenizers.equal import check_rows
from tests.tokenizers.equal import check_texts
from tests.tokenizers.equal import eagerly as eagerly
from tests.tokenizers.equal import theirs
from tests.vocabularies import random_texts
from tests.vocabularies import tiny_vocabulary

TEXTS = [
    "hello hell [E] [X]hello",
    " hello [E]x  [E]  hell-hello",
    "<mask> a <mask>hello  <mask>[E]",
    "</s> <s><pad> [PAD] [CLS]hell[SEP] [MASK] [B]",
    "HELLO é 😀 hell",
    *random_texts("special", 25),
    *random_texts("blanks", 5),
]


def check_equal(ours, wanted):
    """Compares rows, pairs and offsets, special tokens in texts or not."""
    for text, spans, encoded in check_rows(ours, wanted, TEXTS):
        for span, (start, end) in zip(spans, encoded, strict=True):
            # Theirs are trimmed: ours may have the space around besides.
            if start != end:
                trimmed = text[slice(*span)].strip()
                assert trimmed == text[start:end].strip()
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
    files = folders.write(tmp_path / "theirs", folders.EQUAL[name])
    ours = open_tokenizer(files)
    check_equal(ours, theirs(tmp_path / "theirs"))
    written = ours.hugging_face_files(128)
    files = folders.write(tmp_path / "ours", written, "longformer")
    again = open_tokenizer(files)
    wanted = theirs(tmp_path / "ours")
    rows = pack(
        ours.tokenize(TEXTS, True),
        template=ours.row_template,
        pad_to="longest",
    )
    ids = rows.token_ids.numpy().tolist()
    assert ids == wanted(TEXTS, padding=True)["input_ids"]
    config = again.get_config()
    for key in ("row_tokens", "add_prefix_space", "mask_token", "bos_token"):
        assert config[key] == ours.get_config()[key], key
    by_id = [sorted(x.added_tokens, key=str) for x in (ours, again)]
    assert by_id[0] == by_id[1]
    assert again.vocabulary == ours.vocabulary and again.merges == ours.merges


@pytest.mark.parametrize("name", folders.REFUSED)
def test_refused_by_name(name, tmp_path):
    files, words = folders.REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        open_tokenizer(folders.write(tmp_path / "folder", files))


def test_all_reasons_at_once(tmp_path):
    parts = folders.tokenizer_json(
        normalizer={"type": "NFC"},
        post_processor=None,
        model={"dropout": 0.5},
    )
    files = folders.write(tmp_path / "folder", {"tokenizer.json": parts})
    with pytest.raises(ValueError, match="because it says") as caught:
        open_tokenizer(files)
    for reason in ("normalizer NFC", "dropout 0.5", "post_processor none"):
        assert reason in str(caught.value)


def test_without_transformers_files(tmp_path, eagerly):
    """Of `tokenizers` alone, whose `add_prefix_space` nobody overrules."""
    content = {"tokenizer.json": folders.tokenizer_json(prefix=True)}
    files = folders.write(tmp_path / "folder", content, model_type=None)
    ours = open_tokenizer(files)
    wanted = pytest.importorskip("tokenizers").Tokenizer.from_file(
        files["tokenizer.json"]
    )
    got = ours.tokenize(TEXTS, True).to_list()
    assert got == [
        wanted.encode(text, add_special_tokens=False).ids for text in TEXTS
    ]


@pytest.mark.own_process
def test_added_tokens_in_words(tmp_path, eagerly):
    """Words of a list: no space is put before an added token."""
    files = folders.write(tmp_path / "folder", folders.EQUAL["added"])
    ours = open_tokenizer(files)
    wanted = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(
        str(tmp_path / "folder"), add_prefix_space=True
    )
    words = ["hello", "[E]", " hell", "a[E]hello", "", "hell"]
    want = wanted(words, is_split_into_words=True, add_special_tokens=False)
    got = ours.tokenize_words(tf.constant(words))
    assert got.values.numpy().tolist() == want["input_ids"]
    assert got.row_lengths().numpy().tolist()[4] == 0


def test_added_tokens_are_kept(tmp_path):
    """In a config, a preset and a SavedModel-like function."""
    cls = type(
        open_tokenizer(folders.write(tmp_path / "a", folders.EQUAL["slow"]))
    )
    made = cls(
        *tiny_vocabulary(),
        added_tokens=["[E]", {"content": "[F]", "lstrip": True}],
    )
    assert made.token_to_id("[F]") == folders.NEXT + 1
    assert made.special_token_ids == [0, 1, 2, 3, 4]
    ids = made.tokenize("hello [F]").numpy().tolist()
    assert ids[-1] == folders.NEXT + 1 and len(ids) == 4
    assert made.detokenize(ids).numpy() == b"hello[F]"
    made.save_to_preset(str(tmp_path / "preset"))
    config = json.loads((tmp_path / "preset/tokenizer.json").read_text("utf-8"))
    again = LongformerTokenizer.from_config(config["config"])
    again.load_preset_assets(str(tmp_path / "preset"))
    assert again.tokenize("hello [F]").numpy().tolist() == ids


def test_written_files(tiny):
    files = tiny.hugging_face_files(4096)
    assert "tokenizer.json" not in files
    config = json.loads(files["tokenizer_config.json"])
    assert config["tokenizer_class"] == "LongformerTokenizer"
    assert config["model_max_length"] == 4096
    tokens = json.loads(files["special_tokens_map.json"])
    assert tokens["cls_token"] == "<s>" and tokens["mask_token"] == "<mask>"


def test_other_kinds_are_not_opened(tmp_path):
    path = tmp_path / "sentencepiece.bpe.model"
    path.write_bytes(b"")
    files = {path.name: str(path)}
    assert LongformerTokenizer.from_hugging_face(files) is None
    for kind in ("Unigram", "WordLevel"):
        model = {"model": {"type": kind, "vocab": []}}
        files = folders.write(tmp_path / kind, {"tokenizer.json": model})
        assert LongformerTokenizer.from_hugging_face(files) is None
    assert open_tokenizer(files) is None  # No kind of ours.
    assert open_tokenizer({}) is None
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match="tokenizer.json' is not valid JSON"):
        open_tokenizer({"tokenizer.json": str(broken)})
