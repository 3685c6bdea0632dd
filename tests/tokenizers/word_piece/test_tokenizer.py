"""The tokenizer as a Keras layer: shapes, graphs, saving, errors."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)
from tests.tokenizers.word_piece.vocabularies import TINY
from tests.tokenizers.word_piece.vocabularies import tiny

TEXTS = ["Hello, world!", "", "中文 hél LO 😀"]
ROWS = [[13, 10, 14, 15, 9], [], [11, 12, 1, 1, 1]]
CLS, SEP, PAD = TINY.index("[CLS]"), TINY.index("[SEP]"), TINY.index("[PAD]")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny()


def rows_of(texts):
    return [[TINY.index(token) for token in text.split()] for text in texts]


def test_shapes(tokenizer):
    rows = rows_of(["hello , wor ##ld !", "", "中 文 [UNK] [UNK] [UNK]"])
    assert tokenizer.tokenize(TEXTS).to_list() == rows
    assert tokenizer.tokenize(np.array(TEXTS, object)).to_list() == rows
    one = tokenizer.tokenize(TEXTS[0])
    assert one.dtype == tf.int32 and one.numpy().tolist() == rows[0]
    nested = tokenizer.tokenize([TEXTS, TEXTS])
    assert nested.to_list() == [rows, rows]
    ragged = tokenizer.tokenize([TEXTS, ["hello"]]).to_list()
    assert ragged == [rows, rows_of(["hello"])]
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []
    padded = tiny(sequence_length=4).tokenize(TEXTS)
    assert padded.numpy().tolist() == [rows[0][:4], [PAD] * 4, rows[2][:4]]
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    got = [row for x in dataset.map(tokenizer.tokenize) for row in x.to_list()]
    assert got == rows


def test_offsets_index_the_text(tokenizer):
    text = "WÓRLD,\u200b he\u0301llo"
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    assert tokenizer.detokenize(ids) == b"world, hello"
    spans = zip(starts.numpy(), ends.numpy(), strict=True)
    words = ["WÓR", "LD", ",", "he\u0301llo"]
    assert [text[start:end] for start, end in spans] == words


def test_hostile_texts(tokenizer):
    """Each byte that is no UTF-8 reads as Python reads it."""
    texts = [b"hello \xff\xfe\xc3", b"he\0llo", b"\xf0\x9f", b"wor\xc3ld"]
    got = tokenizer.tokenize(tf.constant(texts)).to_list()
    decoded = [text.decode("utf-8", "replace") for text in texts]
    assert got == tokenizer.tokenize(decoded).to_list()
    assert got == rows_of(["hello", "hello", "", "wor ##ld"])
    unknown = tokenizer.unk_token_id
    for word in ("h" * 2**20, "l" * 2**20, "\u0301" * (2**19 - 1) + "q"):
        assert tokenizer.tokenize([word]).to_list() == [[unknown]]
    many = ["world" * 20 + "d "] * 10_000  # A megabyte of long words.
    got = tokenizer.tokenize(["".join(many)]).to_list()
    assert got == [[unknown] * 10_000]


def test_too_long_a_text():
    tokenizer = tiny(max_text_bytes=10)
    assert tokenizer.tokenize(["hello", "é" * 5]).shape[0] == 2
    words = "LongformerWordPieceTokenizer: text 1 of the batch has 11 bytes"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        tokenizer.tokenize(["", "hello hello", "hello"])


def test_special_and_added_tokens():
    """Control tokens only where they are asked for; added ones always."""
    tokenizer = tiny(
        added_tokens=[
            "[Ent]",
            "wor",
            {"content": "[X]", "special": True, "normalized": False},
        ]
    )
    text = "hello[SEP] [ENT]world [X][x]"
    plain = tokenizer.tokenize(text).numpy().tolist()
    ent, x = (tokenizer.token_to_id(token) for token in ("[Ent]", "[X]"))
    assert (ent, x) == (len(TINY), len(TINY) + 1)
    assert tokenizer.vocabulary_size() == len(TINY) + 2
    assert SEP not in plain and plain.count(ent) == plain.count(x) == 1
    # `world` is cut behind the added `wor`: `ld` begins no word.
    assert plain[plain.index(ent) :][:3] == [ent, TINY.index("wor"), 1]
    ids, starts, ends = tokenizer.tokenize_with_offsets([text], True)
    tokens = [tokenizer.id_to_token(i) for i in ids.to_list()[0]]
    spans = zip(tokens, starts.to_list()[0], ends.to_list()[0], strict=True)
    assert ("[SEP]", 5, 10) in spans and ("[Ent]", 11, 16) in spans
    for only in (["[SEP]"], ["[MASK]"]):
        found = SEP in tokenizer.tokenize(text, only).numpy()
        assert found == (only == ["[SEP]"])
    with pytest.raises(ValueError, match="list of some of"):
        tokenizer.tokenize(text, ["[X]"])
    assert x in tokenizer.special_token_ids


def test_rows(tokenizer):
    template = tokenizer.row_template
    assert (template.start, template.between) == ((CLS,), (SEP,))
    assert (template.end, template.pad) == ((SEP,), PAD)
    assert template.token_types == (0, 1)


def test_detokenize(tokenizer):
    rows = tokenizer.tokenize(TEXTS)
    texts = [b"hello, world!", b"", "中 文 [UNK] [UNK] [UNK]".encode()]
    assert tokenizer.detokenize(rows).numpy().tolist() == texts
    dense = rows.to_tensor()
    got = tokenizer.detokenize(dense, skip_special_tokens=True).numpy()
    assert got.tolist() == [b"hello, world!", b"", "中 文".encode()]
    assert tokenizer.detokenize(TINY.index("##ld")) == b"##ld"
    nested = tf.ragged.stack([rows, rows[:1]])
    got = tokenizer.detokenize(nested).to_list()
    assert got == [texts, texts[:1]]


def test_words(tokenizer):
    words = tf.constant(["Hello", "", "world!"])
    got = tokenizer.tokenize_words(words).to_list()
    assert got == rows_of(["hello", "", "wor ##ld !"])


def test_saving(tmp_path):
    tokenizer = tiny(
        lowercase=False,
        split_on_cjk=False,
        added_tokens=["[X]"],
        row_tokens={
            "start": ["[CLS]"],
            "between": ["[SEP]", "[SEP]"],
            "end": ["[SEP]"],
            "token_types": None,
        },
    )
    tokenizer.save_to_preset(str(tmp_path / "preset"))
    config = json.loads(json.dumps(tokenizer.get_config()))
    copy = LongformerWordPieceTokenizer.from_config(config)
    assert not copy.has_vocabulary
    with pytest.raises(ValueError, match="has no vocabulary"):
        copy.tokenize("a")
    copy.load_assets(str(tmp_path / "preset" / "assets" / "tokenizer"))
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(tokenizer)
    )
    again.load_assets(str(tmp_path / "preset" / "assets" / "tokenizer"))
    text = "Hello world [X] 中文"
    for other in (copy, again):
        assert other.get_config() == tokenizer.get_config()
        assert other.vocabulary == tokenizer.vocabulary
        assert other.row_template == tokenizer.row_template
        ids = other.tokenize(text).numpy().tolist()
        assert ids == tokenizer.tokenize(text).numpy().tolist()
    with pytest.raises(ValueError, match="may not make the tokenizer read"):
        LongformerWordPieceTokenizer.from_config({"vocabulary": "/etc/hosts"})


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        (["[PAD]", "a"], r"special tokens missing: \[CLS\] \[SEP\]"),
        ({**dict.fromkeys(TINY, 3)}, "share id 3"),
        ({token: f"{i}" for i, token in enumerate(TINY)}, "has id '0', not"),
        ([*TINY[:-1], 7], "7 is not a string"),
    ],
)
def test_broken_vocabularies(vocabulary, words):
    with pytest.raises(ValueError, match=words):
        LongformerWordPieceTokenizer(vocabulary)


def test_wrong_arguments(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"[PAD]\n\xff\xfe")
    with pytest.raises(ValueError, match="is not a WordPiece vocabulary"):
        LongformerWordPieceTokenizer(str(path))
    with pytest.raises(TypeError, match="Received: int"):
        LongformerWordPieceTokenizer(7)
    with pytest.raises(ValueError, match="integer type"):
        tiny(dtype="float32")
    with pytest.raises(ValueError, match="nothing is left of added token"):
        tiny(added_tokens=["\u0301"])
    with pytest.raises(ValueError, match="'A' and 'a' are the same"):
        tiny(added_tokens=["A", "a"])


def test_vocabulary_files(tmp_path):
    """Of a token that stands twice the last line counts."""
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*TINY, "hello", ""]), encoding="utf-8")
    tokenizer = LongformerWordPieceTokenizer(str(path))
    assert tokenizer.token_to_id("hello") == len(TINY)
    assert tokenizer.tokenize("hello").numpy().tolist() == [len(TINY)]
