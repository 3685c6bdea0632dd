"""Texts with masked tokens, to train on and to fill in."""

import random

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import SEQUENCE_LENGTH
from keras_longformer.tasks.preprocessor import TextPacking
from keras_longformer.tasks.preprocessor import without_batch_like
from keras_longformer.text.packing import Packed
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import start_mask
from keras_longformer.tokenizers.byte_pair.special_tokens import MASK
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.training.masking import find_tokens
from keras_longformer.training.masking import mask_tokens


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerMaskedLMPreprocessor(
    TextPacking, keras_hub.models.MaskedLMPreprocessor
):
    """Turns texts into inputs and targets for masked language modelling.

    Tokens are selected and masked at random for each call, special tokens
    never. For text that holds `<mask>` already, use `fill_mask_preprocess`.

    Args:
        tokenizer: a `LongformerTokenizer` without a `sequence_length`.
        sequence_length, truncate, pad_to: as for
            `LongformerTextClassifierPreprocessor`.
        mask_selection_rate: the part of a row's tokens that is to be
            predicted.
        mask_selection_length: the most of them, and the `k` of the result.
            `None`: as many as a row as long as the padded batch has.
        mask_token_rate: the part of those that becomes `<mask>`.
        random_token_rate: the part of those that becomes a random token; the
            rest stays as it is.
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
        tokenizer: LongformerTokenizer,
        sequence_length: int | None = SEQUENCE_LENGTH,
        truncate: str = "round_robin",
        mask_selection_rate: float = 0.15,
        mask_selection_length: int | None = None,
        mask_token_rate: float = 0.8,
        random_token_rate: float = 0.1,
        pad_to: PadTo = "sequence_length",
        global_start: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        check_packing(sequence_length, pad_to, truncate)
        _check_rates(mask_selection_rate, mask_token_rate, random_token_rate)
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
        self.pad_to = pad_to
        self.global_start = global_start
        self.seed = seed
        self._generator = _random_generator(seed)

    def call(self, x, y=None, sample_weight=None):
        """Returns masked inputs, the tokens to predict and their weights."""
        packed = self.pack_texts(x)
        with tf.device("CPU"):
            masked = mask_tokens(
                packed.token_ids,
                self._selectable(packed),
                mask_id=self.tokenizer.mask_token_id,
                vocabulary_size=self.tokenizer.vocabulary_size(),
                seed=self._generator.uniform_full_int([2], tf.int32),
                selection_rate=self.mask_selection_rate,
                selection_length=self._selection_length(packed.token_ids),
                mask_token_rate=self.mask_token_rate,
                random_token_rate=self.random_token_rate,
            )
        inputs = {
            "token_ids": masked.token_ids,
            "padding_mask": packed.padding_mask,
            "mask_positions": masked.mask_positions,
        }
        if self.global_start:
            inputs["global_mask"] = start_mask(packed.token_ids)
        outputs = (inputs, masked.mask_ids, masked.mask_weights)
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
        packed = self.pack_texts(x, special_tokens_in_text=[MASK])
        mask_id = self.tokenizer.mask_token_id
        with tf.device("CPU"):
            positions, _ = find_tokens(packed.token_ids, mask_id)
        inputs = {
            "token_ids": packed.token_ids,
            "padding_mask": packed.padding_mask,
            "mask_positions": positions,
        }
        if self.global_start:
            inputs["global_mask"] = start_mask(packed.token_ids)
        return without_batch_like(x, inputs)

    def _selectable(self, packed: Packed) -> tf.Tensor:
        selectable = packed.padding_mask
        for i in self.tokenizer.special_token_ids:
            selectable &= tf.not_equal(packed.token_ids, i)
        return selectable

    def _selection_length(self, token_ids: tf.Tensor) -> int | tf.Tensor:
        """Returns `k`: an int where the number of columns is known."""
        if self.mask_selection_length is not None:
            return self.mask_selection_length
        columns = token_ids.shape[1]
        if columns is not None:
            return int(columns * self.mask_selection_rate) + 1
        columns = tf.cast(tf.shape(token_ids)[1], tf.float32)
        return tf.cast(columns * self.mask_selection_rate, tf.int32) + 1

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "global_start": self.global_start,
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
