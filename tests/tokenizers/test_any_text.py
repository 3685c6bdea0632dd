"""Texts of anyone: ids as the definition has them, in time, and no token that
the text names only.

WordPiece and SentencePiece have such tests beside theirs.
"""

import functools
import time

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

import keras_longformer as klf
from keras_longformer.tokenizers import LongformerSentencePieceTokenizer
from keras_longformer.tokenizers import LongformerWordPieceTokenizer
from tests.hostile.texts import trained
from tests.tokenizers.byte_pair.test_exactness import assert_same_tokens
from tests.tokenizers.word_piece import vocabularies
from tests.vocabularies import reference
from tests.vocabularies import tiny_vocabulary

ANY = strategies.text(strategies.characters(exclude_categories=["Cs"]))
# What rules of words are about, in any order.
RULES = strategies.lists(
    strategies.sampled_from(
        [*"ab1 \n\t\r\u00a0\u3000'\u0301é日😀\u200d\0", "'s", "'ll", "  ", "½"]
    )
).map("".join)
TEXTS = strategies.lists(ANY | RULES, min_size=1, max_size=30)
QUICK = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAMES = (
    "<s>|</s>|<pad>|<unk>|<mask>|[CLS]|[SEP]|[PAD]|[UNK]|[MASK]|<start>|<end>"
).split("|")
NAMED = strategies.lists(
    strategies.sampled_from([*NAMES, "<", "s>", "[MA", "SK]", " ", "a", "▁"])
).map("".join)


@functools.cache
def byte_pair():
    return klf.LongformerTokenizer(*tiny_vocabulary())


@functools.cache
def their_byte_pair():
    tokens, merges = tiny_vocabulary()
    return reference((tokens, [tuple(pair.split(" ")) for pair in merges]))


@functools.cache
def word_piece():
    return LongformerWordPieceTokenizer(
        {t: i for i, t in enumerate(vocabularies.TINY)}
    )


@functools.cache
def sentence_piece():
    return LongformerSentencePieceTokenizer(trained())


@functools.cache
def bytes_alone():
    return klf.LongformerByteTokenizer()


TOKENIZERS = {
    made.__name__: made
    for made in (byte_pair, word_piece, sentence_piece, bytes_alone)
}


@QUICK
@given(texts=TEXTS)
def test_byte_pairs(texts):
    assert_same_tokens(byte_pair(), their_byte_pair(), texts)


@QUICK
@given(texts=TEXTS)
def test_bytes(texts):
    found = bytes_alone().tokenize_with_offsets(texts)
    assert found.ids.to_list() == [[*text.encode()] for text in texts]
    for text, starts, ends in zip(
        texts, found.starts.to_list(), found.ends.to_list(), strict=True
    ):
        want = [i for i, c in enumerate(text) for _ in c.encode()]
        assert starts == want
        assert ends == [i + 1 for i in want]


@pytest.mark.parametrize("name", TOKENIZERS)
@QUICK
@given(texts=strategies.lists(NAMED, min_size=1, max_size=30))
def test_a_text_cannot_name_a_control_token(name, texts):
    """`<mask>` in a text is its characters, unless that was asked for."""
    tokenizer = TOKENIZERS[name]()
    control = {tokenizer.start_token_id, tokenizer.end_token_id}
    control |= {tokenizer.pad_token_id, tokenizer.mask_token_id}
    control -= {tokenizer.unk_token_id}
    found = {i for row in tokenizer.tokenize(texts).to_list() for i in row}
    assert not found & control


@pytest.mark.parametrize("unit", ["a", "é'"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_long_word_takes_time_in_proportion(name, unit):
    """Ten times as long takes ten times the time: a hundred if squared."""
    tokenizer = TOKENIZERS[name]()

    def seconds(length):
        text = [unit * (length // len(unit))]
        tokenizer.tokenize(text)
        begin = time.process_time()
        tokenizer.tokenize(text)
        return time.process_time() - begin

    short = max(seconds(10_000), 0.005)
    assert seconds(100_000) < 40 * short
