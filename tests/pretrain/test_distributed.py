"""Two machines pretrain, one is lost, and the same command goes on."""

import signal
import time

import numpy as np
import pytest

import keras_longformer as klf
from tests.pretrain import tiny
from tests.training import processes

pytestmark = pytest.mark.slow


def test_a_lost_worker_and_the_same_command_again(tmp_path):
    preset = tiny.save_preset(tmp_path / "preset", dropout=0.0)
    corpus = tiny.save_corpus(tmp_path / "corpus")
    alone, together = tmp_path / "alone", tmp_path / "together"
    one = ["-m", "keras_longformer", *tiny.command(alone, preset, corpus)]
    two = ["-m", "keras_longformer", *tiny.command(together, preset, corpus)]
    two += ["--distribution", "multi_worker"]

    with processes.started([(one, None)], tmp_path) as running:
        assert processes.ended(running, tmp_path, 600) == [0]
    with processes.started(_on_two(two), tmp_path) as running:
        _wait_for(together / "state" / "state-000002", running, tmp_path)
        running[1].send_signal(signal.SIGKILL)
        assert processes.ended(running, tmp_path, 120)[0] == 1
    said = (tmp_path / "process-0.log").read_text()
    assert "Worker 1 (127.0.0.1:" in said and "does not answer" in said
    assert "start the same command on all again" in said
    assert not (together / "model").exists()
    with processes.started(_on_two(two), tmp_path) as running:
        codes = processes.ended(running, tmp_path, 600)
    assert codes == [0, 0], processes.logs(tmp_path)
    said = (tmp_path / "process-1.log").read_text()
    assert "Going on after update" in said
    want, got = (
        klf.LongformerMaskedLM.from_preset(str(folder / "model"))
        for folder in (alone, together)
    )
    for a, b in zip(want.weights, got.weights):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-5)


def _on_two(arguments):
    ports = processes.free_ports(2)
    return [(arguments, processes.cluster_config(ports, i)) for i in (0, 1)]


def _wait_for(path, running, folder):
    end = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < end, processes.logs(folder)
        assert running[0].poll() is None, processes.logs(folder)
        time.sleep(0.05)
