"""What holds of windows of any texts, by random search."""

import hypothesis
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from keras_longformer.text.merging import mean_of_windows
from keras_longformer.text.merging import tokens_of_windows
from keras_longformer.text.windows import cut_windows

END = 2
settings = hypothesis.settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


@st.composite
def problems(draw):
    """Texts of distinct tokens, prefixes, and how to cut them."""
    lengths = draw(st.lists(st.integers(0, 40), min_size=1, max_size=5))
    prefixes = [draw(st.integers(1, 4)) for _ in lengths]
    longest = draw(st.integers(max(prefixes) + 2, 50))
    stride = draw(st.none() | st.integers(1, longest - 1))
    return lengths, prefixes, longest, stride


def cut(lengths, prefixes, longest, stride):
    def ragged(values, lengths):
        return tf.RaggedTensor.from_row_lengths(
            tf.cast(values, tf.int32), tf.constant(lengths, tf.int64)
        )

    texts = ragged(10 + np.arange(sum(lengths)), lengths)
    fronts = ragged(np.zeros(sum(prefixes)), prefixes)
    return texts, cut_windows(
        texts, fronts, longest=longest, end_id=END, stride=stride
    )


@settings
@hypothesis.given(problems())
def test_every_token_is_in_a_window(problem):
    lengths, prefixes, longest, _ = problem
    texts, windows = cut(*problem)
    seen = [set() for _ in lengths]
    ends = [0] * len(lengths)
    for row, of, token, column, size in zip(
        windows.token_ids.to_list(),
        *(x.numpy() for x in windows[1:5]),
        strict=True,
    ):
        assert column == prefixes[of] and len(row) == column + size + 1
        assert len(row) <= longest and row[-1] == END
        want = texts[of].numpy()[token : token + size]
        assert row[column : column + size] == want.tolist()
        seen[of] |= {*range(token, token + size)}
        ends[of] = token + size  # The last window's stays.
    assert seen == [{*range(length)} for length in lengths]
    assert ends == lengths


@settings
@hypothesis.given(problems())
def test_tokens_of_an_identity_are_the_text(problem):
    texts, windows = cut(*problem)
    outputs = windows.token_ids.to_tensor(-1)[..., None]
    got = tokens_of_windows(outputs, windows)
    want = texts.to_list()
    assert [[x for (x,) in row] for row in got.to_list()] == want


@settings
@hypothesis.given(problems())
def test_a_mean_of_what_is_equal_is_equal(problem):
    _, windows = cut(*problem)
    answers = tf.cast(windows.text_index, tf.float32)[:, None] + 0.5
    got = mean_of_windows(answers, windows).numpy()[:, 0]
    np.testing.assert_allclose(got, np.arange(len(problem[0])) + 0.5)


@settings
@hypothesis.given(problems(), st.integers(1, 6), st.integers(0, 99))
def test_merged_spans_are_the_texts_own(problem, num_best, seed):
    """Spans of one token, each with a score of its own."""
    lengths = problem[0]
    _, windows = cut(*problem)
    scores = np.random.default_rng(seed).permutation(sum(lengths) + 1)
    offsets = np.cumsum([0, *lengths])
    rows = [x.numpy() for x in windows[1:5]]
    filler = [(-1e9, -1)] * num_best

    def best(found):
        return (sorted(found, reverse=True) + filler)[:num_best]

    of_rows = [
        best(
            (float(scores[offsets[of] + token + i]), column + i)
            for i in range(size)
        )
        for of, token, column, size in zip(*rows, strict=True)
    ]
    found = np.array(of_rows, np.float32).reshape(-1, num_best, 2)
    places = tf.constant(found[..., 1], tf.int32)
    got = merge_spans(
        Spans(
            scores=tf.constant(found[..., 0]),
            first=places,
            last=places,
            no_answer_scores=tf.zeros(len(found)),
        ),
        windows,
    )
    for of, length in enumerate(lengths):
        want = best((float(scores[offsets[of] + i]), i) for i in range(length))
        assert got.first[of].numpy().tolist() == [i for _, i in want]
        assert got.last[of].numpy().tolist() == [i for _, i in want]
