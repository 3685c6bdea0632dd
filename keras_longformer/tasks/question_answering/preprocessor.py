"""Questions about texts, as model inputs."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import TextPacking
from keras_longformer.tasks.preprocessor import as_array
from keras_longformer.tasks.question_answering.answers import as_answers
from keras_longformer.tasks.question_answering.answers import find_answers
from keras_longformer.tasks.question_answering.answers import mark_answers
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.windows import TextWindows
from keras_longformer.text.windows import Windows
from keras_longformer.text.windows import cut_windows
from keras_longformer.text.windows import repeated
from keras_longformer.text.windows import windows_length
from keras_longformer.tokenizers.byte_pair.encoder import Tokens
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer

NUM_SPECIAL = 4  # `<s>`, `</s></s>` and `</s>`
MAX_QUESTION_LENGTH = 64  # As for SQuAD since BERT.
LONG_QUESTIONS = ("fail", "truncate")
TRAINED_ANSWERS = ("all", "first")
LOST_ANSWERS = ("no_answer", "skip")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerQuestionAnsweringPreprocessor(
    TextWindows, TextPacking, keras_hub.models.Preprocessor
):
    """Turns questions and contexts into inputs, the question global.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`. `x` is a dict of `"question"` and `"context"`, each one string
    or a batch, or a tuple `(question, context)` of these, given as
    `x=(question, context)` because Keras takes a lone tuple for `(x, y)`.

    Special tokens in a question or context are text, whatever the tokenizer's
    `special_tokens_in_text`.

    `y` is a dict of `"text"` and `"start"`: an answer as it stands in the
    context and the character (code point, as Python indexes a `str`) where it
    starts. One an example, or several (all occurrences, say) in lists or
    ragged tensors, or padded with `""` and -1; an empty list is a question
    that the context does not answer.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length: the most tokens of a row, special ones included;
            longer contexts are cut off, questions never. `None` cuts nothing.
        max_question_length: the most tokens of a question, special ones not
            included. By default 64, or a quarter of `sequence_length` where
            that is less. A backbone needs `max_global_tokens` of one more.
        long_questions: what a longer question does: `"fail"` raises an
            `InvalidArgumentError`, `"truncate"` cuts it off.
        answers: which occurrences are trained on, `"all"` that a row has or
            its `"first"`.
        lost_answers: what a row is trained on whose question has an answer,
            but cut off: `"no_answer"`, or nothing, `"skip"`, a sample weight
            of 0.
        pad_to: as for `LongformerTextClassifierPreprocessor`.

    Returns:
        A dict, with targets and `sample_weight` behind it where given:

        - `"token_ids"`: int32 `(b, n)`, `<s> question </s></s> context </s>`,
          then `<pad>`.
        - `"padding_mask"`: bool `(b, n)`, `True` at tokens.
        - `"global_mask"`: bool `(b, n)`, `True` before the first `</s>`.
        - `"span_mask"`: bool `(b, n)`, `True` where an answer may be: at the
          context, and at `<s>`, which stands for no answer.

        The targets are bool `(b, n, 2)`, `True` in `[..., 0]` at answers'
        first tokens and in `[..., 1]` at their last. One question gives the
        same without the batch axis.

    Raises:
        InvalidArgumentError: a question that is too long, or an answer that
            does not stand where `y` says.

    Example:

    ```python
    preprocessor = LongformerQuestionAnsweringPreprocessor(
        tokenizer, sequence_length=1024
    )
    x, y = preprocessor(
        {"question": ["Who?"], "context": ["It was Ada, again Ada."]},
        {"text": [["Ada", "Ada"]], "start": [[7, 18]]},
    )
    ```
    """

    def __init__(
        self,
        tokenizer: LongformerTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        max_question_length: int | None = None,
        long_questions: str = "fail",
        answers: str = "all",
        lost_answers: str = "no_answer",
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "waterfall")
        _check("long_questions", long_questions, LONG_QUESTIONS)
        _check("answers", answers, TRAINED_ANSWERS)
        _check("lost_answers", lost_answers, LOST_ANSWERS)
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.max_question_length = max_question_length
        self.long_questions = long_questions
        self.answers = answers
        self.lost_answers = lost_answers
        self.pad_to = pad_to
        least = self.question_limit + NUM_SPECIAL + 1
        if self.question_limit < 1 or (sequence_length or least) < least:
            raise ValueError(
                "`max_question_length` must leave room for a context. "
                f"Received: max_question_length={max_question_length}, "
                f"sequence_length={sequence_length}, of which {NUM_SPECIAL} "
                "are special tokens."
            )

    @property
    def question_limit(self) -> int:
        """The most tokens of a question, special ones not included."""
        if self.max_question_length is not None:
            return int(self.max_question_length)
        if self.sequence_length is None:
            return MAX_QUESTION_LENGTH
        return min(MAX_QUESTION_LENGTH, int(self.sequence_length) // 4)

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with targets and weights if given."""
        question, context, is_batch = _question_and_context(x)
        with tf.device("CPU"):
            rows, tokens = self._rows(question, context, max_windows=1)
            inputs = self.model_inputs(*self.pad_windows(rows))
            targets = y
            if y is not None:
                y = y if is_batch else _with_batch(y)
                targets, lost, _ = self._targets(
                    y, context, tokens, rows, inputs
                )
                sample_weight = self._weights(lost, sample_weight, is_batch)
        if not is_batch:
            inputs, targets = tf.nest.map_structure(
                lambda tensor: None if tensor is None else tensor[0],
                (inputs, targets),
            )
        return keras.utils.pack_x_y_sample_weight(
            inputs, targets, as_array(sample_weight)
        )

    def windows(self, x, stride=None):
        """Returns the model's inputs for every window of every context.

        Args:
            x: questions and contexts, as `call` takes them, the contexts of
                any length.
            stride: int, how many tokens further each window begins than the
                one before it, by default 7/8 of what a window holds.

        Returns:
            The dict that `call` gives as `x`, with a row for each window, the
            question in each, and the `Windows` of the contexts' tokens.
        """
        inputs, windows, _ = self.windows_with_offsets(x, stride)
        return inputs, windows

    def windows_with_offsets(self, x, stride=None):
        """Returns what `windows` does, and the contexts' `Tokens`."""
        question, context, _ = _question_and_context(x)
        windows_length(self)
        with tf.device("CPU"):
            windows, tokens = self._rows(question, context, stride=stride)
            inputs = self.model_inputs(*self.pad_windows(windows))
        return inputs, windows, tokens

    def training_windows(self, x, y, stride=None):
        """Returns inputs, targets and weights for every window.

        To train on documents longer than the model, with
        `pad_to="sequence_length"`:

        ```python
        dataset = dataset.map(preprocessor.training_windows).unbatch()
        dataset = dataset.shuffle(1000).batch(8)
        task.preprocessor = None  # They are token ids already.
        task.fit(dataset)
        ```

        A window without its question's answer is trained on no answer, or
        with `lost_answers="skip"` on nothing.
        """
        question, context, is_batch = _question_and_context(x)
        windows_length(self)
        with tf.device("CPU"):
            rows, tokens = self._rows(question, context, stride=stride)
            inputs = self.model_inputs(*self.pad_windows(rows))
            y = y if is_batch else _with_batch(y)
            targets, lost, _ = self._targets(y, context, tokens, rows, inputs)
            weights = self._weights(lost, tf.ones_like(lost, tf.float32), True)
        return inputs, targets, weights

    def count_answers(
        self, x, y, windows: bool = False, stride: int | None = None
    ) -> dict[str, int]:
        """Counts what is lost of the answers where contexts are cut off.

        Args:
            x, y: questions, contexts and answers, as `call` takes them.
            windows: whether `training_windows` shall read them, and not
                `call`, which cuts contexts off.
            stride: int, that of the windows.

        Returns:
            Dict of `questions`, of those `without_answer` in `y`, of those
            with answers the `questions_cut_off`, which have none left, and
            `answers` and of these the `answers_cut_off`.
        """
        question, context, is_batch = _question_and_context(x)
        y = y if is_batch else _with_batch(y)
        rows, tokens = self._rows(
            question,
            context,
            stride=stride,
            max_windows=None if windows else 1,
        )
        inputs = {"token_ids": rows.token_ids.to_tensor()}
        _, _, (given, found) = self._targets(y, context, tokens, rows, inputs)
        found = tf.math.unsorted_segment_max(
            tf.cast(found, tf.int32), rows.text_index, rows.num_texts
        )
        given, found = given.numpy(), found.numpy() > 0
        has_answer = given.any(1)
        return {
            "questions": len(given),
            "without_answer": int((~has_answer).sum()),
            "questions_cut_off": int((has_answer & ~found.any(1)).sum()),
            "answers": int(given.sum()),
            "answers_cut_off": int((given & ~found).sum()),
        }

    def model_inputs(self, token_ids, padding_mask) -> dict[str, tf.Tensor]:
        """Returns what the model takes, for rows that are packed."""
        end_id = self.tokenizer.end_token_id
        return {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "global_mask": question_mask(token_ids, end_id) & padding_mask,
            "span_mask": span_mask(token_ids, padding_mask, end_id),
        }

    def question_prefix(
        self, question: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Returns `<s> question </s></s>`, cut to the limit, int32 ragged
        `(b, None)`, and how many tokens each question has, int64 `(b,)`."""
        # A `</s>` in it would be taken for its end.
        ids = self.token_rows(question, special_tokens_in_text=False)
        sizes = ids.row_lengths()
        start = repeated(self.tokenizer.start_token_id, ids)
        end = repeated(self.tokenizer.end_token_id, ids)
        ids = tf.cast(ids[:, : self.question_limit], tf.int32)
        return tf.concat([start, ids, end, end], 1), sizes

    def context_tokens(self, context: tf.Tensor) -> Tokens:
        """Returns the tokens of contexts, string `(b,)`, and their offsets."""
        return self.tokenizer.tokenize_with_offsets(
            context, special_tokens_in_text=False
        )

    def _rows(self, question, context, **options) -> tuple[Windows, Tokens]:
        """Windows of the contexts, the question before each."""
        prefix, sizes = self.question_prefix(question)
        check = None
        if self.long_questions == "fail":
            check = self._check_questions(sizes)
        with tf.control_dependencies([] if check is None else [check]):
            tokens = self.context_tokens(context)
        windows = cut_windows(
            tokens.ids,
            prefix,
            longest=self.sequence_length or tf.int32.max,
            end_id=self.tokenizer.end_token_id,
            **options,
        )
        return windows, tokens

    def _check_questions(self, sizes):
        sizes = tf.concat([sizes, [0]], 0)
        message = tf.strings.format(
            "Question {} of the batch has {} tokens, more than "
            f"max_question_length={self.question_limit}. Raise it, and the "
            "backbone's `max_global_tokens` to one more, or make the "
            'preprocessor with `long_questions="truncate"`.',
            (tf.argmax(sizes), tf.reduce_max(sizes)),
        )
        is_fine = tf.reduce_max(sizes) <= self.question_limit
        return tf.debugging.Assert(is_fine, [message])

    def _targets(self, y, context, tokens, rows, inputs):
        """Targets, rows whose answers are lost, and answers given, found."""
        answers = find_answers(y, context, tokens)
        targets, found = mark_answers(
            answers,
            rows,
            length=tf.shape(inputs["token_ids"])[1],
            first_only=self.answers == "first",
        )
        columns = inputs["token_ids"].shape[1]
        targets.set_shape([None, columns, 2])
        given = answers.first >= 0
        has_answer = tf.gather(tf.reduce_any(given, 1), rows.text_index)
        lost = has_answer & ~tf.reduce_any(found, 1)
        return targets, lost, (given, found)

    def _weights(self, lost, sample_weight, is_batch):
        """The rows' weights, 0 where `lost_answers` says so."""
        if self.lost_answers != "skip":
            return sample_weight
        kept = tf.cast(~lost, tf.float32)
        kept = kept if is_batch else kept[0]
        if sample_weight is None:
            return kept
        return kept * tf.cast(as_array(sample_weight), tf.float32)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "max_question_length": self.max_question_length,
            "long_questions": self.long_questions,
            "answers": self.answers,
            "lost_answers": self.lost_answers,
        }


def question_mask(token_ids: tf.Tensor, end_id: int) -> tf.Tensor:
    """Returns bool `(b, n)`, `True` before the first `</s>`."""
    ends = tf.cast(tf.equal(token_ids, end_id), tf.int32)
    return tf.equal(tf.cumsum(ends, axis=1), 0)


def span_mask(
    token_ids: tf.Tensor, padding_mask: tf.Tensor, end_id: int
) -> tf.Tensor:
    """Returns bool `(b, n)`, `True` at the context's tokens and at `<s>`.

    The context lies between the second `</s>` and the last.
    """
    is_end = tf.cast(tf.equal(token_ids, end_id) & padding_mask, tf.int32)
    before = tf.cumsum(is_end, axis=1)
    behind = tf.cumsum(is_end, axis=1, exclusive=True, reverse=True)
    in_context = (before >= 2) & (behind >= 1)
    # The second `</s>` itself is no token of the context.
    in_context &= ~(tf.equal(before, 2) & tf.equal(is_end, 1))
    is_start = tf.equal(tf.range(tf.shape(token_ids)[1]), 0)
    return in_context | (is_start & padding_mask)


def _question_and_context(x):
    """string `(b,)` each, and whether there was a batch axis."""
    if isinstance(x, dict) and set(x) == {"question", "context"}:
        x = (x["question"], x["context"])
    if not isinstance(x, tuple) or len(x) != 2:
        received = sorted(x) if isinstance(x, dict) else type(x).__name__
        raise ValueError(
            'Give a dict of "question" and "context", or `x=(question, '
            "context)`: called with a lone tuple, Keras takes it for `(x, y)`. "
            f"Received: {received}"
        )
    question, context = (as_texts(part) for part in x)
    if question.shape.rank != context.shape.rank:
        raise ValueError(
            "Give one context for each question. Received: questions of shape "
            f"{question.shape} and contexts of shape {context.shape}"
        )
    is_batch = question.shape.rank != 0
    return tf.reshape(question, [-1]), tf.reshape(context, [-1]), is_batch


def _with_batch(y):
    return {name: x[None] for name, x in as_answers(y).items()}


def _check(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )
