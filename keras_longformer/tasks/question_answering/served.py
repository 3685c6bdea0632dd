"""Answers of an exported model to questions about texts."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.serving.answer import Problem
from keras_longformer.serving.answer import Reading
from keras_longformer.tasks.question_answering.answers import text_of_tokens
from keras_longformer.tasks.question_answering.spans import MAX_ANSWER_LENGTH
from keras_longformer.tasks.question_answering.spans import NUM_BEST
from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import best_spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from keras_longformer.tasks.question_answering.spans import name_answers
from keras_longformer.text.windows import cut_windows


class SpanAnswer(Answer):
    """The best spans of the context, and the score of there being none.

    From texts, `answer` string `(b,)`, its `start` and `end` int32 `(b,)` in
    characters (code points) of the context, its `score` and the
    `no_answer_score` float32 `(b,)`; and the five best of a text, `answers`,
    `starts`, `ends` and `scores` `(b, 5)`, with "", 0, 0 and -1e9 where there
    are fewer.

    From token ids, `first_token` and `last_token` int32 `(b,)`, the columns of
    the row, in place of answer, start and end; -1 where there is none.
    """

    inputs = ("question", "context")
    over_long = ("truncate", "windows")
    merging = "the best spans of all of them count"

    def __init__(self, task, preprocessor, class_names=None):
        self.task = task
        self.preprocessor = preprocessor
        self.limit = preprocessor.question_limit

    def read(self, texts, rules):
        if rules.longest < self.limit + 5:
            raise ValueError(
                f"A question may have {self.limit} tokens, and the longest of "
                f"`buckets` must hold it, a context and 4 special tokens. "
                f"Received: {rules.longest}"
            )
        prefix, sizes = self.preprocessor.question_prefix(texts["question"])
        tokens = self.preprocessor.context_tokens(texts["context"])
        windows = cut_windows(
            tokens.ids,
            prefix,
            longest=rules.longest,
            end_id=rules.tokenizer.end_token_id,
            max_windows=None if rules.over_long == "windows" else 1,
        )
        problems = []
        if self.preprocessor.long_questions == "fail":
            problems.append(self._too_long(sizes))
        return Reading(windows, problems, (texts["context"], tokens))

    def problems(self, rows):
        ids = rows.to_tensor(self.preprocessor.tokenizer.pad_token_id)
        # So that there is a column to find, whatever the row.
        ids = tf.pad(ids, [[0, 0], [0, 2]])
        is_end = tf.equal(ids, self.preprocessor.tokenizer.end_token_id)
        is_end = tf.cast(is_end, tf.int32)
        first = tf.argmax(is_end, axis=1, output_type=tf.int32)
        count = tf.reduce_sum(is_end, axis=1)
        second = tf.gather(is_end, first + 1, axis=1, batch_dims=1)
        has_form = (count >= 3) & tf.equal(second, 1)
        return [
            Problem(
                ~has_form,
                "the row is not <s> question </s></s> context </s>: it has ",
                count,
                " times </s>.",
            ),
            self._too_long(first - 1),
        ]

    def _too_long(self, sizes):
        return Problem(
            sizes > self.limit,
            "the question has ",
            sizes,
            f" tokens, more than max_question_length={self.limit}.",
        )

    def compute(self, token_ids, padding_mask):
        inputs = self.preprocessor.model_inputs(token_ids, padding_mask)
        spans = best_spans(self.task(inputs, training=False))
        return spans._asdict()

    def merge(self, outputs, windows):
        return merge_spans(Spans(**outputs), windows)._asdict()

    def finish(self, outputs):
        spans = Spans(**outputs)
        return {
            "first_token": spans.first[:, 0],
            "last_token": spans.last[:, 0],
            "score": spans.scores[:, 0],
            "no_answer_score": spans.no_answer_scores,
            "first_tokens": spans.first,
            "last_tokens": spans.last,
            "scores": spans.scores,
        }

    def finish_texts(self, outputs, document):
        spans = Spans(**outputs)
        contexts, tokens = document
        return name_answers(
            spans, *text_of_tokens(contexts, tokens, spans.first, spans.last)
        )

    def rules(self):
        return {
            "max_question_length": self.limit,
            "long_questions": {
                "fail": "A longer question is a bad text.",
                "truncate": "A longer question is cut off.",
            }[self.preprocessor.long_questions],
            "max_answer_length": MAX_ANSWER_LENGTH,
            "answers": f"The {NUM_BEST} best spans.",
            "offsets": "Characters, as code points of the context, each "
            "invalid byte sequence counting as one.",
        }
