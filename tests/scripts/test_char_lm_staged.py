"""Phases against one phase: equal work, and all of it, tiny."""

import json

import pytest

from tests.scripts.script import beside
from tests.scripts.script import load

staged = load("examples", "char_lm_staged")


def test_plans_cost_the_same():
    sizes = staged.Sizes()
    plans = staged.plans(sizes)
    totals = [
        sum(n * cost for n, cost in zip(plan["updates"], plan["cost"]))
        for plan in plans.values()
    ]
    assert totals == pytest.approx([totals[0]] * 3, rel=2e-3)
    phases, single, half = plans.values()
    assert phases["windows"] == [8, 16, 32, 64]
    assert single["windows"] == [32, 64, 128, 256]
    assert phases["batch_size"] == [8, 4, 2] and single["batch_size"] == [2]
    assert half["peak"] == single["peak"] / 2


def test_writes_and_goes_on(tmp_path, monkeypatch):
    trained = []

    def train(sizes, plan, text, output, seed):
        trained.append((output, seed))
        return {
            "bits_per_character": 2.5,
            "characters": 99,
            "seconds": 7.0,
            "curve": [[0, 8.0], [10**9, 4.0], [2 * 10**9, 2.5]],
        }

    monkeypatch.setattr(staged, "train", train)
    file, report = tmp_path / "text.txt", tmp_path / "report"
    file.write_bytes(b"some text " * 200)
    command = [str(file), "--report", str(report), "--output"]
    with beside("examples"):
        staged.main([*command, str(tmp_path / "out"), "--quick"])
        assert len(trained) == 3
        staged.main(
            [*command, str(tmp_path / "out"), "--quick", "--seeds", "2"]
        )
    assert [seed for _, seed in trained] == [0, 0, 0, 1, 1, 1]
    page = (report / "char_lm_staged.md").read_text()
    assert "| one phase | " in page and "2.500 2.500" in page
    assert (report / "char_lm_staged.png").stat().st_size > 5_000
    found = json.loads((report / "char_lm_staged.json").read_text())
    assert found["runs"]["phases"]["1"]["characters"] == 99


@pytest.mark.slow
def test_trains(tmp_path):
    file = tmp_path / "text.txt"
    file.write_bytes(b"some text, and more of it. " * 1_000)
    with beside("examples"):
        plan = staged.plans(staged.QUICK)["phases"]
        found = staged.train(
            staged.QUICK, plan, str(file), str(tmp_path / "out"), 0
        )
    bits = [one[1] for one in found["curve"]]
    assert bits[-1] < bits[0] and found["curve"][-1][0] > 0
