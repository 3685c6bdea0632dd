"""Texts with masked tokens, to train on and to fill in."""

import random

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import RowPreprocessor
from keras_longformer.tasks.preprocessor import check_over_long
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.template import start_mask
from keras_longformer.tokenizers import GraphTokenizer
from keras_longformer.training.masking import find_tokens
from keras_longformer.training.masking import mask_tokens
from keras_longformer.training.masking import selection_length

NO_LABELS = (
    "A masked LM makes its own labels from the texts: write `fit(texts)`; of a "
    "dataset `dataset.map(lambda text, label: text)`; of pairs `((texts, "
    "others),)`."
)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMaskedLMPreprocessor(
    RowPreprocessor, keras_hub.models.MaskedLMPreprocessor
):
    """Turns texts into inputs and targets for masked language modelling.

    Tokens are selected and masked at random for each call, special tokens
    never. For text that holds `<mask>` already, use `fill_mask_preprocess`.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length, truncate, over_long, pad_to: as for
            `LongformerTextClassifierPreprocessor`.
        mask_selection_rate: the part of a row's tokens that is to be
            predicted.
        mask_selection_length: the most of them, and the `k` of the result.
            `None`: as many as a row as long as the padded batch has.
        mask_token_rate: the part of those that becomes `<mask>`.
        random_token_rate: the part of those that becomes a random token; the
            rest stays as it is.
        whole_words: whether all tokens of a word are selected, or none.
        global_start: whether the inputs have a `"global_mask"`, with `<s>`
            global. By default no token is global and there is none.
        seed: int. The same seed and the same calls in the same order give the
            same masks. `tf.data` keeps the order of calls with
            `num_parallel_calls=1` or `tf.config.experimental.
            enable_op_determinism`. `None` takes one from Python's `random`,
            which `keras.utils.set_random_seed` seeds.

    Returns:
        `(x, y, sample_weight)`, with `x` the dict

        - `"token_ids"`: int32 `(b, n)`, some of them masked,
        - `"padding_mask"`: bool `(b, n)`, `True` at tokens,
        - `"mask_positions"`: int32 `(b, k)`, where to predict, ascending,
        - `"global_mask"`: bool `(b, n)`, with `global_start`,

        `y` int32 `(b, k)`, the tokens that stood there, and `sample_weight`
        float32 `(b, k)`, 0 where a row has fewer than `k`.

        One string gives the same without the batch axis.

    Example:

    ```python
    preprocessor = LongformerMaskedLMPreprocessor(tokenizer, seed=1)
    x, y, sample_weight = preprocessor(["a long text", "another"])
    x = preprocessor.fill_mask_preprocess("Paris is the <mask> of France.")
    ```
    """

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        truncate: str = "round_robin",
        mask_selection_rate: float = 0.15,
        mask_selection_length: int | None = None,
        mask_token_rate: float = 0.8,
        random_token_rate: float = 0.1,
        over_long: str = "truncate",
        pad_to: PadTo = "sequence_length",
        global_start: bool = False,
        whole_words: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, truncate)
        check_over_long(over_long)
        _check_rates(mask_selection_rate, mask_token_rate, random_token_rate)
        if getattr(tokenizer, "mask_token", "") is None:
            raise ValueError(
                "Masked language modelling needs a tokenizer with a mask "
                f"token, and this {type(tokenizer).__name__} has none: make "
                "it with `mask_token=...`, one of its vocabulary."
            )
        super().__init__(
            tokenizer=tokenizer,
            sequence_length=sequence_length,
            truncate=truncate,
            mask_selection_rate=mask_selection_rate,
            mask_selection_length=mask_selection_length,
            mask_token_rate=mask_token_rate,
            random_token_rate=random_token_rate,
            **kwargs,
        )
        self.over_long = over_long
        self.pad_to = pad_to
        self.global_start = global_start
        self.whole_words = whole_words
        self.seed = seed
        self._generator = _random_generator(seed)

    over_long_choices = ("truncate", "head_tail")

    def call(self, x, y=None, sample_weight=None):
        """Returns masked inputs, the tokens to predict and their weights.

        Args:
            x: texts.
            y: `None`: the labels are the tokens that were masked.
            sample_weight: floats `(b,)`, which weigh all masked tokens of a
                text.
        """
        if y is not None:
            raise ValueError(NO_LABELS)
        with tf.device("CPU"):
            inputs = self.padded_inputs(self.text_rows(x).windows)
            token_ids = inputs["token_ids"]
            masked = mask_tokens(
                token_ids,
                self._selectable(token_ids, inputs["padding_mask"]),
                mask_id=self.tokenizer.mask_token_id,
                vocabulary_size=self.tokenizer.vocabulary_size(),
                seed=self._generator.uniform_full_int([2], tf.int32),
                selection_rate=self.mask_selection_rate,
                selection_length=self._selection_length(token_ids),
                mask_token_rate=self.mask_token_rate,
                random_token_rate=self.random_token_rate,
                word_starts=self._word_starts(token_ids),
            )
        inputs["token_ids"] = masked.token_ids
        inputs["mask_positions"] = masked.mask_positions
        weights = masked.mask_weights
        if sample_weight is not None:
            given = tf.cast(as_labels(sample_weight), weights.dtype)
            weights *= tf.reshape(given, [-1, 1])
        outputs = (inputs, masked.mask_ids, weights)
        return without_batch_like(x, outputs)

    def fill_mask_preprocess(self, x):
        """Returns inputs for text in which `"<mask>"` stands where a token
        is missing: "Paris is the <mask> of France."

        `<mask>` takes the whitespace before it with it, as the token that
        belongs there has its own. No other special token is recognised in
        the text, and nothing is masked at random.

        Args:
            x: a string or batch of strings, or a tuple of two for pairs.

        Returns:
            The dict that `call` gives as `x`. `"mask_positions"` has as many
            columns as the text with the most masks; 0, where `<s>` is, fills
            the rows of texts that have fewer.
        """
        with tf.device("CPU"):
            inputs = self.padded_inputs(self.rows(x).windows)
            inputs["mask_positions"] = self.mask_positions(inputs["token_ids"])
        return without_batch_like(x, inputs)

    def rows(self, x, *, longest=None, over_long=None, stride=None):
        """Returns texts, in which `<mask>` is recognised, as rows."""
        return self.text_rows(
            x,
            longest=longest,
            over_long=over_long,
            stride=stride,
            special_tokens_in_text=[self.tokenizer.mask_token],
        )

    def model_inputs(self, token_ids, padding_mask):
        """Returns what the model takes, for rows that are packed, besides
        `"mask_positions"`."""
        inputs = super().model_inputs(token_ids, padding_mask)
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        return inputs

    def mask_positions(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Returns int32 `(b, p)`, the columns of `<mask>`, then 0."""
        return find_tokens(token_ids, self.tokenizer.mask_token_id)[0]

    def _unmasked_inputs(self, windows):
        return self.padded_inputs(windows)

    def _selectable(self, token_ids, padding_mask):
        selectable = padding_mask
        for i in self.tokenizer.special_token_ids:
            selectable &= tf.not_equal(token_ids, i)
        return selectable

    def _word_starts(self, token_ids):
        """Returns bool `(b, n)`, or `None` where words are not kept whole."""
        if not self.whole_words:
            return None
        return tf.gather(tf.constant(self.tokenizer.word_starts), token_ids)

    def _selection_length(self, token_ids: tf.Tensor) -> int | tf.Tensor:
        """Returns `k`: an int where the number of columns is known."""
        if self.mask_selection_length is not None:
            return self.mask_selection_length
        return selection_length(token_ids, self.mask_selection_rate)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "over_long": self.over_long,
            "global_start": self.global_start,
            "whole_words": self.whole_words,
            "seed": self.seed,
        }


def _random_generator(seed: int | None) -> tf.random.Generator:
    """Returns a generator whose state every graph and `tf.data` share."""
    if seed is None:
        seed = random.randint(1, 2**31 - 1)
    with tf.init_scope(), tf.device("CPU"):
        return tf.random.Generator.from_seed(seed)


def _check_rates(selection: float, mask: float, random_token: float) -> None:
    rates = {
        "mask_selection_rate": selection,
        "mask_token_rate": mask,
        "random_token_rate": random_token,
        "mask_token_rate + random_token_rate": mask + random_token,
    }
    wrong = [f"{k}={v}" for k, v in rates.items() if not 0 <= v <= 1]
    if wrong:
        raise ValueError(
            "The rates of masking are parts of a whole, between 0 and 1. "
            f"Received: {', '.join(wrong)}."
        )
