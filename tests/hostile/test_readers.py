"""Every reader, with files that nobody wrote so.

A part of what `python -m tests.hostile.run` tries for as long as it is let:
the named cases, and a few of those that are drawn.
"""

import numpy as np
import pytest

from tests.hostile import run
from tests.hostile.judging import Table

# How many of each kind are drawn: more where one takes little time.
DRAWN = {
    "checkpoints": 3,
    "model_garden": 2,
    "tokenizers": 4,
    "corpora": 12,
    "records": 6,
    "states": 12,
    "manifests": 16,
    "keras_files": 2,
}


@pytest.fixture(scope="module")
def worker():
    with run.opened_worker() as opened:
        yield opened


@pytest.mark.parametrize("source", DRAWN)
def test_refused_or_as_it_was(worker, source):
    table = Table()
    generator = np.random.default_rng(7)
    run.judge_source(table, worker, source, generator, DRAWN[source])
    assert table.counts.total() > 20
    assert not table.faults, "\n".join(table.faults)


@pytest.mark.slow
def test_presets(worker):
    table = Table()
    generator = np.random.default_rng(7)
    run.judge_source(table, worker, "presets", generator, 4)
    assert not table.faults, "\n".join(table.faults)
