"""Precision, recall and F1 of entities, as CoNLL's `conlleval` counts them.

What seqeval 1.2.2 computes in its default mode, for IOB1, IOB2, IOE and IOBES
alike: a label that could only follow a beginning begins an entity itself.
"""

import collections
import typing
from collections.abc import Sequence


class Entity(typing.NamedTuple):
    """An entity in a row.

    Attributes:
        kind: str, what follows the prefix: `"PER"` of `"B-PER"`; `"_"`
            where nothing does.
        first, last: int, its first and last word.
    """

    kind: str
    first: int
    last: int


def entities(labels: Sequence[str]) -> list[Entity]:
    """Returns the entities of one row of labels, in their order.

        B-PER I-PER O I-LOC B-LOC    PER 0-1, LOC 3-3, LOC 4-4

    An entity begins with `B` or `S`, where the kind changes, after `O`, and
    after the end (`E`, `S`) of another.
    """
    found = []
    before, kind_before, first = "O", "", 0
    for i, label in enumerate([*labels, "O"]):
        prefix, _, kind = label.partition("-")
        kind = kind or "_"
        changes = kind != kind_before
        if before != "O" and (
            changes or before in "ES" or prefix in ("B", "S", "O")
        ):
            found.append(Entity(kind_before, first, i - 1))
        if prefix != "O" and (changes or before in "OES" or prefix in "BS"):
            first = i
        before, kind_before = prefix, kind
    return found


def entity_scores(
    golds: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Returns entities' `precision`, `recall` and `f1`, 0 to 1.

    An entity is right if first word, last word and kind are.

    Args:
        golds: rows of labels such as `"B-PER"`.
        predictions: as many rows, each with as many labels.

    Returns:
        Dict of `precision`, `recall` and `f1` over all entities (micro);
        `macro_f1`, the mean over the kinds that occur in either; `accuracy`
        of labels; and for each kind `PER/precision`, `PER/recall`, `PER/f1`
        and `PER/support`, the number of golds. What would be 0 / 0 is 0.

    Raises:
        ValueError: rows that do not match, or none.

    Reference: [Tjong Kim Sang and De Meulder,
    2003](https://aclanthology.org/W03-0419/).
    """
    wrong = [
        i
        for i, (gold, prediction) in enumerate(zip(golds, predictions))
        if len(gold) != len(prediction)
    ]
    if wrong or len(golds) != len(predictions) or not golds:
        raise ValueError(
            "Golds and predictions must have the same rows, of the same "
            f"lengths. Received: {len(golds)} and {len(predictions)} rows; "
            f"lengths differ in rows {wrong[:5]}."
        )
    right = collections.Counter()
    predicted = collections.Counter()
    actual = collections.Counter()
    same = words = 0
    for gold, prediction in zip(golds, predictions):
        gold_entities, found = entities(gold), entities(prediction)
        actual.update(entity.kind for entity in gold_entities)
        predicted.update(entity.kind for entity in found)
        both = set(gold_entities) & set(found)
        right.update(entity.kind for entity in both)
        same += sum(a == b for a, b in zip(gold, prediction))
        words += len(gold)
    kinds = sorted(actual.keys() | predicted.keys())
    each = {
        kind: _scores(right[kind], predicted[kind], actual[kind])
        for kind in kinds
    }
    results = _scores(right.total(), predicted.total(), actual.total())
    results["macro_f1"] = (
        sum(scores["f1"] for scores in each.values()) / len(kinds)
        if kinds
        else 0.0
    )
    results["accuracy"] = same / words if words else 0.0
    for kind, scores in each.items():
        for name, value in scores.items():
            results[f"{kind}/{name}"] = value
        results[f"{kind}/support"] = actual[kind]
    return results


def _scores(right, predicted, actual):
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / actual if actual else 0.0,
        "f1": 2 * right / (predicted + actual) if right else 0.0,
    }
