"""Raw text to model inputs, as KerasHub preprocessors."""

import keras
import tensorflow as tf

from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.packing import Packed
from keras_longformer.text.packing import pack
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer

SEQUENCE_LENGTH = 4096  # Of the released longformer-base-4096.


class TextPacking:
    """Tokenizes and packs texts: what the preprocessors have in common.

    A mixin before a KerasHub preprocessor, whose own packer it replaces.
    """

    backbone_cls = LongformerBackbone
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
