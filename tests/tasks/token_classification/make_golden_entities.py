"""Writes golden_entities.json: what seqeval says of random rows of labels.

    python -m tests.tasks.token_classification.make_golden_entities

Made with seqeval 1.2.2, scikit-learn 1.9.1, Python 3.11.
"""

import json
from importlib import metadata

from seqeval import metrics
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from tests.tasks.token_classification.test_metrics import GOLDEN
from tests.tasks.token_classification.test_metrics import random_rows


def scores(golds, predictions):
    options = {"zero_division": 0}
    values = {
        "precision": metrics.precision_score(golds, predictions, **options),
        "recall": metrics.recall_score(golds, predictions, **options),
        "f1": metrics.f1_score(golds, predictions, **options),
        "macro_f1": metrics.f1_score(
            golds, predictions, average="macro", **options
        ),
        "accuracy": metrics.accuracy_score(golds, predictions),
    }
    kinds = sorted(
        {
            kind
            for rows in (golds, predictions)
            for row in rows
            for kind, _, _ in metrics.sequence_labeling.get_entities(row)
        }
    )
    each = precision_recall_fscore_support(golds, predictions, **options)
    for i, kind in enumerate(kinds):
        for name, column in zip(("precision", "recall", "f1", "support"), each):
            values[f"{kind}/{name}"] = column[i].item()
    return {name: float(value) for name, value in values.items()}


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps(
            {
                "seqeval": metadata.version("seqeval"),
                "scores": [scores(*random_rows(seed)) for seed in range(8)],
            },
            indent=1,
        )
        + "\n"
    )
