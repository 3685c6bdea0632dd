"""The ids are those of SentencePiece's own library, on any text."""

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from keras_longformer.tokenizers import LongformerSentencePieceTokenizer
from tests.tokenizers.sentence_piece.conftest import mixed
from tests.tokenizers.sentence_piece.conftest import train
from tests.vocabularies import random_texts

KINDS = ["ascii", "control", "whitespace", "marks", "wide", "special", "any"]
# What SentencePiece treats in ways of its own.
ODD = [*"ﬁ½…㍿ﷺ①ﾞ¨▁ ax", "\u0301", "\u200b", "\ufdd0", "\t", "☃", "  ", "<s>"]


def score(names, scores, unknown):
    return sum(scores.get(name, unknown) for name in names)


def assert_same_ids(ours, wanted, texts, scores):
    """Compares ids; only splits of the same score may differ."""
    rows = ours.tokenize(texts).to_list()
    names = ours.get_vocabulary()
    ties = 0
    for text, row in zip(texts, rows, strict=True):
        expected = wanted(text)
        if row == expected:
            continue
        ties += 1
        a, b = ([names[i] for i in ids] for ids in (row, expected))
        unknown = min(scores.values()) - 10
        difference = score(a, scores, unknown) - score(b, scores, unknown)
        assert abs(difference) < 1e-3, (text, a, b)
    assert ties <= len(texts) / 50


@pytest.fixture(scope="module")
def scores(proto):
    library = sentencepiece.SentencePieceProcessor(model_proto=proto)
    return {
        library.id_to_piece(i): library.get_score(i)
        for i in range(library.get_piece_size())
    }


@pytest.mark.parametrize("layout", ["xlm_roberta", "camembert"])
def test_random_texts(layout, request, scores):
    ours = request.getfixturevalue(layout)
    theirs = request.getfixturevalue(f"slow_{layout}")
    generator = np.random.default_rng(0)
    texts = [t for kind in KINDS for t in random_texts(kind, 100)]
    texts += mixed(200, seed=1)
    texts += [
        "".join(generator.choice(ODD, generator.integers(0, 20)))
        for _ in range(400)
    ]

    def wanted(text):
        return theirs(
            text, add_special_tokens=False, split_special_tokens=True
        )["input_ids"]

    assert_same_ids(ours, wanted, texts, scores)


@settings(max_examples=40, deadline=None, database=None)
@given(strategies.lists(strategies.text(max_size=40), min_size=1, max_size=20))
def test_property(xlm_roberta, slow_xlm_roberta, scores, texts):
    def wanted(text):
        return slow_xlm_roberta(
            text, add_special_tokens=False, split_special_tokens=True
        )["input_ids"]

    rows = xlm_roberta.tokenize(texts).to_list()
    found = xlm_roberta.tokenize_with_offsets(texts)
    assert found.ids.to_list() == rows
    for text, row, starts, ends in zip(
        texts, rows, found.starts.to_list(), found.ends.to_list(), strict=True
    ):
        if not any(0xD800 <= ord(c) < 0xE000 for c in text):
            a, b = (
                [xlm_roberta.id_to_token(i) for i in x]
                for x in (row, wanted(text))
            )
            low = min(scores.values()) - 10
            assert abs(score(a, scores, low) - score(b, scores, low)) < 1e-3
        assert starts == sorted(starts) and ends == sorted(ends)
        assert all(a < b <= len(text) for a, b in zip(starts, ends))


@pytest.mark.parametrize("kind", ["bpe", "char", "word", "bytes"])
def test_other_models(kind):
    options = {"model_type": kind}
    if kind == "bytes":
        options = {"byte_fallback": True}
    proto = train(vocab_size=500 if kind != "word" else 300, **options)
    library = sentencepiece.SentencePieceProcessor(model_proto=proto)
    ours = LongformerSentencePieceTokenizer(proto)
    texts = [*mixed(40, seed=2), "☃☃ x☃", "", "ﬁ ½", "a  b "]
    unknown = library.unk_id()
    want = [
        [3 if i == unknown else i + 1 for i in library.encode(text)]
        for text in texts
    ]
    found = ours.tokenize_with_offsets(texts)
    assert ours.tokenize(texts).to_list() == want
    assert found.ids.to_list() == want
    if kind == "bytes":
        back = ours.detokenize(ours.tokenize("☃ x")).numpy().decode()
        assert back == "☃ x"


def test_invalid_utf8(xlm_roberta):
    generator = np.random.default_rng(3)
    broken = [b"\xff\xfe a", b"nul \0 byte", b"\xe6\x97", b"\xed\xa0\x80"]
    broken += [generator.bytes(20) for _ in range(100)]
    ids = xlm_roberta.tokenize(tf.constant(broken)).to_list()
    read = [data.decode("utf-8", "replace") for data in broken]
    assert ids == xlm_roberta.tokenize(read).to_list()


@pytest.mark.parametrize("unit", ["☃", "½", "a", "a ", "…a "])
def test_large_texts_take_time_in_proportion(xlm_roberta, unit):
    """SentencePiece's own library takes 20 s for the first of these."""
    text = unit * (200_000 // len(unit.encode()))
    found = xlm_roberta.tokenize_with_offsets([text])
    assert found.ends.to_list()[0][-1] == len(text.rstrip())
