"""Spans: against a search of all pairs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.question_answering.loss import SpanAccuracy
from keras_longformer.tasks.question_answering.loss import SpanLoss
from keras_longformer.tasks.question_answering.spans import EXCLUDED
from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import best_spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from tests.text.test_merging import windows_of


def make_logits(b, n, seed=0):
    """The context from column 5 on, its last columns padding."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(b, n, 2)).astype("float32")
    allowed = np.zeros((b, n), bool)
    for i in range(b):
        allowed[i, 5 : n - i] = True
    allowed[:, 0] = True
    return np.where(allowed[..., None], logits, np.float32(EXCLUDED))


def all_spans(logits, max_answer_length):
    """`[(score, first, last)]`, best first, of one row."""
    starts, ends = logits[..., 0], logits[..., 1]
    spans = []
    for first in range(1, len(starts)):
        for last in range(first, min(first + max_answer_length, len(starts))):
            score = starts[first] + ends[last]
            if score > EXCLUDED / 2:
                spans.append((score, first, last))
    return sorted(spans, reverse=True)


@pytest.mark.parametrize("num_best, length", [(1, 1), (7, 4), (20, 30)])
def test_best_spans_are_the_best_of_all(num_best, length):
    logits = make_logits(3, 23)
    logits[2, 1:] = EXCLUDED  # No context at all.
    function = tf.function(best_spans, jit_compile=True)
    for run in (best_spans, function):
        got = run(tf.constant(logits), num_best, length)
        for i, row in enumerate(logits):
            want = all_spans(row, length)[:num_best]
            count = len(want)
            spans = zip(*(x[i].numpy() for x in got[:3]), strict=True)
            spans = list(spans)
            np.testing.assert_allclose(
                np.array(spans[:count]).reshape(-1, 3),
                np.array(want).reshape(-1, 3),
                rtol=1e-6,
            )
            assert set(spans[count:]) <= {(np.float32(EXCLUDED), -1, -1)}
        np.testing.assert_array_equal(
            got.no_answer_scores, logits[:, 0].sum(-1)
        )


def test_rows_shorter_than_the_wanted_spans():
    got = best_spans(make_logits(1, 7), num_best=9, max_answer_length=30)
    assert got.scores.shape == (1, 9)
    assert (got.first.numpy()[0] >= 5).sum() == 3  # 5-5, 5-6 and 6-6


def test_spans_of_windows():
    """The same as the best of all windows' spans, each counted once."""
    _, windows = windows_of([0, 31, 6, 17], 12, stride=3)
    rows = windows.token_ids
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(rows.nrows(), 12, 2)).astype("float32")
    column = np.arange(12)
    first = windows.first_column.numpy()[:, None]
    inside = (column >= first) & (
        column < first + windows.num_tokens.numpy()[:, None]
    )
    inside[:, 0] = True
    logits = np.where(inside[..., None], logits, np.float32(EXCLUDED))
    got = merge_spans(best_spans(logits, 6, 4), windows)
    of = windows.text_index.numpy()
    for text in range(4):
        best = {}
        for i in np.flatnonzero(of == text):
            shift = windows.first_token[i].numpy() - first[i, 0]
            for score, start, end in all_spans(logits[i], 4)[:6]:
                place = (start + shift, end + shift)
                best[place] = max(score, best.get(place, -np.inf))
        want = sorted(((s, *p) for p, s in best.items()), reverse=True)[:6]
        spans = [*zip(*(x[text].numpy() for x in got[:3]), strict=True)]
        np.testing.assert_allclose(
            np.array(spans[: len(want)]).reshape(-1, 3),
            np.array(want).reshape(-1, 3),
            rtol=1e-6,
        )
        assert len(want) == (0 if text == 0 else 6)
        none = logits[of == text][:, 0].sum(-1).min()
        assert got.no_answer_scores[text] == none


def test_no_texts():
    _, windows = windows_of([4], 9)
    empty = windows._replace(
        text_index=windows.text_index[:0], num_texts=tf.constant(0)
    )
    spans = best_spans(make_logits(1, 9))
    spans = Spans(*(x[:0] for x in spans))
    assert merge_spans(spans, empty).scores.shape == (0, 5)


def test_loss():
    logits = make_logits(2, 11)
    targets = np.zeros(logits.shape, bool)
    targets[0, 6, 0] = targets[0, 7, 1] = True
    targets[1, [5, 8], 0] = targets[1, [6, 9], 1] = True
    p = tf.nn.softmax(logits.astype("float64"), axis=1).numpy()
    one = -(np.log(p[0, 6, 0]) + np.log(p[0, 7, 1])) / 2
    several = -(np.log(p[1, [5, 8], 0].sum()) + np.log(p[1, [6, 9], 1].sum()))
    want = [one, several / 2]
    got = SpanLoss(reduction="none")(targets, logits)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    weighted = SpanLoss()(targets, logits, sample_weight=np.array([0.0, 1.0]))
    np.testing.assert_allclose(weighted, want[1] / 2, rtol=1e-5)
    # One marked answer: Keras' cross-entropy, and its gradients.
    x = tf.constant(logits[:1])
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True, axis=1)
    gradients = []
    for loss in (SpanLoss(), entropy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(targets[:1].astype("float32"), x)
        gradients.append(tape.gradient(value, x).numpy())
    np.testing.assert_allclose(*gradients, atol=1e-7)
    assert np.isfinite(gradients[0]).all()
    again = keras.losses.deserialize(keras.losses.serialize(SpanLoss()))
    assert type(again) is SpanLoss


def test_accuracy():
    logits = np.zeros((3, 6, 2), "float32")
    logits[:, 2, 0] = logits[:, 4, 1] = 1
    targets = np.zeros(logits.shape, bool)
    targets[0, [2, 5], 0] = targets[0, [3, 4], 1] = True  # right
    targets[1, 2, 0] = targets[1, 5, 1] = True  # wrong end
    targets[2, 0] = True  # there is no answer
    metric = SpanAccuracy()
    metric.update_state(targets, logits)
    np.testing.assert_allclose(metric.result(), 1 / 3)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    again.update_state(targets[:1], logits[:1])
    assert again.result() == 1
