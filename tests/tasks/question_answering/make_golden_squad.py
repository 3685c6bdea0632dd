"""Writes golden_squad.json: what other code says of answers to real questions.

    python -m tests.tasks.question_answering.make_golden_squad XQUAD.json

Version 1 is torchmetrics', version 2 is transformers', which both took the
published scripts over. The answers are from XQuAD (Artetxe et al., 2020,
CC BY-SA 4.0), and what a model might make of them: cut, longer, none.

Made with torchmetrics 1.9.0, transformers 4.57.6.
"""

import json
import pathlib
import random
import sys
from types import SimpleNamespace

from torchmetrics.functional.text import squad
from transformers.data.metrics.squad_metrics import squad_evaluate

GOLDEN = pathlib.Path(__file__).with_name("golden_squad.json")


def read(path, generator, count=200):
    """Returns golds, predictions and how likely there is no answer."""
    with open(path, encoding="utf-8") as file:
        articles = json.load(file)["data"]
    paragraphs = [p for article in articles for p in article["paragraphs"]]
    questions = [(q, p["context"]) for p in paragraphs for q in p["qas"]]
    golds, predictions = {}, {}
    for question, context in generator.sample(questions, count):
        name, answer = question["id"], question["answers"][0]
        begin = answer["answer_start"]
        end = begin + len(answer["text"])
        golds[name] = [answer["text"], context[max(0, begin - 4) : end]]
        golds[name] = golds[name][: generator.randint(0, 2)]
        words = answer["text"].split()
        predictions[name] = generator.choice(
            [
                answer["text"],
                answer["text"].upper() + "!",
                "the " + answer["text"],
                " ".join(words[: len(words) // 2 + 1]),
                context[max(0, begin - 20) : end + 20],
                generator.choice(context.split()),
                "",
            ]
        )
    return golds, predictions, {name: generator.random() for name in golds}


def version_1(golds, predictions):
    with_answers = [name for name in golds if golds[name]]
    scores = squad(
        [
            {"id": name, "prediction_text": predictions[name]}
            for name in with_answers
        ],
        [
            {
                "id": name,
                "answers": {
                    "text": golds[name],
                    "answer_start": [0] * len(golds[name]),
                },
            }
            for name in with_answers
        ],
    )
    return {name: float(score) for name, score in scores.items()}


def version_2(golds, predictions, unsure):
    examples = [
        SimpleNamespace(
            qas_id=name, answers=[{"text": text} for text in golds[name]]
        )
        for name in golds
    ]
    return dict(squad_evaluate(examples, predictions, unsure))


def main():
    golds, predictions, unsure = read(sys.argv[1], random.Random(0))
    golden = {
        "golds": golds,
        "predictions": predictions,
        "no_answer_probabilities": unsure,
        "version_1": version_1(golds, predictions),
        "version_2": version_2(golds, predictions, unsure),
    }
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
