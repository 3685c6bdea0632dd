"""Questions about contexts of any length."""

import numpy as np
import tensorflow as tf

import keras_longformer
from finetune import pictures
from finetune.outcomes import Outcome
from finetune.settings import Settings
from keras_longformer.tasks.question_answering import data
from keras_longformer.tasks.question_answering import metrics as squad_metrics

AT_ONCE = 16  # Questions; their windows are in memory together.


class QuestionAnswering:
    """The task of `LongformerQuestionAnswering`."""

    metric = "f1"

    def __init__(self, settings: Settings):
        self.settings = settings
        self.labels = None
        self.has_unanswerable = False

    def read(self, path, labels=None):
        return data.read_squad(path, **self.settings.columns)

    def learn_labels(self, examples):
        """Sees whether there are questions that are not to be answered."""
        self.has_unanswerable = any(not e.golds for e in examples)

    def group(self, example):
        return example.context

    def open(self, **options):
        model = keras_longformer.LongformerQuestionAnswering.from_preset(
            self.settings.preset, **options
        )
        # Where all questions have answers, a row that lost its answer says
        # nothing; and a test set's longest question is not known yet.
        model.preprocessor.long_questions = "truncate"
        if not self.has_unanswerable:
            model.preprocessor.lost_answers = "skip"
        return model

    def tensors(self, examples, model):
        contexts = {}
        for example in examples:
            contexts.setdefault(example.context, len(contexts))
        self._contexts = tf.constant(list(contexts))
        return (
            {
                "question": tf.constant([e.question for e in examples]),
                "context": tf.constant([contexts[e.context] for e in examples]),
            },
            {
                "text": _ragged(
                    [[a.text for a in e.answers] for e in examples], tf.string
                ),
                "start": _ragged(
                    [[a.start for a in e.answers] for e in examples], tf.int32
                ),
            },
        )

    def look_up(self, x, y):
        """Puts contexts where their indices are, in a batch."""
        return {**x, "context": tf.gather(self._contexts, x["context"])}, y

    def measure(self, model, examples):
        answers, no_answer, spans = {}, {}, {}
        for begin in range(0, len(examples), AT_ONCE):
            part = examples[begin : begin + AT_ONCE]
            said = model.answer(
                [e.question for e in part],
                [e.context for e in part],
                batch_size=self.settings.rows,
            )
            for i, example in enumerate(part):
                answers[example.id] = said["answer"][i]
                no_answer[example.id] = float(
                    said["no_answer_score"][i] - said["score"][i]
                )
                spans[example.id] = (int(said["start"][i]), int(said["end"][i]))
        metrics = self._metrics(examples, answers, no_answer)
        predictions = [
            {
                "id": e.id,
                "question": e.question,
                "gold": e.golds,
                "prediction": answers[e.id],
                "start": spans[e.id][0],
                "no_answer_score": no_answer[e.id],
            }
            for e in examples
        ]
        errors = [span_error(spans[e.id], e) for e in examples if e.answers]

        def draw(figure):
            pictures.span_errors(figure.subplots(), errors)

        return Outcome(metrics, predictions, draw)

    def _metrics(self, examples, answers, no_answer):
        golds = {e.id: e.golds for e in examples}
        if not all(golds.values()):
            # An answer whose "no answer" scores higher is taken back.
            return squad_metrics.squad_v2(golds, answers, no_answer, 0.0)
        if any(e.aliases for e in examples):
            return squad_metrics.triviaqa(golds, answers)
        return squad_metrics.squad_v1(golds, answers)


def span_error(span: tuple[int, int], question: data.Question) -> str:
    """Says how a predicted span lies to the answer that is nearest to it.

    Returns:
        `"right"`, `"within"` the answer, `"around"` it, `"overlaps"` it, or
        `"beside"` it.
    """
    found = set()
    first, end = span
    for answer in question.answers:
        gold, gold_end = answer.start, answer.start + len(answer.text)
        if (first, end) == (gold, gold_end):
            found.add("right")
        elif gold <= first < end <= gold_end:
            found.add("within")
        elif first <= gold and gold_end <= end:
            found.add("around")
        elif first < gold_end and gold < end:
            found.add("overlaps")
    return next((e for e in pictures.SPAN_ERRORS if e in found), "beside")


def _ragged(rows, dtype):
    values = np.array([v for row in rows for v in row], dtype.as_numpy_dtype)
    return tf.RaggedTensor.from_row_lengths(
        tf.constant(values, dtype), [len(row) for row in rows]
    )
