"""A pretraining that was killed ends with the weights of one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import image

from keras_longformer.cli.main import main
from keras_longformer.training.resume import TrainingStates
from tests.paths import ROOT
from tests.pretrain import tiny


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A preset and a corpus."""
    keras.utils.set_random_seed(5)
    folder = tmp_path_factory.mktemp("inputs")
    return (
        tiny.save_preset(folder / "preset"),
        tiny.save_corpus(folder / "corpus"),
    )


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The output of a training that nothing interrupts."""
    output = tmp_path_factory.mktemp("whole")
    assert main(tiny.command(output, *inputs)) == 0
    return output


def states_of(output):
    return TrainingStates(str(output / "state"))


def variables_of(output):
    """All that a training changes, by the names of the newest state."""
    newest = states_of(output).newest()
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = reader.get_variable_to_shape_map()
    # Not how the optimizer is called.
    names.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    return {name: reader.get_tensor(name) for name in names}


def start(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_longformer", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def check_equal(output, whole):
    found, want = variables_of(output), variables_of(whole)
    assert found.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_reports(whole, inputs):
    metrics = json.loads((whole / "metrics.json").read_text())
    history = metrics["history"]
    assert [one["update"] for one in history] == [0, 4]
    assert metrics["updates"] == 4 and not metrics["paused"]
    bits = history[-1]["bits_per_token"]
    assert bits < history[0]["bits_per_token"] - 0.01
    assert metrics["metrics"]["bits_per_token"] == bits
    assert history[-1]["perplexity"] == pytest.approx(2**bits)
    assert history[-1]["bits_per_character"] == pytest.approx(bits / 3)
    report = (whole / "report.md").read_text()
    assert f"| 4 | {bits:.4f} | {bits / 3:.4f} |" in report
    assert "Attention by `" in report
    assert len(np.unique(image.imread(whole / "report.png"))) > 2
    assert list((whole / "tensorboard" / "train").glob("events*"))
    unfinished = ("**/.unfinished*", "running.json")
    assert not [path for name in unfinished for path in whole.glob(name)]
    assert len(states_of(whole).found()) == 2
    # So that what goes on computes the same.
    facts = states_of(whole).read_facts()
    assert f"`{facts['attention']}`" in metrics["attention"]


def test_killed_and_started_again(whole, inputs, tmp_path, capsys):
    arguments = tiny.command(tmp_path, *inputs)
    process = start(arguments)
    while process.poll() is None and len(states_of(tmp_path).found()) < 2:
        time.sleep(0.02)
    kill(process)
    assert not (tmp_path / "model").exists()
    # What another training was begun with is listed, before anything is done.
    assert main([*arguments, "--seed", "3", "--power", "3"]) == 1
    said = capsys.readouterr().err
    assert "seed: it was 0, now it is 3" in said
    assert "power: it was 1.0, now it is 3.0" in said

    assert main(arguments) == 0
    assert "Going on after update" in capsys.readouterr().out
    check_equal(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"rows": 2}, {"dtype": "mixed_float16"}])
def test_killed_at_many_moments(inputs, tmp_path, more):
    """Also while a state is written, which happens after each batch."""
    whole, output = tmp_path / "whole", tmp_path / "parts"
    more = {"updates": 12, "validate_every": 5, **more}
    assert main(tiny.command(whole, *inputs, **more)) == 0
    arguments = tiny.command(output, *inputs, **more)
    generator, kills, writing = random.Random(0), 0, 0
    while True:
        process, newest = start(arguments), states_of(output).newest()
        while process.poll() is None and states_of(output).newest() == newest:
            time.sleep(0.005)
        time.sleep(generator.random() * 0.3)
        if process.poll() is not None:
            break
        writing += bool(list((output / "state").glob(".unfinished*")))
        kill(process)
        kills += 1
    assert process.wait() == 0
    print(f"{kills} kills, {writing} of them while a state was written")
    assert kills >= 3
    check_equal(output, whole)
