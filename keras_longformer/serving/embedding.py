"""The embeddings that every exported model gives."""

import numpy as np
import tensorflow as tf

from keras_longformer.layers.pooling import token_sums
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.serving.answer import Answer
from keras_longformer.text.packing import pad_rows
from keras_longformer.text.template import start_mask
from keras_longformer.text.windows import OVER_LONG


class EmbeddingAnswer(Answer):
    """`mean_embedding` and `start_embedding` float32 `(b, m)`, of length 1.

    The mean of the last hidden states over all tokens that are not padding,
    and the hidden state of `<s>`. Of a text in windows, the first is the mean
    over the tokens of all of them, the second the mean of their `<s>`.

    Single texts are read as the preprocessor reads them. One that reads
    several texts an example says nothing of single ones: these become
    `<s> text </s>`, with `<s>` global where the backbone allows it.
    """

    inputs = ("text",)
    over_long = OVER_LONG

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        self.backbone: LongformerBackbone = getattr(task, "backbone", task)
        self.reads_texts = preprocessor.reads[:1] == ("text",)

    def read(self, texts, longest, over_long):
        preprocessor, x = self.preprocessor, texts["text"]
        if over_long not in preprocessor.over_long_choices:
            over_long = preprocessor.over_long
        if self.reads_texts:
            return preprocessor.rows(x, longest=longest, over_long=over_long)
        return preprocessor.text_rows(x, longest=longest, over_long=over_long)

    def inputs_of(self, token_ids, padding_mask):
        """Returns what the backbone takes, for packed rows of one text."""
        if self.reads_texts:
            inputs = self.preprocessor.model_inputs(token_ids, padding_mask)
        else:
            inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
            inputs["global_mask"] = start_mask(token_ids)
        takes = set(self.backbone.input)
        if self.backbone.max_global_tokens == 0:
            takes.discard("global_mask")
        return {name: x for name, x in inputs.items() if name in takes}

    def compute(self, token_ids, padding_mask):
        inputs = self.inputs_of(token_ids, padding_mask)
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

    def predicted(self, texts, over_long):
        """As a user of the backbone does it: the preprocessor's inputs, the
        backbone's hidden states, and means in NumPy."""
        texts = {"text": tf.constant(texts["text"])}
        longest = self.preprocessor.longest()
        windows = self.read(texts, longest, over_long).windows
        pad_id = self.preprocessor.row_template.pad
        inputs = self.inputs_of(*pad_rows(windows.token_ids, pad_id=pad_id))
        index = windows.text_index.numpy()
        states = self.backbone.predict(inputs, batch_size=4, verbose=0)
        if self.backbone.pooler:
            states = states["sequence_output"]
        states = np.asarray(states, "float32")
        mask = np.asarray(inputs["padding_mask"])[..., None]
        count = int(windows.num_texts)
        total, size, start = (
            np.zeros((count, states.shape[-1]), "float32") for _ in range(3)
        )
        np.add.at(total, index, (states * mask).sum(1))
        np.add.at(size, index, mask.sum(1))
        np.add.at(start, index, states[:, 0])
        return {
            "mean_embedding": _unit(total / np.maximum(size, 1e-9)),
            "start_embedding": _unit(start),
        }


def _unit(x):
    return x / np.sqrt(np.maximum((x**2).sum(-1, keepdims=True), 1e-12))
