"""`convert`, `export` and `verify`."""

import json
import pathlib

import pytest

import keras_longformer as klf
from keras_longformer.cli.main import main
from tests.tasks import small

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def as_json(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(
    "name, model",
    [
        ("roberta-masked_lm", "LongformerMaskedLM"),
        ("roberta-classifier", "LongformerTextClassifier"),
        ("longformer-question_answering", "LongformerQuestionAnswering"),
        ("longformer-token_classifier", "LongformerTokenClassifier"),
        ("longformer-multiple_choice", "LongformerMultipleChoice"),
        ("longformer-base", "LongformerBackbone"),
    ],
)
def test_keeps_the_head_that_is_there(tmp_path, capsys, name, model):
    said = as_json(
        *(capsys, "convert", GOLDEN / name, tmp_path / "out"),
        *("--max-sequence-length", 128, "--window-size", 16),
    )
    assert said["model"] == model and said["max_sequence_length"] == 128
    assert said["largest_difference"] < 1e-5
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["attention_window"] == [16] * len(config["attention_window"])
    assert main(["convert", str(GOLDEN / name), str(tmp_path / "out")]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_to_model_garden_and_back(tmp_path, capsys):
    """What its epsilon and GELU change is said, and taken back."""
    garden, back = tmp_path / "garden", tmp_path / "back"
    quirks = ("--quirks", "epsilon", "approximate_gelu")
    source = GOLDEN / "longformer-masked_lm"
    command = ("convert", str(source), str(garden), "--to", "model_garden")
    assert main([*command]) == 1
    assert "accept that by quirks=['epsilon']" in capsys.readouterr().err
    said = as_json(capsys, *command, *quirks)
    assert said["model"] == "LongformerMaskedLM"
    assert 1e-6 < said["largest_difference"] < 0.1
    said = as_json(capsys, "convert", garden, back, *quirks)
    assert said["model"] == "LongformerMaskedLM"
    assert said["largest_difference"] < 1e-6
    before, after = (
        klf.LongformerMaskedLM.from_preset(str(folder), preprocessor=None)
        for folder in (source, back)
    )
    assert after.backbone.layer_norm_epsilon == 1e-5
    for first, second in zip(before.weights, after.weights, strict=True):
        if "/position" not in first.path:  # Theirs are without padding's.
            assert (first.numpy() == second.numpy()).all(), first.path


def test_quirks_are_of_one_checkpoint(tmp_path, capsys):
    command = ("convert", str(GOLDEN / "longformer-base"), str(tmp_path / "x"))
    assert main([*command, "--quirks", "epsilon"]) == 1
    assert "read or written" in capsys.readouterr().err


def test_writes_the_tokenizer_too(tmp_path, capsys):
    preset, theirs = tmp_path / "preset", tmp_path / "theirs"
    small.make_masked_lm().save_to_preset(str(preset))
    said = as_json(capsys, "convert", preset, theirs)
    assert said["model"] == "LongformerMaskedLM" and said["tokenizer"]
    said = as_json(
        capsys, "convert", theirs, tmp_path / "back", "--to", "preset"
    )
    assert said["largest_difference"] < 1e-6
    again = klf.LongformerMaskedLM.from_preset(str(tmp_path / "back"))
    assert again.preprocessor.tokenizer.vocabulary_size() == (
        small.make_tokenizer().vocabulary_size()
    )


def test_an_encoder_alone_keeps_its_tokenizer(tmp_path, capsys):
    preset = tmp_path / "preset"
    small.make_backbone(pooler=True).save_to_preset(str(preset))
    small.make_tokenizer().save_to_preset(str(preset))
    said = as_json(capsys, "convert", preset, tmp_path / "theirs")
    assert said["model"] == "LongformerBackbone" and said["tokenizer"]
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "theirs" / name).is_file()
    said = as_json(
        *(capsys, "convert", tmp_path / "theirs", tmp_path / "b"),
        *("--to", "preset"),
    )
    assert said["tokenizer"] and (tmp_path / "b" / "tokenizer.json").is_file()


def test_new_positions_are_not_compared(tmp_path, capsys):
    said = as_json(
        *(capsys, "convert", GOLDEN / "roberta-base", tmp_path / "out"),
        *("--max-sequence-length", 128, "--positions", "random"),
    )
    assert said["largest_difference"] is None


@pytest.mark.filterwarnings("ignore:Exported without warm-up")
def test_exports_and_verifies(tmp_path, capsys):
    preset, output = tmp_path / "preset", tmp_path / "served"
    small.make_classifier().save_to_preset(str(preset))
    said = as_json(
        *(capsys, "export", preset, output, "--buckets", 16, 64),
        *("--batch-sizes", 1, "--class-names", "bad", "good"),
    )
    assert said == {
        "path": str(output / "1"),
        "model": "LongformerTextClassifier",
    }
    said = as_json(capsys, "verify", output)
    assert said["path"] == str(output / "1")
    assert said["largest_difference"] < 1e-5
    (output / "1" / "saved_model.pb").write_bytes(b"")
    assert main(["verify", str(output)]) == 1
    assert "saved_model.pb" in capsys.readouterr().err


def test_exports_to_onnx(tmp_path, capsys):
    preset, output = tmp_path / "preset", tmp_path / "reviews.onnx"
    small.make_classifier().save_to_preset(str(preset))
    arguments = ["export", str(preset), str(output), "--format", "onnx"]
    assert main([*arguments, "--over-long", "windows", "--buckets", "64"]) == 1
    assert "--over-long, --buckets is for Saved" in capsys.readouterr().err
    assert not output.exists()
    said = as_json(capsys, *arguments)
    assert said == {"path": str(output), "model": "LongformerTextClassifier"}
    assert output.is_file()
    assert (tmp_path / "reviews.tokenizer.json").is_file()


def test_export_wants_a_head(tmp_path, capsys):
    arguments = ["export", str(GOLDEN / "roberta-base"), str(tmp_path / "o")]
    assert main(arguments) == 1
    assert "Name the task: --task" in capsys.readouterr().err
    assert main([*arguments, "--task", "Nothing"]) == 1
    assert "no task 'Nothing'" in capsys.readouterr().err
