"""Entities and their F1: seqeval's, golden and where it is installed."""

import json
import pathlib
import random

import pytest

from keras_longformer.tasks.token_classification.metrics import entities
from keras_longformer.tasks.token_classification.metrics import entity_scores

GOLDEN = pathlib.Path(__file__).with_name("golden_entities.json")
LABELS = [
    "O",
    *[f"{p}-{k}" for p in "BIES" for k in ("PER", "LOC", "NEW-S")],
    "B",
    "I",
]


def random_rows(seed, rows=12, longest=9):
    """The same rows wherever this runs: they are what the golden values are of.

    `random.Random.random` gives the same numbers in all versions of Python.
    """
    generator = random.Random(seed)

    def pick(number):
        return int(generator.random() * number)

    lengths = [1 + pick(longest) for _ in range(rows)]
    return [
        [[LABELS[pick(len(LABELS))] for _ in range(n)] for n in lengths]
        for _ in range(2)
    ]


@pytest.mark.parametrize(
    "labels, expected",
    [
        (
            "B-PER I-PER O I-LOC B-LOC",
            [("PER", 0, 1), ("LOC", 3, 3), ("LOC", 4, 4)],
        ),
        ("I-PER I-LOC", [("PER", 0, 0), ("LOC", 1, 1)]),
        ("B-PER B-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("B-PER I-PER E-PER S-PER", [("PER", 0, 2), ("PER", 3, 3)]),
        ("E-PER E-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("B I O B-", [("_", 0, 1), ("_", 3, 3)]),
        ("B-A-B I-A-B", [("A-B", 0, 1)]),
        ("O O", []),
        ("", []),
    ],
)
def test_entities(labels, expected):
    assert entities(labels.split()) == expected


def test_scores():
    golds = [["B-PER", "I-PER", "O"], ["B-LOC"]]
    predictions = [["B-PER", "O", "O"], ["B-LOC"]]
    got = entity_scores(golds, predictions)
    assert got["precision"] == got["recall"] == got["f1"] == 0.5
    assert got["macro_f1"] == 0.5
    assert (got["PER/f1"], got["LOC/f1"], got["PER/support"]) == (0.0, 1.0, 1)
    assert got["accuracy"] == 0.75


def test_no_entities_are_no_error():
    got = entity_scores([["O"]], [["O"]])
    assert got["f1"] == got["macro_f1"] == 0.0 and got["accuracy"] == 1.0


def test_refuses_rows_that_do_not_match():
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        entity_scores([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="2 and 1 rows"):
        entity_scores([["O"], ["O"]], [["O"]])


@pytest.mark.parametrize("seed", range(8))
def test_equals_seqevals_golden_values(seed):
    golden = json.loads(GOLDEN.read_text())
    assert golden["seqeval"] == "1.2.2"
    got = entity_scores(*random_rows(seed))
    for name, value in golden["scores"][seed].items():
        assert got[name] == pytest.approx(value, abs=1e-12), name


def test_equals_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics")
    for seed in range(100, 200):
        golds, predictions = random_rows(seed)
        got = entity_scores(golds, predictions)
        for name, average in (("f1", "micro"), ("macro_f1", "macro")):
            assert got[name] == pytest.approx(
                seqeval.f1_score(
                    golds, predictions, average=average, zero_division=0
                )
            )
