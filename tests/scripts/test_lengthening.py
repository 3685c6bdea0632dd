"""The lengthening: what it reads and says; all of it, tiny, where slow."""

import json

import numpy as np
import pytest

from tests.scripts.script import beside
from tests.scripts.script import load

lengthening = load("examples", "lengthening")
report = load("examples", "lengthening_report")


def results(seeds=3, **changed):
    settings = lengthening.Settings()
    facts = {
        "text": "charlm",
        "train_tokens": 2_000_000,
        "measured_tokens": 48_384,
        "masked_tokens": 7_296,
        "characters_per_token": 3.0,
    }
    bits = {"in parts": 1.8, "sinusoidal": 5.0, **report.PAPER, **changed}
    made = report.Results(settings, facts, [])
    for seed in range(seeds):
        one = {made.names[k]: x + 0.01 * seed for k, x in bits.items()}
        made.seeds.append({"bits": one, "weights": 1_000, "seconds": 60.0})
    return made


def test_says_what_came_true():
    assert all(true for true, _ in report.expectations(results()))
    claims = dict((c, t) for t, c in report.expectations(results(many=1.9)))
    wrong = [claim for claim, true in claims.items() if not true]
    assert len(wrong) == 4
    assert any("in 0 of 3 seeds" in claim for claim in wrong)
    found = report.expectations(results(copy=9.0))
    assert not found[0][0] and "85%" in found[0][1]


def test_writes_table_numbers_and_picture(tmp_path):
    made = results()
    report.write(made, tmp_path)
    page = (tmp_path / "table5.md").read_text()
    assert (
        "| copied positions | 1,024 | 1.967 ± 0.010 | 0.656 ± 0.003 |" in page
    )
    assert page.count("- yes: ") == 9 and "**NO**" not in page
    found = json.loads((tmp_path / "table5.json").read_text())
    assert len(found["bits_per_token"]["random positions"]) == 3
    assert (tmp_path / "table5.png").stat().st_size > 10_000
    assert not list(tmp_path.glob(".unfinished*"))
    report.write(results(1), tmp_path)  # No spread of one.
    assert "±" not in (tmp_path / "table5.md").read_text()


def test_arguments():
    given = lengthening.parse_arguments(
        ["--updates", "7", "--long-updates", "2,3", "--layers", "1"]
    )
    settings = lengthening.settings_of(given)
    assert settings.short_updates == 7 and settings.long_updates == (2, 3)
    assert settings.num_layers == 1 and settings.hidden_dim == 128
    assert settings.long_length == 1024 and settings.window_size == 128


@pytest.mark.slow
def test_runs_and_goes_on(tmp_path, capsys):
    text, output = tmp_path / "text", tmp_path / "output"
    text.mkdir()
    generator = np.random.default_rng(0)
    words = generator.choice(["a", "text", "of", "some", "words\n"], 30_000)
    (text / "one.txt").write_text(" ".join(words))
    command = ["--quick", "--text", str(text), "--output", str(output)]
    with beside("examples"):
        lengthening.main([*command, "--seeds", "1"])
        first = json.loads((output / "table5.json").read_text())
        capsys.readouterr()
        lengthening.main([*command, "--seeds", "2"])
    printed = capsys.readouterr().out
    assert printed.count("short  ") == 1  # Seed 0 is not done again.
    second = json.loads((output / "table5.json").read_text())
    for name, bits in second["bits_per_token"].items():
        assert bits[0] == first["bits_per_token"][name][0] and bits[1] > 0
    assert "the same, reading 16" in (output / "table5.md").read_text()
    with beside("examples"):
        lengthening.main([*command, "--seeds", "3", "--one-short-model"])
    third = json.loads((output / "table5.json").read_text())["bits_per_token"]
    for name, bits in third.items():
        same = name in ("RoBERTa, 16 tokens", "copied positions")
        assert bits[2] == bits[0] if same else bits[2] > 0


@pytest.mark.slow
def test_a_folder_without_text_is_named(tmp_path):
    steps = load("examples", "lengthening_steps")
    with pytest.raises(ValueError, match="no folder with .txt files"):
        steps.read_texts(str(tmp_path), 10)
    (tmp_path / "a.txt").write_text("0123456789" * 10)
    train, held_out = steps.read_texts(str(tmp_path), 40)
    assert [len(x) for x in train] == [40, 40, 10]
    assert held_out == ["0123456789"]
