"""Fine-tuning, tiny: data to report, resumption, and what is refused."""

import importlib.util
import json
import pathlib
import sys

import keras
import numpy as np
import pytest

import keras_longformer as klf
from tests.tasks import small

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def script():
    """`scripts/finetune.py`, as a module beside its package's."""
    sys.path.insert(0, str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(
        "finetune_script", SCRIPTS / "finetune.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(SCRIPTS))


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


def run(script, task, output, preset, *more):
    from finetune import pipeline
    from finetune.arguments import parse_arguments

    settings, resume = parse_arguments(
        ["--task", task, "--output", str(output), "--preset", preset]
        + ["--epochs", "1", "--batch-size", "4", "--rows", "2", *more]
    )
    return pipeline.run(settings, resume)


def check_files(output, outcome, count):
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["metrics"] == pytest.approx(outcome.metrics, nan_ok=True)
    assert metrics["examples"] == count
    report = (output / "report.md").read_text()
    for name, value in outcome.metrics.items():
        assert f"| {name} | {value:.4g} |" in report
    lines = (output / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == count
    assert (output / "report.png").stat().st_size > 5_000
    assert list((output / "tensorboard").glob("**/events*"))
    assert not list(output.glob("**/*.tmp")) + list(output.glob("unfinished*"))


@pytest.mark.slow
def test_goes_on_to_the_very_same_weights(script, preset, classes, tmp_path):
    more = ["--train", classes, "--validation", classes, "--epochs", "2"]
    task = "text_classification"
    whole = run(script, task, tmp_path / "whole", preset, *more, "--export")
    check_files(tmp_path / "whole", whole, 14)
    version = tmp_path / "whole" / "saved_model" / "1"
    assert (version / "saved_model.pb").is_file()

    output = tmp_path / "parts"
    run(script, task, output, preset, *more, "--minutes", "1e-9")
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["paused"] and not metrics["history"]
    with pytest.raises(ValueError, match="--resume"):
        run(script, task, output, preset, *more)
    with pytest.raises(ValueError, match="seed: it was 0, now it is 3"):
        run(script, task, output, preset, *more, "--resume", "--seed", "3")
    parts = run(script, task, output, preset, *more, "--resume")
    metrics = json.loads((output / "metrics.json").read_text())
    assert not metrics["paused"] and len(metrics["history"]) == 2
    assert parts.predictions == whole.predictions

    again = klf.LongformerTextClassifier.from_preset(str(output / "model"))
    logits = again.predict(["bad "], verbose=0)
    np.testing.assert_allclose(
        keras.ops.softmax(logits)[0],
        list(whole.predictions[0]["probabilities"].values()),
        atol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "task, rows",
    [
        (
            "multi_label",
            [{"text": "good", "labels": ["a"]}, {"text": "b", "labels": []}],
        ),
        (
            "regression",
            [{"text": "good", "label": 1.5}, {"text": "bad", "label": -1}],
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
def test_other_tasks_of_tables(script, preset, tmp_path, task, rows):
    path = json_lines(tmp_path / "data.jsonl", rows * 3)
    output = tmp_path / "output"
    outcome = run(
        script, task, output, preset, "--train", path, "--validation", path
    )
    check_files(output, outcome, 6)


# No token is global, and what is for global tokens does not learn.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.slow
def test_classifies_words(script, preset, tmp_path):
    path = tmp_path / "data.conll"
    path.write_text(
        "good B-G\nbad O\n\nbad O\nthe good I-G\n".replace("the ", "") * 3
    )
    output = tmp_path / "output"
    outcome = run(
        script,
        "token_classification",
        output,
        preset,
        *("--train", str(path), "--validation", str(path)),
    )
    check_files(output, outcome, len(outcome.predictions))
    assert "G/f1" in outcome.metrics


@pytest.mark.slow
def test_answers_xquad_with_joined_paragraphs(
    script, preset, tmp_path, shared_data
):
    from finetune.question_answering import span_error

    from keras_longformer.tasks.question_answering import (
        metrics as squad_metrics,
    )
    from keras_longformer.tasks.question_answering.data import read_squad

    path = str(shared_data / "qa" / "xquad.en.json")
    output = tmp_path / "output"
    outcome = run(
        script,
        "question_answering",
        output,
        preset,
        *("--train", path, "--validation", path, "--limit", "4"),
        *("--join-paragraphs", "--max-sequence-length", "256"),
    )
    check_files(output, outcome, 4)
    questions = read_squad(path, join_paragraphs=True)[:4]
    said = {one["id"]: one["prediction"] for one in outcome.predictions}
    assert outcome.metrics == squad_metrics.squad_v1(
        {q.id: q.golds for q in questions}, said
    )
    for question, one in zip(questions, outcome.predictions):
        start = one["start"]
        text = one["prediction"]
        assert question.context[start : start + len(text)] == text
    answer = questions[0].answers[0]
    span = (answer.start, answer.start + len(answer.text))
    assert span_error(span, questions[0]) == "right"
    assert span_error((span[0], span[1] - 1), questions[0]) == "within"
    assert span_error((span[0], span[1] + 1), questions[0]) == "around"
    assert span_error((span[1] - 1, span[1] + 1), questions[0]) == "overlaps"
    assert span_error((span[1], span[1] + 1), questions[0]) == "beside"


def test_lists_all_bad_data_before_any_work(
    script, tmp_path, monkeypatch, capsys
):
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
    monkeypatch.setattr(
        sys,
        "argv",
        ["finetune", "--task", "text_classification", "--train", train]
        + ["--validation", validation, "--preset", "nowhere"]
        + ["--output", str(output)],
    )
    with pytest.raises(SystemExit, match="3 problems") as error:
        script.main()
    assert f"{train}:3" in str(error.value)
    assert f"{validation}:1" in str(error.value)
    assert not output.exists()


def test_validation_labels_must_be_training_labels(script, tmp_path):
    from finetune.examples import read_examples
    from finetune.settings import Settings
    from finetune.tasks import make_task

    train = json_lines(
        tmp_path / "train.jsonl",
        [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}],
    )
    other = json_lines(tmp_path / "other.jsonl", [{"text": "a", "label": "z"}])
    settings = Settings(
        "text_classification", train, "preset", "output", validation=other
    )
    with pytest.raises(ValueError, match="unknown label 'z'. Known are: x, y"):
        read_examples(make_task(settings), settings)


def test_holds_out_whole_groups(script):
    from finetune.examples import hold_out

    examples = [(i // 3, i) for i in range(30)]
    rest, held = hold_out(examples, lambda e: e[0], 0.2, seed=0)
    assert len(held) == 6 and sorted(rest + held) == examples
    assert not {group for group, _ in rest} & {group for group, _ in held}
    with pytest.raises(ValueError, match="--validation"):
        hold_out(examples[:3], lambda e: e[0], 0.2, seed=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rows", "3"], "--rows must divide --batch-size"),
        (["--word-column", "1"], "--word-column is not for --task regression"),
        (["--join-paragraphs"], "--join-paragraphs is not for"),
        (["--epochs", "0"], "must be 1 or more"),
        (["--warmup", "1"], "must be from 0 to less than 1"),
    ],
)
def test_refuses_arguments_that_do_not_fit(script, capsys, arguments, message):
    from finetune.arguments import parse_arguments

    needed = ["--task", "regression", "--train", "a.csv"]
    needed += ["--preset", "p", "--output", "o"]
    with pytest.raises(SystemExit):
        parse_arguments([*needed, *arguments])
    assert message in capsys.readouterr().err


def test_the_papers_values_are_the_defaults(script):
    from finetune.arguments import parse_arguments

    def settings(task):
        return parse_arguments(
            ["--task", task, "--train", "a", "--preset", "p", "--output", "o"]
        )[0]

    chosen = settings("text_classification")
    assert (chosen.epochs, chosen.peak, chosen.batch_size) == (15, 3e-5, 32)
    assert (chosen.warmup, chosen.accumulation_steps) == (0.1, 32)
    assert settings("question_answering").epochs == 5
