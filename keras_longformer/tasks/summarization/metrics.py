"""ROUGE: the words that a summary has in common with a person's."""

from collections.abc import Sequence

import keras_hub

# Theirs: sequences of one and of two words, and the longest common one.
NAMES = ("rouge1", "rouge2", "rougeL")


def rouge_scores(
    golds: Sequence[str], summaries: Sequence[str]
) -> dict[str, float]:
    """Returns the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L.

    KerasHub's metrics over `rouge-score`, without stemming, as the paper's
    training script has it.

    Args:
        golds: what should be written.
        summaries: what was written, as many.

    Raises:
        ImportError: `rouge-score` is not installed.
    """
    metrics = _metrics()
    for metric in metrics.values():
        metric.update_state(list(golds), list(summaries))
    return {
        name: float(metric.result()["f1_score"])
        for name, metric in metrics.items()
    }


def check_rouge() -> None:
    """Raises `ImportError` where `rouge-score` is not installed."""
    _metrics()


def _metrics():
    try:
        return {
            "rouge1": keras_hub.metrics.RougeN(order=1),
            "rouge2": keras_hub.metrics.RougeN(order=2),
            "rougeL": keras_hub.metrics.RougeL(),
        }
    except ImportError as error:
        raise ImportError(
            "Summaries are measured by ROUGE, of the package `rouge-score`: "
            "pip install 'keras_longformer[rouge]'"
        ) from error
