"""The ablation of windows: its variants, and all of it, tiny."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.scripts.script import beside
from tests.scripts.script import load

ablation = load("examples", "char_lm_ablation")
report = load("examples", "char_lm_ablation_report")
text = load("examples", "char_lm_text")


def test_variants_have_one_mean_and_the_paper_s_shapes():
    settings = ablation.Settings()
    layers = {x: ablation.layers_of(settings, x) for x in ablation.VARIANTS}
    increasing, fixed, decreasing, dilated = (
        layers[x]["window_size"] for x in ablation.VARIANTS
    )
    assert increasing == [8, 16, 32, 32, 64, 64] == dilated
    assert fixed == [36] * 6 and decreasing == increasing[::-1]
    assert layers[ablation.INCREASING]["dilation"] == [1] * 6
    assert layers[ablation.DILATED]["dilation"] == [
        *[1] * 3,
        [2, 2, 1, 1],
        [3, 3, 1, 1],
        [4, 4, 1, 1],
    ]
    # Of the paper's char_small, the dilation too.
    small = ablation.Settings(num_layers=12, bottom=16, top=128)
    dilation = ablation.layers_of(small, ablation.DILATED)["dilation"]
    assert [np.max(d) - 1 for d in dilation] == [0] * 6 + [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--windows", "8,128"], "must be an even number"),
        (["--windows", "8"], "smallest and the largest"),
        (["--steps", "30"], "multiple of 20"),
        (["no such file"], "No such file"),
    ],
)
def test_says_what_cannot_be(arguments, message, tmp_path):
    with beside("examples"), pytest.raises(SystemExit, match=message):
        ablation.main([*arguments, "--report", str(tmp_path)])


def test_the_text_is_split_once_for_all(tmp_path):
    for name, letter in (("a.txt", b"a"), ("b.txt", b"b")):
        (tmp_path / name).write_bytes(1_000 * letter)
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    found = text.read(files, 30)
    assert found.train == 1_000 * b"a" + 900 * b"b"
    assert found.held_out == 30 * b"b" and found.name == "a.txt, b.txt"
    with pytest.raises(ValueError, match="too few"):
        (tmp_path / "a.txt").write_bytes(b"a")
        text.read(files[:1])


def test_library_is_a_text(monkeypatch):
    monkeypatch.setattr(text, "MOST_OF_LIBRARY", 10_000)
    with beside("examples"):
        found = text.read([])
    assert len(found.train) == 9_500 and len(found.held_out) == 500
    assert b"import" in found.train


@pytest.fixture
def eagerly():
    """For so few steps a graph is not worth its making."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore:Even though the .tf.config:UserWarning")
def test_trains_and_measures(eagerly):
    settings = ablation.QUICK
    letters = text.Text(bytes(range(97, 123)) * 40, b"abc" * 30, "letters")
    with beside("examples"):
        result = ablation.train(settings, letters, ablation.DILATED, seed=1)
    assert 3 < result["bits_per_character"] < 9 and result["characters"] == 89
    assert len(result["training_bits"]) == settings.parts
    # Windows of 4 and 8, the second with a dilation of 2.
    assert result["receptive_field"] == 1 + 2 + 4 * 2


def test_writes_and_goes_on(tmp_path, monkeypatch, capsys):
    file, folder = tmp_path / "text.txt", tmp_path / "report"
    file.write_bytes(b"some text " * 200)
    trained = []

    def train(settings, text, variant, seed):
        trained.append((variant, seed))
        return {
            "bits_per_character": report.PAPER[variant] + 0.001 * seed,
            "training_bits": [5.0, 3.0 - 0.1 * len(variant)],
            "receptive_field": 1_234,
            "weights": 1_000,
            "cpu_seconds": 60.0,
        }

    def run(*arguments):
        command = ["--quick", "--report", str(folder), str(file), *arguments]
        with beside("examples"):
            ablation.main(command)
        return json.loads((folder / "char_lm_ablation.json").read_text())

    drawn = []
    draw = report.draw
    monkeypatch.setattr(ablation, "train", train)
    monkeypatch.setattr(report, "draw", lambda _, path: drawn.append(path))
    first = run("--seeds", "1")
    assert "±" not in (folder / "char_lm_ablation.md").read_text()
    trained.clear()
    second = run("--seeds", "2")
    assert trained == [(variant, 1) for variant in ablation.VARIANTS]
    for name, runs in first["runs"].items():
        assert second["runs"][name]["0"] == runs["0"]
    page = (folder / "char_lm_ablation.md").read_text()
    assert (
        "| decreasing | 8 4 | 1 1 | 1,234 | 1.240 ± 0.001 | -0.010 ± 0.000 |"
        in page
    )
    assert page.count("- yes: ") == 4 and "**NO**" not in page
    assert drawn == [folder / "char_lm_ablation.png"] * 8
    draw(second, drawn[0])
    assert drawn[0].stat().st_size > 10_000
    assert not list(folder.glob(".unfinished*"))
    trained.clear()
    with pytest.raises(SystemExit, match="trainings of other settings"):
        run("--width", "32")
    assert not trained


def test_says_what_did_not_come_true():
    runs = {
        name: {"0": {"bits_per_character": x}, "1": {"bits_per_character": 2}}
        for name, x in report.PAPER.items()
    }
    found = report.expectations({"runs": runs})
    assert not any(true for true, _ in found)
    assert "by 0.010 ± 0.014 bits, in 1 of 2 seeds" in found[0][1]
