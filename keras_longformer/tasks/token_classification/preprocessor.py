"""Words with labels, as inputs and targets of a classifier of tokens."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.reading import Takes
from keras_longformer.tasks.token_classification.words import Words
from keras_longformer.tasks.token_classification.words import WordTokens
from keras_longformer.tasks.token_classification.words import as_words
from keras_longformer.tasks.token_classification.words import is_one_text
from keras_longformer.tasks.token_classification.words import tokenize_words
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import pack
from keras_longformer.text.rows import Rows
from keras_longformer.text.template import repeated
from keras_longformer.text.template import start_mask
from keras_longformer.text.windows import read_long
from keras_longformer.tokenizers import GraphTokenizer
from keras_longformer.tokenizers.contract import check_tokenizer


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTokenClassifierPreprocessor(
    RowPreprocessor, keras_hub.models.Preprocessor
):
    """Turns words with labels into inputs and targets of tokens.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`. `x` is words, `(b, words)` strings as lists of lists or ragged
    tensors, or texts, a string or `(b,)` strings, whose words are what
    whitespace separates. Each word is tokenized after a blank, the first
    too, as Hugging Face does with `is_split_into_words=True`.

    A word's label and weight go to its first token:

        x, y      Ada        Lovelace          wrote
                  1          2                 0
        tokens    <s>  ĠAda  ĠLove  l   ace    Ġwrote  </s>
        y         0    1     2      0   0      0       0
        weight    0    1     1      0   0      1       0

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length: the most tokens of a row, `<s>` and `</s>` included;
            longer texts are cut off. `None` cuts nothing.
        pad_to: as for `LongformerTextClassifierPreprocessor`.
        global_start: whether the inputs have a `"global_mask"`, with `<s>`
            global. By default, as in Hugging Face, no token is.

    Returns:
        A dict, with targets and weights after it where `y` is given:

        - `"token_ids"`: int32 `(b, n)`, `<s> tokens </s>`, then `<pad>`.
        - `"padding_mask"`: bool `(b, n)`, `True` at tokens.
        - `"global_mask"`: bool `(b, n)`, with `global_start`.

        `y` int32 `(b, n)` and `sample_weight` float32 `(b, n)`, which is 1,
        or that of the text `(b,)` or word `(b, words)`, at the first tokens
        of words, and 0 at others. One text gives the same without the batch
        axis.

    Raises:
        InvalidArgumentError: more or fewer labels than words.

    Example:

    ```python
    preprocessor = LongformerTokenClassifierPreprocessor(tokenizer)
    x, y, sample_weight = preprocessor(
        [["Ada", "Lovelace", "wrote"], ["Hello"]], [[1, 2, 0], [0]]
    )
    ```
    """

    over_long_choices = ("truncate", "windows")
    takes = Takes(
        write="words, a list of lists of strings, or a list of texts",
        ranks=(1, 2),
    )

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        pad_to: PadTo = "sequence_length",
        global_start: bool = False,
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "waterfall")
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.pad_to = pad_to
        self.global_start = global_start

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with targets and weights if given."""
        is_one = is_one_text(x)
        with tf.device("CPU"):
            rows = self.rows(x)
            outputs = self.padded_inputs(rows.windows)
            if y is not None:
                words, tokens = rows.source
                y = _one_a_word("labels", y, words.words, is_one)
                weight = _weights(sample_weight, words.words, is_one)
                y = tf.cast(tf.gather(y, tokens.word), tf.int32)
                weight = tf.gather(weight, tokens.word)
                weight *= tf.cast(tokens.is_first, tf.float32)
                y = tf.where(tokens.is_first, y, 0)
                outputs = (
                    outputs,
                    self._packed(tokens.ids.with_values(y)),
                    self._packed(tokens.ids.with_values(weight)),
                )
        if is_one:
            outputs = tf.nest.map_structure(lambda tensor: tensor[0], outputs)
        return outputs

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns words or texts as rows.

        The source of the `Rows` is the `Words` and their `WordTokens`.
        """
        words = as_words(x)
        tokens = self.word_tokens(words)
        windows = read_long(
            tokens.ids,
            repeated(self.row_template.start, tokens.ids),
            longest=self.longest(longest),
            template=self.row_template,
            over_long=over_long or self.over_long,
            stride=stride,
        )
        return Rows(windows, (), (words, tokens))

    def word_tokens(self, words: Words) -> WordTokens:
        """Returns the tokens of words."""
        check_tokenizer(self.tokenizer)
        return tokenize_words(self.tokenizer, words.words)

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes, for rows that are packed."""
        inputs = super().model_inputs(token_ids, padding_mask)
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        return inputs

    def _packed(self, rows):
        """Packs what comes one a token; 0 for the special ones."""
        return pack(
            rows,
            template=self.row_template.filled_with(0),
            sequence_length=self.sequence_length,
            pad_to=self.pad_to,
        ).token_ids

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "global_start": self.global_start,
        }


def _one_a_word(what, values, words, is_one) -> tf.Tensor:
    """Returns `(words,)`, of all texts, having checked that each has one."""
    if not isinstance(values, tf.Tensor | tf.RaggedTensor):
        values = [values] if is_one else values
        is_ragged = isinstance(values, list) and any(
            isinstance(row, list | tuple) for row in values
        )
        make = tf.ragged.constant if is_ragged else tf.convert_to_tensor
        values = make(values)
    elif is_one:
        values = values[None]
    if values.shape.rank != 2:
        raise ValueError(
            f"There must be {what} of shape `(b, words)`, one for each word. "
            f"Received: shape={values.shape}."
        )
    counts = words.row_lengths()
    if isinstance(values, tf.RaggedTensor):
        fits = tf.equal(values.row_lengths(), counts)
        given = values.row_lengths()
    else:
        fits = counts <= tf.shape(values, tf.int64)[1]
        given = tf.fill(tf.shape(counts), tf.shape(values, tf.int64)[1])
    check = tf.debugging.Assert(
        tf.reduce_all(fits),
        [
            f"Each word must have its own of {what}. Words of the texts: ",
            counts,
            f"{what}: ",
            given,
        ],
        summarize=20,
    )
    with tf.control_dependencies([] if check is None else [check]):
        if isinstance(values, tf.RaggedTensor):
            return tf.identity(values.values)
        # Padded after the last word, as `x` may be.
        return tf.RaggedTensor.from_tensor(values, lengths=counts).values


def _weights(sample_weight, words, is_one) -> tf.Tensor:
    """Returns float32 `(words,)`, 1 where no weights are given."""
    if sample_weight is None:
        return tf.ones_like(words.value_rowids(), tf.float32)
    if isinstance(sample_weight, list):
        is_ragged = any(isinstance(row, list | tuple) for row in sample_weight)
        make = tf.ragged.constant if is_ragged else tf.convert_to_tensor
        sample_weight = make(sample_weight)
    if not isinstance(sample_weight, tf.RaggedTensor):
        sample_weight = tf.convert_to_tensor(sample_weight)
    if sample_weight.shape.rank == (0 if is_one else 1):
        rows = tf.reshape(sample_weight, [-1])
        weights = tf.gather(rows, words.value_rowids())
    else:
        weights = _one_a_word("weights", sample_weight, words, is_one)
    return tf.cast(weights, tf.float32)
