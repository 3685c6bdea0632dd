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
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.training.distribution import agree
from keras_longformer.training.distribution import is_chief
from keras_longformer.unfinished import place
from keras_longformer.unfinished import remove
from keras_longformer.unfinished import to_disk
from keras_longformer.weights.bundle import check_bundle
from keras_longformer.weights.files import check_inside
from keras_longformer.weights.files import read_json

_PREFIX = "state-"
_BROKEN = "broken-"
_FACTS = "facts.json"
_SIZES = "bytes of files"


class NotSavedError(OSError):
    """A state could not be written; those of before are as they were."""


class BrokenStateError(ValueError):
    """A state was not written whole, or changed since."""


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns int64 `(count,)`, the order of an epoch's examples."""
    return np.random.default_rng([seed, epoch]).permutation(count)


class TrainingStates:
    """The states of one training, of which the newest are kept.

    A state is a folder, written under another name and renamed when all of it
    is on the disk: a process that is killed while it writes leaves the ones of
    before.

    Of several machines that train together, the chief writes, and all read
    what it wrote: the folder must be one that they share. All call `restore`.

    Args:
        folder: str, made when the first is saved.
        keep: int, how many. With more than one, a state that turns out to be
            broken costs the way from the one before.

    Example:
    ```python
    states = TrainingStates("output/state")
    facts = states.restore(model)          # None at the first start
    ...
    states.save(model, step, {"epoch": 3})
    ```
    """

    def __init__(self, folder: str, keep: int = 1):
        if keep < 1:
            raise ValueError(f"`keep` must be 1 or more. Received: {keep}.")
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def found(self) -> list[pathlib.Path]:
        """Returns the folders of all states, the newest first."""
        found = [
            path
            for path in self.folder.glob(f"{_PREFIX}*")
            if path.name.removeprefix(_PREFIX).isdigit()
        ]
        return sorted(found, key=_number, reverse=True)

    def newest(self) -> pathlib.Path | None:
        """Returns the folder of the newest state, `None` without one."""
        return next(iter(self.found()), None)

    def read_facts(self) -> dict | None:
        """Returns what the newest state's `facts` are, `None` without one.

        A state whose facts cannot be read is passed over.
        """
        for path in self.found():
            try:
                return _read_facts(path)
            except BrokenStateError:
                continue
        return None

    def save(self, model: keras.Model, step: int, facts: dict) -> None:
        """Saves a state, whole or not at all, and removes older ones.

        Args:
            model: a compiled model.
            step: int, how many batches it was trained with.
            facts: dict for JSON: whatever else must be known to go on.

        Raises:
            NotSavedError: it cannot be written. The states of before are
                kept, and nothing is left of the new one.
            ValueError: on several devices, between two updates, while each
                has a sum of gradients of its own.
        """
        if between_updates(model):
            raise ValueError(
                "On several devices a state can be saved after an update "
                f"only. Received: {model.accumulated_batches} batches of the "
                f"optimizer's {model.optimizer.gradient_accumulation_steps}."
            )
        if not is_chief(model.distribute_strategy):
            return
        found = self.found()
        number = 1 + (_number(found[0]) if found else 0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with place(self.folder) as new:
                _write(model, {**facts, "step": step}, pathlib.Path(new))
                os.rename(new, self.folder / f"{_PREFIX}{number:06}")
        except (OSError, tf.errors.OpError) as error:
            kept = f"'{found[0]}' is the last one" if found else "there is none"
            raise NotSavedError(
                f"No state could be saved after batch {step:,} in "
                f"'{self.folder}' ({_free(self.folder)}): "
                f"{_first_line(error)}; {kept}."
            ) from error
        for path in found[self.keep - 1 :]:
            remove(path)

    def restore(self, model: keras.Model) -> dict | None:
        """Gives a model the newest state that is whole.

        One that is not is said on stderr, put aside as `broken-...`, and the
        one before is taken.

        Args:
            model: compiled as the one that was saved.

        Returns:
            The `facts`, with `"step"`; `None` where there is no state.

        Raises:
            BrokenStateError: there are states, and none is whole.
            ValueError: the state is of another model or optimizer, or not the
                same on all machines.
        """
        facts = self._restore(model)
        agree(
            model.distribute_strategy,
            0 if facts is None else facts["step"],
            f"the batch to go on from. '{self.folder}' must be a folder that "
            "all share",
        )
        return facts

    def _restore(self, model):
        broken, reasons = [], []
        for path in self.found():
            try:
                facts = _read(path, model)
            except BrokenStateError as error:
                print(f"Passing over a state: {error}", file=sys.stderr)
                broken.append(path)
                reasons.append(f"\n  {error}")
                continue
            if is_chief(model.distribute_strategy):
                for other in broken:
                    self._put_aside(other)
            return facts
        if broken:
            raise BrokenStateError(
                f"None of the {len(broken)} states in '{self.folder}' is "
                "whole. Delete that folder to begin from the start."
                + "".join(reasons[:5])
            )
        return None

    def _put_aside(self, path):
        aside = self.folder / f"{_BROKEN}{_number(path):06}"
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(path, aside)


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
        if between_updates(self.model):
            return
        if time.monotonic() - self.last >= self.seconds:
            self.states.save(self.model, self.step, self.facts)
            self.last = time.monotonic()


def between_updates(model: keras.Model) -> bool:
    """Says whether devices have sums of gradients that are not applied."""
    return bool(getattr(model, "accumulated_batches", 0))


def all_finite(model: keras.Model) -> bool:
    """Says whether all weights, and what the optimizer keeps, are numbers."""
    return all(
        np.isfinite(keras.ops.convert_to_numpy(variable)).all()
        for variable in [*model.variables, *model.optimizer.variables]
        if keras.backend.is_float_dtype(variable.dtype)
    )


def _number(path):
    return int(path.name.removeprefix(_PREFIX))


def _read(path, model):
    """Gives a model one state, and returns its facts."""
    facts = _read_facts(path)
    checkpoint = _checkpoint(model)
    prefix = str(path / "variables")
    try:
        check_bundle(prefix)
    except ValueError as error:
        raise BrokenStateError(str(error)) from error
    try:
        status = checkpoint.read(prefix)
        status.assert_consumed()
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        raise BrokenStateError(
            f"'{prefix}.*' cannot be read: {_first_line(error)}"
        ) from error
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"'{path}' is the state of another model or optimizer. Go on with "
            f"the settings it was begun with.\n{error}"
        ) from error
    return facts


def _read_facts(path):
    """Returns the facts of a state whose files are as long as they were."""
    try:
        for file in path.iterdir():
            check_inside(str(file), str(path))
        facts = read_json(path / _FACTS)
        sizes = facts.pop(_SIZES, {})
        if not isinstance(sizes, dict):
            raise ValueError(f"`{_SIZES}` is {sizes!r:.100}")
        step = facts.get("step")
        if type(step) is not int or not 0 <= step < 2**63:
            raise ValueError(f"`step` is {step!r:.100}")
    except (OSError, ValueError) as error:
        raise BrokenStateError(
            f"'{path / _FACTS}' cannot be read: {error}"
        ) from error
    for name, size in sizes.items():
        file = path / name
        is_plain = file.parent == path and "\0" not in name
        found = file.stat().st_size if is_plain and file.is_file() else None
        if type(size) is not int or found != size:
            raise BrokenStateError(
                f"'{path / _FACTS}' says that {name!r:.200} has {size!r:.100} "
                f"bytes; it has {found}."
            )
    return facts


def _write(model, facts, folder):
    _checkpoint(model).write(str(folder / "variables"))
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    (folder / _FACTS).write_text(json.dumps({**facts, _SIZES: sizes}), "utf-8")
    to_disk(folder)


def _checkpoint(model):
    """Of all variables: `model.weights` would lack the states of dropout."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return tf.train.Checkpoint(
        variables=[variable.value for variable in variables]
    )


def _free(folder):
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return "which cannot be read"
    return f"{free / 2**20:,.0f} MiB are free there"


def _first_line(error):
    message = getattr(error, "message", None) or str(error)
    return message.strip().partition("\n")[0]
