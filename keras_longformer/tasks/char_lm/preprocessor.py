"""Texts to inputs and targets of the character language model, and back."""

import keras
import keras_hub
import tensorflow as tf
from keras.src.utils.backend_utils import in_grain_data_pipeline
from keras_hub.src.utils.tensor_utils import convert_preprocessing_outputs_grain

from keras_longformer.models.decoder import LongformerDecoderBackbone
from keras_longformer.tasks.reading import Takes
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_texts
from keras_longformer.tokenizers import LongformerByteTokenizer

NO_LABELS = (
    "A language model learns from texts alone: write `fit(texts)`; of a "
    "dataset `dataset.map(lambda text, label: text)`."
)
TEXTS = Takes(write="a list of texts", names={"text": (1,)}, required=("text",))


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerCharLMPreprocessor(keras_hub.models.CausalLMPreprocessor):
    """Makes of each text its bytes, and the bytes that follow them.

    For `sequence_length=4`, 97 being "a" and 256 the padding:

                   token_ids          y                  sample_weight
        "abc"      97  98  99  256    98  99  256  256   1  1  0  0
        "abcdef"   97  98  99  100    98  99  100  101   1  1  1  1

    Args:
        tokenizer: a `LongformerByteTokenizer`.
        sequence_length: int, the columns; a longer text is cut off.
        add_start_token: bool, whether rows begin with the tokenizer's
            `<end>`, so that the first byte is predicted too. A model that was
            trained so can generate from an empty prompt.
        add_end_token: bool, whether `<end>` follows a text, so that
            generation can end by itself.
        **kwargs: `name`, `trainable`, `dtype`.

    Call arguments:
        x: a string, a batch of strings, or a string tensor.
        y: `None`: the targets are made of `x`.
        sample_weight: float `(b,)`, of texts, or `None`.
        sequence_length: int, instead of the constructor's.

    Returns:
        Tuple of the dict of `token_ids` int32 and `padding_mask` bool, both
        `(b, n)`; the targets, int32 `(b, n)`; and their weights, float32
        `(b, n)`, 0 where no byte follows.

    Raises:
        ValueError: labels, which a language model does not take.
        InvalidArgumentError: to `generate_preprocess`, a text that is longer
            than its `sequence_length`.
    """

    backbone_cls = LongformerDecoderBackbone
    tokenizer_cls = LongformerByteTokenizer
    takes = TEXTS

    def __init__(
        self,
        tokenizer,
        sequence_length=1024,
        add_start_token=False,
        add_end_token=False,
        **kwargs,
    ):
        super().__init__(
            tokenizer,
            sequence_length=sequence_length,
            add_start_token=add_start_token,
            add_end_token=add_end_token,
            **kwargs,
        )

    def build(self, input_shape=None):
        """Makes nothing: KerasHub would make its packer here."""
        self.built = True

    def __call__(self, *args, **kwargs):
        """Calls the layer; in a pipeline of Grain's it gives NumPy arrays."""
        outputs = super().__call__(*args, **kwargs)
        if in_grain_data_pipeline():
            return convert_preprocessing_outputs_grain(outputs)
        return outputs

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        """Returns inputs, targets and weights."""
        if y is not None:
            raise ValueError(NO_LABELS)
        length = sequence_length or self.sequence_length
        texts = as_texts(x)
        with tf.device("CPU"):
            rows = self._rows(texts, self.add_end_token)[:, : length + 1]
            token_ids, mask = self._padded(rows, length + 1)
            weights = tf.cast(mask[:, 1:], tf.float32)
            if sample_weight is not None:
                given = tf.cast(as_labels(sample_weight), tf.float32)
                weights *= tf.reshape(given, [-1, 1])
            inputs = {
                "token_ids": token_ids[:, :-1],
                # A row of one token has nothing to predict, and is there.
                "padding_mask": mask[:, :-1],
            }
            outputs = (inputs, token_ids[:, 1:], weights)
        return _without_batch_like(texts, outputs)

    def generate_preprocess(self, x, sequence_length=None):
        """Returns prompts as inputs, with room for what follows.

        Args:
            x: a string, a batch of strings, or a string tensor.
            sequence_length: int, the columns, prompt included.
        """
        length = sequence_length or self.sequence_length
        texts = as_texts(x)
        with tf.device("CPU"):
            rows = self._rows(texts, end=False)
            longest = tf.reduce_max(tf.concat([rows.row_lengths(), [0]], 0))
            message = tf.strings.format(
                "A prompt has {} tokens, more than `max_length` has room for: "
                "{}. Make it larger, or the prompt shorter.",
                (longest, length),
            )
            check = tf.debugging.Assert(longest <= length, [message])
            with tf.control_dependencies([] if check is None else [check]):
                token_ids, mask = self._padded(rows, length)
        inputs = {"token_ids": token_ids, "padding_mask": mask}
        return _without_batch_like(texts, inputs)

    def prompts(self, texts, room):
        """Returns prompts and room behind each, in a graph.

        Args:
            texts: string `(b,)`.
            room: int, how many tokens shall follow each prompt.

        Returns:
            `token_ids` int32 `(b, n)`, `n` being the longest prompt and
            `room`; and how many each prompt has, int32 `(b,)`.
        """
        rows = self._rows(texts, end=False)
        token_ids = tf.pad(
            rows.to_tensor(self.tokenizer.pad_token_id),
            [[0, 0], [0, room]],
            constant_values=self.tokenizer.pad_token_id,
        )
        return token_ids, tf.cast(rows.row_lengths(), tf.int32)

    def generate_postprocess(self, x):
        """Returns the texts of generated ids, a list of `str`.

        What is not UTF-8, such as a character of which only a part was
        generated, is U+FFFD.
        """
        texts = self.texts_of(x["token_ids"], x["padding_mask"])
        return [text.decode("utf-8") for text in texts.numpy().tolist()]

    def texts_of(self, token_ids, padding_mask) -> tf.Tensor:
        """Returns string `(b,)` of ids `(b, n)` where the mask is `True`."""
        with tf.device("CPU"):
            token_ids = tf.convert_to_tensor(token_ids)
            padding_mask = tf.cast(tf.convert_to_tensor(padding_mask), tf.bool)
            pad = tf.cast(self.tokenizer.pad_token_id, token_ids.dtype)
            token_ids = tf.where(padding_mask, token_ids, pad)
            texts = self.tokenizer.detokenize(token_ids)
            return tf.strings.unicode_transcode(
                texts, "UTF-8", "UTF-8", errors="replace"
            )

    def _rows(self, texts, end):
        """Returns ids, int32 ragged `(b, None)`."""
        rows = self.tokenizer.tokenize(tf.reshape(texts, [-1]))
        border = tf.fill([rows.nrows(), 1], self.tokenizer.end_token_id)
        before = [border] if self.add_start_token else []
        after = [border] if end else []
        return tf.concat([*before, rows, *after], axis=1)

    def _padded(self, rows, length):
        pad = self.tokenizer.pad_token_id
        token_ids = rows.to_tensor(pad, shape=[None, length])
        return token_ids, tf.sequence_mask(rows.row_lengths(), length)


def _without_batch_like(texts, outputs):
    if texts.shape.rank > 0:
        return outputs
    return tf.nest.map_structure(lambda tensor: tensor[0], outputs)
