"""The compressors that character models are compared with."""

import json
import math
import random

import pytest

from tests.scripts.script import beside
from tests.scripts.script import load

baselines = load("examples", "char_lm_baselines")
matching = load("examples", "prediction_by_matching")


@pytest.mark.parametrize("method", matching.METHODS)
@pytest.mark.parametrize("order", [0, 1, 3])
def test_probabilities_sum_to_one(method, order):
    model = matching.PartialMatching(order)
    generator = random.Random(order)
    # All bytes in the end, so that contexts know all and escape to none.
    text = bytes(generator.choices(b"abcd", k=60)) + bytes(range(256)) * 2
    for i, byte in enumerate(text):
        if i % 37 == 0 or i > len(text) - 2:
            each = [model.probability(b, method) for b in range(256)]
            assert math.isclose(sum(each), 1.0, rel_tol=1e-12)
            assert min(each) > 0
        model.update(byte)


def test_probabilities_of_a_text_by_hand():
    model = matching.PartialMatching(2)
    model.train(b"abracadabra")
    # "ra" knows c; "a" knows b twice (once of those in "da"), c and d once.
    # What a longer context knew, a shorter one did not count: of 5 a's, 1.
    assert model.counts[2][b"ra"] == {ord("c"): 1}
    assert model.counts[1][b"a"] == {ord("b"): 2, ord("c"): 1, ord("d"): 1}
    assert model.counts[0][b""] == {ord(x): 1 for x in "brcd"} | {ord("a"): 4}

    def probability(letter, method):
        return model.probability(ord(letter), method)

    assert probability("c", "C") == 1 / 2
    assert probability("b", "C") == pytest.approx(1 / 2 * 2 / 5)
    assert probability("d", "C") == pytest.approx(1 / 2 * 1 / 5)
    assert probability("a", "C") == pytest.approx(1 / 2 * 2 / 5 * 4 / 7)
    assert probability("t", "C") == pytest.approx(
        1 / 2 * 2 / 5 * 2 / 7 * 1 / (256 - 5)
    )
    assert probability("c", "D") == 1 / 2
    assert probability("b", "D") == pytest.approx(1 / 2 * 1.5 / 3)
    assert probability("a", "D") == pytest.approx(1 / 2 * 2 / 6 * 3.5 / 5)


def test_learns_and_costs_what_xz_does(tmp_path, capsys):
    generator = random.Random(0)
    words = ["some ", "words ", "in ", "any ", "order, "]
    file = tmp_path / "text.txt"
    file.write_text("".join(generator.choices(words, k=8_000)))
    with beside("examples"):
        baselines.main([str(file), "--report", str(tmp_path)])
    found = json.loads((tmp_path / "char_lm_baselines.json").read_text())
    bits = {k: v["bits_per_character"] for k, v in found["results"].items()}
    assert found["text"]["held_out_bytes"] == round(
        0.05 * len(file.read_text())
    )
    # One of five words, of 5 characters in the mean.
    entropy = math.log2(5) / (sum(map(len, words)) / 5)
    assert entropy < bits["PPM-D, order 5"] < bits["PPM-C, order 5"]
    assert bits["PPM-C, order 5"] < 1.1 * entropy
    assert bits["PPM-C, order 5"] < bits["xz -9e"] < 2 * entropy
    assert bits["xz -9e"] < bits["xz -9e, held-out alone"]
    page = (tmp_path / "char_lm_baselines.md").read_text()
    assert baselines.table(found["results"]) in page
    assert "| xz -9e |" in capsys.readouterr().out
