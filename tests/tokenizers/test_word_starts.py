"""Which tokens start a word, in every kind of vocabulary."""

import numpy as np

from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.tokenizers import LongformerWordPieceTokenizer
from keras_longformer.tokenizers.sentence_piece.tokenizer import (
    LongformerSentencePieceTokenizer,
)


def starting(tokenizer):
    starts = tokenizer.word_starts
    assert starts.dtype == bool
    assert len(starts) == tokenizer.vocabulary_size()
    return {tokenizer.id_to_token(i) for i in np.flatnonzero(starts)}


def test_byte_pair():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokens = [*special, "Ġ", "a", "Ċ", ",", "Ġa"]
    tokenizer = LongformerTokenizer(
        {token: i + 3 for i, token in enumerate(tokens)},
        ["Ġ a"],
        added_tokens=["[X]"],
    )
    assert starting(tokenizer) == {*special, "Ġ", "Ċ", "Ġa", "[X]"}


def test_word_piece():
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer = LongformerWordPieceTokenizer(
        [*special, "a", "##a", "##ing", "#"]
    )
    assert starting(tokenizer) == {*special, "a", "#"}


def test_sentence_piece():
    starts = LongformerSentencePieceTokenizer.starts_word
    assert [starts(x) for x in ("▁a", "▁", "a", ",")] == [True, True, 0, 0]
