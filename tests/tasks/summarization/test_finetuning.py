"""`keras-longformer finetune --task summarization`, tiny."""

import json

import pytest

from keras_longformer import finetune
from keras_longformer.data.problems import DataError
from keras_longformer.tasks.summarization import data
from keras_longformer.tasks.summarization.metrics import rouge_scores
from tests.tasks.table import make_summarizer


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_rouge():
    scores = rouge_scores(
        ["the cat sat on the mat", "a b"], ["the cat sat", "c"]
    )
    # 3 of 6 words, and all of 3: F1 2/3; of pairs 2 of 5, and all of 2: 4/7.
    assert scores == pytest.approx(
        {"rouge1": 1 / 3, "rouge2": 2 / 7, "rougeL": 1 / 3}
    )


def test_reads_tables(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        [{"text": "a", "summary": "b"}, {"text": "a", "summary": " "}],
    )
    with pytest.raises(DataError, match=":2: 'summary' is empty"):
        data.read_summaries(path)
    path = write(tmp_path / "b.jsonl", [{"body": "a", "head": "b", "id": 3}])
    (example,) = data.read_summaries(
        path, text_column="body", summary_column="head"
    )
    assert (example.text, example.summary, example.id) == ("a", "b", "3")


def test_runs_and_goes_on(tmp_path):
    preset = str(tmp_path / "preset")
    make_summarizer().save_to_preset(preset)
    rows = [
        {"text": "good bad " * (i + 1), "summary": "good" if i % 2 else "bad"}
        for i in range(8)
    ]
    outcome = finetune.run(
        finetune.Settings(
            "summarization",
            preset=preset,
            output=str(tmp_path / "out"),
            train=write(tmp_path / "train.jsonl", rows),
            epochs=2,
            batch_size=4,
            rows=2,
        )
    )
    assert {*outcome.metrics} == {"rouge1", "rouge2", "rougeL", "words"}
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert {*json.loads(lines[0])} == {"id", "gold", "prediction"}
