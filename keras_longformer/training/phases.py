"""Training in phases: longer texts, larger windows, smaller rates.

Windows are no weights, so a phase's model is the one before it with other
windows, and its optimizer goes on with the moments that it has. A phase that
was interrupted goes on at its step, on a CPU to the very same weights.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.training.resume import SaveTrainingState
from keras_longformer.training.resume import TrainingStates


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes:
        length: int, tokens of a row.
        window_size: even int, or one for each layer.
        rate: float, the learning rate once it is warm.
        batch_size: int, rows of an update.
        steps: int, updates.
        warmup_steps: int, updates in which the rate rises to `rate`.
    """

    length: int
    window_size: int | Sequence[int]
    rate: float
    batch_size: int
    steps: int
    warmup_steps: int = 0

    def __post_init__(self):
        sizes = {
            name: getattr(self, name)
            for name in ("length", "batch_size", "steps")
        }
        wrong = [f"{k}={v!r}" for k, v in sizes.items() if v < 1]
        if not self.rate > 0:
            wrong.append(f"rate={self.rate!r}")
        if not 0 <= self.warmup_steps <= self.steps:
            wrong.append(f"warmup_steps={self.warmup_steps!r}")
        if wrong:
            raise ValueError(
                "A phase has a positive length, rate, batch_size and number of "
                "steps, of which `warmup_steps` are a part. Received: "
                f"{', '.join(wrong)}."
            )


@keras.saving.register_keras_serializable(package="keras_longformer")
class WarmupConstant(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to the rate, then stays.

    At update `s`, counted from 0 at `first_step`: `rate * (s + 1) /
    warmup_steps` up to `rate`.

    Args:
        rate: float.
        warmup_steps: int, 0 for none.
        first_step: int, the optimizer's updates before the rise begins.
    """

    def __init__(self, rate: float, warmup_steps: int, first_step: int = 0):
        super().__init__()
        self.rate = rate
        self.warmup_steps = warmup_steps
        self.first_step = first_step

    def __call__(self, step):
        """Returns the rate at `step`, an int scalar, as a float32 scalar."""
        step = keras.ops.cast(step - self.first_step, "float32")
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        return self.rate * keras.ops.minimum(rise, 1.0)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            "rate": self.rate,
            "warmup_steps": self.warmup_steps,
            "first_step": self.first_step,
        }


def train_phases(
    phases: Sequence[Phase],
    make_model: Callable[[Phase, keras.optimizers.Optimizer], keras.Model],
    make_optimizer: Callable[
        [keras.optimizers.schedules.LearningRateSchedule],
        keras.optimizers.Optimizer,
    ],
    make_data: Callable[[Phase, int, int], tf.data.Dataset],
    *,
    folder: str | None = None,
    save_seconds: float = 600.0,
    after_phase: Callable[[int, keras.Model], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
) -> keras.Model:
    """Trains through all phases, from where an earlier run has stopped.

    Args:
        phases: the `Phase`s, in order.
        make_model: function of a phase and an optimizer, to a model with the
            phase's windows, compiled with the optimizer. All of them have the
            same weights, in the same order.
        make_optimizer: function of a learning rate's schedule, to an
            optimizer. What it keeps is carried from phase to phase.
        make_data: function of a phase, its number, and a step, to the
            batches of the phase from this step on; which batch comes at a
            step must follow from the three alone.
        folder: str, where states are saved, and found by the next run; or
            `None`: nowhere.
        save_seconds: float, how long to wait between two states. One more is
            saved after each phase.
        after_phase: function of a phase's number and its model, called when
            the phase is done: to evaluate.
        callbacks: Keras' callbacks of each phase's `fit`.
        verbose: as for `fit`.

    Returns:
        The last phase's model, trained.

    Raises:
        ValueError: no phases, a state of other phases or of another model, or
            models that differ in their weights.
    """
    if not phases:
        raise ValueError("`phases` must have one phase at least.")
    said = [_said(phase) for phase in phases]
    states = None if folder is None else TrainingStates(folder)
    facts = None if states is None else states.read_facts()
    number, done, total = 0, 0, 0
    if facts is not None:
        if facts.get("phases") != said:
            raise ValueError(
                f"'{pathlib.Path(folder)}' has the state of a training in "
                "other phases. Go on with the phases it was begun with, or "
                f"take another folder. Saved: {facts.get('phases')}. "
                f"Received: {said}"
            )
        total = facts["step"]
        number, done = _place(phases, total)
    before = None
    for i in range(number, len(phases)):
        phase, first = phases[i], total - done
        schedule = WarmupConstant(phase.rate, phase.warmup_steps, first)
        model = make_model(phase, make_optimizer(schedule))
        model.optimizer.build(model.trainable_variables)
        if before is not None:
            carry(before, model)
        elif facts is not None:
            states.restore(model)
        left = phase.steps - done
        if left:
            own = list(callbacks)
            if states is not None:
                own.append(
                    SaveTrainingState(
                        states, total, {"phases": said}, save_seconds
                    )
                )
            model.fit(
                make_data(phase, i, done),
                steps_per_epoch=left,
                epochs=1,
                shuffle=False,
                callbacks=own,
                verbose=verbose,
            )
            total += left
            if states is not None:
                states.save(model, total, {"phases": said})
        if after_phase is not None:
            after_phase(i, model)
        before, done = model, 0
    return before


def carry(model: keras.Model, other: keras.Model) -> None:
    """Gives a model the weights, dropout and optimizer's state of another.

    Args:
        model: trained.
        other: compiled and with its optimizer built, of the same weights.

    Raises:
        ValueError: the two differ in what they keep.
    """
    ours = [*model.variables, *model.optimizer.variables]
    theirs = [*other.variables, *other.optimizer.variables]
    shapes = [tuple(x.shape) for x in ours], [tuple(x.shape) for x in theirs]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "The models of two phases must have the same weights and "
            f"optimizer. Received: {len(ours)} variables before and "
            f"{len(theirs)} after, or of other shapes."
        )
    for one, another in zip(ours, theirs, strict=True):
        another.assign(one)


def _place(phases, total):
    """Returns the phase after `total` updates, and the updates in it."""
    for number, phase in enumerate(phases[:-1]):
        if total < phase.steps:
            return number, total
        total -= phase.steps
    return len(phases) - 1, total


def _said(phase):
    """A phase as JSON gives it back."""
    said = dataclasses.asdict(phase)
    if not isinstance(phase.window_size, int):
        said["window_size"] = list(phase.window_size)
    return said
