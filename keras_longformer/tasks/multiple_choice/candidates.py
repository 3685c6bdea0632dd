"""Questions with their candidates in one row, in front of the documents.

    <s> question </s></s> candidate </s></s> candidate </s></s> documents </s>

WikiHop as in the paper: all candidates are read together, and each is scored
by the state of the token that opens it. Documents longer than the model are
cut into windows, with question and candidates in front of each.

The paper's `[question]` and `[ent]` are tokens that no checkpoint has; here
`</s>` stands for them, as between the segments of a pair, or any tokens of the
vocabulary.

Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), appendix.
"""

import typing

import tensorflow as tf

from keras_longformer.text.template import repeated
from keras_longformer.text.windows import Windows
from keras_longformer.text.windows import cut_windows


class Marks(typing.NamedTuple):
    """Tokens around the question and each candidate; `None` is none."""

    question_start: str | None = None
    question_end: str | None = "</s>"
    candidate_start: str = "</s>"
    candidate_end: str | None = "</s>"


class CandidateRows(typing.NamedTuple):
    """Rows of questions, candidates and documents.

    Attributes:
        windows: the `Windows`, whose prefix is question and candidates.
        candidate_positions: int32, ragged `(b, None)`, the column of the token
            that opens each candidate, in every window of its text.
    """

    windows: Windows
    candidate_positions: tf.RaggedTensor


def cut_candidate_rows(
    question: tf.RaggedTensor,
    candidates: tf.RaggedTensor,
    documents: tf.RaggedTensor,
    *,
    tokenizer,
    marks: Marks,
    longest: int,
    max_windows: int | None = None,
) -> CandidateRows:
    """Returns rows of at most `longest` tokens.

    Args:
        question: int32, ragged `(b, None)` ids.
        candidates: int32, ragged `(b, None, None)`, the ids of each candidate.
        documents: int32, ragged `(b, None, None)`, the ids of each document.
        tokenizer: a `LongformerTokenizer`.
        marks: the `Marks`.
        longest: int, the most tokens of a row.
        max_windows: int, the most windows of a text, or `None`.

    Raises:
        ValueError: a mark that is no token.
        InvalidArgumentError: a question and candidates that leave no room.
    """
    ids = {
        name: None if token is None else tokenizer.token_to_id(token)
        for name, token in marks._asdict().items()
    }
    template = tokenizer.row_template
    head = _joined(
        repeated(template.start, question),
        _one(ids["question_start"], question),
        question,
        _one(ids["question_end"], question),
    )
    pieces = candidates.values
    pieces = _joined(
        _one(ids["candidate_start"], pieces),
        pieces,
        _one(ids["candidate_end"], pieces),
    )
    sizes = candidates.with_values(tf.cast(pieces.row_lengths(), tf.int32))
    before = tf.cumsum(sizes.values, exclusive=True)
    # Counted from the first candidate of the text.
    first = tf.gather(
        tf.concat([before, [0]], 0),
        tf.gather(sizes.row_starts(), sizes.value_rowids()),
    )
    head_size = tf.cast(head.row_lengths(), tf.int32)
    positions = before - first + tf.gather(head_size, sizes.value_rowids())
    prefix = _joined(
        head,
        candidates.with_values(pieces).merge_dims(1, 2),
        repeated(template.end, question),
    )
    windows = cut_windows(
        _with_ends_between(documents, template.between),
        prefix,
        longest=longest,
        template=template,
        max_windows=max_windows,
    )
    return CandidateRows(windows, sizes.with_values(positions))


def _with_ends_between(documents, between):
    """One row a text, `</s></s>` between its documents."""
    texts = documents.values
    index = tf.ragged.range(documents.row_lengths()).values
    ends = tf.cast(repeated(between, texts), tf.int32)
    ends = tf.ragged.boolean_mask(
        ends, tf.repeat((index > 0)[:, None], len(between), axis=1)
    )
    return documents.with_values(_joined(ends, texts)).merge_dims(1, 2)


def _one(token_id, like):
    return None if token_id is None else repeated((token_id,), like)


def _joined(*rows):
    rows = [tf.cast(row, tf.int32) for row in rows if row is not None]
    return tf.concat(rows, 1)
