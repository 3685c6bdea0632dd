"""Words to tokens, and labels to the first token of each."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.token_classification.words import as_words
from keras_longformer.tasks.token_classification.words import split_texts
from keras_longformer.tasks.token_classification.words import tokenize_words
from keras_longformer.tasks.token_classification.words import words_of_tokens
from tests.tasks import small

TEXTS = [
    "  Ada\u3000 Löve\n x 🙂y\t",
    "",
    " \u00a0 ",
    "one",
    "nul\0in \x1c sep\u2028line",
]
# Words as users have them, some with blanks in them or none in front.
WORDS = [
    ["Hello", "world", "."],
    ["", "a", " b", "  c", "d e", "日本語", "don't"],
    [],
    ["<s>", "</s>", "🤗🤗", "\n", "naïve"],
]


def test_texts_split_at_whitespace():
    words = split_texts(tf.constant(TEXTS))
    got = [[word.decode() for word in row.numpy()] for row in words.words]
    # U+001C is whitespace for Python, and none for RoBERTa.
    want = [text.replace("\x1c", "-").split() for text in TEXTS]
    want = [[word.replace("-", "\x1c") for word in row] for row in want]
    assert got == want
    for text, row, starts, ends in zip(
        TEXTS, got, words.starts, words.ends, strict=True
    ):
        pairs = zip(starts.numpy(), ends.numpy(), strict=True)
        assert [text[a:b] for a, b in pairs] == row
    broken = split_texts(tf.constant([b"a \xff b"]))
    assert broken.words[0].numpy().tolist() == [b"a", b"\xef\xbf\xbd", b"b"]


@pytest.mark.own_process
def test_tokens_and_words_as_hugging_face(roberta, roberta_files):
    """Their `word_ids` with `is_split_into_words=True`: expected values
    of transformers 4.57.6, and its own."""
    words = as_words(WORDS).words
    tokens = tokenize_words(roberta, words)
    local = tf.ragged.range(words.row_lengths()).values
    index = tokens.ids.with_values(tf.gather(local, tokens.word))
    got = list(zip(tokens.ids.to_list(), index.to_list(), strict=True))
    assert got[0] == ([20920, 232, 479], [0, 1, 2])
    assert got[1][0][:7] == [10, 741, 1437, 740, 385, 364, 47416]
    assert got[1][1] == [1, 2, 3, 3, 4, 4, *[5] * 7, 6, 6]
    assert got[2] == ([], [])
    first = np.diff([-1, *tokens.word.numpy()]) > 0
    np.testing.assert_array_equal(tokens.is_first, first)
    transformers = pytest.importorskip("transformers")
    theirs = transformers.RobertaTokenizerFast(
        *roberta_files, add_prefix_space=True
    )
    for (ids, of), row in zip(got, WORDS, strict=True):
        if "<s>" in row:  # Theirs reads special tokens in text.
            continue
        want = theirs(row, is_split_into_words=True)
        assert ids == want["input_ids"][1:-1]
        assert of == want.word_ids()[1:-1]


def make(**config):
    return klf.LongformerTokenClassifierPreprocessor(
        small.shared_tokenizer(), **{"sequence_length": 9, **config}
    )


def test_labels_and_weights():
    x, y, weight = make()(
        [["good", "bad text"], ["x"], ["", " the"]],
        [[1, 2], [3], [4, 5]],
        [1.0, 0.5, 2.0],
    )
    ids = small.shared_tokenizer().tokenize([" good", " bad text"])
    first, second = (len(row) for row in ids)
    want = [0, 1, *[0] * (first - 1), 2]
    n = len(want)
    assert y[0, :n].numpy().tolist() == want
    assert weight[0].numpy().tolist() == [
        float(i in (1, 1 + first)) for i in range(9)
    ]
    assert 1 + first + second > 8  # The second word was cut off.
    assert weight[1].numpy().tolist() == [0, 0.5] + [0] * 7
    # The empty word's label is nobody's.
    assert y[2, 1] == 5 and 4 not in y[2]
    assert weight[2, 1] == 2.0
    assert set(x) == {"token_ids", "padding_mask"}
    assert x["token_ids"][1].numpy().tolist()[-5:] == [1] * 5
    _, _, weight = make()([["a", "b"]], [[1, 2]], [[0.25, 3.0]])
    assert sorted(weight.numpy()[0])[-2:] == [0.25, 3.0]


def test_dense_words_and_one_text():
    ragged = make()([["good", "a"], ["x"]], [[1, 2], [3]])
    dense = make()(np.array([["good", "a"], ["x", ""]]), [[1, 2], [3, 0]])
    texts = make()(["good a", " x\n"], tf.ragged.constant([[1, 2], [3]]))
    tf.nest.map_structure(np.testing.assert_array_equal, dense, ragged)
    tf.nest.map_structure(np.testing.assert_array_equal, texts, ragged)
    one = make()("good a", [1, 2])
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_array_equal(a, b[0]), one, ragged
    )
    graph = tf.function(make().__call__)(tf.ragged.constant([["good", "a"]]))
    np.testing.assert_array_equal(
        graph["token_ids"][0], ragged[0]["token_ids"][0]
    )


def test_global_start_and_config():
    preprocessor = make(global_start=True)
    mask = preprocessor([["a"]])["global_mask"].numpy()
    assert mask.tolist() == [[True] + [False] * 8]
    again = type(preprocessor).from_config(preprocessor.get_config())
    assert again.global_start and again.sequence_length == 9


def test_outputs_of_words():
    words = as_words([["bad", "", "x"]]).words
    tokens = tokenize_words(small.shared_tokenizer(), words)
    count = tokens.ids.row_lengths()[0]
    outputs = tf.range(tf.cast(count, tf.float32))[None, : count - 1, None]
    got, has = words_of_tokens(
        tf.RaggedTensor.from_tensor(outputs),
        tokens,
        words,
    )
    # " x" is two tokens here; the last of all was cut off.
    assert has.to_list() == [[True, False, True]]
    assert got.to_list()[0][0] == [0.0]
    assert got.to_list()[0][1] == [0.0]


def test_errors():
    with pytest.raises(tf.errors.InvalidArgumentError, match="own of labels"):
        make()([["a", "b"]], [[1]])
    with pytest.raises(ValueError, match="`\\(b, words\\)`"):
        make()(["a b"], [1])
    with pytest.raises(TypeError, match="array or tensor of string"):
        make()([[1, 2]])
