"""A kind of tokenizer that writes only what is its own."""

import types

import pytest
import tensorflow as tf

from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.encoder_tokenizer import EncoderTokenizer

CONTROL = {
    "start_token": "<s>",
    "pad_token": "<pad>",
    "end_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": None,
}


class LetterEncoder:
    """A token for each letter of the alphabet, `<unk>` for the others."""

    def encode_with_offsets(self, texts, special_tokens):
        letters = tf.strings.unicode_decode(texts, "UTF-8")
        ids = letters - ord("a") + 4
        known = tf.logical_and(ids.values >= 4, ids.values < 30)
        ids = ids.with_values(tf.where(known, ids.values, 3))
        starts = tf.ragged.range(ids.row_lengths())
        starts = tf.cast(starts, tf.int32)
        return Tokens(ids, starts, starts + 1)

    def encode(self, texts, special_tokens):
        return self.encode_with_offsets(texts, special_tokens).ids


class LetterTokenizer(EncoderTokenizer):
    data_arguments = ("letters",)
    data_name = "alphabet"
    token_notation = "Tokens are letters"

    def __init__(self, letters=None, sequence_length=None, **kwargs):
        super().__init__(
            sequence_length=sequence_length,
            special_tokens_in_text=False,
            max_text_bytes=8,
            row_tokens=None,
            dtype="int32",
            **kwargs,
        )
        self._set_special_tokens(CONTROL, ["[E]"], None)
        self._unset_vocabulary()
        if letters is not None:
            names = [t for t in CONTROL.values() if t is not None]
            tokens = {token: i for i, token in enumerate([*names, *letters])}
            tokens = self._with_added_tokens(tokens)
            self._vocabulary = types.SimpleNamespace(
                tokens=tokens,
                by_id={i: token for token, i in tokens.items()},
                size=len(tokens),
            )
            self._set_encoder(LetterEncoder())
            self._set_texts([token.encode() for token in tokens])


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def test_texts_of_a_new_kind():
    tokenizer = LetterTokenizer(LETTERS)
    assert tokenizer.tokenize("cab").numpy().tolist() == [6, 4, 5]
    assert tokenizer.tokenize(["a", "b?"]).to_list() == [[4], [5, 3]]
    assert tokenizer.tokenize([["a"], ["bc"]]).to_list() == [[[4]], [[5, 6]]]
    tokens = tokenizer.tokenize_with_offsets([["ab"], []])
    assert tokens.ends.to_list() == [[[1, 2]], []]
    assert tokenizer.detokenize([0, 6, 30, 2]).numpy() == b"<s>c[E]</s>"
    shown = tokenizer.detokenize([[0, 6, 30, 2]], skip_special_tokens=True)
    assert shown.numpy() == [b"c[E]"]
    message = "LetterTokenizer: text 0 of the batch has 9 bytes"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tokenizer.tokenize("a" * 9)
    padded = LetterTokenizer(LETTERS, sequence_length=3)
    rows = padded.tokenize([["a", "abcd"]]).numpy().tolist()
    assert rows == [[[4, 1, 1], [4, 5, 6]]]


def test_vocabulary_of_a_new_kind():
    tokenizer = LetterTokenizer(LETTERS)
    assert tokenizer.vocabulary_size() == 31
    assert tokenizer.special_token_ids == [0, 1, 2, 3]
    assert tokenizer.mask_token_id is None
    assert tokenizer.row_template.between == (2, 2)
    with pytest.raises(ValueError, match="vocabulary. Tokens are letters; "):
        tokenizer.token_to_id("A")
    with pytest.raises(ValueError, match="no alphabet. Pass `letters`, or"):
        LetterTokenizer().vocabulary_size()
    with pytest.raises(ValueError, match="Received: letters='a.txt'"):
        LetterTokenizer.from_config({"letters": "a.txt"})
