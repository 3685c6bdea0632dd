"""The embeddings that every exported model gives."""

import tensorflow as tf

from keras_longformer.layers.pooling import token_sums
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.serving.answer import Answer
from keras_longformer.text.packing import start_mask


class EmbeddingAnswer(Answer):
    """`mean_embedding` and `start_embedding` float32 `(b, m)`, of length 1.

    The mean of the last hidden states over all tokens that are not padding,
    and the hidden state of `<s>`. Of a text in windows, the first is the mean
    over the tokens of all of them, the second the mean of their `<s>`.
    """

    def __init__(self, backbone: LongformerBackbone, global_start: bool):
        self.backbone = backbone
        self.global_start = global_start

    def compute(self, token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        states = self.backbone(inputs, training=False)
        if self.backbone.pooler:
            states = states["sequence_output"]
        total, count = token_sums(states, padding_mask)
        return {
            "total": total,
            "count": count,
            "start": tf.cast(states[:, 0], tf.float32),
        }

    def finish(self, outputs):
        mean = outputs["total"] / tf.maximum(outputs["count"], 1e-9)
        return {
            "mean_embedding": tf.math.l2_normalize(mean, axis=-1),
            "start_embedding": tf.math.l2_normalize(outputs["start"], axis=-1),
        }
