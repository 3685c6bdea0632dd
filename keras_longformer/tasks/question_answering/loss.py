"""The loss of spans of an answer, and how often they are right."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_longformer")
class SpanLoss(keras.losses.Loss):
    """How surprised a model is by where an answer starts and ends.

    With one answer marked, the cross-entropy of its first token plus that of
    its last, halved, as usual for SQuAD. With several, the paper's "OR" loss:
    the probability that the start is any of the marked ones, `-log sum p`, and
    the same of the end, so that the model may choose among the occurrences.

    Args:
        name, reduction, dtype: as in `keras.losses.Loss`.

    Call arguments:
        y_true: bool `(b, n, 2)`, `True` in `[..., 0]` at first tokens and in
            `[..., 1]` at last tokens.
        y_pred: float `(b, n, 2)`, logits.

    Reference: [Clark and Gardner, 2017](https://arxiv.org/abs/1710.10723),
    3.2; [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), A.
    """

    def __init__(
        self,
        name="span_loss",
        reduction="sum_over_batch_size",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, "float32")
        # What is not marked takes no part, in the gradient either.
        marked = ops.where(ops.cast(y_true, "bool"), y_pred, -1e30)
        log_probability = ops.logsumexp(marked, axis=1)
        log_probability -= ops.logsumexp(y_pred, axis=1)
        return -ops.mean(log_probability, axis=-1)


@keras.saving.register_keras_serializable(package="keras_longformer")
class SpanAccuracy(keras.metrics.MeanMetricWrapper):
    """How often the likeliest first and last token are both marked.

    With several answers marked, the first token may be one's and the last
    another's: a score of whole answers takes `LongformerQuestionAnswering.
    answer` and their texts.

    Args:
        name, dtype: as in `keras.metrics.Metric`.
    """

    def __init__(self, name="span_accuracy", dtype=None):
        super().__init__(fn=_both_are_marked, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _both_are_marked(y_true, y_pred):
    """float `(b,)`, 1 where the likeliest start and end are marked."""
    likeliest = ops.argmax(y_pred, axis=1)[:, None]
    marked = ops.take_along_axis(ops.cast(y_true, "float32"), likeliest, axis=1)
    return ops.min(marked[:, 0], axis=-1)
