"""Fine-tuning on questions about contexts of any length."""

import numpy as np
import tensorflow as tf

from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Option
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.tasks.finetuning import Tensors
from keras_longformer.tasks.finetuning import in_parts
from keras_longformer.tasks.question_answering import data
from keras_longformer.tasks.question_answering import metrics as squad_metrics
from keras_longformer.tasks.question_answering import pictures

AT_ONCE = 16  # Questions; their windows are in memory together.
# What there is to be learned: a second label where questions have no answer.
ANSWER, NO_ANSWER = "answer", "no answer"


class QuestionAnsweringFineTuning(FineTuning):
    """Spans of contexts, by the official metric that the file's kind has."""

    metric = "f1"
    epochs = 5  # Beltagy et al., 2020, appendix: TriviaQA.
    files = (
        "SQuAD's JSON: SQuAD 1.1 and 2.0, XQuAD, and what "
        "`keras-longformer prepare-triviaqa` writes"
    )
    options = (
        Option(
            "join_paragraphs",
            "make one long context of the paragraphs of an article",
            bool,
        ),
    )

    def read(self, path, labels=None):
        return data.read_squad(path, **self.given)

    def learn_labels(self, examples):
        has_none = any(not e.golds for e in examples)
        return (ANSWER, NO_ANSWER) if has_none else (ANSWER,)

    def group(self, example):
        return example.context

    def open(self, preset, labels, **options):
        model = self.task_cls.from_preset(preset, **options)
        # A test set's longest question is not known yet; and where all
        # questions have answers, a row that lost its answer says nothing.
        reading = {"long_questions": "truncate"}
        if labels is not None and NO_ANSWER not in labels:
            reading["lost_answers"] = "skip"
        preprocessor = model.preprocessor
        model.preprocessor = type(preprocessor).from_config(
            {
                **preprocessor.get_config(),
                "tokenizer": preprocessor.tokenizer,
                **reading,
            }
        )
        return model

    def tensors(self, examples, model):
        contexts = {}
        for example in examples:
            contexts.setdefault(example.context, len(contexts))
        return Tensors(
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
            shared=tf.constant(list(contexts)),
        )

    def look_up(self, x, y, shared):
        """Puts contexts where their indices are: many questions share one."""
        return {**x, "context": tf.gather(shared, x["context"])}, y

    def measure(self, model, examples, batch_size=8, progress=None):
        answers, no_answer, spans = {}, {}, {}
        for part in in_parts(examples, progress, AT_ONCE):
            said = model.answer(
                [e.question for e in part],
                [e.context for e in part],
                batch_size=batch_size,
            )
            for i, example in enumerate(part):
                answers[example.id] = said["answer"][i]
                no_answer[example.id] = float(
                    said["no_answer_score"][i] - said["score"][i]
                )
                spans[example.id] = (int(said["start"][i]), int(said["end"][i]))
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

        return Outcome(
            _metrics(examples, answers, no_answer), predictions, draw
        )


def _metrics(examples, answers, no_answer):
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
