"""The answers of an exported embedder."""

import tensorflow as tf

from keras_longformer.serving.embedding import EmbeddingAnswer


class EmbedderAnswer(EmbeddingAnswer):
    """`embedding` float32 `(b, m)`, pooled as the `LongformerEmbedder` does."""

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task.backbone, preprocessor.global_start)
        self.pooling, self.normalize = task.pooling, task.normalize

    def finish(self, outputs):
        if self.pooling == "start":
            embedding = outputs["start"]
        else:
            embedding = outputs["total"] / tf.maximum(outputs["count"], 1e-9)
        if self.normalize:
            embedding = tf.math.l2_normalize(embedding, axis=-1)
        return {"embedding": embedding}
