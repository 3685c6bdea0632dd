"""A short run of the load test, with one wrong answer in it."""

import argparse
import re

import numpy as np
import pytest

from tests.scripts import script

pytest.importorskip("tensorflow_serving.apis.predict_pb2")

BUCKETS = [64, 128]
load = script.load("benchmarks", "load_clients")
First = script.load("benchmarks", "load_server").First


@pytest.fixture
def load_test():
    """The script, with what is beside it."""
    with script.beside("benchmarks"):
        yield script.load("benchmarks", "load_test")


def spoil(texts):
    """Expects something wrong of one text, the only one in its bucket."""
    long = [text for text in texts if text.bucket == BUCKETS[-1]]
    wrong = long[0]
    wrong.answer["logits"] = wrong.answer["logits"] + 0.5
    return [text for text in texts if text.bucket == BUCKETS[0]] + [wrong]


@pytest.mark.slow
def test_a_wrong_answer_is_seen_and_no_other(load_test, tmp_path, capsys):
    arguments = load_test.parse_arguments(
        ["--seconds", "1", "--swaps", "2", "--clients", "2"]
        + ["--buckets", *map(str, BUCKETS), "--output", str(tmp_path)]
    )
    results, faults = load_test.run(arguments, spoil)
    assert [result.name for result in results] == [
        "closed loop",
        "open loop",
        "hostile requests",
        "closed again",
        "version swap",
        "kill and restart",
    ]
    wrong = sum(len(result.wrong) for result in results)
    assert wrong == sum(result.count(BUCKETS[-1]) for result in results) > 0
    assert len(faults) == wrong  # Nothing lost, no hostile request answered.
    assert all(fault.startswith("logits is") for fault in faults)
    assert "logits is" in capsys.readouterr().err

    report = (tmp_path / "load_test.md").read_text("utf-8")
    for result in results:
        rate = re.escape(f"{result.rate():.1f}")
        line = rf"\| {result.name} \| all \| {rate} .*\| {len(result.wrong)} \|"
        assert re.search(line + r" 0 \|", report), (line, report)
    assert "WRONG" not in report
    assert "after the swap to version 4" in report  # 1, one under load, two.
    assert (tmp_path / "load_test.png").stat().st_size > 10_000


def test_compare():
    want = {"logits": np.array([[1.0, 2.0]]), "label": np.array([b"good"], "O")}
    assert load.compare(dict(want), want) is None
    assert "outputs" in load.compare({"logits": want["logits"]}, want)
    for name, other in (
        ("logits", np.array([[1.0, 2.1]])),
        ("logits", np.array([[np.nan, 2.0]])),
        ("label", np.array([b"bad"], "O")),
    ):
        assert load.compare(want | {name: other}, want).startswith(name)


def test_lost_requests_are_counted():
    client = argparse.Namespace(predict=refuse)
    clients = load.Clients("localhost:1", "m", "rest", [])
    result = load.Result("phase", seconds=1.0)
    text = load.Text("text", 64, {})
    clients.ask(client, text, result, 0.0)
    assert result.lost == ["refused"] and result.count() == 0


def refuse(_):
    raise load.ServingError("refused", "UNAVAILABLE")


def test_ratios():
    first = First(64, (0.3, 0.2), (0.1, 0.2))
    assert first.ratio() == pytest.approx(1.5)
    assert first.cpu_ratio() == pytest.approx(0.5)
