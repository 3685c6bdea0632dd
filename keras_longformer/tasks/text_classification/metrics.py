"""Accuracy, F1, correlation and calibration of classifiers."""

import numpy as np
import numpy.typing as npt


def confusion_matrix(
    golds: npt.ArrayLike, predictions: npt.ArrayLike, num_classes: int
) -> np.ndarray:
    """Returns int64 `(num_classes, num_classes)`: row gold, column predicted.

    Args:
        golds, predictions: int `(b,)`, indices of classes.
        num_classes: int.

    Raises:
        ValueError: other shapes, no rows, or indices that are no class.
    """
    golds, predictions = _pair(golds, predictions, 1)
    together = np.concatenate([golds, predictions])
    if together.min() < 0 or together.max() >= num_classes:
        raise ValueError(
            f"Classes must be from 0 to {num_classes - 1}. Received: "
            f"{together.min()} to {together.max()}."
        )
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (golds, predictions), 1)
    return matrix


def class_scores(matrix: np.ndarray) -> dict[str, float]:
    """Returns the metrics of a confusion matrix, 0 to 1.

    Args:
        matrix: int `(classes, classes)`, as `confusion_matrix` makes it.

    Returns:
        Dict of `accuracy`, which for one class a text is `micro_f1` as well;
        `macro_f1`, the mean of the classes' F1, where a class that neither
        occurs nor is predicted does not count; `weighted_f1`, weighted by how
        often classes occur; and `majority`, the accuracy of always saying the
        commonest class.
    """
    matrix = np.asarray(matrix, np.float64)
    right = np.diag(matrix)
    actual, predicted = matrix.sum(1), matrix.sum(0)
    f1 = _ratio(2 * right, actual + predicted)
    accuracy = float(right.sum() / matrix.sum())
    return {
        "accuracy": accuracy,
        "micro_f1": accuracy,
        "macro_f1": float(f1[actual + predicted > 0].mean()),
        "weighted_f1": float((f1 * actual).sum() / actual.sum()),
        "majority": float(actual.max() / actual.sum()),
    }


def label_set_scores(
    golds: npt.ArrayLike, predictions: npt.ArrayLike
) -> dict[str, float]:
    """Returns the metrics of texts with several labels, 0 to 1.

    Args:
        golds, predictions: bool `(b, labels)`.

    Returns:
        Dict of `micro_f1`, over all pairs of text and label; `macro_f1`, the
        mean over labels, where one that neither occurs nor is predicted has
        0; and `exact_match`, the part of the texts with all labels right.

    Raises:
        ValueError: other shapes, or no rows.
    """
    golds, predictions = _pair(golds, predictions, 2)
    golds, predictions = golds.astype(bool), predictions.astype(bool)
    right = (golds & predictions).sum(0)
    both = golds.sum(0) + predictions.sum(0)
    return {
        "micro_f1": float(_ratio(2 * right.sum(), both.sum())),
        "macro_f1": float(_ratio(2 * right, both).mean()),
        "exact_match": float((golds == predictions).all(1).mean()),
    }


def regression_scores(
    golds: npt.ArrayLike, predictions: npt.ArrayLike
) -> dict[str, float]:
    """Returns `pearson`, `spearman`, `mean_squared_error` and
    `mean_absolute_error` of numbers.

    A correlation with numbers that are all the same is not defined: NaN.

    Args:
        golds, predictions: float `(b,)`.

    Raises:
        ValueError: other shapes, or no rows.
    """
    golds, predictions = _pair(golds, predictions, 1)
    golds = golds.astype(np.float64)
    predictions = predictions.astype(np.float64)
    return {
        "pearson": _correlation(golds, predictions),
        "spearman": _correlation(_ranks(golds), _ranks(predictions)),
        "mean_squared_error": float(np.mean((golds - predictions) ** 2)),
        "mean_absolute_error": float(np.mean(np.abs(golds - predictions))),
    }


def reliability(
    right: npt.ArrayLike, confidences: npt.ArrayLike, bins: int = 10
) -> tuple[np.ndarray, float]:
    """Compares how sure answers are with how often they are right.

    Args:
        right: bool `(b,)`.
        confidences: float `(b,)`, the probabilities given to the answers.
        bins: int, into which 0 to 1 is parted.

    Returns:
        float64 `(bins, 3)`, in each bin the answers, their mean confidence and
        the part that is right (0 where there are no answers), and the
        expected calibration error: the mean difference of the two, weighted
        by answers.

    Raises:
        ValueError: other shapes, or no rows.

    Reference: [Guo et al., 2017](https://arxiv.org/abs/1706.04599).
    """
    right, confidences = _pair(right, confidences, 1)
    index = np.clip((confidences * bins).astype(int), 0, bins - 1)
    counts = np.bincount(index, minlength=bins).astype(np.float64)
    sure = _ratio(np.bincount(index, confidences, minlength=bins), counts)
    share = _ratio(np.bincount(index, right, minlength=bins), counts)
    error = float((counts * np.abs(sure - share)).sum() / counts.sum())
    return np.stack([counts, sure, share], 1), error


def _pair(golds, predictions, rank):
    golds, predictions = np.asarray(golds), np.asarray(predictions)
    if golds.shape != predictions.shape or golds.ndim != rank or not len(golds):
        raise ValueError(
            f"Golds and predictions must have the same {rank} axes and at "
            f"least one row. Received: {golds.shape} and {predictions.shape}."
        )
    return golds, predictions


def _ratio(part, whole):
    """`part / whole`, 0 where both are 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _ranks(values):
    """Ranks from 0, ties sharing the mean of theirs."""
    _, inverse, counts = np.unique(
        values, return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else float("nan")
