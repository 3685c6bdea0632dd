"""Answers to questions, as spans of long texts."""

import keras
import keras_hub

from keras_longformer.models.backbone import initializer
from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.tasks.question_answering.answers import AnswerLabels
from keras_longformer.tasks.question_answering.answers import text_of_tokens
from keras_longformer.tasks.question_answering.finetuning import (
    QuestionAnsweringFineTuning,
)
from keras_longformer.tasks.question_answering.loss import SpanAccuracy
from keras_longformer.tasks.question_answering.loss import SpanLoss
from keras_longformer.tasks.question_answering.preprocessor import (
    MAX_QUESTION_LENGTH,
)
from keras_longformer.tasks.question_answering.preprocessor import (
    LongformerQuestionAnsweringPreprocessor,
)
from keras_longformer.tasks.question_answering.said import answer_rows
from keras_longformer.tasks.question_answering.served import SpanAnswer
from keras_longformer.tasks.question_answering.spans import MAX_ANSWER_LENGTH
from keras_longformer.tasks.question_answering.spans import NUM_BEST
from keras_longformer.tasks.question_answering.spans import Spans
from keras_longformer.tasks.question_answering.spans import best_spans
from keras_longformer.tasks.question_answering.spans import merge_spans
from keras_longformer.tasks.question_answering.spans import name_answers
from keras_longformer.tasks.task import LongformerTask
from keras_longformer.weights.names import DENSE


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerQuestionAnswering(LongformerTask, keras_hub.models.Task):
    """Finds answers in long texts; the question's tokens are global.

    On each token's hidden state a dense layer with two outputs, the logits of
    an answer that starts, and of one that ends there, as Hugging Face's
    `LongformerForQuestionAnswering` has it. Unlike there, the question,
    special tokens and padding cannot be part of an answer; `<s>` stands for
    "no answer".

    Args:
        backbone: a `LongformerBackbone` with `max_global_tokens` of at least
            one more than a question has tokens, or `None`.
        preprocessor: a `LongformerQuestionAnsweringPreprocessor`, or `None`,
            where inputs are already token ids.
        **kwargs: `compile`, `name`, `trainable`.

    Call arguments:
        inputs: the backbone's, and `span_mask`: bool `(b, n)`, `True` at `<s>`
            and at the tokens that may be part of an answer.

    Returns:
        float32 `(b, n, 2)`, logits of starts and of ends, -1e9 outside
        `span_mask`.

    Example:
    ```python
    task = keras_longformer.LongformerQuestionAnswering.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    task.fit(
        {"question": ["Who?"], "context": ["It was Ada."]},
        {"text": ["Ada"], "start": [7]},
    )
    task.answer(["Who?"], ["A text of 50,000 words ..."])["answer"]
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 6.
    """

    labels = AnswerLabels()
    served_cls = SpanAnswer
    finetuning = {"question_answering": QuestionAnsweringFineTuning}
    said = staticmethod(answer_rows)
    preprocessor_cls = LongformerQuestionAnsweringPreprocessor
    default_max_global_tokens = MAX_QUESTION_LENGTH + 1  # and `<s>`
    hugging_face_class = "LongformerForQuestionAnswering"
    head_modules = (("qa_outputs", "qa_outputs", DENSE),)

    def __init__(self, backbone, preprocessor=None, **kwargs):
        self._check_keywords(kwargs)
        self._check_vocabulary(backbone, preprocessor)

        # Layers
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dense = keras.layers.Dense(
            2,
            kernel_initializer=initializer(),
            dtype=backbone.dtype_policy,
            name="qa_outputs",
        )

        # Graph
        inputs = {
            **backbone.input,
            "span_mask": keras.Input((None,), dtype="bool", name="span_mask"),
        }
        x = self.output_dense(backbone.sequence_output(backbone.input))
        outputs = keras.ops.where(
            inputs["span_mask"][..., None],
            keras.ops.cast(x, "float32"),
            EXCLUDED,
        )
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def default_loss(self):
        """Returns a `SpanLoss`: cross-entropy over one answer or the paper's
        over several, whatever the preprocessor marks."""
        return SpanLoss()

    def default_metrics(self):
        """Returns a `SpanAccuracy`."""
        return [SpanAccuracy()]

    def example_inputs(self, batch, length, generator):
        """Adds which tokens may be an answer's."""
        return {
            **super().example_inputs(batch, length, generator),
            "span_mask": generator.random((batch, length)) < 0.7,
        }

    def preprocess_samples(self, *args, **kwargs):
        self._check_question_limit()
        return super().preprocess_samples(*args, **kwargs)

    def answer(
        self,
        questions,
        contexts,
        *,
        num_best=NUM_BEST,
        max_answer_length=MAX_ANSWER_LENGTH,
        stride=None,
        batch_size=8,
        verbose=0,
    ):
        """Answers questions from contexts of any length.

        A context of more tokens than fit is read in windows that overlap,
        with the question before each; the best spans of all of them count.

        Args:
            questions: texts, in a list or an array or as `fit` takes them.
            contexts: texts, one for each question; or one string each.
            num_best: int, how many answers to each question, `k`.
            max_answer_length: int, the most tokens of an answer.
            stride: int, how many tokens further each window begins than the
                one before it; by default 7/8 of what a window holds.
            batch_size: int, windows at once.
            verbose: as for `predict`.

        Returns:
            Dict of arrays, those of an exported model's signature:
            `answer`: object `(b,)`, str, without blanks around it;
            `start`, `end`: int32 `(b,)`, the characters (code points, as
            Python indexes a `str`) such that it is `context[start:end]`;
            `score`: float32 `(b,)`, the sum of two logits;
            `no_answer_score`: float32 `(b,)`, the same of "no answer": a
            question has an answer if `score - no_answer_score` is more than a
            threshold to be chosen, such as 0;
            `answers`, `starts`, `ends`, `scores`: `(b, k)`, the best answers;
            where there are fewer, "", 0, 0 and -1e9.
        """
        self._check_question_limit()
        if isinstance(questions, str) != isinstance(contexts, str):
            raise ValueError(
                "`answer` takes a list of questions and one of contexts. "
                "Received: a string; put it into a list."
            )
        x = self.read_texts({"question": questions, "context": contexts})
        inputs, rows = self.preprocessor.window_rows(x, stride)
        spans = self.merge_windows(
            self.predict_packed(inputs, batch_size, verbose),
            rows.windows,
            num_best=num_best,
            max_answer_length=max_answer_length,
        )
        texts, starts, ends = text_of_tokens(
            *rows.source, spans.first, spans.last
        )
        answers = name_answers(spans, texts, starts, ends)
        answers = {name: x.numpy() for name, x in answers.items()}
        for name in ("answer", "answers"):
            decoded = [text.decode() for text in answers[name].flat]
            answers[name].flat = decoded
        return answers

    def merge_windows(
        self,
        outputs,
        windows,
        num_best=NUM_BEST,
        max_answer_length=MAX_ANSWER_LENGTH,
    ) -> Spans:
        """Returns the best `Spans` of each context, in its tokens.

        Args:
            outputs: float `(r, n, 2)`, the logits of each window.
            windows: the `Windows` of the rows.
            num_best: int, how many spans of each context.
            max_answer_length: int, the most tokens of a span.
        """
        spans = best_spans(outputs, num_best, max_answer_length)
        return merge_spans(spans, windows)

    def _check_question_limit(self):
        """Raises `ValueError` where a question has more tokens than may be
        global."""
        limit = getattr(self.preprocessor, "question_limit", None)
        allowed = self.backbone.max_global_tokens
        if limit is not None and allowed is not None and limit + 1 > allowed:
            raise ValueError(
                f"Questions may have {limit} tokens and <s>, all of them "
                f"global, and the backbone allows {allowed} global tokens. "
                f"Build it with `max_global_tokens={limit + 1}`, or the "
                f"preprocessor with `max_question_length={allowed - 1}`."
            )
