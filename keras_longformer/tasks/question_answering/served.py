"""Answers of an exported model to questions about texts."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.tasks.question_answering.answers import text_of_tokens
from keras_longformer.tasks.question_answering.spans import MAX_ANSWER_LENGTH
from keras_longformer.tasks.question_answering.spans import NUM_BEST
from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import best_spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from keras_longformer.tasks.question_answering.spans import name_answers
from keras_longformer.text.rows import Problem


class SpanAnswer(Answer):
    """The best spans of the context, and the score of there being none.

    From texts, `answer` string `(b,)`, its `start` and `end` int32 `(b,)` in
    characters (code points) of the context, its `score` and the
    `no_answer_score` float32 `(b,)`; and the five best of a text, `answers`,
    `starts`, `ends` and `scores` `(b, 5)`, with "", 0, 0 and -1e9 where there
    are fewer.

    From token ids, `first_token` and `last_token` int32 `(b,)`, the columns of
    the row, instead of answer, start and end; -1 where there is none.
    """

    merging = "the best spans of all of them count"
    short_texts = {"question": b""}
    probe_texts = {
        # Of a few tokens each: longer ones may be bad texts.
        "question": ("Who?", "", "<s>", "</s>", "🙂?", b"\xff?", "?"),
    }

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        self.limit = preprocessor.question_limit

    def problems(self, rows):
        template = self.preprocessor.row_template
        ids = rows.to_tensor(template.pad)
        first = template.first_end(ids)
        # So that there are columns to look at, whatever the row.
        ids = tf.pad(ids, [[0, 0], [0, len(template.between)]])
        has_form = tf.ones_like(first, tf.bool)
        for offset, i in enumerate(template.between):
            at = tf.gather(ids, first + offset, axis=1, batch_dims=1)
            has_form &= tf.equal(at, i)
        is_end = tf.equal(ids, template.end[0])
        ends = tf.reduce_sum(tf.cast(is_end, tf.int32), 1)
        has_form &= ends > template.between.count(template.end[0])
        return [
            Problem(
                ~has_form,
                "the row is not <s> question </s></s> context </s>: it has ",
                ends,
                " times </s>.",
            ),
            self.preprocessor.question_problem(first - len(template.start)),
        ]

    def compute(self, token_ids, padding_mask):
        return best_spans(self.outputs(token_ids, padding_mask))._asdict()

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

    def finish_texts(self, outputs, source):
        spans = Spans(**outputs)
        contexts, tokens = source
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

    def predicted(self, texts, over_long):
        names = ("score", "no_answer_score", "start", "end")
        if over_long == "windows":
            said = self.task.answer(texts["question"], texts["context"])
            return {name: said[name] for name in names}
        count = len(texts["question"])
        spans = best_spans(self.predict_together(texts, at_once=count))
        rows = self.preprocessor.rows(
            {name: tf.constant(x) for name, x in texts.items()}
        )
        spans = merge_spans(spans, rows.windows)
        said = self.finish_texts(spans._asdict(), rows.source)
        return {name: said[name].numpy() for name in names}
