"""Choices, as rows."""

from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.tasks.said import rows


def choice_rows(outputs, class_names=None):
    """Returns `choice`, `choice_index` and `probabilities` of the choices."""
    return [
        {
            "choice": row["choice"],
            "choice_index": row["choice_index"],
            "probabilities": [
                x
                for x, logit in zip(row["probabilities"], row["logits"])
                if logit > EXCLUDED
            ],
        }
        for row in rows(outputs)
    ]
