"""The answers of an exported masked LM."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.text.packing import start_mask
from keras_longformer.training.masking import find_tokens

# How many tokens are proposed for each mask.
CANDIDATES = 5
# Each takes a row of the vocabulary's size: 26 MB for 128 of 50,265.
MAX_MASKS = 128


class MaskAnswer(Answer):
    """For each `<mask>` the likeliest tokens, best first.

    `mask_positions` int32 `(b, p)`, `token_ids` int32 `(b, p, k)`, `tokens`
    string `(b, p, k)`, `probabilities` float32 `(b, p, k)`. A row with fewer
    masks than the batch's most has position 0, tokens "" and probabilities 0
    in their stead. Positions count the row's tokens, `<s>` being 0.
    """

    marks = ("<mask>",)
    over_long = ("truncate", "head_tail")

    def __init__(self, task, preprocessor, class_names=None):
        self.task = task
        self.tokenizer = preprocessor.tokenizer
        self.global_start = preprocessor.global_start
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
