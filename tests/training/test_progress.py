"""How far a `fit` is, where no terminal is."""

import itertools
import types

import keras
import numpy as np

from keras_longformer.training import progress


def test_a_line_every_half_a_minute_where_no_terminal_is(monkeypatch, capfd):
    clock = itertools.count(step=20.0)
    monkeypatch.setattr(
        progress, "time", types.SimpleNamespace(monotonic=lambda: next(clock))
    )
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((6, 2), "float32")
    model.fit(x, x[:, :1], batch_size=1, epochs=2, **progress.shown(6))
    said = capfd.readouterr()
    lines = said.err.strip().splitlines()
    assert lines[0] == "Epoch 1: 2 of 6 (33%), loss 0.0000, 0:02:00 left"
    assert lines[-1] == "Epoch 2: 6 of 6 (100%), loss 0.0000, 0:03:40"
    assert len(lines) == 10
    assert "\b" not in said.out + said.err
    assert len(said.out.splitlines()) == 4


def test_the_bar_of_keras_in_a_terminal(monkeypatch):
    terminal = types.SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stdout=terminal))
    assert progress.shown(6) == {"verbose": 1, "callbacks": []}
