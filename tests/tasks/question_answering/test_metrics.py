"""SQuAD's metrics: the definition, other code, and a restatement of it."""

import json
import pathlib
import random
import re
import string

import pytest

from keras_longformer.tasks.question_answering import metrics


@pytest.mark.parametrize(
    "text, squad, triviaqa",
    [
        ("The Cat", "cat", "cat"),
        ("a cat, an owl and the dog", "cat owl and dog", "cat owl and dog"),
        ("Theatre another an-a", "theatre another ana", "theatre another"),
        ("U.S.A.", "usa", "u s"),
        ("  two\t\n words\u00a0", "two words", "two words"),
        ("snake_case", "snakecase", "snake case"),
        ("‘quoted’ “text”", "‘quoted’ “text”", "quoted “text”"),
        ("ÉCOLE", "école", "école"),
        ("the", "", ""),
        ("", "", ""),
        ("!?", "", ""),
    ],
)
def test_normal_forms(text, squad, triviaqa):
    assert metrics.normalize_answer(text) == squad
    assert metrics.normalize_triviaqa_answer(text) == triviaqa


def test_f1_counts_words_as_often_as_both_have_them():
    assert metrics.token_f1("x x y", "x z") == pytest.approx(0.4)
    assert metrics.token_f1("x y", "y x") == 1.0
    assert metrics.token_f1("x", "y") == 0.0


def test_the_best_of_several_golds_counts():
    golds = {"1": ["the red house", "house"], "2": ["blue"], "3": ["x"]}
    predictions = {"1": "a house", "2": "blue sky"}
    got = metrics.squad_v1(golds, predictions)
    assert got["exact_match"] == pytest.approx(100 / 3)
    assert got["f1"] == pytest.approx(100 * (1 + 2 / 3) / 3)


def test_versions_differ_where_nothing_is_left_of_an_answer():
    golds, predictions = {"1": ["the"]}, {"1": "a"}
    assert metrics.squad_v1(golds, predictions) == {
        "exact_match": 100.0,
        "f1": 0.0,
    }
    got = metrics.squad_v2(golds, predictions)
    assert got["exact"] == got["f1"] == 100.0


def test_questions_without_answers():
    golds = {"has": ["red house"], "none": [], "guessed": []}
    predictions = {"has": "red", "none": "", "guessed": "something"}
    got = metrics.squad_v2(golds, predictions)
    assert got["NoAns_exact"] == got["NoAns_f1"] == 50.0
    assert got["HasAns_exact"] == 0.0
    assert got["HasAns_f1"] == pytest.approx(200 / 3)
    assert (got["total"], got["HasAns_total"], got["NoAns_total"]) == (3, 1, 2)
    assert "NoAns_f1" not in metrics.squad_v2({"has": ["x"]}, {"has": "x"})


def test_a_threshold_turns_unsure_answers_into_none():
    golds = {"a": ["x"], "b": [], "c": ["y"]}
    predictions = {"a": "x", "b": "z", "c": "w"}
    unsure = {"a": 0.1, "b": 0.6, "c": 0.9}
    assert metrics.squad_v2(golds, predictions, unsure)["exact"] == (
        pytest.approx(100 / 3)
    )
    got = metrics.squad_v2(golds, predictions, unsure, threshold=0.5)
    assert got["exact"] == pytest.approx(200 / 3)
    assert got["best_exact"] == pytest.approx(200 / 3)
    assert got["best_exact_thresh"] == 0.1


def test_agrees_with_the_published_scripts_on_xquad():
    """As torchmetrics and transformers have them: `make_golden_squad`."""
    path = pathlib.Path(__file__).with_name("golden_squad.json")
    golden = json.loads(path.read_text("utf-8"))
    golds, predictions = golden["golds"], golden["predictions"]

    got = metrics.squad_v2(
        golds, predictions, golden["no_answer_probabilities"]
    )
    assert 0 < got["HasAns_exact"] < got["HasAns_f1"] < 100
    assert got == pytest.approx(golden["version_2"])

    golds = {name: answers for name, answers in golds.items() if answers}
    got = metrics.squad_v1(golds, predictions)
    # torchmetrics adds up in float32.
    assert got == pytest.approx(golden["version_1"], rel=1e-5)


def test_refuses_what_has_no_score():
    with pytest.raises(ValueError, match="Missing: 1 of 1"):
        metrics.squad_v2({"a": ["x"]}, {})
    with pytest.raises(ValueError, match="needs an answer"):
        metrics.squad_v1({"a": []}, {"a": "x"})
    with pytest.raises(ValueError, match="must have every question"):
        metrics.squad_v2({"a": ["x"]}, {"a": "x"}, {})


# The definition once more, in another way: words as sorted lists, character
# by character, one question at a time.


def plain(text):
    kept = [c for c in text.lower() if c not in string.punctuation]
    words = re.split(r"\b(?:a|an|the)\b", "".join(kept))
    return [word for part in words for word in part.split()]


def overlap(gold, prediction):
    left, same = list(prediction), 0
    for word in gold:
        if word in left:
            left.remove(word)
            same += 1
    return same


def question_v1(golds, prediction):
    p = plain(prediction)
    exact = any(plain(g) == p for g in golds)
    f1 = []
    for gold in map(plain, golds):
        same = overlap(gold, p)
        if same == 0:
            f1.append(0.0)
            continue
        precision, recall = same / len(p), same / len(gold)
        f1.append(2 * precision * recall / (precision + recall))
    return float(exact), max(f1)


def question_v2(golds, prediction):
    golds = [gold for gold in golds if plain(gold)]
    if not golds:
        golds = [""]
    exact, f1 = question_v1(golds, prediction)
    if golds == [""] or not plain(prediction):
        f1 = float(any(plain(gold) == plain(prediction) for gold in golds))
    return exact, f1


def swept(scores, golds, predictions, unsure):
    """The best mean over all thresholds, each tried from the beginning.

    A threshold of t answers those whose probability is at most t. That a
    question without an answer is wrong only by a non-empty prediction, and is
    counted by the raw text, is the script's.
    """
    best = sum(not g for g in golds.values())
    for t in sorted(unsure.values()):
        total = 0
        for i in golds:
            if unsure[i] > t:
                total += not golds[i]
            elif golds[i]:
                total += scores[i]
            else:
                total += not predictions[i]
        best = max(best, total)
    return 100 * best / len(golds)


WORDS = "the a an cat dog, U.S. it's Café 42 new-york and".split()


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_a_restatement_on_random_answers(seed):
    generator = random.Random(seed)

    def text(least=0):
        return " ".join(generator.choices(WORDS, k=generator.randint(least, 4)))

    golds = {str(i): [text(1) for _ in range(i % 4)] for i in range(40)}
    predictions = {str(i): text() for i in range(40)}
    unsure = {i: generator.random() for i in golds}

    got = metrics.squad_v2(golds, predictions, unsure)
    each = {i: question_v2(golds[i], predictions[i]) for i in golds}
    for k, name in enumerate(("exact", "f1")):
        scores = {i: each[i][k] for i in golds}
        mean = 100 * sum(scores.values()) / len(scores)
        assert got[name] == pytest.approx(mean)
        answered = [scores[i] for i in golds if golds[i]]
        assert got[f"HasAns_{name}"] == pytest.approx(
            100 * sum(answered) / len(answered)
        )
        assert got[f"best_{name}"] == pytest.approx(
            swept(scores, golds, predictions, unsure)
        )

    with_answers = {i: texts for i, texts in golds.items() if texts}
    got = metrics.squad_v1(with_answers, predictions)
    each = [question_v1(with_answers[i], predictions[i]) for i in with_answers]
    exact, f1 = (100 * sum(x) / len(each) for x in zip(*each))
    assert got == {
        "exact_match": pytest.approx(exact),
        "f1": pytest.approx(f1),
    }
