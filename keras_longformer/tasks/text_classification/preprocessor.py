"""Texts, and pairs of texts, to classify."""

import keras
import keras_hub

from keras_longformer.tasks.preprocessor import PAIR
from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.preprocessor import check_over_long
from keras_longformer.tasks.reading import TEXT_OR_PAIR
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.template import start_mask
from keras_longformer.text.windows import OVER_LONG
from keras_longformer.tokenizers import GraphTokenizer


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerTextClassifierPreprocessor(
    RowPreprocessor, keras_hub.models.TextClassifierPreprocessor
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
        over_long: what is read of a single text with more tokens:
            `"truncate"`, its beginning, or `"head_tail"`, a quarter of the
            row from its beginning and the rest from its end.
        num_texts: 1 or 2, the texts of an example, which an export makes its
            inputs. `None`: what `fit` is given.
        pad_to: `"sequence_length"`, `"longest"` of the batch, or a list of
            lengths to take the least of that holds the longest row.

    Returns:
        A dict, with `y` and `sample_weight` after it where given:

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
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        truncate: str = "round_robin",
        over_long: str = "truncate",
        num_texts: int | None = None,
        pad_to: PadTo = "sequence_length",
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, truncate)
        check_over_long(over_long)
        check_one_of("num_texts", num_texts, (1, 2, None))
        super().__init__(
            tokenizer=tokenizer,
            sequence_length=sequence_length,
            truncate=truncate,
            **kwargs,
        )
        self.over_long = over_long
        self.num_texts = num_texts
        self.pad_to = pad_to

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts of an example: `text`, and of pairs `text_pair`."""
        return PAIR[: self.num_texts or 1]

    @property
    def takes(self):
        """What `x` may be: texts or pairs, until it is known which."""
        if self.num_texts is None:
            return TEXT_OR_PAIR
        return TEXT_OR_PAIR._replace(usual=self.num_texts)

    @property
    def over_long_choices(self) -> tuple[str, ...]:
        """How long texts are read: pairs are cut by `truncate` only."""
        return OVER_LONG if self.reads == ("text",) else ("truncate",)

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes, for rows that are packed."""
        inputs = super().model_inputs(token_ids, padding_mask)
        return {**inputs, "global_mask": start_mask(token_ids)}

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "over_long": self.over_long,
            "num_texts": self.num_texts,
        }
