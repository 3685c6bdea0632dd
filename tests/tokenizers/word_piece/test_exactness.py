"""The ids and offsets are Hugging Face's, on any text."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_longformer.tokenizers.word_piece.characters import SIZE
from keras_longformer.tokenizers.word_piece.characters import Normalization
from keras_longformer.tokenizers.word_piece.characters import normalized
from keras_longformer.tokenizers.word_piece.characters import normalized_text
from keras_longformer.tokenizers.word_piece.normalizer import CODE_POINTS
from keras_longformer.tokenizers.word_piece.normalizer import Normalizer
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)
from tests.tokenizers.word_piece.vocabularies import NORMALIZATIONS
from tests.tokenizers.word_piece.vocabularies import TEXT_KINDS
from tests.tokenizers.word_piece.vocabularies import texts_of
from tests.tokenizers.word_piece.vocabularies import theirs
from tests.tokenizers.word_piece.vocabularies import trained
from tests.tokenizers.word_piece.vocabularies import without_special_tokens

ALL_KINDS = [*TEXT_KINDS, "any"]


@functools.cache
def both(name):
    """Returns our tokenizer and Hugging Face's, of one vocabulary."""
    options = NORMALIZATIONS[name]
    tokens = trained(options)
    ours = LongformerWordPieceTokenizer(tokens, **options)
    return ours, without_special_tokens(theirs(tokens, **options))


def assert_same_tokens(ours, wanted, texts):
    """Compares ids and offsets; returns all ids."""
    ids, starts, ends = (x.to_list() for x in ours.tokenize_with_offsets(texts))
    wanted = wanted.encode_batch(texts, add_special_tokens=False)
    for text, row, start, end, want in zip(
        texts, ids, starts, ends, wanted, strict=True
    ):
        assert row == want.ids, ascii(text)
        assert [*zip(start, end, strict=True)] == want.offsets, ascii(text)
    return sum(ids, [])


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_random_texts(name):
    ours, wanted = both(name)
    for kind in ALL_KINDS:
        ids = assert_same_tokens(ours, wanted, texts_of(kind, 150))
        known = np.mean(np.array(ids) != ours.unk_token_id)
        assert known > 0.01 or kind == "any"


def test_long_text(shared_data):
    text = (shared_data / "charlm/tinyshakespeare.txt").read_text("utf-8")
    ours, wanted = both("uncased")
    ids = assert_same_tokens(ours, wanted, [text[:300_000], "", text[-9000:]])
    assert len(ids) > 50_000


PIECES = st.sampled_from([p for kind in TEXT_KINDS.values() for p in kind])


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["uncased", "cased"]),
    texts=st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"])),
            st.lists(PIECES).map("".join),
        ),
        max_size=5,
    ),
)
def test_any_text(name, texts):
    assert_same_tokens(*both(name), [*texts, ""])


@pytest.mark.parametrize(
    "normalization",
    [Normalization(), Normalization(False, False, False, True)],
    ids=["all", "lower"],
)
def test_every_character(normalization):
    """The normalizer's text, a letter before and behind each code point."""
    normalizers = pytest.importorskip("tokenizers").normalizers
    wanted = normalizers.BertNormalizer(**vars(normalization))
    points = np.arange(SIZE)
    points = points[(points < 0xD800) | (points > 0xDFFF)]
    text = np.full(2 * len(points) + 1, ord("x"), np.int32)
    text[1::2] = points
    normalize = Normalizer(
        normalized(normalization, with_blanks=True), CODE_POINTS
    )
    got = normalize(tf.constant(text), tf.zeros_like(text)).symbols.numpy()
    got = got.astype("<u4").tobytes().decode("utf-32-le")
    text = text.astype("<u4").tobytes().decode("utf-32-le")
    assert got == wanted.normalize_str(text)


def test_normalized_text():
    """What is done to added tokens."""
    normalizers = pytest.importorskip("tokenizers").normalizers
    outputs = normalized(Normalization(), with_blanks=True)
    wanted = normalizers.BertNormalizer()
    for kind in ("marks", "languages", "control"):
        for text in texts_of(kind, 50):
            assert normalized_text(outputs, text) == wanted.normalize_str(text)
