"""Long texts in windows."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.text_classification.preprocessor import (
    LongformerTextClassifierPreprocessor,
)
from keras_longformer.text.template import RowTemplate
from keras_longformer.text.template import repeated
from keras_longformer.text.windows import cut_windows
from keras_longformer.text.windows import describe
from keras_longformer.text.windows import read_long

TEMPLATE = RowTemplate(start=(0,), between=(2, 2), end=(2,), pad=1)


def cut(lengths, prefixes=None, **options):
    """Windows of texts of the tokens 10, 11, ..."""
    texts = [[*range(10, 10 + length)] for length in lengths]
    texts = tf.ragged.constant(texts, tf.int32, row_splits_dtype=tf.int64)
    if prefixes is None:
        prefixes = repeated((0,), texts)
    else:
        prefixes = tf.ragged.constant(prefixes, tf.int32)
        prefixes = prefixes.with_row_splits_dtype(tf.int64)
    return texts, cut_windows(texts, prefixes, template=TEMPLATE, **options)


@pytest.mark.parametrize(
    "longest, stride",
    [
        (longest, stride)
        for longest in (3, 4, 19, 64)
        for stride in (None, 1, 2, 5, 17)
        if stride is None or stride < longest
    ],
)
def test_every_token_is_in_a_window_at_its_place(longest, stride):
    lengths = [0, 1, longest - 2, longest - 1, 50, 37]
    texts, got = cut(lengths, longest=longest, stride=stride)
    rows = got.token_ids.to_list()
    seen = [set() for _ in lengths]
    for row, of, token, column, size in zip(
        rows, *(x.numpy() for x in got[1:5]), strict=True
    ):
        assert len(row) == column + size + 1 <= longest
        assert row[0] == 0 and row[-1] == 2 and column == 1
        want = texts[of].numpy()[token : token + size]
        assert row[column : column + size] == want.tolist()
        seen[of] |= {*range(token, token + size)}
    assert [len(tokens) for tokens in seen] == lengths
    assert got.num_texts == len(lengths)
    index = got.text_index.numpy()
    assert (np.diff(index) >= 0).all() and set(index) == {*range(len(lengths))}
    # Steps are even, but for the last, which ends with the text.
    room = longest - 2
    step = min(stride, room) if stride else room - room // 8
    starts = got.first_token.numpy()[index == 4]
    assert starts.tolist() == [*range(0, starts[-1], step), max(50 - room, 0)]


def test_prefixes_take_their_room():
    """A question in front of each window of its own text."""
    _, got = cut(
        [9, 3, 4],
        prefixes=[[0, 7, 2, 2], [0, 2, 2], [0, 7, 8, 2, 2]],
        longest=9,
        stride=3,
    )
    assert got.token_ids.to_list() == [
        [0, 7, 2, 2, 10, 11, 12, 13, 2],
        [0, 7, 2, 2, 13, 14, 15, 16, 2],
        [0, 7, 2, 2, 15, 16, 17, 18, 2],
        [0, 2, 2, 10, 11, 12, 2],
        [0, 7, 8, 2, 2, 10, 11, 12, 2],
        [0, 7, 8, 2, 2, 11, 12, 13, 2],
    ]
    assert got.first_column.numpy().tolist() == [4, 4, 4, 3, 5, 5]
    assert got.text_index.numpy().tolist() == [0, 0, 0, 1, 2, 2]
    assert got.first_token.numpy().tolist() == [0, 3, 5, 0, 0, 1]
    assert got.num_tokens.numpy().tolist() == [4, 4, 4, 3, 3, 3]


def test_only_so_many_windows():
    _, got = cut([9, 2], longest=6, max_windows=1)
    assert got.token_ids.to_list() == [[0, 10, 11, 12, 13, 2], [0, 10, 11, 2]]
    _, got = cut([9, 2], longest=6, max_windows=2)
    assert got.first_token.numpy().tolist() == [0, 4, 0]


def test_in_a_graph_of_any_batch():
    spec = tf.RaggedTensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[spec])
    def rows(texts):
        prefix = repeated((0,), texts)
        return cut_windows(texts, prefix, longest=5, template=TEMPLATE)

    texts, want = cut([8, 0, 2], longest=5)
    got = rows(texts)
    assert got.token_ids.to_list() == want.token_ids.to_list()
    assert rows(texts[:0]).token_ids.nrows() == 0


def test_preprocessor_windows(tiny):
    preprocessor = LongformerTextClassifierPreprocessor(
        tiny, sequence_length=10, pad_to="longest"
    )
    texts = ["hello" * 7, "l", ""]
    inputs, windows = preprocessor.windows(texts)
    short = preprocessor(texts[1:])
    rows = windows.text_index.numpy() > 0
    for name, want in short.items():
        got = inputs[name].numpy()[rows]
        size = want.shape[1]
        np.testing.assert_array_equal(got[:, :size], want)
        assert inputs[name].dtype == want.dtype
    assert inputs["token_ids"].shape == (rows.size, 10)
    assert (inputs["token_ids"].numpy()[rows][:, 4:] == tiny.pad_token_id).all()
    one, _ = preprocessor.windows(texts[0])
    np.testing.assert_array_equal(
        one["token_ids"], inputs["token_ids"][: len(one["token_ids"])]
    )


def test_errors(tiny):
    with pytest.raises(ValueError, match="`stride` is how many.*Try 5"):
        cut([9], longest=10, stride=10)
    with pytest.raises(ValueError, match="Received: stride=0"):
        cut([9], longest=10, stride=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no room"):
        cut([9], prefixes=[[0, 5, 5, 2, 2]], longest=6)
    preprocessor = LongformerTextClassifierPreprocessor(
        tiny, sequence_length=None
    )
    with pytest.raises(ValueError, match="`sequence_length` tokens, and this"):
        preprocessor.windows(["hello"])
    preprocessor.sequence_length = 10
    with pytest.raises(ValueError, match="one text a row.*tuple of 2"):
        preprocessor.windows((["a"], ["b"]))


@pytest.mark.parametrize(
    ("over_long", "want"),
    [
        ("truncate", [[0, 11, 12, 13, 14, 2], [0, 21, 2], [0, 2]]),
        ("head_tail", [[0, 11, 17, 18, 19, 2], [0, 21, 2], [0, 2]]),
        (
            "windows",
            [[0, 11, 12, 13, 14, 2], [0, 15, 16, 17, 18, 2]]
            + [[0, 16, 17, 18, 19, 2], [0, 21, 2], [0, 2]],
        ),
    ],
)
def test_read_long(over_long, want):
    ids = tf.ragged.constant([[*range(11, 20)], [21], []], tf.int32)
    got = read_long(
        ids,
        repeated((0,), ids),
        longest=6,
        over_long=over_long,
        template=TEMPLATE,
    )
    assert got.token_ids.to_list() == want
    if over_long == "windows":
        assert got.text_index.numpy().tolist() == [0, 0, 0, 1, 2]
    assert str(6) in describe(over_long, 6, "they are averaged")
