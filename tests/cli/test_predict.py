"""Answers about files, from presets and SavedModels alike."""

import csv
import json

import pytest

import keras_longformer as klf
from keras_longformer.cli.main import main
from tests.serving import exports
from tests.tasks import small


def predict(*arguments):
    return main(["predict", *map(str, arguments)])


def rows_of(path):
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def preset(reviews, tmp_path_factory):
    """The exported classifier's own preset."""
    folder = str(tmp_path_factory.mktemp("preset"))
    model = reviews.model
    named = klf.LongformerTextClassifier(
        model.backbone,
        num_classes=2,
        preprocessor=model.preprocessor,
        class_names=["bad", "good"],
    )
    named.set_weights(model.get_weights())
    named.save_to_preset(folder)
    return folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": text}) for text in small.TEXTS[:4]]
    lines += [json.dumps({"text": exports.HOSTILE}), "{", json.dumps({"x": 1})]
    lines += [json.dumps({"id": "last", "text": "good"})]
    path.write_text("\n".join(lines))
    return path


def test_preset_and_saved_model_say_the_same(
    preset, reviews, table, tmp_path, capsys
):
    ours, served = tmp_path / "ours.jsonl", tmp_path / "served.jsonl"
    for model, output in ((preset, ours), (reviews.path, served)):
        assert predict(model, table, "--output", output) == 1
        assert "3 of 8 texts could not be" in capsys.readouterr().err
    ours, served = rows_of(ours), rows_of(served)
    assert [row["id"] for row in ours] == [*"1234567", "last"]
    bad = [4, 5, 6]
    for i, (one, other) in enumerate(zip(ours, served, strict=True)):
        assert one.keys() == other.keys()
        assert bool(one["error"]) == (i in bad)
        if i in bad:
            assert one.keys() == {"id", "error"}
            continue
        assert one["label"] == other["label"]
        assert one["probabilities"] == pytest.approx(
            other["probabilities"], abs=1e-5
        )
    assert "more than max_text_bytes" in ours[4]["error"]
    assert "not JSON" in ours[5]["error"]
    assert "there is no 'text'. There is: 'x'" in ours[6]["error"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_goes_on_after_the_last_whole_row(reviews, tmp_path, ending, capsys):
    texts = tmp_path / "texts"
    texts.mkdir()
    for i, text in enumerate([exports.HOSTILE, *small.TEXTS]):
        (texts / f"{i}.txt").write_text(text)
    whole, part = tmp_path / f"whole.{ending}", tmp_path / f"part.{ending}"
    assert predict(reviews.path, texts, "--output", whole) == 1
    assert [row["id"] for row in rows_of(whole)] == [
        f"{i}.txt" for i in range(7)
    ]
    content = whole.read_bytes()
    for end in (len(content) // 2, len(content) - 1, content.index(b"\n") - 1):
        part.write_bytes(content[:end])
        assert predict(reviews.path, texts, "--output", part) == 1
        assert "there already" in capsys.readouterr().err
        arguments = ("--output", part, "--resume", "--batch-size", 3)
        assert predict(reviews.path, texts, *arguments) == 1
        got, want = rows_of(part), rows_of(whole)
        assert [(r["id"], r.get("label")) for r in got] == [
            (r["id"], r.get("label")) for r in want
        ]
    # Nothing is left to do.
    assert predict("nowhere", texts, "--output", whole, "--resume") == 1
    assert whole.read_bytes() == content
    (texts / "0.txt").rename(texts / "9.txt")
    part.write_bytes(content[: content[:-1].rindex(b"\n") + 1])
    assert predict(reviews.path, texts, "--output", part, "--resume") == 1
    assert "is of other texts" in capsys.readouterr().err


def test_columns_of_csv_and_texts_for_all(tmp_path):
    folder = str(tmp_path / "preset")
    small.make_question_answering().save_to_preset(folder)
    with open(tmp_path / "in.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "body"])
        writer.writerows([["a", small.CONTEXTS[1]], ["b", 'Ada,\n"Zoe"']])
    output = tmp_path / "out.csv"
    code = predict(
        *(folder, tmp_path / "in.csv", "--output", output),
        *("--column", "context=body", "--set", "question=who?"),
        *("--over-long", "windows"),
    )
    rows = rows_of(output)
    assert code == 0 and [row["id"] for row in rows] == ["a", "b"]
    for row, context in zip(rows, [small.CONTEXTS[1], 'Ada,\n"Zoe"']):
        start, end = int(row["start"]), int(row["end"])
        assert row["answer"] == context[start:end]
        assert {*row} == {
            *("id", "answer", "start", "end", "score", "no_answer_score"),
            "error",
        }


def make_tagger():
    return klf.LongformerTokenClassifier(
        small.make_backbone(max_global_tokens=0),
        num_classes=2,
        class_names=["O", "B-PER"],
        preprocessor=klf.LongformerTokenClassifierPreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )


def make_chooser():
    return klf.LongformerMultipleChoice(
        small.make_backbone(max_global_tokens=None),
        preprocessor=klf.LongformerMultipleChoicePreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )


def make_embedder():
    return klf.LongformerEmbedder(
        small.make_backbone(),
        preprocessor=klf.LongformerEmbedderPreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )


@pytest.mark.parametrize(
    "make, rows, check",
    [
        (
            make_tagger,
            [{"words": ["Ada", "wrote"]}, {"text": "good"}, {"text": ""}],
            lambda said: (
                [len(row["labels"]) for row in said] == [2, 1, 0]
                and said[0]["words"] == ["Ada", "wrote"]
            ),
        ),
        (
            make_chooser,
            [
                {"context": "a", "question": "b?", "choices": ["x", "y", "z"]},
                {"context": "a", "question": "", "choices": ["x", "y"]},
            ],
            lambda said: (
                [len(row["probabilities"]) for row in said] == [3, 2]
                and all(row["choice"] in "xyz" for row in said)
            ),
        ),
        (
            make_embedder,
            [{"text": "good"}, {"text": "bad"}],
            lambda said: [len(row["embedding"]) for row in said] == [24, 24],
        ),
        (
            small.make_masked_lm,
            [{"text": "a <mask> and <mask>"}, {"text": "good"}],
            lambda said: (
                [len(row["tokens"]) for row in said] == [2, 0]
                and len(said[0]["tokens"][0]) == 5
            ),
        ),
    ],
    ids=["words", "choices", "embeddings", "masks"],
)
def test_tells_every_tasks_answers(tmp_path, make, rows, check):
    folder = str(tmp_path / "preset")
    make().save_to_preset(folder)
    table = tmp_path / "in.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "out.jsonl"
    assert predict(folder, table, "--output", output) == 0
    said = rows_of(output)
    assert len(said) == len(rows) and check(said)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "out.txt"], "must end in one of .jsonl"),
        (["--output", "o.csv", "--over-long", "windows"], "is a SavedModel"),
        (["--output", "o.csv", "--set", "question=x"], "no input question"),
    ],
)
def test_refuses(
    reviews, table, tmp_path, monkeypatch, arguments, message, capsys
):
    monkeypatch.chdir(tmp_path)
    assert predict(reviews.path, table, *arguments) == 1
    assert message in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [table]  # Nothing is left behind.


def test_refuses_what_is_no_table(reviews, tmp_path, capsys):
    output = ("--output", tmp_path / "out.csv")
    for path, message in (
        (tmp_path / "none.csv", "No such file"),
        (tmp_path, "no .txt files"),
        (tmp_path / "texts.pdf", "ends in one of .jsonl"),
    ):
        assert predict(reviews.path, path, *output) == 1
        assert message in capsys.readouterr().err


def test_one_bad_text_does_not_take_others_with_it(tmp_path):
    """In exports that fail the whole batch."""
    failing = exports.export(exports.make_limited(), tmp_path / "failing")
    table = tmp_path / "in.jsonl"
    texts = ["good", exports.HOSTILE, "bad"]
    table.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    assert predict(failing.path, table, "--output", tmp_path / "o.jsonl") == 1
    rows = rows_of(tmp_path / "o.jsonl")
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert rows[1]["error"] == (
        "the text has 3100 bytes, more than max_text_bytes=2000. Cut or split "
        "it."
    )
    assert [row.get("label") in ("0", "1") for row in rows] == [
        *(True, False, True)
    ]
