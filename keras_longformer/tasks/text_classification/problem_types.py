"""What the outputs of a text classifier stand for, and how they are trained.

single_label   one of the classes         softmax, cross-entropy
multi_label    any of the classes         a sigmoid each, cross-entropy
regression     numbers                    as they are, squared error
"""

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_longformer.tasks.class_labels import ManyClasses
from keras_longformer.tasks.class_labels import labels_of_loss
from keras_longformer.tasks.labels import Labels
from keras_longformer.tasks.labels import Numbers

PROBLEM_TYPES = ("single_label", "multi_label", "regression")


@keras.saving.register_keras_serializable(package="keras_longformer")
class MultiLabelAccuracy(keras.metrics.MeanMetricWrapper):
    """The part of all yes-or-no answers that are right.

    Args:
        threshold: float, or one for each class: an output above it says yes.
        name: str.
        dtype: the metric's dtype.
    """

    def __init__(self, threshold=0.0, name="binary_accuracy", dtype=None):
        super().__init__(self._right, name=name, dtype=dtype)
        self.threshold = threshold

    def _right(self, y_true, y_pred):
        says_yes = y_pred > ops.convert_to_tensor(self.threshold, y_pred.dtype)
        right = ops.equal(says_yes, ops.cast(y_true, "float32") > 0.5)
        return ops.mean(ops.cast(right, "float32"), axis=-1)

    def get_config(self):
        return {
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self.dtype,
        }


def default_loss(problem_type: str, activation) -> keras.losses.Loss:
    """Returns the loss of a problem type, for outputs of `activation`."""
    if problem_type == "regression":
        return keras.losses.MeanSquaredError()
    if problem_type == "multi_label":
        return keras.losses.BinaryCrossentropy(
            from_logits=activation != keras.activations.sigmoid
        )
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=activation != keras.activations.softmax
    )


def default_metrics(problem_type: str, activation, threshold) -> list:
    """Returns the metrics of a problem type."""
    if problem_type == "regression":
        return [keras.metrics.MeanAbsoluteError()]
    if problem_type == "multi_label":
        if activation != keras.activations.sigmoid:
            threshold = as_logits(threshold)
        return [MultiLabelAccuracy(threshold)]
    return [keras.metrics.SparseCategoricalAccuracy()]


def labels_of(problem_type, loss, num_classes, class_names) -> Labels:
    """Returns what `fit` learns, for a problem type and a loss."""
    if problem_type == "regression":
        return Numbers(num_classes)
    if problem_type == "multi_label":
        return ManyClasses(num_classes, class_names)
    return labels_of_loss(loss, num_classes, class_names)


def as_logits(threshold: float | Sequence[float]):
    """Returns the logit whose sigmoid is the threshold, of one or of each."""
    if isinstance(threshold, list | tuple):
        return [as_logits(value) for value in threshold]
    return math.log(threshold / (1 - threshold))


def check_problem(problem_type, threshold, activation, num_classes):
    """Returns the threshold, as Python's float or list.

    Raises:
        ValueError: options that cannot be, or that do not fit together.
    """
    if problem_type not in PROBLEM_TYPES:
        raise ValueError(
            f"`problem_type` must be one of {PROBLEM_TYPES}. "
            f"Received: problem_type={problem_type!r}"
        )
    fitting = {
        "single_label": (None, "linear", "softmax"),
        "multi_label": (None, "linear", "sigmoid"),
        "regression": (None, "linear", "sigmoid", "tanh"),
    }[problem_type]
    name = getattr(keras.activations.get(activation), "__name__", None)
    if name in ("softmax", "sigmoid") and name not in fitting:
        raise ValueError(
            f"`activation={name!r}` is not for `problem_type="
            f"{problem_type!r}`. Take one of {fitting}."
        )
    is_list = not isinstance(threshold, float | int)
    values = [float(x) for x in threshold] if is_list else [float(threshold)]
    if not all(0 < x < 1 for x in values) or (
        is_list and len(values) != num_classes
    ):
        raise ValueError(
            "`threshold` must be a probability between 0 and 1, or one for "
            f"each of the {num_classes} classes. "
            f"Received: threshold={threshold!r}"
        )
    return values if is_list else values[0]
