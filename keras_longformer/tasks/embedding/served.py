"""The answers of an exported embedder."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.serving.embedding import EmbeddingAnswer


class EmbedderAnswer(EmbeddingAnswer):
    """`embedding` float32 `(b, m)`, pooled as the `LongformerEmbedder` does."""

    def finish(self, outputs):
        if self.task.pooling == "start":
            embedding = outputs["start"]
        else:
            embedding = outputs["total"] / tf.maximum(outputs["count"], 1e-9)
        if self.task.normalize:
            embedding = tf.math.l2_normalize(embedding, axis=-1)
        return {"embedding": embedding}

    def predicted(self, texts, over_long):
        return {"embedding": Answer.predict(self, texts, over_long)}
