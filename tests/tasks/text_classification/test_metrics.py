"""Accuracy, F1, correlation, calibration: by hand and scikit-learn's."""

import numpy as np
import pytest

from keras_longformer.tasks.text_classification import metrics

GOLDS = [0, 0, 0, 1, 1, 2, 2, 2, 2, 4]
PREDICTIONS = [0, 0, 1, 1, 2, 2, 2, 0, 2, 2]
NUMBERS = [1.0, 2.0, 2.0, 3.5, -1.0, 7.0]
GUESSES = [1.5, 1.0, 2.5, 2.5, 0.0, 3.0]


def test_confusion_and_its_scores():
    matrix = metrics.confusion_matrix(GOLDS, PREDICTIONS, 5)
    assert matrix.tolist() == [
        [2, 1, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [1, 0, 3, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
    ]
    got = metrics.class_scores(matrix)
    assert got["accuracy"] == got["micro_f1"] == pytest.approx(0.6)
    # 2/3, 1/2, 2/3 and 0; class 3 is nowhere.
    assert got["macro_f1"] == pytest.approx(11 / 24)
    assert got["weighted_f1"] == pytest.approx((2 + 1 + 8 / 3) / 10)
    assert got["majority"] == pytest.approx(0.4)


def test_label_sets():
    golds = [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
    predictions = [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    got = metrics.label_set_scores(golds, predictions)
    assert got["micro_f1"] == pytest.approx(2 * 2 / 5)
    assert got["macro_f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert got["exact_match"] == pytest.approx(2 / 3)


def test_correlations():
    got = metrics.regression_scores(NUMBERS, GUESSES)
    assert got["pearson"] == pytest.approx(np.corrcoef(NUMBERS, GUESSES)[0, 1])
    # Ranks 2, 3.5, 3.5, 5, 1, 6 and 3, 2, 4.5, 4.5, 1, 6.
    ranks = [2, 3.5, 3.5, 5, 1, 6], [3, 2, 4.5, 4.5, 1, 6]
    assert got["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert got["mean_squared_error"] == pytest.approx(19.5 / 6)
    assert got["mean_absolute_error"] == pytest.approx(8 / 6)
    assert np.isnan(metrics.regression_scores([1, 1], [0, 1])["pearson"])


def test_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    for _ in range(50):
        golds, predictions = generator.integers(0, 6, (2, 23))
        got = metrics.class_scores(
            metrics.confusion_matrix(golds, predictions, 6)
        )
        for average in ("micro", "macro", "weighted"):
            assert got[f"{average}_f1"] == pytest.approx(
                sklearn.f1_score(golds, predictions, average=average)
            )
        sets = generator.random((2, 17, 5)) < 0.2
        got = metrics.label_set_scores(*sets)
        for average in ("micro", "macro"):
            assert got[f"{average}_f1"] == pytest.approx(
                sklearn.f1_score(*sets, average=average, zero_division=0)
            )
        numbers = generator.integers(0, 9, (2, 17))
        got = metrics.regression_scores(*numbers)
        assert got["pearson"] == pytest.approx(stats.pearsonr(*numbers)[0])
        assert got["spearman"] == pytest.approx(stats.spearmanr(*numbers)[0])


def test_reliability():
    table, error = metrics.reliability(
        [True, False, True, True], [0.55, 0.55, 0.95, 1.0], bins=10
    )
    assert table[5].tolist() == [2, pytest.approx(0.55), 0.5]
    assert table[9].tolist() == [2, pytest.approx(0.975), 1.0]
    assert table[[0, 1, 2, 3, 4, 6, 7, 8]].sum() == 0
    assert error == pytest.approx((2 * 0.05 + 2 * 0.025) / 4)


def test_refuses_what_does_not_match():
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        metrics.confusion_matrix([0, 1], [0], 2)
    with pytest.raises(ValueError, match="0 to 2"):
        metrics.confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(ValueError, match="at least one row"):
        metrics.regression_scores([], [])
