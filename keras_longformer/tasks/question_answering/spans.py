"""The best spans of an answer, of each row and of each text.

A span scores the sum of its first token's start logit and its last token's end
logit. Stock TensorFlow, eagerly, in exported graphs and under XLA.
"""

import typing

import tensorflow as tf

from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.tasks.question_answering.answers import NO_TOKEN
from keras_longformer.text.windows import Windows

NUM_BEST = 5
MAX_ANSWER_LENGTH = 30  # Tokens; as for SQuAD since BERT.


class Spans(typing.NamedTuple):
    """Spans, best first.

    Attributes:
        scores: float32 `(b, k)`; `EXCLUDED` where there are fewer spans.
        first: int32 `(b, k)`, each span's first token; `NO_TOKEN` there.
        last: int32 `(b, k)`, its last one.
        no_answer_scores: float32 `(b,)`, the score of "no answer".
    """

    scores: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    no_answer_scores: tf.Tensor


def best_spans(
    logits: tf.Tensor,
    num_best: int = NUM_BEST,
    max_answer_length: int = MAX_ANSWER_LENGTH,
) -> Spans:
    """Returns the best spans of each row, in its columns.

    Exact: the `k` best spans begin at the `k` tokens whose best span is best,
    so that time is `O(n * max_answer_length)`, and memory `O(n)` with
    `k * max_answer_length` more.

    Args:
        logits: float `(b, n, 2)`, of starts and ends, `EXCLUDED` where there
            cannot be one. Column 0, `<s>`, is "no answer".
        num_best: int, the spans wanted, `k`.
        max_answer_length: int, the most tokens of a span.
    """
    logits = tf.cast(logits, tf.float32)
    starts, ends = logits[..., 0], logits[..., 1]
    no_answer_scores = starts[:, 0] + ends[:, 0]
    column = tf.range(tf.shape(starts)[1])
    starts = tf.where(column > 0, starts, EXCLUDED)
    # Behind the last column there is nothing; and always enough of it.
    missing = tf.maximum(num_best - tf.shape(starts)[1], 0)
    starts = tf.pad(starts, [[0, 0], [0, missing]], constant_values=EXCLUDED)
    ends = tf.pad(
        ends,
        [[0, 0], [0, missing + max_answer_length - 1]],
        constant_values=EXCLUDED,
    )
    best_end = tf.nn.max_pool1d(
        ends[..., None], max_answer_length, strides=1, padding="VALID"
    )[..., 0]
    _, first = tf.math.top_k(starts + best_end, num_best)
    last = first[..., None] + tf.range(max_answer_length)
    scores = tf.gather(starts, first, batch_dims=1)[..., None]
    scores += tf.gather(ends, last, batch_dims=1)
    shape = [-1, num_best * max_answer_length]
    scores, index = tf.math.top_k(tf.reshape(scores, shape), num_best)
    first = tf.gather(first, index // max_answer_length, batch_dims=1)
    last = first + index % max_answer_length
    return Spans(*_without_excluded(scores, first, last), no_answer_scores)


def merge_spans(spans: Spans, windows: Windows) -> Spans:
    """Returns the best spans of each text, in its tokens.

    Overlapping windows find the same span more than once: it counts with its
    best score. A text has no answer if none of its windows has one, so the
    least of their scores of "no answer" is the text's.

    Args:
        spans: of the rows, in their columns.
        windows: the rows.
    """
    num_best = spans.scores.shape[1]
    if num_best is None:
        num_best = tf.shape(spans.scores)[1]
    is_span = spans.first != NO_TOKEN
    shift = (windows.first_token - windows.first_column)[:, None]
    scores, first, last = (
        _of_texts(x, windows, filler)
        for x, filler in (
            (spans.scores, EXCLUDED),
            (tf.where(is_span, spans.first + shift, NO_TOKEN), NO_TOKEN),
            (tf.where(is_span, spans.last + shift, NO_TOKEN), NO_TOKEN),
        )
    )
    # By place, and at one place by score: the first of each place stays.
    place = tf.cast(first, tf.int64) * 2**31 + tf.cast(last, tf.int64)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    order = tf.gather(
        order,
        tf.argsort(tf.gather(place, order, batch_dims=1), stable=True),
        batch_dims=1,
    )
    scores, first, last, place = (
        tf.gather(x, order, batch_dims=1) for x in (scores, first, last, place)
    )
    is_again = tf.equal(place[:, 1:], place[:, :-1])
    is_again = tf.pad(is_again, [[0, 0], [1, 0]])
    scores = tf.where(is_again, EXCLUDED, scores)
    scores, index = tf.math.top_k(scores, num_best)
    first = tf.gather(first, index, batch_dims=1)
    last = tf.gather(last, index, batch_dims=1)
    no_answer_scores = tf.math.unsorted_segment_min(
        spans.no_answer_scores, windows.text_index, windows.num_texts
    )
    return Spans(*_without_excluded(scores, first, last), no_answer_scores)


def name_answers(
    spans: Spans, texts: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Returns the tensors of answers by the names that `answer` gives them.

    Args:
        spans: of `b` texts, `k` of each.
        texts: string `(b, k)`.
        starts, ends: int32 `(b, k)`, characters.
    """
    return {
        "answer": texts[:, 0],
        "start": starts[:, 0],
        "end": ends[:, 0],
        "score": spans.scores[:, 0],
        "no_answer_score": spans.no_answer_scores,
        "answers": texts,
        "starts": starts,
        "ends": ends,
        "scores": spans.scores,
    }


def _of_texts(x, windows, filler):
    """`(b, windows * k)` of `(r, k)`: all that the rows of a text have, and
    `k` fillers, for a batch of no texts."""
    rows = tf.RaggedTensor.from_value_rowids(
        x,
        tf.cast(windows.text_index, tf.int64),
        nrows=tf.cast(windows.num_texts, tf.int64),
        validate=False,
    )
    dense = rows.to_tensor(tf.cast(filler, x.dtype))
    shape = tf.shape(dense)
    flat = tf.reshape(dense, [shape[0], shape[1] * shape[2]])
    return tf.pad(flat, [[0, 0], [0, shape[2]]], constant_values=filler)


def _without_excluded(scores, first, last):
    """Scores one excluded logit takes part in, or two, are no span's."""
    is_span = scores > EXCLUDED / 2
    return (
        tf.where(is_span, scores, EXCLUDED),
        tf.where(is_span, first, NO_TOKEN),
        tf.where(is_span, last, NO_TOKEN),
    )
