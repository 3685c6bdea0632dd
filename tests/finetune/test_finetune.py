"""Fine-tuning, tiny: data to report, resumption, and what is refused."""

import json

import keras
import numpy as np
import pytest
from matplotlib import image

import keras_longformer as klf
from keras_longformer import finetune
from keras_longformer.cli.main import main
from keras_longformer.finetune import examples
from keras_longformer.finetune.finding import find_fine_tuning
from tests.tasks import small


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny preset, with dropout."""
    keras.utils.set_random_seed(5)
    folder = str(tmp_path_factory.mktemp("preset"))
    small.make_masked_lm(max_global_tokens=None, dropout=0.1).save_to_preset(
        folder
    )
    return folder


def json_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def classes(tmp_path):
    rows = [
        {"text": ("good " if i % 2 else "bad ") * (1 + i % 5), "label": i % 2}
        for i in range(14)
    ]
    return json_lines(tmp_path / "classes.jsonl", rows)


def run(task, output, preset, resume=False, **more):
    settings = finetune.Settings(
        task,
        preset=preset,
        output=str(output),
        **{"epochs": 1, "batch_size": 2, "rows": 2, **more},
    )
    return finetune.run(settings, resume)


def check_files(output, outcome, count):
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["metrics"] == pytest.approx(outcome.metrics, nan_ok=True)
    assert metrics["examples"] == count
    report = (output / "report.md").read_text()
    for name, value in outcome.metrics.items():
        assert f"| {name} | {value:.4g} |" in report
    lines = (output / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == count
    assert len(np.unique(image.imread(output / "report.png"))) > 2
    assert list((output / "tensorboard").glob("**/events*"))
    unfinished = ("**/.unfinished*", "running.json")
    assert not [path for name in unfinished for path in output.glob(name)]


@pytest.mark.parametrize(
    "epochs, batch_size", [(1, 2), pytest.param(2, 4, marks=pytest.mark.slow)]
)
def test_goes_on_to_the_very_same_weights(
    preset, classes, tmp_path, epochs, batch_size
):
    more = {"train": classes, "validation": classes}
    more |= {"epochs": epochs, "batch_size": batch_size}
    task = "text_classification"
    whole = run(task, tmp_path / "whole", preset, **more)
    check_files(tmp_path / "whole", whole, 14)

    output = tmp_path / "parts"
    run(task, output, preset, **more, minutes=1e-9)
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["paused"] and not metrics["history"]
    assert metrics["attention"].startswith("Attention by `")
    assert metrics["attention"] in (output / "report.md").read_text()
    with pytest.raises(ValueError, match="--resume"):
        run(task, output, preset, **more)
    with pytest.raises(ValueError, match="seed: it was 0, now it is 3"):
        run(task, output, preset, **more, resume=True, seed=3)
    parts = run(task, output, preset, **more, resume=True)
    metrics = json.loads((output / "metrics.json").read_text())
    assert not metrics["paused"] and len(metrics["history"]) == epochs
    assert parts.predictions == whole.predictions

    again = finetune.evaluate(
        task,
        str(output / "model"),
        classes,
        batch_size=2,
        output=str(tmp_path / "measured"),
    )
    assert again.metrics == pytest.approx(whole.metrics)
    measured = json.loads((tmp_path / "measured" / "metrics.json").read_text())
    assert measured["examples"] == 14
    probabilities = [
        list(p["probabilities"].values()) for p in parts.predictions
    ]
    np.testing.assert_allclose(
        [list(p["probabilities"].values()) for p in again.predictions],
        probabilities,
        atol=1e-5,
    )


@pytest.mark.slow
def test_exports(preset, classes, tmp_path):
    run(
        "text_classification",
        tmp_path / "out",
        preset,
        train=classes,
        export=True,
    )
    version = tmp_path / "out" / "saved_model" / "1"
    assert (version / "saved_model.pb").is_file()


@pytest.mark.parametrize(
    "task, rows",
    [
        pytest.param(
            "multi_label",
            [{"text": "good", "labels": ["a"]}, {"text": "b", "labels": []}],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "regression",
            [{"text": "good", "label": 1.5}, {"text": "bad", "label": -1}],
            marks=pytest.mark.slow,
        ),
        (
            "multiple_choice",
            [
                {"context": "good", "choices": ["a", "b"], "label": 0},
                {"context": "bad", "choices": ["c", "d"], "label": 1},
            ],
        ),
    ],
)
def test_other_tasks_of_tables(preset, tmp_path, task, rows):
    path = json_lines(tmp_path / "data.jsonl", rows * 3)
    output = tmp_path / "output"
    outcome = run(task, output, preset, train=path, validation=path)
    check_files(output, outcome, 6)


def test_measures_labels_at_the_models_threshold(tmp_path):
    model = klf.LongformerTextClassifier(
        small.make_backbone(),
        num_classes=2,
        problem_type="multi_label",
        threshold=[1e-6, 1 - 1e-6],
        class_names=["a", "b"],
        preprocessor=small.make_classifier().preprocessor,
    )
    cls, fine_tuning = find_fine_tuning("multi_label")
    task = fine_tuning(cls)
    path = json_lines(
        tmp_path / "data.jsonl",
        [{"text": "good", "labels": ["a"]}, {"text": "bad", "labels": ["b"]}],
    )
    outcome = task.measure(model, task.read(path, task.labels_of(model)))
    assert [p["prediction"] for p in outcome.predictions] == [["a"], ["a"]]


# No token is global, and what is for global tokens does not learn.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_classifies_words(preset, tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("good B-G\nbad O\n\nbad O\ngood I-G\n\n" * 3)
    output = tmp_path / "output"
    outcome = run(
        "token_classification",
        output,
        preset,
        train=str(path),
        validation=str(path),
    )
    check_files(output, outcome, 6)
    assert "G/f1" in outcome.metrics


def squad(path, is_unanswerable=False):
    """Three contexts with a question each; the last may have no answer."""
    contexts = ["It was Ada, long ago.", "Zoe was good. " * 9, "It is bad."]
    names = ["Ada", "Zoe", "bad"]
    paragraphs = []
    for i, (context, name) in enumerate(zip(contexts, names)):
        impossible = is_unanswerable and i == 2
        answers = [{"text": name, "answer_start": context.index(name)}]
        qa = {
            "id": str(i),
            "question": "who?",
            "answers": [] if impossible else answers,
            "is_impossible": impossible,
        }
        paragraphs.append({"context": context, "qas": [qa]})
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return str(path)


def test_answers_questions(preset, tmp_path):
    path = squad(tmp_path / "squad.json")
    output = tmp_path / "output"
    outcome = run(
        "question_answering", output, preset, train=path, validation=path
    )
    check_files(output, outcome, 3)
    task = json.loads((output / "model" / "task.json").read_text())
    assert task["config"]["preprocessor"]["config"]["lost_answers"] == "skip"
    questions = read_squad(path)
    for question, one in zip(questions, outcome.predictions):
        start, text = one["start"], one["prediction"]
        assert question.context[start : start + len(text)] == text


def read_squad(path, **options):
    cls, fine_tuning = find_fine_tuning("question_answering")
    return fine_tuning(cls, **options).read(path)


def test_questions_without_an_answer_are_learned(tmp_path):
    cls, fine_tuning = find_fine_tuning("question_answering")
    task = fine_tuning(cls)
    some = task.read(squad(tmp_path / "a.json", is_unanswerable=True))
    assert task.learn_labels(some) == ("answer", "no answer")
    assert task.learn_labels(some[:2]) == ("answer",)


@pytest.mark.slow
def test_answers_xquad_with_joined_paragraphs(preset, tmp_path, shared_data):
    from keras_longformer.tasks.question_answering import (
        metrics as squad_metrics,
    )
    from keras_longformer.tasks.question_answering.finetuning import span_error

    path = str(shared_data / "qa" / "xquad.en.json")
    output = tmp_path / "output"
    outcome = run(
        "question_answering",
        output,
        preset,
        train=path,
        validation=path,
        limit=4,
        max_sequence_length=256,
        options={"join_paragraphs": True},
    )
    check_files(output, outcome, 4)
    questions = read_squad(path, join_paragraphs=True)[:4]
    said = {one["id"]: one["prediction"] for one in outcome.predictions}
    assert outcome.metrics == squad_metrics.squad_v1(
        {q.id: q.golds for q in questions}, said
    )
    answer = questions[0].answers[0]
    span = (answer.start, answer.start + len(answer.text))
    assert span_error(span, questions[0]) == "right"
    assert span_error((span[0], span[1] - 1), questions[0]) == "within"
    assert span_error((span[0], span[1] + 1), questions[0]) == "around"
    assert span_error((span[1] - 1, span[1] + 1), questions[0]) == "overlaps"
    assert span_error((span[1], span[1] + 1), questions[0]) == "beside"


def test_lists_all_bad_data_before_any_work(tmp_path, capsys):
    train = json_lines(
        tmp_path / "train.jsonl",
        [
            {"text": "a", "label": "x"},
            {"text": "b", "label": "y"},
            {"text": ""},
        ],
    )
    validation = json_lines(
        tmp_path / "validation.jsonl", [{"text": "", "label": "z"}]
    )
    output = tmp_path / "output"
    code = main(
        ["finetune", "--task", "text_classification", "--train", train]
        + ["--validation", validation, "--preset", "nowhere"]
        + ["--output", str(output)],
    )
    said = capsys.readouterr().err
    assert code == 1 and "keras-longformer finetune: 3 problems" in said
    assert f"{train}:3" in said and f"{validation}:1" in said
    assert not output.exists()


def test_validation_labels_must_be_training_labels(tmp_path):
    train = json_lines(
        tmp_path / "train.jsonl",
        [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}],
    )
    other = json_lines(tmp_path / "other.jsonl", [{"text": "a", "label": "z"}])
    settings = finetune.Settings(
        "text_classification", train, "preset", "output", validation=other
    )
    cls, fine_tuning = find_fine_tuning(settings.task)
    with pytest.raises(ValueError, match="unknown label 'z'. Known are: x, y"):
        examples.read_examples(fine_tuning(cls), settings)


def test_holds_out_whole_groups():
    rows = [(i // 3, i) for i in range(30)]
    rest, held = examples.hold_out(rows, lambda e: e[0], 0.2, seed=0)
    assert len(held) == 6 and sorted(rest + held) == rows
    assert not {group for group, _ in rest} & {group for group, _ in held}
    with pytest.raises(ValueError, match="--validation"):
        examples.hold_out(rows[:3], lambda e: e[0], 0.2, seed=0)


def test_digest_follows_from_all_examples_and_their_parts():
    digests = {
        examples.digest_of(["a", "b"], ["c"]),
        examples.digest_of(["a"], ["b", "c"]),
        examples.digest_of(["a", "b"], ["d"]),
        examples.digest_of(["b", "a"], ["c"]),
        examples.digest_of(["a", "b"], ["\ud800"]),
    }
    assert len(digests) == 5
    assert examples.digest_of(["a", "b"], ["c"]) in digests


def test_finds_a_task_of_ones_own():
    cls, fine_tuning = find_fine_tuning(f"{__name__}:Stars")
    assert cls is Stars and fine_tuning is Stars.finetuning["stars"]
    with pytest.raises(ValueError, match="has no fine-tuning ''.*multi_label"):
        find_fine_tuning("keras_longformer:LongformerTextClassifier")
    cls, _ = find_fine_tuning(
        "keras_longformer:LongformerTextClassifier:multi_label"
    )
    assert cls is klf.LongformerTextClassifier
    with pytest.raises(ValueError, match="no task 'star'. There are: multi"):
        find_fine_tuning("star")
    with pytest.raises(ValueError, match="has no 'Moons'"):
        find_fine_tuning(f"{__name__}:Moons")


class Stars(klf.LongformerTextClassifier):
    """A user's own task."""

    finetuning = {"stars": find_fine_tuning("regression")[1]}


def test_wants_options_that_the_reader_has():
    cls, fine_tuning = find_fine_tuning("regression")
    with pytest.raises(TypeError, match="no option word_column. It has: label"):
        fine_tuning(cls, word_column=1)
