"""How the benchmarks measure."""

import subprocess
import sys

import numpy as np
import pytest

from tests.scripts import script

measure = script.load("benchmarks", "measure")


class Clock:
    """Calls take as long as they are said to, and are written down."""

    def __init__(self):
        self.now, self.called = 0.0, []

    def call(self, name, *seconds):
        each = iter(seconds)

        def run():
            self.called.append(name)
            self.now += next(each)

        return run

    def __call__(self):
        return self.now


def test_calls_take_turns_and_the_first_round_does_not_count():
    clock = Clock()
    calls = {"a": clock.call("a", 9, 1, 5, 2), "b": clock.call("b", 9, 4, 4, 8)}
    seconds = measure.interleaved(calls, 3, clock=clock)
    assert clock.called == ["a", "b"] * 4
    assert seconds == {"a": [1, 5, 2], "b": [4, 4, 8]}
    medians = measure.medians(seconds)
    assert medians == {"a": 2, "b": 4}
    assert measure.ratios(medians, "a") == {"a": 1, "b": 2}


def test_slow_calls_are_left_out_of_later_rounds():
    clock = Clock()
    calls = {
        "slow": clock.call("slow", 1, 3, 3, 3),
        "slowest": clock.call("slowest", 7),
        "fast": clock.call("fast", *[0.1] * 5),
    }
    seconds = measure.interleaved(calls, 4, most_seconds=6, clock=clock)
    assert seconds["slow"] == [3, 3]
    assert seconds["slowest"] == [7]
    assert len(seconds["fast"]) == 4


def test_memory_of_a_known_allocation():
    size = 64 * 2**20
    kept = []
    measure.peak_above_rest(lambda: kept.append(np.ones(size, np.uint8)))
    kept.clear()
    peak = measure.peak_above_rest(lambda: np.ones(size, np.uint8).sum())
    assert 0.9 * size < peak < 1.3 * size
    # What was there before does not count.
    kept.append(np.ones(size, np.uint8))
    assert measure.peak_above_rest(lambda: None) < 0.2 * size


def test_status_of_processes():
    assert measure.status_bytes("VmRSS") > 2**20
    with pytest.raises(RuntimeError, match="tells no VmNothing"):
        measure.status_bytes("VmNothing")
    with pytest.raises(OSError):
        measure.status_bytes("VmRSS", 2**31 - 1)


SCRIPT = """
import sys
import measure
options = measure.parser("x").parse_args()
if options.child == ["good", 3]:
    print("some text")
    print(2 ** options.child[1])
elif options.child == ["large"]:
    raise MemoryError("out of memory")
elif options.child:
    raise ValueError("wrong")
else:
    assert measure.in_own_process("good", 3) == 8
    assert measure.in_own_process("large") is None
    try:
        measure.in_own_process("bad")
    except RuntimeError as error:
        print(error)
"""


def test_a_process_of_its_own(tmp_path):
    path = tmp_path / "benchmark.py"
    path.write_text(SCRIPT)
    process = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(script.SCRIPTS / "benchmarks")},
    )
    assert process.returncode == 0, process.stderr
    assert "ValueError: wrong" in process.stdout


def test_table():
    text = measure.table(["a", "b"], [[1, "x"], [2, measure.mib(3 * 2**20)]])
    assert text == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | 3 |"
    assert measure.mib(None) == "out of memory"
