import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf

TEXTS = ["", "a text", "Ünïcödé 日本語 🙂", bytes(range(256)), "<pad><end>"]


@pytest.fixture(scope="module")
def tokenizer():
    return klf.LongformerByteTokenizer()


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def test_ids_are_the_bytes(tokenizer):
    got = tokenizer.tokenize(tf.constant(TEXTS))
    assert got.to_list() == [list(as_bytes(text)) for text in TEXTS]
    assert tokenizer.vocabulary_size() == 258


def test_round_trip_in_eager_graph_and_data(tokenizer):
    want = [as_bytes(text) for text in TEXTS]

    def there_and_back(texts):
        return tokenizer.detokenize(tokenizer.tokenize(texts))

    texts = tf.constant(TEXTS)
    assert there_and_back(texts).numpy().tolist() == want
    assert tf.function(there_and_back)(texts).numpy().tolist() == want
    data = tf.data.Dataset.from_tensor_slices(texts).map(there_and_back)
    assert [*data.as_numpy_iterator()] == want


def test_shapes(tokenizer):
    assert tokenizer.tokenize("abc").shape == (3,)
    nested = tokenizer.tokenize([["ab", "c"], ["", "d"]])
    assert nested.to_list() == [[[97, 98], [99]], [[], [100]]]
    padded = klf.LongformerByteTokenizer(sequence_length=3)(["a", "bcde"])
    np.testing.assert_array_equal(padded, [[97, 256, 256], [98, 99, 100]])


def test_offsets_count_characters(tokenizer):
    text = "aü🙂b"
    tokens = tokenizer.tokenize_with_offsets([text, "xy"])
    starts, ends = tokens.starts.to_list(), tokens.ends.to_list()
    assert starts == [[0, 1, 1, 2, 2, 2, 2, 3], [0, 1]]
    assert ends == [[1, 2, 2, 3, 3, 3, 3, 4], [1, 2]]


def test_text8():
    tokenizer = klf.LongformerByteTokenizer("text8")
    assert tokenizer.vocabulary_size() == 29
    assert tokenizer.tokenize("az b").numpy().tolist() == [1, 26, 0, 2]
    ids = tokenizer.tokenize(["anarchism", " of"])
    assert tokenizer.detokenize(ids).numpy().tolist() == [b"anarchism", b" of"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="the byte 65,"):
        tokenizer.tokenize(["a", "bAc"])


@pytest.mark.parametrize("alphabet", ["", "aa", "ab日", 7])
def test_alphabets_that_cannot_be(alphabet):
    with pytest.raises(ValueError, match="`alphabet` must be None"):
        klf.LongformerByteTokenizer(alphabet)


@pytest.mark.parametrize("alphabet", [None, "text8", "xyz"])
def test_saved_and_opened(alphabet, tmp_path):
    tokenizer = klf.LongformerByteTokenizer(alphabet, max_text_bytes=9)
    tokenizer.save_to_preset(str(tmp_path))
    for cls in (klf.LongformerByteTokenizer, klf.LongformerTokenizer):
        again = cls.from_preset(str(tmp_path))
        assert type(again) is klf.LongformerByteTokenizer
        assert again.get_config() == tokenizer.get_config()
    assert again.tokenize("zy").numpy().tolist() == (
        tokenizer.tokenize("zy").numpy().tolist()
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_text_bytes"):
        again.tokenize("z" * 10)
