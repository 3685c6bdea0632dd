"""A training that was interrupted ends with the weights of one that was not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.training.resume import NotSavedError
from keras_longformer.training.resume import SaveTrainingState
from keras_longformer.training.resume import TrainingStates
from keras_longformer.training.resume import all_finite
from keras_longformer.training.resume import epoch_order
from keras_longformer.training.schedules import WarmupPolynomialDecay

COUNT, ROWS, EPOCHS, SEED = 23, 3, 3, 7
X = np.random.default_rng(0).normal(size=(COUNT, 5)).astype("float32")
Y = X.sum(1)


class Stop(keras.callbacks.Callback):
    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def make(width=11):
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(width, "tanh"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(
            WarmupPolynomialDecay(
                0.1, 12, warmup_steps=2, accumulation_steps=2
            ),
            gradient_accumulation_steps=2,
        ),
        "mse",
    )
    return model


def train(folder, stop_after=10**9):
    """Goes on from what is in `folder`, and saves after each batch."""
    model, states = make(), TrainingStates(folder)
    step = (states.restore(model) or {"step": 0})["step"]
    per_epoch = -(-COUNT // ROWS)
    for epoch in range(step // per_epoch, EPOCHS):
        order = epoch_order(COUNT, SEED, epoch)[step % per_epoch * ROWS :]
        data = tf.data.Dataset.from_tensor_slices((X[order], Y[order]))
        save = SaveTrainingState(states, step, {}, seconds=0.0)
        model.fit(
            data.batch(ROWS),
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            shuffle=False,
            callbacks=[save, Stop(stop_after)],
        )
        stop_after -= save.step - step
        step = save.step
    return model


def test_ends_with_the_very_same_weights(tmp_path):
    whole = train(str(tmp_path / "whole"))
    for after in (4, 9):  # In the first epoch, and past its end.
        with pytest.raises(KeyboardInterrupt):
            train(str(tmp_path / "parts"), stop_after=after)
    resumed = train(str(tmp_path / "parts"))
    for one, other in zip(whole.variables, resumed.variables):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_keeps_the_newest_state_only(tmp_path):
    states, model = TrainingStates(str(tmp_path)), make()
    assert states.newest() is states.read_facts() is None
    assert states.restore(model) is None
    states.save(model, 9, {"best": 1.5})
    states.save(model, 10, {})
    states.save(model, 10, {"best": 2.5})
    assert [path.name for path in tmp_path.iterdir()] == ["state-000003"]
    assert states.read_facts() == {"best": 2.5, "step": 10}


def test_half_a_state_is_none(tmp_path):
    states, model = TrainingStates(str(tmp_path)), make()
    states.save(model, 2, {"is": "whole"})
    (tmp_path / ".unfinished-k3v9x2" / "new").mkdir(parents=True)
    assert states.restore(model)["is"] == "whole"


def test_refuses_the_state_of_another_model(tmp_path):
    states = TrainingStates(str(tmp_path))
    states.save(make(), 1, {})
    with pytest.raises(ValueError, match="state of another model"):
        states.restore(make(width=13))


def test_orders_follow_from_seed_and_epoch():
    first = epoch_order(50, 1, 0)
    assert sorted(first) == list(range(50))
    assert (first == epoch_order(50, 1, 0)).all()
    assert (first != epoch_order(50, 1, 1)).any()
    assert (first != epoch_order(50, 2, 0)).any()


def states_of(folder, count, keep):
    """Saves `count` states of a model, each with other weights."""
    states, model = TrainingStates(str(folder), keep=keep), make()
    for number in range(1, count + 1):
        model.layers[0].bias.assign([float(number)] * 11)
        states.save(model, number, {})
    return states, model


def test_keeps_the_last_states(tmp_path):
    states, _ = states_of(tmp_path, 4, keep=2)
    names = [path.name for path in states.found()]
    assert names == ["state-000004", "state-000003"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names[::-1]


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [cut, flip, lambda path: path.unlink()])
@pytest.mark.parametrize(
    "name", ["facts.json", "variables.index", "variables.data-00000-of-00001"]
)
def test_passes_over_a_broken_state(tmp_path, capsys, harm, name):
    states, model = states_of(tmp_path, 2, keep=2)
    path = tmp_path / "state-000002" / name
    harm(path)
    if name == "facts.json" and harm is flip:
        path.write_bytes(b"\xff" + path.read_bytes())
    assert states.restore(model)["step"] == 1
    assert (model.layers[0].bias.numpy() == 1).all()
    assert "state-000002" in capsys.readouterr().err
    # It does not count as one of the states to keep.
    states.save(model, 3, {})
    assert [x.name[-1] for x in states.found()] == ["2", "1"]
    assert (tmp_path / "broken-000002").is_dir()
    for left in states.found():
        cut(left / name)
    with pytest.raises(ValueError, match="None of the 2 states"):
        states.restore(model)


@pytest.mark.parametrize("name", ["rename", "fsync"])
def test_keeps_the_last_state_when_the_disk_is_full(
    tmp_path, monkeypatch, name
):
    states, model = states_of(tmp_path, 1, keep=1)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"keras_longformer.training.resume.os.{name}", full)
        with pytest.raises(NotSavedError, match="batch 2.*MiB.*No space left"):
            states.save(model, 2, {})
    assert [path.name for path in tmp_path.iterdir()] == ["state-000001"]
    states.save(model, 2, {})
    assert states.restore(model)["step"] == 2


def test_says_whether_all_is_finite():
    model = make()
    assert all_finite(model)
    model.layers[0].bias.assign([1.0] * 10 + [np.nan])
    assert not all_finite(model)
