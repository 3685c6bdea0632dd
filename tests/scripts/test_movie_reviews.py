"""The movie reviews, a few of them and a tiny model: every step runs."""

import json
import zipfile

import pytest

from tests.scripts.script import beside
from tests.scripts.script import load


@pytest.fixture
def script():
    """`scripts/examples/movie_reviews.py`, with what is beside it."""
    with beside("examples"):
        yield load("examples", "movie_reviews")


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "reviews.zip"
    with zipfile.ZipFile(path, "w") as file:
        for label, word in (("neg", "awful"), ("pos", "lovely")):
            for fold in range(10):
                for i in range(3):
                    file.writestr(
                        f"movie_reviews/{label}/cv{fold}{i:02}_1.txt",
                        f"a film with a plot , {word} ! " * (3 + 7 * i),
                    )
    return str(path)


def test_reads_folds_and_labels(script, archive):
    reviews = script.read_reviews(archive, per_fold=2)
    assert len(reviews) == 40
    assert {r.fold for r in reviews} == set(range(10))
    assert all(("lovely" in r.text) == (r.label == 1) for r in reviews)


def test_pieces_hold_all_but_short_ends(script):
    text = " ".join(str(i) for i in range(2 * script.PIECE_WORDS + 5))
    found = script.pieces([script.Review(text, 1, 0)])
    assert len(found) == 2 and all(piece.label == 1 for piece in found)
    assert " ".join(p.text for p in found) == text[: text.index(" 180")]


def test_batches_hold_every_review_once_an_epoch(script):
    reviews = [script.Review("x" * i, i % 2, 0) for i in range(1, 38)]
    data = script.batches(reviews, batch_size=4, epochs=2, seed=0)
    assert len(data) == 20
    rows = [
        (len(text), int(label))
        for texts, labels in data
        for text, label in zip(texts.numpy(), labels.numpy())
    ]
    assert sorted(rows) == sorted(2 * [(len(r.text), r.label) for r in reviews])


@pytest.mark.slow
def test_runs_from_end_to_end(script, archive, tmp_path):
    output = tmp_path / "output"
    results = script.run(archive, str(output), [32, 300], script.QUICK)
    assert list(results["accuracy"]) == [32, 300]
    assert results["test"] == 8 and results["majority"] == 0.5
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["accuracy"] == {
        str(k): v for k, v in results["accuracy"].items()
    }
    assert "| 300 |" in (output / "report.md").read_text()
    assert (output / "movie_reviews.png").stat().st_size > 5_000
    assert not list(output.glob(".unfinished*"))


def test_refuses_another_zip(script, tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "nothing")
    with pytest.raises(ValueError, match="has no movie_reviews"):
        script.read_reviews(str(path))
