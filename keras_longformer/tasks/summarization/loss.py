"""Cross-entropy that leaves some probability to all other tokens."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_longformer")
class SmoothedCrossEntropy(keras.losses.Loss):
    """`-(1 - e) log p(token) - e mean_v log p(v)`, a mean over tokens.

    That of the paper's training script, fairseq's; with `label_smoothing` 0,
    plain cross-entropy. The mean is over the tokens of the batch whose weight
    is not 0, padding left out, as Hugging Face's.

    Args:
        label_smoothing: float in [0, 1), *e*.
        reduction: as for `keras.losses.Loss`.
        name: str.

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 7.
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction="mean_with_sample_weight",
        name="smoothed_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = check_label_smoothing(label_smoothing)

    def call(self, y_true, y_pred):
        """Returns float `(b, t)`, of ids `(b, t)` and logits `(b, t, v)`."""
        logits = tf.cast(y_pred, tf.float32)
        labels = tf.cast(y_true, tf.int32)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.label_smoothing:
            return loss
        total = tf.reduce_logsumexp(logits, axis=-1)
        of_all = total - tf.reduce_mean(logits, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * of_all

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }


def check_label_smoothing(value):
    """Returns it; raises `ValueError` for what is none."""
    if not 0 <= value < 1:
        raise ValueError(
            "`label_smoothing` must lie in [0, 1). Received: "
            f"label_smoothing={value!r}"
        )
    return value
