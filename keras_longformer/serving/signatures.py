"""What an exported model takes and returns, for each kind of task.

Every function here is TensorFlow alone, takes whole batches, and returns named
tensors whose first axis is the batch, which TF Serving's batching splits again.
"""

import tensorflow as tf

from keras_longformer.models import LongformerMaskedLM
from keras_longformer.models import LongformerTextClassifier
from keras_longformer.text.masking import find_tokens

# How many tokens are proposed for each mask.
CANDIDATES = 5


class ServedTask:
    """A task's model and preprocessor, as plain functions of tensors.

    Args:
        task: a `LongformerTextClassifier` or `LongformerMaskedLM` with a
            preprocessor.
        buckets: ints in ascending order, the lengths that a batch of texts is
            padded to: the least that holds its longest. The last one is what
            texts are truncated to.

    Raises:
        TypeError: another kind of task.
        ValueError: a task without preprocessor.
    """

    def __init__(self, task, buckets):
        kinds = {
            LongformerTextClassifier: self._classify,
            LongformerMaskedLM: self._fill_masks,
        }
        kind = next((k for k in kinds if isinstance(task, k)), None)
        if kind is None:
            raise TypeError(
                "`export_saved_model` knows "
                f"{', '.join(k.__name__ for k in kinds)}. "
                f"Received: {type(task).__name__}"
            )
        if task.preprocessor is None:
            raise ValueError(
                f"'{task.name}' has no preprocessor to turn texts into token "
                "ids with. Give it one: `task.preprocessor = "
                f"{type(task).preprocessor_cls.__name__}(tokenizer)`."
            )
        self.task = task
        self.tokenizer = task.preprocessor.tokenizer
        self.preprocessor = type(task.preprocessor)(
            self.tokenizer, sequence_length=buckets[-1], pad_to=buckets
        )
        self._outputs = kinds[kind]

    def from_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`text`: string `(b,)`."""
        if isinstance(self.task, LongformerMaskedLM):
            inputs = self.preprocessor.fill_mask_preprocess(text)
        else:
            inputs = self.preprocessor(text)
        return self._outputs(inputs)

    def from_tokens(self, token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """`token_ids`: int32 `(b, n)`, `<s> ... </s>` and any padding.

        What stands after a row's last `</s>` is padding, whatever its id: TF
        Serving's `pad_variable_length_inputs` repeats the first element.
        """
        n = tf.shape(token_ids)[1]
        is_end = tf.equal(token_ids, self.tokenizer.end_token_id)
        last = tf.reduce_max(tf.where(is_end, tf.range(n), -1), axis=1)
        last = tf.where(last < 0, n, last)  # No end: all but the padding.
        real = tf.range(n) <= last[:, None]
        real &= tf.not_equal(token_ids, self.tokenizer.pad_token_id)
        token_ids = tf.where(real, token_ids, self.tokenizer.pad_token_id)
        inputs = {"token_ids": token_ids, "padding_mask": real}
        if isinstance(self.task, LongformerMaskedLM):
            positions, _ = find_tokens(token_ids, self.tokenizer.mask_token_id)
            inputs["mask_positions"] = positions
        else:
            first = tf.equal(tf.range(n), 0)
            inputs["global_mask"] = tf.broadcast_to(first, tf.shape(token_ids))
        return self._outputs(inputs)

    def _classify(self, inputs):
        """`probabilities` float32 `(b, classes)`, `class_index` int32 `(b,)`,
        `logits` float32 `(b, classes)` unless the model gives none."""
        outputs = tf.cast(self.task(inputs, training=False), tf.float32)
        named = {}
        if self.task.output_dense.activation.__name__ == "softmax":
            named["probabilities"] = outputs
        else:
            named["logits"] = outputs
            named["probabilities"] = tf.nn.softmax(outputs)
        named["class_index"] = tf.argmax(outputs, axis=-1, output_type=tf.int32)
        return named

    def _fill_masks(self, inputs):
        """For each `<mask>` the likeliest tokens, best first.

        `mask_positions` int32 `(b, p)`, `token_ids` int32 `(b, p, k)`,
        `tokens` string `(b, p, k)`, `probabilities` float32 `(b, p, k)`. A row
        with fewer masks than the batch's most has position 0, tokens "" and
        probabilities 0 in their stead.
        """
        logits = tf.cast(self.task(inputs, training=False), tf.float32)
        probabilities, token_ids = tf.math.top_k(
            tf.nn.softmax(logits), k=min(CANDIDATES, logits.shape[-1])
        )
        tokens = self.tokenizer.detokenize(token_ids[..., None])
        positions = inputs["mask_positions"]
        is_mask = positions[..., None] > 0
        return {
            "mask_positions": positions,
            "token_ids": token_ids,
            "tokens": tf.where(is_mask, tokens, ""),
            "probabilities": tf.where(is_mask, probabilities, 0.0),
        }
