"""Texts, and pairs of texts, to classify."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import TextPacking
from keras_longformer.tasks.preprocessor import as_array
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import start_mask
from keras_longformer.text.windows import TextWindows
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTextClassifierPreprocessor(
    TextWindows, TextPacking, keras_hub.models.TextClassifierPreprocessor
):
    """Turns texts into inputs for classification, `<s>` global.

    Call it with `x`, `(x, y)` or `(x, y, sample_weight)`, directly or in
    `tf.data`; labels and weights pass through. `x` is one string, a batch of
    strings, or for pairs a tuple of two of these, given as `x=(a, b)` because
    Keras takes a lone tuple for `(x, y)`.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length: the most tokens of a row, special ones included;
            longer texts are cut off. `None` cuts nothing.
        truncate: how pairs are cut, `"round_robin"` or `"waterfall"`.
        pad_to: `"sequence_length"`, `"longest"` of the batch, or a list of
            lengths to take the least of that holds the longest row.

    Returns:
        A dict, with `y` and `sample_weight` behind it where given:

        - `"token_ids"`: int32 `(b, n)`, `<s> text </s>`, then `<pad>`; pairs
          are `<s> a </s></s> b </s>`.
        - `"padding_mask"`: bool `(b, n)`, `True` at tokens.
        - `"global_mask"`: bool `(b, n)`, `True` at `<s>`.

        One string gives the same without the batch axis.

    Example:

    ```python
    preprocessor = LongformerTextClassifierPreprocessor(
        tokenizer, sequence_length=1024
    )
    x, y = preprocessor(["a long text", "another"], [0, 1])
    dataset = dataset.batch(8).map(preprocessor)  # of (text, label)
    ```
    """

    def __init__(
        self,
        tokenizer: LongformerTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        truncate: str = "round_robin",
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, truncate)
        super().__init__(
            tokenizer=tokenizer,
            sequence_length=sequence_length,
            truncate=truncate,
            **kwargs,
        )
        self.pad_to = pad_to

    def call(self, x, y=None, sample_weight=None):
        """Returns the model's inputs, with labels and weights if given."""
        packed = self.pack_texts(x)
        inputs = self.model_inputs(packed.token_ids, packed.padding_mask)
        return keras.utils.pack_x_y_sample_weight(
            without_batch_like(x, inputs), as_array(y), as_array(sample_weight)
        )

    def model_inputs(self, token_ids, padding_mask) -> dict[str, tf.Tensor]:
        """Returns what the model takes, for rows that are packed."""
        return {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "global_mask": start_mask(token_ids),
        }
