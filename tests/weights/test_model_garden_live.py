"""Model Garden's own code, where it is: in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.golden.reading import TOLERANCE
from tests.paths import ROOT

CLONE = os.environ.get("MODEL_GARDEN")


@pytest.mark.skipif(
    not CLONE or importlib.util.find_spec("official") is None,
    reason="there is no MODEL_GARDEN, a clone of tensorflow/models, with the "
    "extra `garden`",
)
def test_both_ways_give_the_same_numbers():
    done = subprocess.run(
        [sys.executable, "-m", "tests.weights.model_garden_process", CLONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert len(found) == 9
    assert max(found.values()) < TOLERANCE, found
