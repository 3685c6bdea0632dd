"""What is true of windows of any texts, prefixes and lengths."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import best_spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from keras_longformer.text.merging import mean_of_windows
from keras_longformer.text.merging import tokens_of_windows
from keras_longformer.text.template import RowTemplate
from keras_longformer.text.windows import HEAD_PART
from keras_longformer.text.windows import OVERLAP_PART
from keras_longformer.text.windows import cut_windows
from keras_longformer.text.windows import read_long

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

START, END, PAD, FIRST_TOKEN = 0, 2, 1, 10
EXAMPLES = hypothesis.settings(
    max_examples=50, deadline=None, derandomize=True, database=None
)


def ragged(rows):
    return tf.RaggedTensor.from_row_lengths(
        tf.constant([x for row in rows for x in row], tf.int32),
        tf.constant([len(row) for row in rows], tf.int64),
    )


@st.composite
def batches(draw, most_texts=4):
    """Texts of tokens that are all different, and how they are cut."""
    lengths = draw(
        st.lists(st.integers(0, 40), min_size=1, max_size=most_texts)
    )
    first = FIRST_TOKEN + np.cumsum([0, *lengths])
    texts = [[*range(a, b)] for a, b in zip(first[:-1], first[1:])]
    prefixes = [
        [START, *[3] * draw(st.integers(0, 5)), *between]
        for between in draw(
            st.lists(
                st.sampled_from([(), (END, END)]),
                min_size=len(lengths),
                max_size=len(lengths),
            )
        )
    ]
    ends = draw(st.sampled_from([(END,), (END, END + 1)]))
    template = RowTemplate(
        start=(START,), between=(END, END), end=ends, pad=PAD
    )
    room = draw(st.integers(1, 20))
    longest = max(map(len, prefixes)) + len(ends) + room
    stride = draw(st.none() | st.integers(1, longest - 1))
    return Batch(texts, prefixes, template, longest, stride)


class Batch:
    def __init__(self, texts, prefixes, template, longest, stride):
        self.texts = texts
        self.prefixes = prefixes
        self.template = template
        self.longest = longest
        self.stride = stride

    def __repr__(self):
        return f"Batch({vars(self)})"

    def room(self, text):
        """How many tokens of a text a row of it can have."""
        taken = len(self.prefixes[text]) + len(self.template.end)
        return self.longest - taken

    def read(self, over_long=None):
        read, options = cut_windows, {}
        if over_long is not None:
            read, options = read_long, {"over_long": over_long}
        return read(
            ragged(self.texts),
            ragged(self.prefixes),
            longest=self.longest,
            template=self.template,
            stride=self.stride,
            **options,
        )

    def rows_of(self, windows):
        """`[(first token, tokens)]` of the windows of each text, each row
        checked to be `prefix tokens end`."""
        found = [[] for _ in self.texts]
        rows = windows.token_ids.to_list()
        facts = zip(*(x.numpy().tolist() for x in windows[1:5]))
        for row, (text, first, column, size) in zip(rows, facts, strict=True):
            assert len(row) <= self.longest
            assert column == len(self.prefixes[text])
            assert row[:column] == self.prefixes[text]
            assert row[column + size :] == [*self.template.end]
            found[text].append((first, row[column : column + size]))
        return found


@EXAMPLES
@hypothesis.given(batches())
def test_every_token_is_in_a_window_of_its_text(batch):
    windows = batch.read()
    assert windows.num_texts == len(batch.texts)
    assert (np.diff(windows.text_index) >= 0).all()
    for i, (text, rows) in enumerate(
        zip(batch.texts, batch.rows_of(windows), strict=True)
    ):
        for first, tokens in rows:
            assert tokens == text[first : first + len(tokens)]
            assert len(tokens) == min(batch.room(i), len(text))
        assert {x for _, tokens in rows for x in tokens} == set(text)
        # The last one ends with the text, and no other does.
        ends = [first + len(tokens) for first, tokens in rows]
        assert ends[-1] == len(text) and ends == sorted(set(ends))


@EXAMPLES
@hypothesis.given(batches())
def test_neighbours_overlap(batch):
    for i, rows in enumerate(batch.rows_of(batch.read())):
        room = batch.room(i)
        step = room - room // OVERLAP_PART
        if batch.stride is not None:
            step = min(batch.stride, room)
        steps = np.diff([first for first, _ in rows])
        assert (steps[:-1] == step).all() and (steps[-1:] <= step).all()


@EXAMPLES
@hypothesis.given(batches())
def test_truncate_keeps_the_beginning(batch):
    got = batch.rows_of(batch.read("truncate"))
    for i, (text, rows) in enumerate(zip(batch.texts, got, strict=True)):
        assert rows == [(0, text[: batch.room(i)])]


@EXAMPLES
@hypothesis.given(batches())
def test_head_tail_keeps_a_quarter_and_the_end(batch):
    got = batch.rows_of(batch.read("head_tail"))
    for i, (text, rows) in enumerate(zip(batch.texts, got, strict=True)):
        room = batch.room(i)
        want = text
        if len(text) > room:
            head = room // HEAD_PART
            want = text[:head] + text[len(text) - (room - head) :]
        assert rows == [(0, want)]


@EXAMPLES
@hypothesis.given(batches())
def test_windows_of_read_long_are_those_of_cut_windows(batch):
    for got, want in zip(batch.read("windows"), batch.read(), strict=True):
        if isinstance(want, tf.RaggedTensor):
            got, want = got.to_list(), want.to_list()
        np.testing.assert_equal(np.array(got, object), np.array(want, object))


@EXAMPLES
@hypothesis.given(batches())
def test_tokens_of_windows_gives_each_token_back(batch):
    windows = batch.read()
    ids = windows.token_ids.to_tensor(PAD)
    assert tokens_of_windows(ids, windows).to_list() == batch.texts


@EXAMPLES
@hypothesis.given(batches())
def test_mean_of_windows(batch):
    """What all windows of a text agree on is the text's."""
    windows = batch.read()
    of = windows.text_index.numpy()
    outputs = np.stack([of, np.arange(of.size)], -1).astype("float32")
    got = mean_of_windows(tf.constant(outputs), windows).numpy()
    np.testing.assert_array_equal(got[:, 0], np.arange(len(batch.texts)))
    want = [outputs[of == i, 1].mean() for i in range(len(batch.texts))]
    np.testing.assert_allclose(got[:, 1], want, rtol=1e-6)


@EXAMPLES
@hypothesis.given(batches(most_texts=2), st.integers(1, 6), st.integers(0, 99))
def test_best_spans_of_windows_are_those_of_the_whole(batch, num_best, seed):
    """Each logit follows from its token, and rows are long enough that a
    window contains each span."""
    longest_answer = min(
        _shared_tokens(batch, i) + 1 for i in range(len(batch.texts))
    )
    windows = batch.read()
    logits = np.random.default_rng(seed).normal(
        size=(FIRST_TOKEN + sum(map(len, batch.texts)), 2)
    )
    logits = logits.astype("float32")
    logits[:FIRST_TOKEN] = EXCLUDED
    logits[START] = 0.0
    ids = windows.token_ids.to_tensor(PAD)
    rows = best_spans(tf.gather(logits, ids), num_best, longest_answer)
    got = merge_spans(rows, windows)
    for i, text in enumerate(batch.texts):
        want = sorted(
            (
                (logits[text[a], 0] + logits[text[b], 1], a, b)
                for a in range(len(text))
                for b in range(a, min(a + longest_answer, len(text)))
            ),
            reverse=True,
        )[:num_best]
        want += [(EXCLUDED, -1, -1)] * (num_best - len(want))
        for x, y in zip(got[:3], zip(*want), strict=True):
            np.testing.assert_allclose(x[i], y, rtol=1e-6)
        assert got.no_answer_scores[i] == 0.0


@EXAMPLES
@hypothesis.given(batches(), st.data())
def test_no_answer_of_a_text_is_the_least_of_its_windows(batch, data):
    windows = batch.read()
    of = windows.text_index.numpy()
    scores = data.draw(
        st.lists(st.integers(-9, 9), min_size=of.size, max_size=of.size)
    )
    scores = np.array(scores, "float32")
    nothing = tf.fill([of.size, 1], -1)
    got = merge_spans(
        Spans(tf.fill([of.size, 1], EXCLUDED), nothing, nothing, scores),
        windows,
    )
    want = [scores[of == i].min() for i in range(len(batch.texts))]
    assert got.no_answer_scores.numpy().tolist() == want
    assert (got.first == -1).numpy().all() and (got.last == -1).numpy().all()


def _shared_tokens(batch, text):
    """The fewest tokens that neighbouring windows of a text share."""
    room = batch.room(text)
    if batch.stride is None:
        return room // OVERLAP_PART
    return room - min(batch.stride, room)
