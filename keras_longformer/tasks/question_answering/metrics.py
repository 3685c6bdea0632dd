"""Exact match and F1 of answers, as SQuAD and TriviaQA define them.

Two answers are compared in their normal forms: lower case, without ASCII
punctuation and the English articles, with single spaces.
"""

import collections
import re
import string
from collections.abc import Mapping
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# TriviaQA has spaces in their place, and in that of these quotes.
_SPACES = str.maketrans(dict.fromkeys(string.punctuation + "‘’´`", " "))


def normalize_answer(text: str) -> str:
    """Returns an answer's normal form in SQuAD: `"The U.S."` is `"us"`."""
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def normalize_triviaqa_answer(text: str) -> str:
    """Returns an answer's normal form in TriviaQA: `"The U.S."` is `"u s"`."""
    text = text.lower().translate(_SPACES)
    return " ".join(_ARTICLES.sub(" ", text).split())


def token_f1(gold: str, prediction: str) -> float:
    """Returns the F1 of the words that two normal forms share.

    With words `g` and `p`, of which `s` are in both, each as often as in the
    one that has it less often: `2 s / (g + p)`. Without words in common, 0.
    """
    golds, words = gold.split(), prediction.split()
    same = (collections.Counter(golds) & collections.Counter(words)).total()
    return 2 * same / (len(golds) + len(words)) if same else 0.0


def squad_v1(
    golds: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> dict[str, float]:
    """Returns SQuAD 1.1's `exact_match` and `f1`, in percent.

    Args:
        golds: of each question's id, the answers that are right, at least
            one; the best counts.
        predictions: of each id, the answer. A question without one counts 0.

    Raises:
        ValueError: there are no questions, or some without right answers.

    Reference: [Rajpurkar et al., 2016](https://arxiv.org/abs/1606.05250).
    """
    return _mean_of_best(golds, predictions, normalize_answer)


def triviaqa(
    golds: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> dict[str, float]:
    """Returns TriviaQA's `exact_match` and `f1`, in percent.

    As `squad_v1`, with TriviaQA's normal form. Its golds are the aliases.

    Reference: [Joshi et al., 2017](https://arxiv.org/abs/1705.03551).
    """
    return _mean_of_best(golds, predictions, normalize_triviaqa_answer)


def squad_v2_scores(
    golds: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the exact match and the F1, 0 to 1, of every question.

    Right answers whose normal form is empty do not count. A question with
    none left is one without an answer, whose right prediction is `""`, or
    anything else whose normal form is empty.

    Raises:
        ValueError: questions without a prediction. (The published script
            leaves them out of the mean.)
    """
    missing = [identity for identity in golds if identity not in predictions]
    if missing or not golds:
        raise ValueError(
            "Every question needs a prediction, `''` for no answer. Missing: "
            f"{len(missing)} of {len(golds)}, such as {missing[:3]}."
        )
    exact, f1 = {}, {}
    for identity, answers in golds.items():
        normal = [normalize_answer(answer) for answer in answers]
        normal = list(filter(None, normal)) or [""]
        prediction = normalize_answer(predictions[identity])
        exact[identity] = float(prediction in normal)
        f1[identity] = max(_f1_with_none(gold, prediction) for gold in normal)
    return exact, f1


def squad_v2(
    golds: Mapping[str, Sequence[str]],
    predictions: Mapping[str, str],
    no_answer_probabilities: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """Returns SQuAD 2.0's metrics, in percent.

    Args:
        golds: of each question's id, the answers that are right; none where
            the question has no answer.
        predictions: of each id, the answer; `""` for none.
        no_answer_probabilities: of each id, how probable, or merely how
            likely, it is that there is no answer; by default 0.
        threshold: a question above it counts as answered by "no answer",
            whatever its prediction is.

    Returns:
        Dict of `exact`, `f1` and `total`; the same of the questions with an
        answer (`HasAns_exact`, ...) and without (`NoAns_exact`, ...), where
        there are such; and with probabilities the best that another threshold
        gives: `best_exact`, `best_exact_thresh`, `best_f1`, `best_f1_thresh`.

    Raises:
        ValueError: questions without a prediction or probability.

    Reference: [Rajpurkar et al., 2018](https://arxiv.org/abs/1806.03822).
    """
    has_answer = {
        identity: bool(answers) for identity, answers in golds.items()
    }
    exact, f1 = squad_v2_scores(golds, predictions)
    probabilities = no_answer_probabilities
    if probabilities is None:
        probabilities = dict.fromkeys(golds, 0.0)
    missing = [identity for identity in golds if identity not in probabilities]
    if missing:
        raise ValueError(
            "`no_answer_probabilities` must have every question. Missing: "
            f"{len(missing)}, such as {missing[:3]}."
        )

    def decided(scores):
        return {
            identity: float(not has_answer[identity])
            if probabilities[identity] > threshold
            else score
            for identity, score in scores.items()
        }

    results = {}
    for prefix, wanted in (
        ("", (True, False)),
        ("HasAns_", (True,)),
        ("NoAns_", (False,)),
    ):
        ids = [i for i, has in has_answer.items() if has in wanted]
        if ids:
            for name, scores in (("exact", exact), ("f1", f1)):
                scores = decided(scores)
                results[prefix + name] = (
                    100.0 * sum(scores[i] for i in ids) / len(ids)
                )
            results[f"{prefix}total"] = len(ids)
    if no_answer_probabilities is not None:
        for name, scores in (("exact", exact), ("f1", f1)):
            best, at = _best_threshold(
                scores, predictions, probabilities, has_answer
            )
            results[f"best_{name}"] = best
            results[f"best_{name}_thresh"] = at
    return results


def _mean_of_best(golds, predictions, normalize):
    empty = [identity for identity, answers in golds.items() if not answers]
    if empty or not golds:
        raise ValueError(
            "Every question needs an answer that is right. Without: "
            f"{len(empty)} of {len(golds)}, such as {empty[:3]}. SQuAD 2.0's "
            "metric (`squad_v2`) knows questions without answers."
        )
    exact = f1 = 0.0
    for identity, answers in golds.items():
        if identity not in predictions:
            continue
        prediction = normalize(predictions[identity])
        normal = [normalize(answer) for answer in answers]
        exact += prediction in normal
        f1 += max(token_f1(gold, prediction) for gold in normal)
    return {
        "exact_match": 100.0 * exact / len(golds),
        "f1": 100.0 * f1 / len(golds),
    }


def _f1_with_none(gold, prediction):
    """The F1 in SQuAD 2.0, where "" is an answer, and the right one to ""."""
    if not gold or not prediction:
        return float(gold == prediction)
    return token_f1(gold, prediction)


def _best_threshold(scores, predictions, probabilities, has_answer):
    """Returns the best mean, in percent, and the threshold that gives it.

    Begins with "no answer" for all, and takes the predictions one after the
    other, the surest first, each changing the sum of the scores.
    """
    total = best = sum(not has for has in has_answer.values())
    threshold = 0.0
    for identity in sorted(scores, key=probabilities.__getitem__):
        if has_answer[identity]:
            total += scores[identity]
        elif predictions[identity]:
            total -= 1
        if total > best:
            best, threshold = total, probabilities[identity]
    return 100.0 * best / len(scores), threshold
