"""Several devices and several processes come to the numbers of one."""

import json

import numpy as np
import pytest

from keras_longformer.training.distribution import distribution_strategy
from keras_longformer.training.distribution import read_cluster
from tests.training import processes

WORKER = ["-m", "tests.training.worker"]


def test_two_workers_and_two_devices_are_one(tmp_path):
    """Clipping, accumulation, sample weights and a last batch of one row."""
    ports = processes.free_ports(2)
    names = ["worker-0", "worker-1", "here"]
    configs = [processes.cluster_config(ports, i) for i in (0, 1)] + [None]
    commands = [
        ([*WORKER, str(tmp_path / f"{name}.npz")], config)
        for name, config in zip(names, configs)
    ]
    with processes.started(commands, tmp_path) as running:
        codes = processes.ended(running, tmp_path, seconds=300)
    assert codes == [0, 0, 0], processes.logs(tmp_path)
    first, second, here = (np.load(tmp_path / f"{n}.npz") for n in names)
    for key in ("weights", "losses", "evaluated", "predicted"):
        want = here[f"one/{key}"]
        for got in (here[f"mirrored/{key}"], first[key], second[key]):
            np.testing.assert_allclose(got, want, atol=2e-6, err_msg=key)
    words = ["jit_compile", "OfPairs", "reduction", "scalar"]
    assert len(here["refused"]) == len(words)
    for message, word in zip(here["refused"], words):
        assert word in message


HOSTS = {"worker": ["a:1", "b:2"]}


@pytest.mark.parametrize(
    "config, message",
    [
        ("{", "not JSON"),
        ([], "not a JSON object"),
        ({"cluster": {"ps": ["a:1"]}}, "parameter servers"),
        ({"cluster": {"worker": ["a:1", "b"]}}, "'b' is not"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, "twice"),
        ({"cluster": {"worker": ["a:99999"]}}, "is not"),
        ({"cluster": {"worker": []}}, "no addresses"),
        ({"cluster": {"worker": "a:1"}}, "a list"),
        ({"cluster": {"chief": ["a:1", "b:1"]}}, "one"),
        ({"cluster": HOSTS}, "which machine this is"),
        (
            {"cluster": HOSTS, "task": {"type": "worker", "index": 2}},
            "0 to 1",
        ),
        ({"cluster": HOSTS, "task": {"type": "worker"}}, "None"),
    ],
)
def test_says_what_is_wrong_with_the_configuration(config, message):
    text = config if isinstance(config, str) else json.dumps(config)
    with pytest.raises(ValueError, match=message) as error:
        read_cluster(text)
    assert "TF_CONFIG" in str(error.value)


def test_reads_a_cluster():
    assert read_cluster("") is read_cluster('{"cluster": {}}') is None
    task = {"type": "worker", "index": "1"}
    jobs = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    cluster = read_cluster(json.dumps({"cluster": jobs, "task": task}))
    assert cluster.addresses == ["a:1", "b:2", "c:3"]
    assert (cluster.index, cluster.job, cluster.task) == (2, "worker", 1)


def test_says_what_a_strategy_needs(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="'many'"):
        distribution_strategy("many")
    with pytest.raises(ValueError, match="TF_CONFIG"):
        distribution_strategy("multi_worker")
    assert distribution_strategy("auto").num_replicas_in_sync == 1
