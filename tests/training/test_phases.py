"""Phases carry all, and go on inside one to the very same weights."""

import keras
import numpy as np
import pytest

from keras_longformer.training.phases import Phase
from keras_longformer.training.phases import WarmupConstant
from keras_longformer.training.phases import train_phases
from keras_longformer.training.stream import StreamBatches
from tests.tasks.char_lm import small

PHASES = [
    Phase(12, [4, 6], rate=1e-2, batch_size=3, steps=4, warmup_steps=2),
    Phase(20, [8, 12], rate=5e-3, batch_size=2, steps=3, warmup_steps=1),
]
STREAM = np.random.default_rng(0).integers(0, 8, 400)


class Stops(keras.callbacks.Callback):
    """Ends everything after some batches, as a lost machine does."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def make_tiny(phase):
    """Any model will do: its windows are the caller's concern."""
    keras.utils.set_random_seed(7)
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    x = keras.layers.Embedding(8, 6)(ids)
    x = keras.layers.Dropout(0.3)(x)
    model = keras.Model({"token_ids": ids}, keras.layers.Dense(8)(x))
    model.window_size = phase.window_size
    return model


def make_char_lm(phase):
    task = small.make(window_size=list(phase.window_size), dropout=0.3)
    task.preprocessor = None
    task.window_size = phase.window_size
    return task


def train(folder=None, make_model=make_tiny, **options):

    def compiled(phase, optimizer):
        model = make_model(phase)
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        return model

    def make_data(phase, number, step):
        batches = StreamBatches(
            STREAM, phase.length, phase.batch_size, seed=number
        )
        return batches.dataset(step)

    return train_phases(
        PHASES,
        compiled,
        lambda rate: keras.optimizers.AdamW(rate, global_clipnorm=0.25),
        make_data,
        folder=folder,
        save_seconds=0.0,
        verbose=0,
        **options,
    )


@pytest.mark.parametrize(
    "make_model",
    [make_tiny, pytest.param(make_char_lm, marks=pytest.mark.slow)],
)
def test_interrupted_in_each_phase(make_model, tmp_path):
    """Weights, optimizer and dropout are equal to the last bit."""
    done = []
    whole = train(
        make_model=make_model,
        after_phase=lambda i, model: done.append((i, model)),
    )
    assert [i for i, _ in done] == [0, 1]
    assert [model.window_size for _, model in done] == [[4, 6], [8, 12]]
    assert done[1][1] is whole
    assert int(whole.optimizer.iterations) == 7
    for after in (2, 3):  # In the first phase, and in the second.
        with pytest.raises(KeyboardInterrupt):
            train(str(tmp_path), make_model, callbacks=[Stops(after)])
    again = train(str(tmp_path), make_model)
    ours = [*whole.variables, *whole.optimizer.variables]
    theirs = [*again.variables, *again.optimizer.variables]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_phases_are_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(str(tmp_path), callbacks=[Stops(2)])
    facts = next(tmp_path.glob("state-*")) / "facts.json"
    facts.write_text(facts.read_text().replace('"length": 12', '"length": 13'))
    with pytest.raises(ValueError, match="other phases"):
        train(str(tmp_path))


def test_rate():
    rate = WarmupConstant(8.0, warmup_steps=4, first_step=10)
    assert [float(rate(s)) for s in (10, 11, 13, 14, 90)] == [2, 4, 8, 8, 8]
    assert float(WarmupConstant(3.0, 0)(0)) == 3


def test_phases_that_cannot_be():
    with pytest.raises(ValueError, match="rate=0.*warmup_steps=9"):
        Phase(4, 2, rate=0, batch_size=1, steps=5, warmup_steps=9)


def test_stream():
    batches = StreamBatches(np.arange(100), length=7, batch_size=3, seed=2)
    seen = []
    for step in range(batches.steps_per_epoch):
        inputs, targets = batches.batch(step)
        np.testing.assert_array_equal(targets, inputs + 1)
        assert inputs.shape == (3, 7)
        seen += inputs.ravel().tolist()
    assert len(set(seen)) == len(seen)
    data = batches.dataset(step=2)
    x, y = next(iter(data))
    np.testing.assert_array_equal(x["token_ids"], batches.batch(2)[0])
    np.testing.assert_array_equal(y, batches.batch(2)[1])
    other = StreamBatches(np.arange(100), length=7, batch_size=3, seed=3)
    assert np.any(other.batch(0)[0] != batches.batch(0)[0])
    with pytest.raises(ValueError, match="needs 301 tokens"):
        StreamBatches(np.arange(100), length=100, batch_size=3)
