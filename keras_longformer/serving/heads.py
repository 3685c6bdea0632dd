"""What an exported model computes from token ids, for each kind of model.

A head has two halves. `compute` is numbers only and can be compiled; `finish`
makes what is returned of it, strings too. Between them `merge` puts the windows
of one text together. All outputs have the batch as first axis, which TF
Serving's batching splits again.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.models import LongformerBackbone
from keras_longformer.models import LongformerMaskedLM
from keras_longformer.models import LongformerTextClassifier
from keras_longformer.models.windows import mean_of_windows
from keras_longformer.serving.rows import OVER_LONG
from keras_longformer.text import LongformerTokenizer
from keras_longformer.text.masking import find_tokens
from keras_longformer.text.preprocessors import start_mask
from keras_longformer.text.windows import Windows

# How many tokens are proposed for each mask.
CANDIDATES = 5
# Each takes a row of the vocabulary's size: 26 MB for 128 of 50,265.
MAX_MASKS = 128


class Head:
    """One kind of answer to a text.

    Attributes:
        marks: list of special tokens that are recognised in texts.
        over_long: tuple of str, what of `rows.OVER_LONG` it can read.
    """

    marks = ()
    over_long = OVER_LONG

    def extras(self, rows: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Returns what `compute` takes besides ids and padding mask."""
        return {}

    def extra_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `extras`."""
        return {}

    def merge(
        self, outputs: dict[str, tf.Tensor], windows: Windows
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of texts, made of those of their windows."""
        return {
            name: mean_of_windows(x, windows) for name, x in outputs.items()
        }

    def finish(self, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the signature's outputs."""
        return outputs


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


class MaskHead(Head):
    """For each `<mask>` the likeliest tokens, best first.

    `mask_positions` int32 `(b, p)`, `token_ids` int32 `(b, p, k)`, `tokens`
    string `(b, p, k)`, `probabilities` float32 `(b, p, k)`. A row with fewer
    masks than the batch's most has position 0, tokens "" and probabilities 0
    in their stead. Positions count the row's tokens, `<s>` being 0.
    """

    marks = ("<mask>",)
    over_long = ("truncate", "head_tail")

    def __init__(
        self,
        task: LongformerMaskedLM,
        tokenizer: LongformerTokenizer,
        global_start: bool,
    ):
        self.task = task
        self.tokenizer = tokenizer
        self.global_start = global_start
        self.candidates = min(CANDIDATES, task.backbone.vocabulary_size)

    def extras(self, rows):
        dense = rows.to_tensor(self.tokenizer.pad_token_id)
        positions, _ = find_tokens(dense, self.tokenizer.mask_token_id)
        return {"mask_positions": positions}

    def extra_specs(self):
        return {"mask_positions": tf.TensorSpec([None, None], tf.int32)}

    def compute(self, token_ids, padding_mask, mask_positions):
        inputs = {
            "token_ids": token_ids,
            "padding_mask": padding_mask,
            "mask_positions": mask_positions,
        }
        if self.global_start:
            inputs["global_mask"] = start_mask(token_ids)
        logits = tf.cast(self.task(inputs, training=False), tf.float32)
        probabilities, token_ids = tf.math.top_k(
            tf.nn.softmax(logits), k=self.candidates
        )
        return {
            "mask_positions": mask_positions,
            "token_ids": token_ids,
            "probabilities": probabilities,
        }

    def merge(self, outputs, windows):
        return outputs  # One row is one text.

    def finish(self, outputs):
        is_mask = outputs["mask_positions"][..., None] > 0
        tokens = self.tokenizer.detokenize(outputs["token_ids"][..., None])
        return {
            "mask_positions": outputs["mask_positions"],
            "token_ids": tf.where(is_mask, outputs["token_ids"], 0),
            "tokens": tf.where(is_mask, tokens, ""),
            "probabilities": tf.where(is_mask, outputs["probabilities"], 0.0),
        }


class EmbeddingHead(Head):
    """`mean_embedding` and `start_embedding` float32 `(b, m)`, of length 1.

    The mean of the last hidden states over all tokens that are not padding,
    and the hidden state of `<s>`.
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
        states = tf.cast(states, tf.float32)
        weights = tf.cast(padding_mask, tf.float32)
        total = tf.einsum("bnm,bn->bm", states, weights)
        count = tf.maximum(tf.reduce_sum(weights, 1, keepdims=True), 1.0)
        return {
            "mean_embedding": total / count,
            "start_embedding": states[:, 0],
        }

    def finish(self, outputs):
        return {
            name: tf.math.l2_normalize(x, axis=-1)
            for name, x in outputs.items()
        }


def make_heads(
    model: keras.Model,
    preprocessor: keras.layers.Layer,
    class_names: Sequence[str] | None = None,
) -> tuple[Head, EmbeddingHead]:
    """Returns a model's own head and the one that embeds.

    Raises:
        TypeError: a model of another kind.
        ValueError: `class_names` that do not fit.
    """
    if class_names is not None and not isinstance(
        model, LongformerTextClassifier
    ):
        raise ValueError(
            "`class_names` are for a LongformerTextClassifier. "
            f"Received: {type(model).__name__}"
        )
    backbone = getattr(model, "backbone", model)
    allowed = backbone.max_global_tokens
    global_start = allowed is None or allowed > 0
    if isinstance(model, LongformerMaskedLM):
        global_start = getattr(preprocessor, "global_start", False)
    embedding = EmbeddingHead(backbone, global_start)
    if isinstance(model, LongformerTextClassifier):
        return ClassifierHead(model, class_names), embedding
    if isinstance(model, LongformerMaskedLM):
        head = MaskHead(model, preprocessor.tokenizer, global_start)
        return head, embedding
    return embedding, embedding
