"""Raw text to model inputs, as KerasHub preprocessors."""

import random

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.text.inputs import as_texts
from keras_longformer.text.masking import find_tokens
from keras_longformer.text.masking import mask_tokens
from keras_longformer.text.packing import Packed
from keras_longformer.text.packing import PadTo
from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import pack
from keras_longformer.text.special_tokens import MASK
from keras_longformer.text.tokenizer import LongformerTokenizer
from keras_longformer.text.windows import TextWindows

SEQUENCE_LENGTH = 4096  # Of the released longformer-base-4096.


class TextPacking:
    """Tokenizes and packs texts: what the preprocessors have in common.

    A mixin before a KerasHub preprocessor, whose own packer it replaces.
    """

    tokenizer_cls = LongformerTokenizer

    def build(self, input_shape=None):
        """Makes nothing: KerasHub would make its packer here."""
        self.built = True

    def pack_texts(self, x, special_tokens_in_text=None) -> Packed:
        """Returns packed token ids, `(b, n)`.

        Args:
            x: a string or batch of strings, or a tuple of two for pairs.
            special_tokens_in_text: as `LongformerTokenizer.tokenize` takes it.
        """
        segments = x if isinstance(x, tuple) else (x,)
        if not 1 <= len(segments) <= 2:
            raise ValueError(
                "One text or a pair of texts makes a row. "
                f"Received: a tuple of {len(segments)}."
            )
        ids = [
            self.token_rows(segment, special_tokens_in_text)
            for segment in segments
        ]
        with tf.device("CPU"):
            return pack(
                *ids,
                start_id=self.tokenizer.start_token_id,
                end_id=self.tokenizer.end_token_id,
                pad_id=self.tokenizer.pad_token_id,
                sequence_length=self.sequence_length,
                pad_to=self.pad_to,
                truncate=self.truncate,
            )

    def token_rows(self, x, special_tokens_in_text=None) -> tf.RaggedTensor:
        """Returns int32, ragged `(b, None)` ids of a string or a batch."""
        self.check_tokenizer()
        texts = tf.reshape(as_texts(x), [-1])
        return self.tokenizer.tokenize(texts, special_tokens_in_text)

    def check_tokenizer(self) -> None:
        """Raises `ValueError` for a tokenizer that pads or cuts off."""
        if self.tokenizer.sequence_length is not None:
            raise ValueError(
                "The preprocessor pads, its tokenizer must not. Received: a "
                f"tokenizer with sequence_length="
                f"{self.tokenizer.sequence_length}; make it without."
            )

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "pad_to": self.pad_to}


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


def start_mask(token_ids: tf.Tensor) -> tf.Tensor:
    """Returns bool `(b, n)`, `True` in the first column, where `<s>` is."""
    is_first = tf.equal(tf.range(tf.shape(token_ids)[1]), 0)
    return tf.broadcast_to(is_first, tf.shape(token_ids))


def without_batch_like(x, outputs):
    """Returns `outputs` without their batch axis where `x` has none."""
    text = x[0] if isinstance(x, tuple) else x
    if as_texts(text).shape.rank > 0:
        return outputs
    return tf.nest.map_structure(lambda tensor: tensor[0], outputs)


def as_array(values):
    """Returns labels as they came, a list as the tensor that it stands for."""
    if isinstance(values, list):
        return keras.ops.convert_to_tensor(values)
    return values


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
