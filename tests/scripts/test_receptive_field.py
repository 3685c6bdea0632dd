"""The picture of what outputs depend on, of a model of two layers."""

import numpy as np
import pytest

from tests.scripts.script import beside
from tests.scripts.script import load

script = load("examples", "receptive_field")


def test_draws_what_is_measured(tmp_path, monkeypatch, capsys):
    models = {"two": ([4, 2], [1, script.two(3)])}
    monkeypatch.setattr(script, "MODELS", models)
    path = tmp_path / "field.png"
    with beside("examples"):
        script.main(["--picture", str(path)])
    assert path.stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert f"formula {1 + 2 + 3:4}  measured {6:4}" in printed


@pytest.mark.parametrize(
    "seen, is_right",
    [
        ([[0, 1, 1, 0], [1, 1, 1, 0]], True),
        ([[0, 0, 1, 0], [1, 0, 1, 0]], False),
        ([[1, 1, 1, 0], [1, 1, 1, 0]], False),
        ([[0, 1, 1, 0], [1, 1, 1, 1]], False),
    ],
    ids=["right", "too near", "too far", "behind"],
)
def test_tells_where_the_formula_fails(seen, is_right):
    field = script.Field(1e-9 * np.array(seen), place=2, formula=[2, 3])
    assert field.is_right == is_right
