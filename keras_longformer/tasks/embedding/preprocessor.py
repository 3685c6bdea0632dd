"""Texts, and pairs of texts, to embed."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.preprocessor import check_over_long
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.template import start_mask
from keras_longformer.tokenizers import GraphTokenizer


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerEmbedderPreprocessor(
    RowPreprocessor, keras_hub.models.TextEmbedderPreprocessor
):
    """Turns texts, or pairs of texts that belong together, into inputs.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`; scores and weights pass through. `x` is one string, a batch of
    strings, or a tuple of two or more of these, given as `x=(a, b)` because
    Keras takes a lone tuple for `(x, y)`. The texts of a tuple are not put
    into one sequence, as a classifier's are, but each into its own.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length, over_long, pad_to: as for
            `LongformerTextClassifierPreprocessor`.
        global_start: whether `<s>` is global, and there is a `"global_mask"`.

    Returns:
        A dict, with `y` and `sample_weight` after it where given:

        - `"token_ids"`: int32 `(b, n)`, `<s> text </s>`, then `<pad>`; for
          tuples of `t` texts `(b, t, n)`, all padded alike.
        - `"padding_mask"`: bool, of that shape, `True` at tokens.
        - `"global_mask"`: bool, of that shape, `True` at `<s>`.

        One string gives the same without the batch axis.

    Example:

    ```python
    preprocessor = LongformerEmbedderPreprocessor(tokenizer)
    preprocessor(x=(["a question", "another"], ["its text", "its text"]))
    ```
    """

    takes = Takes(
        write="a list of texts, or to train `(texts, partners)`, two lists",
        tuples=None,
    )

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        over_long: str = "truncate",
        pad_to: PadTo = "sequence_length",
        global_start: bool = True,
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "round_robin")
        check_over_long(over_long)
        super().__init__(
            tokenizer=tokenizer, sequence_length=sequence_length, **kwargs
        )
        self.over_long = over_long
        self.pad_to = pad_to
        self.global_start = global_start

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with scores and weights if given."""
        if not isinstance(x, tuple):
            return super().call(x, y, sample_weight)
        texts = [tf.reshape(as_texts(part), [-1]) for part in x]
        with tf.device("CPU"):
            rows = self.rows(tf.reshape(tf.stack(texts, 1), [-1]))
            inputs = self.padded_inputs(rows.windows)
        inputs = {
            name: _in_tuples(rows, len(x)) for name, rows in inputs.items()
        }
        return keras.utils.pack_x_y_sample_weight(
            without_batch_like(x, inputs),
            as_labels(y),
            as_labels(sample_weight),
        )

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns single texts as rows."""
        if isinstance(x, tuple | dict):
            raise ValueError(
                f"{type(self).__name__} makes windows of one text a row. "
                f"Received: a {type(x).__name__} of {len(x)}."
            )
        return self.text_rows(
            x, longest=longest, over_long=over_long, stride=stride
        )

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes, for rows that are packed."""
        inputs = super().model_inputs(token_ids, padding_mask)
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        return inputs

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = {
            **super().get_config(),
            "over_long": self.over_long,
            "global_start": self.global_start,
        }
        del config["truncate"]  # One text makes a row: there are no shares.
        return config


def _in_tuples(rows, size):
    """Returns `(b, size, n)` for the `(b * size, n)` rows of tuples."""
    length = rows.shape[1]
    n = tf.shape(rows)[1] if length is None else length
    return tf.reshape(rows, [-1, size, n])
