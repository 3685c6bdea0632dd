"""`keras-longformer convert --verify`: what was written equals its source."""

import json
import pathlib

import pytest
import safetensors.numpy

import keras_longformer as klf
from keras_longformer.cli.main import main
from keras_longformer.finetune import original
from keras_longformer.finetune import verification
from tests.tasks import small

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def convert(capsys, source, output, *more):
    arguments = ["convert", source, output, "--verify", "--json", *more]
    assert main([str(x) for x in arguments]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["verification"]
    assert said["equal"]
    return said


def without_transformers(monkeypatch):
    monkeypatch.setattr(original, "_has_transformers", lambda: False)


def test_equals_transformers_where_the_window_covers(tmp_path, capsys):
    said = convert(
        *(capsys, GOLDEN / "roberta-masked_lm", tmp_path / "out"),
        *("--max-sequence-length", 128, "--window-size", 16),
    )
    assert said["against"].startswith("transformers ")
    assert [one["tokens"] for one in said["lengths"]] == [1, 4, 9]
    assert "window of 16 tokens covers rows of up to 9" in said["covers"]
    for one in said["lengths"]:
        for name, most in verification.TOLERANCES.items():
            assert 0 < one[name] < most, (name, one)


def test_a_difference_is_found(tmp_path, capsys, monkeypatch):
    """One wrong number of each kind, each seen where it should be."""
    without_transformers(monkeypatch)
    source, output = GOLDEN / "roberta-masked_lm", tmp_path / "out"
    write = verification.weights.save_hugging_face

    def write_wrong(*arguments, **options):
        write(*arguments, **options)
        path = pathlib.Path(arguments[1], "model.safetensors")
        arrays = safetensors.numpy.load_file(path)
        for name in (
            "longformer.encoder.layer.0.attention.self.query_global.weight",
            "lm_head.bias",
        ):
            arrays[name] = arrays[name] + 0.1
        # A position that only rows of more than 4 tokens have.
        arrays["longformer.embeddings.position_embeddings.weight"][7] *= -1
        safetensors.numpy.save_file(arrays, path)

    monkeypatch.setattr(verification.weights, "save_hugging_face", write_wrong)
    arguments = ["convert", str(source), str(output), "--verify"]
    assert main([*arguments, "--max-sequence-length", "128"]) == 1
    captured = capsys.readouterr()
    assert "does not compute what its source computes" in captured.err
    assert "this package before lengthening, densely" in captured.out
    found = {}
    for line in captured.out.splitlines():
        number, *differences = line.split() or [""]
        if number.isdigit():
            found[int(number)] = [float(x) for x in differences]
    assert list(found) == [1, 4, 16, 20]
    assert found[4][0] < 1e-5 and found[20][0] > 1e-3
    assert found[4][1] > 1e-3 and found[4][2] > 0.09


def test_what_cannot_be_verified_is_said_before_any_work(tmp_path, capsys):
    command = ["convert", str(GOLDEN / "roberta-base"), str(tmp_path / "x")]
    assert main([*command, "--verify", "--positions", "random"]) == 1
    assert "positions that its source never had" in capsys.readouterr().err
    command += ["--verify", "--to", "model_garden", "--quirks", "epsilon"]
    assert main(command) == 1
    assert "accepts that Model Garden" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_a_longformer_over_its_full_length(
    tmp_path, capsys, monkeypatch, installed
):
    if not installed:
        without_transformers(monkeypatch)
    source = GOLDEN / "longformer-masked_lm"
    said = convert(capsys, source, tmp_path / "out")
    assert said["against"].startswith("transformers") == installed
    assert said["lengths"][-1]["tokens"] == 64
    assert all(one["logits"] is not None for one in said["lengths"])
    # With other windows, what both cover.
    output = tmp_path / "wider"
    said = convert(capsys, source, output, "--window-size", 32)
    assert said["lengths"][-1]["tokens"] == 3


@pytest.mark.slow
def test_presets_of_this_package_and_of_keras_hub(tmp_path, capsys):
    import keras_hub

    small.make_masked_lm().save_to_preset(str(tmp_path / "ours"))
    said = convert(capsys, tmp_path / "ours", tmp_path / "a", "--to", "preset")
    assert said["against"] == "this package before the conversion"
    assert said["lengths"][-1]["tokens"] == 64
    # Trained without global tokens, so that none can be compared.
    assert said["lengths"][-1]["global_token"] is None
    assert said["lengths"][-1]["logits"] is not None
    for name, more in (("Roberta", {}), ("Bert", {"num_segments": 2})):
        backbone = getattr(keras_hub.models, f"{name}Backbone")(
            vocabulary_size=97,
            num_layers=2,
            num_heads=3,
            hidden_dim=24,
            intermediate_dim=37,
            max_sequence_length=32,
            **more,
        )
        for weight in backbone.weights:
            if "embedding" in weight.path or "kernel" in weight.path:
                weight.assign(weight * 10)
        backbone.save_to_preset(str(tmp_path / name))
        said = convert(
            *(capsys, tmp_path / name, tmp_path / f"{name}-long"),
            *("--max-sequence-length", 128, "--window-size", 128),
            *("--to", "preset"),
        )
        assert said["against"].startswith("KerasHub")
        assert said["lengths"][-1]["tokens"] == 32
        longest = said["lengths"][-1]
        assert longest["global_token"] is not None
        assert longest["logits"] is None


@pytest.mark.slow
def test_model_garden(tmp_path, capsys):
    garden = tmp_path / "garden"
    task = klf.LongformerMaskedLM.from_preset(
        str(GOLDEN / "longformer-masked_lm"),
        preprocessor=None,
        layer_norm_epsilon=1e-12,
        activation="gelu_approximate",
    )
    task.backbone.save_to_preset(str(tmp_path / "preset"))
    said = convert(capsys, tmp_path / "preset", garden, "--to", "model_garden")
    assert said["lengths"][-1]["tokens"] == 64
    said = convert(
        *(capsys, garden, tmp_path / "back", "--window-size", 8),
        *("--to", "preset"),
    )
    assert said["against"] == "this package before the conversion"
