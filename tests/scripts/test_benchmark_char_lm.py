"""What the benchmark of character models says; its steps, tiny."""

import sys

import numpy as np
import pytest

from tests.scripts.script import load

benchmark = load("benchmarks", "char_lm")


def made_up(count):
    return [
        [1_000 * (i + 1), 2.0 + (i == 98), 1.0 + (i > 89), 2**30]
        for i in range(count)
    ]


def test_takes_medians_before_each_power_of_ten(tmp_path):
    rows = benchmark.by_context(made_up(100))
    assert [row[0] for row in rows] == [1_000, 10_000, 100_000]
    # One slow slice of ten does not count; that all are slower does.
    np.testing.assert_array_equal(
        [row[1:] for row in rows], [[2, 1, 2**30]] * 2 + [[2, 2, 2**30]]
    )
    assert len(benchmark.by_context(made_up(99))) == 2
    benchmark.draw(made_up(100), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_writes_a_page(tmp_path, monkeypatch):
    def in_own_process(what, *arguments):
        if what == "go on":
            return made_up(arguments[0] // 1_000)
        return {"generate": 3.5, "training": 2**20}[what]

    def make_step(name, layers, length, dropout):
        return lambda: None

    monkeypatch.setattr(benchmark.measure, "in_own_process", in_own_process)
    monkeypatch.setattr(benchmark, "make_step", make_step)
    command = ["char_lm", "--rounds", "1", "--report", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    page = (tmp_path / "char_lm.md").read_text()
    assert "| 100,000 | 2.00 | 2.00 | 1024 | 3.50 |" in page
    assert page.count("| chunked |") == 1
    assert (tmp_path / "char_lm.png").is_file()


@pytest.mark.slow
def test_takes_a_step():
    first, second = (
        benchmark.make_step(name, 1, 16, 0.0)()
        for name in benchmark.IMPLEMENTATIONS
    )
    assert first == pytest.approx(second, rel=0.1)  # Other random weights.


@pytest.mark.slow
def test_generates(monkeypatch):
    monkeypatch.setattr(benchmark, "SLICE", 3)
    rows = benchmark.go_on(7)
    assert [row[0] for row in rows] == [3, 6]
    assert all(time > 0 for row in rows for time in row[1:])
    monkeypatch.setattr(benchmark, "MORE", 2)
    assert benchmark.generate(5, 1) > -1_000
