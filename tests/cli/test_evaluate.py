"""Metrics on a file, without training."""

import json

import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.cli.main import main
from tests.tasks import small


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("preset"))
    model = klf.LongformerTextClassifier(
        small.make_backbone(),
        num_classes=2,
        class_names=["bad", "good"],
        preprocessor=klf.LongformerTextClassifierPreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )
    model.save_to_preset(folder)
    return folder, model


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.tsv"
    lines = ["review\tlabel", "good good\tgood", "bad\tbad", "so good\tbad"]
    path.write_text("\n".join(lines))
    return path


def test_measures(preset, data, tmp_path, capsys):
    folder, model = preset
    arguments = ["evaluate", "--task", "text_classification"]
    arguments += ["--preset", folder, "--data", str(data), "--json"]
    arguments += ["--text-column", "review", "--output", str(tmp_path / "o")]
    assert main(arguments) == 0
    metrics = json.loads(capsys.readouterr().out)
    logits = model.predict(["good good", "bad", "so good"], verbose=0)
    right = logits.argmax(-1) == [1, 0, 0]
    assert metrics["accuracy"] == pytest.approx(np.mean(right))
    written = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert written["metrics"] == metrics and written["examples"] == 3
    lines = (tmp_path / "o" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(x)["gold"] for x in lines] == ["good", "bad", "bad"]


def test_says_what_is_wrong(preset, data, tmp_path, capsys):
    folder, _ = preset
    arguments = ["evaluate", "--task", "text_classification", "--preset"]
    assert main([*arguments, folder, "--data", str(tmp_path / "no.csv")]) == 1
    assert "no.csv" in capsys.readouterr().err
    assert main([*arguments, folder, "--data", str(data)]) == 1
    assert "there is no 'text'" in capsys.readouterr().err
    arguments[2] = "regression"
    assert main([*arguments, folder, "--data", str(data)]) == 1
    assert "problem_type='single_label'" in capsys.readouterr().err
