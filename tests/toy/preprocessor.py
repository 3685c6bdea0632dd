"""Texts of customers, lower-cased, the first three tokens global."""

import keras
import keras_hub
import tensorflow as tf

from keras_longformer.tasks.preprocessor import RowPreprocessor


@keras.saving.register_keras_serializable(package="toy")
class TonePreprocessor(RowPreprocessor, keras_hub.models.Preprocessor):
    """Reads texts without regard to case."""

    def __init__(
        self, tokenizer, sequence_length=64, pad_to="longest", **kwargs
    ):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.pad_to = pad_to

    def rows(self, x, **options):
        lower = tf.strings.lower(tf.convert_to_tensor(x), encoding="utf-8")
        return super().rows(lower, **options)

    def model_inputs(self, token_ids, padding_mask):
        inputs = super().model_inputs(token_ids, padding_mask)
        first = tf.range(tf.shape(token_ids)[1]) < 3
        return {**inputs, "global_mask": first & padding_mask}

    def get_config(self):
        return {**super().get_config(), "sequence_length": self.sequence_length}
