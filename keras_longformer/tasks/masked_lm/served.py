"""The answers of an exported masked LM."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.text.rows import Problem

# How many tokens are proposed for each mask.
CANDIDATES = 5
# Each takes a row of the vocabulary's size: 26 MB for 128 of 50,265.
MAX_MASKS = 128


class MaskAnswer(Answer):
    """For each `<mask>` the likeliest tokens, best first.

    `mask_positions` int32 `(b, p)`, `token_ids` int32 `(b, p, k)`, `tokens`
    string `(b, p, k)`, `probabilities` float32 `(b, p, k)`. A row with fewer
    masks than the batch's most has position 0, tokens "" and probabilities 0
    for those it lacks. Positions count the row's tokens, `<s>` being 0.
    """

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        self.tokenizer = preprocessor.tokenizer
        self.candidates = min(CANDIDATES, task.backbone.vocabulary_size)

    def read(self, texts, longest, over_long):
        rows = super().read(texts, longest, over_long)
        return rows._replace(problems=self.problems(rows.windows.token_ids))

    def problems(self, rows):
        masks = tf.equal(rows, self.tokenizer.mask_token_id)
        masks = tf.reduce_sum(tf.cast(masks, tf.int32), 1)
        return [
            Problem(
                masks > MAX_MASKS,
                "the text has ",
                masks,
                f" masks, more than {MAX_MASKS}.",
            )
        ]

    def extras(self, rows):
        dense = rows.to_tensor(self.preprocessor.row_template.pad)
        return {"mask_positions": self.preprocessor.mask_positions(dense)}

    def extra_specs(self):
        return {"mask_positions": tf.TensorSpec([None, None], tf.int32)}

    def compute(self, token_ids, padding_mask, mask_positions):
        logits = self.outputs(
            token_ids, padding_mask, mask_positions=mask_positions
        )
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

    def predicted(self, texts, over_long):
        x = tf.constant(texts["text"])
        inputs = self.preprocessor.fill_mask_preprocess(x)
        logits = self.task.predict_packed(inputs, batch_size=4, verbose=0)
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        best = tf.math.top_k(probabilities, k=self.candidates).values
        is_mask = inputs["mask_positions"][..., None] > 0
        return {"probabilities": tf.where(is_mask, best, 0.0).numpy()}

    def rules(self):
        return {
            "special_tokens": f"'{self.tokenizer.mask_token}' is recognised in "
            "a text, no other special token.",
            "max_masks": MAX_MASKS,
        }
