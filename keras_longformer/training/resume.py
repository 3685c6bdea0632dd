"""Saves a training and goes on with it to the very same weights.

`keras.callbacks.BackupAndRestore` begins an interrupted epoch again with its
later weights, or shuffles as in the first epoch. Here the order of examples
follows from the seed and the epoch alone, and a state holds all that changes:
weights, the optimizer's variables, the states of dropout.
"""

import json
import os
import pathlib
import shutil
import time

import keras
import numpy as np
import tensorflow as tf

_PREFIX = "state-"


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns int64 `(count,)`, the order of an epoch's examples."""
    return np.random.default_rng([seed, epoch]).permutation(count)


class TrainingStates:
    """The states of one training, of which the newest is kept.

    Args:
        folder: str, made when the first is saved.

    Example:
    ```python
    states = TrainingStates("output/state")
    facts = states.restore(model)          # None at the first start
    ...
    states.save(model, step, {"epoch": 3})
    ```
    """

    def __init__(self, folder: str):
        self.folder = pathlib.Path(folder)

    def newest(self) -> pathlib.Path | None:
        """Returns the folder of the newest state, `None` without one."""
        found = [
            path
            for path in self.folder.glob(f"{_PREFIX}*")
            if path.name.removeprefix(_PREFIX).isdigit()
        ]
        return max(found, default=None, key=_number)

    def read_facts(self) -> dict | None:
        """Returns what the newest state's `facts` are, `None` without one."""
        newest = self.newest()
        if newest is None:
            return None
        return json.loads((newest / "facts.json").read_text("utf-8"))

    def save(self, model: keras.Model, step: int, facts: dict) -> None:
        """Saves a state, whole or not at all, and removes the older ones.

        Args:
            model: a compiled model.
            step: int, how many batches it was trained with.
            facts: dict for JSON: whatever else must be known to go on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        newest = self.newest()
        number = 1 if newest is None else 1 + _number(newest)
        temporary = self.folder / f"unfinished-{number:06}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _checkpoint(model).write(str(temporary / "variables"))
        (temporary / "facts.json").write_text(
            json.dumps({**facts, "step": step}), "utf-8"
        )
        os.rename(temporary, self.folder / f"{_PREFIX}{number:06}")
        if newest is not None:
            shutil.rmtree(newest)

    def restore(self, model: keras.Model) -> dict | None:
        """Gives a model the newest state.

        Args:
            model: compiled as the one that was saved.

        Returns:
            The `facts`, with `"step"`; `None` where there is no state.

        Raises:
            ValueError: the state is of another model or optimizer.
        """
        newest = self.newest()
        if newest is None:
            return None
        checkpoint = _checkpoint(model)
        try:
            status = checkpoint.read(str(newest / "variables"))
            status.assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"'{newest}' is the state of another model or optimizer, or "
                f"broken. Go on with the settings it was begun with.\n{error}"
            ) from error
        return self.read_facts()


class SaveTrainingState(keras.callbacks.Callback):
    """Saves a state now and then within epochs.

    Args:
        states: `TrainingStates`.
        step: int, batches before this `fit`.
        facts: dict, as `TrainingStates.save` takes it.
        seconds: float, how long to wait between two.
    """

    def __init__(
        self, states: TrainingStates, step: int, facts: dict, seconds: float
    ):
        super().__init__()
        self.states = states
        self.step = step
        self.facts = facts
        self.seconds = seconds
        self.last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if time.monotonic() - self.last >= self.seconds:
            self.states.save(self.model, self.step, self.facts)
            self.last = time.monotonic()


def _number(path):
    return int(path.name.removeprefix(_PREFIX))


def _checkpoint(model):
    """Of all variables: `model.weights` would lack the states of dropout."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return tf.train.Checkpoint(
        variables=[variable.value for variable in variables]
    )
