"""Texts, and pairs of texts, to embed."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import TextPacking
from keras_longformer.tasks.preprocessor import as_array
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import start_mask
from keras_longformer.text.windows import TextWindows
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerEmbedderPreprocessor(
    TextWindows, TextPacking, keras_hub.models.TextEmbedderPreprocessor
):
    """Turns texts, or pairs of texts that belong together, into inputs.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`; scores and weights pass through. `x` is one string, a batch of
    strings, or a tuple of two or more of these, given as `x=(a, b)` because
    Keras takes a lone tuple for `(x, y)`. The texts of a tuple are not put
    into one sequence, as a classifier's are, but each into its own.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length, pad_to: as for
            `LongformerTextClassifierPreprocessor`.
        global_start: whether `<s>` is global, and there is a `"global_mask"`.

    Returns:
        A dict, with `y` and `sample_weight` behind it where given:

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

    def __init__(
        self,
        tokenizer: LongformerTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        pad_to: PadTo = "sequence_length",
        global_start: bool = True,
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, "round_robin")
        super().__init__(
            tokenizer=tokenizer, sequence_length=sequence_length, **kwargs
        )
        self.pad_to = pad_to
        self.global_start = global_start

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with scores and weights if given."""
        if isinstance(x, tuple):
            texts = [tf.reshape(as_texts(part), [-1]) for part in x]
            packed = self.pack_texts(tf.reshape(tf.stack(texts, 1), [-1]))
        else:
            packed = self.pack_texts(x)
        inputs = self.model_inputs(packed.token_ids, packed.padding_mask)
        if isinstance(x, tuple):
            inputs = {
                name: _in_tuples(rows, len(x)) for name, rows in inputs.items()
            }
        return keras.utils.pack_x_y_sample_weight(
            without_batch_like(x, inputs), as_array(y), as_array(sample_weight)
        )

    def model_inputs(self, token_ids, padding_mask) -> dict[str, tf.Tensor]:
        """Returns what the model takes, for rows that are packed."""
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        return inputs

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "global_start": self.global_start}
        del config["truncate"]  # One text makes a row: there are no shares.
        return config


def _in_tuples(rows, size):
    """Returns `(b, size, n)` for the `(b * size, n)` rows of tuples."""
    length = rows.shape[1]
    n = tf.shape(rows)[1] if length is None else length
    return tf.reshape(rows, [-1, size, n])
