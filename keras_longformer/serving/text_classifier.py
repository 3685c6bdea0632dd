"""The answers of an exported classifier of texts."""

from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.models import LongformerTextClassifier
from keras_longformer.serving.head import Head
from keras_longformer.text.preprocessors import start_mask


class ClassifierHead(Head):
    """`probabilities` and `logits` float32 `(b, classes)`, `class_index` int32
    `(b,)`, with `class_names` also `label` string `(b,)`. A model that ends in
    a softmax gives no logits."""

    def __init__(
        self,
        task: LongformerTextClassifier,
        class_names: Sequence[str] | None = None,
    ):
        if class_names is not None and len(class_names) != task.num_classes:
            raise ValueError(
                "`class_names` must name each class once. Received: "
                f"{len(class_names)} names for {task.num_classes} classes."
            )
        self.task = task
        self.class_names = class_names
        activation = task.output_dense.activation.__name__
        self.output = "probabilities" if activation == "softmax" else "logits"

    def compute(self, token_ids, padding_mask):
        inputs = {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "global_mask": start_mask(token_ids),
        }
        outputs = self.task(inputs, training=False)
        return {self.output: tf.cast(outputs, tf.float32)}

    def finish(self, outputs):
        outputs = dict(outputs)
        if self.output == "logits":
            outputs["probabilities"] = tf.nn.softmax(outputs["logits"])
        index = tf.argmax(outputs[self.output], axis=-1, output_type=tf.int32)
        outputs["class_index"] = index
        if self.class_names is not None:
            outputs["label"] = tf.gather(list(self.class_names), index)
        return outputs
