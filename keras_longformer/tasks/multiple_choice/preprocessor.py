"""Questions with choices, as model inputs."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.multiple_choice.candidates import CandidateRows
from keras_longformer.tasks.multiple_choice.candidates import Marks
from keras_longformer.tasks.multiple_choice.candidates import cut_candidate_rows
from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.tokenizers import GraphTokenizer

SCORINGS = ("choices", "candidates")
GLOBAL_TOKENS = ("question", "second", "none")


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMultipleChoicePreprocessor(
    RowPreprocessor, keras_hub.models.Preprocessor
):
    """Turns questions with choices into inputs, the question global.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`; labels, the indices of the right choices, and weights pass
    through. `x` is a dict of

    - `"choices"`: `(b, choices)` strings, as lists of lists or ragged tensors
      where rows have different numbers, or padded with "", which is no choice;
    - `"context"`: `(b,)` strings, what the question is about. For
      `"candidates"` also several documents, `(b, documents)`;
    - `"question"`: `(b,)` strings. For `"choices"` one of the two may be left
      out; a question alone takes the context's place.

    With `scoring="choices"` each choice makes a row of its own:

        <s> context </s></s> question choice </s>

    With `scoring="candidates"` all choices stand in one row, in front of the
    documents, and once more in front of each further window that they need:

        <s> question </s></s> choice </s></s> choice </s></s> documents </s>

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length: the most tokens of a row. For `"choices"` longer
            pairs are cut off, the longer part first.
        scoring: `"choices"` or `"candidates"`.
        global_tokens: which are global, for `"choices"`: `"question"`, `<s>`
            and what stands after the context; `"second"`, the same without
            `<s>`, as Hugging Face's PyTorch model has it; or `"none"`, as its
            TensorFlow model has it. For `"candidates"`, `"question"`, the
            question and the candidates as in the paper, or `"none"`.
        marks: for `"candidates"`, four tokens of the vocabulary, or `None` for
            none: what opens and closes the question, and what opens and
            closes a candidate. The paper's are `("[question]",
            "[/question]", "[ent]", "[/ent]")`, for vocabularies that have
            these tokens.
        max_windows: int, the most windows of a row's documents, or `None`.
        pad_to: as for `LongformerTextClassifierPreprocessor`.

    Returns:
        A dict, with `y` and `sample_weight` after it where given. For
        `"choices"` `t` is the most choices of the batch, for `"candidates"`
        the most windows:

        - `"token_ids"`: int32 `(b, t, n)`; a choice or window that is not
          there is all `<pad>`.
        - `"padding_mask"`: bool `(b, t, n)`, `True` at tokens.
        - `"global_mask"`: bool `(b, t, n)`, `True` at global tokens.
        - `"candidate_positions"`: for `"candidates"`, int32 `(b, c)`, the
          column of the token that opens each; 0 where there is none.

    Example:

    ```python
    preprocessor = LongformerMultipleChoicePreprocessor(tokenizer)
    x, y = preprocessor(
        {
            "context": ["It was Ada.", "Two and two is four."],
            "question": ["Who was it?", "How much is it?"],
            "choices": [["Ada", "Zoe"], ["three", "four", "five"]],
        },
        [0, 1],
    )
    ```
    """

    reads = ("question", "context", "choices")
    over_long_choices = ("truncate",)
    takes = Takes(
        write='a dict of "choices", and of "question" or "context" or both',
        alone=False,
        names={"question": (1,), "context": (1, 2), "choices": (2,)},
        required=("choices",),
    )

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        scoring: str = "choices",
        global_tokens: str = "question",
        truncate: str = "round_robin",
        marks: tuple[str | None, ...] = Marks(),
        max_windows: int | None = None,
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, truncate)
        check_one_of("scoring", scoring, SCORINGS)
        allowed = ("question", "none")
        if scoring == "choices":
            allowed = GLOBAL_TOKENS
        check_one_of("global_tokens", global_tokens, allowed)
        marks = Marks(*marks)
        if marks.candidate_start is None:
            raise ValueError(
                "A candidate is scored by the token that opens it: the third "
                f"of `marks` cannot be None. Received: marks={tuple(marks)}"
            )
        if scoring == "candidates" and sequence_length is None:
            raise ValueError(
                'Windows for `scoring="candidates"` are of `sequence_length` '
                "tokens. Received: sequence_length=None"
            )
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.scoring = scoring
        self.global_tokens = global_tokens
        self.truncate = truncate
        self.marks = marks
        self.max_windows = max_windows
        self.pad_to = pad_to

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with labels and weights if given."""
        with tf.device("CPU"):
            if self.scoring == "choices":
                rows = self.rows(x)
                inputs = self.in_texts(
                    self.padded_inputs(rows.windows), rows.windows
                )
            else:
                inputs = self._candidate_inputs(*as_questions(x))
        return keras.utils.pack_x_y_sample_weight(
            inputs, as_labels(y), as_labels(sample_weight)
        )

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns a row for each choice, `<s> context </s></s> question
        choice </s>`.

        The source of the `Rows` is the choices, string, ragged `(b, None)`.
        """
        question, context, choices = as_questions(x)
        index = tf.cast(choices.value_rowids(), tf.int32)
        rows = self.text_rows(
            self.segments(question, context, choices),
            longest=longest,
            over_long=over_long,
        )
        windows = rows.windows._replace(
            text_index=index, num_texts=choices.nrows(tf.int32)
        )
        return rows._replace(windows=windows, source=choices)

    def segments(self, question, context, choices):
        """Returns the two parts of each choice's row, string `(r,)` each.

        Args:
            question, context: string `(b,)`, one of them or both.
            choices: string, ragged `(b, None)`, `r` in all.
        """
        row = choices.value_rowids()
        first, second = context, choices.values
        if context is None:
            first = question
        elif question is not None:
            asked = tf.gather(question, row)
            blank = tf.where(tf.equal(asked, ""), "", " ")
            second = tf.strings.join([asked, blank, second])
        return tf.gather(first, row), second

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes of choices, for rows that are packed.

        Args:
            token_ids: int32 `(r, n)`.
            padding_mask: bool `(r, n)`.
        """
        column = tf.range(tf.shape(token_ids)[1])
        second_start = self.row_template.second_start(token_ids)
        is_global = padding_mask & (column >= second_start[:, None])
        if self.global_tokens == "question":
            is_global |= padding_mask & tf.equal(column, 0)
        elif self.global_tokens == "none":
            is_global = tf.zeros_like(padding_mask)
        inputs = super().model_inputs(token_ids, padding_mask)
        return {**inputs, "global_mask": is_global}

    def candidate_rows(self, question, context, choices) -> CandidateRows:
        """Returns the rows of all candidates and documents.

        Args:
            question: string `(b,)`.
            context: string, `(b,)` or ragged `(b, None)`.
            choices: string, ragged `(b, None)`.
        """
        documents = context
        if not isinstance(context, tf.RaggedTensor):
            documents = tf.RaggedTensor.from_tensor(context[:, None])
        tokenize = self.tokenizer.tokenize
        return cut_candidate_rows(
            self.token_rows(question),
            choices.with_values(tokenize(choices.values)),
            documents.with_values(tokenize(documents.values)),
            tokenizer=self.tokenizer,
            marks=self.marks,
            longest=int(self.sequence_length),
            max_windows=self.max_windows,
        )

    def _candidate_inputs(self, question, context, choices):
        if question is None or context is None:
            raise ValueError(
                '`scoring="candidates"` reads a "question" and a "context". '
                "Received one of them only."
            )
        windows, positions = self.candidate_rows(question, context, choices)
        inputs = self.padded_inputs(windows)
        inputs["global_mask"] = self.prefix_mask(
            inputs["token_ids"], windows.first_column
        )
        inputs = self.in_texts(inputs, windows)
        return {**inputs, "candidate_positions": positions.to_tensor()}

    def prefix_mask(self, token_ids, first_column):
        """Returns bool `(r, n)`, `True` at question and candidates."""
        if self.global_tokens == "none":
            return tf.zeros_like(token_ids, tf.bool)
        # The prefix ends with the `</s>` that opens the documents.
        column = tf.range(tf.shape(token_ids)[1])
        return column < first_column[:, None] - 1

    def in_texts(self, inputs, windows):
        """Returns `(b, t, n)` for the `(r, n)` rows of texts."""
        padding = {"token_ids": self.row_template.pad}
        return {
            name: tf.RaggedTensor.from_value_rowids(
                rows,
                tf.cast(windows.text_index, tf.int64),
                nrows=tf.cast(windows.num_texts, tf.int64),
                validate=False,
            ).to_tensor(tf.cast(padding.get(name, 0), rows.dtype))
            for name, rows in inputs.items()
        }

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "scoring": self.scoring,
            "global_tokens": self.global_tokens,
            "truncate": self.truncate,
            "marks": list(self.marks),
            "max_windows": self.max_windows,
        }


def as_questions(x):
    """Returns `question` and `context`, or `None`, and ragged `choices`.

    Raises:
        TypeError: something else than a dict of strings.
        ValueError: a dict without choices, or with nothing to ask.
    """
    if not isinstance(x, dict):
        raise TypeError(
            'Questions are a dict of "question", "context" and "choices". '
            f"Received: {type(x).__name__}"
        )
    unknown = set(x) - {"question", "context", "choices"}
    if unknown or "choices" not in x or len(x) < 2:
        raise ValueError(
            'Questions are a dict of "choices", and of "question" or '
            f'"context" or both. Received: {sorted(x)}'
        )
    question, context = (
        None if x.get(name) is None else as_texts(x[name])
        for name in ("question", "context")
    )
    choices = as_texts(x["choices"])
    if choices.shape.rank != 2:
        raise ValueError(
            '"choices" are strings of shape `(b, choices)`, those of a batch '
            f"of questions. Received: shape={choices.shape}"
        )
    if not isinstance(choices, tf.RaggedTensor):
        choices = tf.RaggedTensor.from_tensor(choices)
    return question, context, without_empty(choices)


def without_empty(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns string, ragged `(b, None)`, without those that are ""."""
    return tf.ragged.boolean_mask(texts, tf.not_equal(texts, ""))
