"""The notebooks of docs/notebooks, run in small, and as they are stored."""

import json
import pathlib

import pytest

from tests.paths import ROOT
from tests.scripts.script import load

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
# Seconds, not minutes: what is learned is not looked at.
SMALL = {
    "quickstart": {
        "[0, 1] * 120": "[0, 1] * 4",
        "epochs=12": "epochs=1",
        "[200:]": "[:4]",
        "[:200]": "[:4]",
    },
    "looked_at": {"[0, 1] * 120": "[0, 1] * 4", "epochs=12": "epochs=1"},
    "question_answering": {
        "range(240)": "range(4)",
        "epochs=20": "epochs=1",
        "document(3000)": "document(200)",
    },
}


@pytest.fixture(scope="module")
def notebooks():
    return load("build", "notebooks")


def read(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))


def test_there_are_three():
    assert NOTEBOOKS == sorted(SMALL)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_are_stored(name, notebooks):
    cells = notebooks.code_cells(read(name))
    counts = [cell["execution_count"] for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert len(outputs) > 2
    assert all(output["output_type"] != "error" for output in outputs)
    for count, picture in enumerate(notebooks.pictures(read(name)), 1):
        assert (FOLDER / f"{name}_{count}.png").read_bytes() == picture


@pytest.mark.parametrize(
    "name",
    [
        "quickstart",
        pytest.param("looked_at", marks=pytest.mark.slow),
        pytest.param("question_answering", marks=pytest.mark.slow),
    ],
)
def test_runs(name, notebooks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = read(name)
    notebooks.run(notebook, SMALL[name])
    assert pathlib.Path.cwd() == tmp_path
    found = notebooks.pictures(notebook)
    assert len(found) == (3 if name == "looked_at" else 0)
