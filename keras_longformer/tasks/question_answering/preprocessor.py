"""Questions about texts, as model inputs."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.question_answering.answers import as_answers
from keras_longformer.tasks.question_answering.answers import find_answers
from keras_longformer.tasks.question_answering.answers import mark_answers
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.rows import Problem
from keras_longformer.text.rows import Rows
from keras_longformer.text.rows import without_problems
from keras_longformer.text.template import repeated
from keras_longformer.text.windows import cut_windows
from keras_longformer.tokenizers import GraphTokenizer
from keras_longformer.tokenizers import Tokens
from keras_longformer.tokenizers.contract import check_tokenizer

NUM_SPECIAL = 4  # `<s>`, `</s></s>` and `</s>`
MAX_QUESTION_LENGTH = 64  # As for SQuAD since BERT.
LONG_QUESTIONS = ("fail", "truncate")
TRAINED_ANSWERS = ("all", "first")
LOST_ANSWERS = ("no_answer", "skip")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerQuestionAnsweringPreprocessor(
    RowPreprocessor, keras_hub.models.Preprocessor
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
        A dict, with targets and `sample_weight` after it where given:

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

    reads = ("question", "context")
    over_long_choices = ("truncate", "windows")
    takes = Takes(
        write='a dict of "question" and "context", or `(questions, contexts)`',
        alone=False,
        tuples=(2,),
        names={"question": (1,), "context": (1,)},
        required=("question", "context"),
    )

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        max_question_length: int | None = None,
        long_questions: str = "fail",
        answers: str = "all",
        lost_answers: str = "no_answer",
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "waterfall")
        check_one_of("long_questions", long_questions, LONG_QUESTIONS)
        check_one_of("answers", answers, TRAINED_ANSWERS)
        check_one_of("lost_answers", lost_answers, LOST_ANSWERS)
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
        _, _, is_batch = _question_and_context(x)
        with tf.device("CPU"):
            rows = without_problems(self.rows(x))
            inputs = self.padded_inputs(rows.windows)
            targets = y
            if y is not None:
                y = y if is_batch else _with_batch(y)
                targets, lost, _ = self._targets(y, rows, inputs)
                sample_weight = self._weights(lost, sample_weight, is_batch)
        if not is_batch:
            inputs, targets = tf.nest.map_structure(
                lambda tensor: None if tensor is None else tensor[0],
                (inputs, targets),
            )
        return keras.utils.pack_x_y_sample_weight(
            inputs, targets, as_labels(sample_weight)
        )

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns windows of the contexts, the question before each.

        The source of the `Rows` is the contexts, string `(b,)`, and their
        `Tokens`.
        """
        over_long = self.over_long if over_long is None else over_long
        check_one_of("over_long", over_long, self.over_long_choices)
        longest = self.longest(longest)
        least = self.question_limit + NUM_SPECIAL + 1
        if longest < least:
            raise ValueError(
                f"A question may have {self.question_limit} tokens, and a row "
                "must hold it, a context and "
                f"{NUM_SPECIAL} special tokens. Received: {longest} tokens a "
                f"row. Give it {least} or more, or make the preprocessor with "
                "a smaller `max_question_length`."
            )
        check_tokenizer(self.tokenizer)
        question, context, _ = _question_and_context(x)
        prefix, sizes = self.question_prefix(question)
        tokens = self.context_tokens(context)
        windows = cut_windows(
            tokens.ids,
            prefix,
            longest=longest,
            template=self.row_template,
            stride=stride,
            max_windows=None if over_long == "windows" else 1,
        )
        problems = []
        if self.long_questions == "fail":
            problems.append(self.question_problem(sizes))
        return Rows(windows, problems, (context, tokens))

    def question_problem(self, sizes: tf.Tensor) -> Problem:
        """Returns what is wrong with questions of so many tokens, `(b,)`."""
        return Problem(
            sizes > self.question_limit,
            "the question has ",
            sizes,
            f" tokens, more than max_question_length={self.question_limit}. "
            "Raise it, and the backbone's `max_global_tokens` to one more, or "
            'make the preprocessor with `long_questions="truncate"`.',
        )

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
        _, _, is_batch = _question_and_context(x)
        inputs, rows = self.window_rows(x, stride)
        with tf.device("CPU"):
            y = y if is_batch else _with_batch(y)
            targets, lost, _ = self._targets(y, rows, inputs)
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
        _, _, is_batch = _question_and_context(x)
        y = y if is_batch else _with_batch(y)
        rows = without_problems(
            self.rows(
                x,
                over_long="windows" if windows else "truncate",
                stride=stride,
            )
        )
        cut = rows.windows
        inputs = {"token_ids": cut.token_ids.to_tensor()}
        _, _, (given, found) = self._targets(y, rows, inputs)
        found = tf.math.unsorted_segment_max(
            tf.cast(found, tf.int32), cut.text_index, cut.num_texts
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

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes, for rows that are packed."""
        column = tf.range(tf.shape(token_ids)[1])
        first_end = self.row_template.first_end(token_ids)[:, None]
        return {
            **super().model_inputs(token_ids, padding_mask),
            "global_mask": (column < first_end) & padding_mask,
            "span_mask": self._span_mask(token_ids, padding_mask),
        }

    def question_prefix(
        self, question: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Returns `<s> question </s></s>`, cut to the limit, int32 ragged
        `(b, None)`, and how many tokens each question has, int64 `(b,)`."""
        # A `</s>` in it would be taken for its end.
        ids = self.token_rows(question, special_tokens_in_text=False)
        sizes = ids.row_lengths()
        ids = tf.cast(ids[:, : self.question_limit], tf.int32)
        prefix = [
            repeated(self.row_template.start, ids),
            ids,
            repeated(self.row_template.between, ids),
        ]
        return tf.concat(prefix, 1), sizes

    def context_tokens(self, context: tf.Tensor) -> Tokens:
        """Returns the tokens of contexts, string `(b,)`, and their offsets."""
        return self.tokenizer.tokenize_with_offsets(
            context, special_tokens_in_text=False
        )

    def limited_to(self, longest, over_long=None):
        """Returns a copy that reads at most `longest` tokens of a row, and as
        long questions as this one."""
        limited = super().limited_to(longest, over_long)
        limited.max_question_length = self.question_limit
        return limited

    def _span_mask(self, token_ids, padding_mask):
        """bool `(b, n)`, `True` at the context's tokens and at `<s>`."""
        column = tf.range(tf.shape(token_ids)[1])
        size = tf.reduce_sum(tf.cast(padding_mask, tf.int32), 1)
        # Rows may be padded on either side: columns count from the first token.
        first = tf.argmax(
            tf.cast(padding_mask, tf.int32), axis=1, output_type=tf.int32
        )
        last = first + size - len(self.row_template.end)
        start = self.row_template.second_start(token_ids)
        in_context = (column >= start[:, None]) & (column < last[:, None])
        is_start = tf.equal(column, 0)
        return (in_context | is_start) & padding_mask

    def _targets(self, y, rows, inputs):
        """Targets, rows whose answers are lost, and answers given, found."""
        answers = find_answers(y, *rows.source)
        targets, found = mark_answers(
            answers,
            rows.windows,
            length=tf.shape(inputs["token_ids"])[1],
            first_only=self.answers == "first",
        )
        columns = inputs["token_ids"].shape[1]
        targets.set_shape([None, columns, 2])
        given = answers.first >= 0
        has_answer = tf.gather(tf.reduce_any(given, 1), rows.windows.text_index)
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
        return kept * tf.cast(as_labels(sample_weight), tf.float32)

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
