"""Keras' `fit`, epoch by epoch, so that it can be stopped and gone on with."""

import json
import os
import time

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.finetune.examples import Examples
from keras_longformer.finetune.settings import Settings
from keras_longformer.tasks import examples as texts
from keras_longformer.tasks.by_length import shuffled_order
from keras_longformer.tasks.finetuning import FineTuning
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.training.progress import Progress
from keras_longformer.training.progress import shown
from keras_longformer.training.resume import SaveTrainingState
from keras_longformer.training.resume import TrainingStates
from keras_longformer.training.resume import epoch_order
from keras_longformer.training.schedules import WarmupPolynomialDecay
from keras_longformer.unfinished import whole_file

BEST = "best.weights.h5"
_AT_ONCE = 1024  # Examples whose lengths are looked at.


class Deadline(keras.callbacks.Callback):
    """Stops a training when its time is over.

    Args:
        at: float, of `time.monotonic`.
    """

    def __init__(self, at: float):
        super().__init__()
        self.at = at

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() >= self.at:
            self.model.stop_training = True


class Training:
    """One run's training.

    Args:
        task, settings, examples: what to train.
        states: where it is saved.
    """

    def __init__(
        self,
        task: FineTuning,
        settings: Settings,
        examples: Examples,
        states: TrainingStates,
    ):
        self.task = task
        self.settings = settings
        self.examples = examples
        self.states = states
        self.batches_per_epoch = -(-len(examples.train) // settings.rows)

    @property
    def fingerprint(self) -> dict:
        """What must be the same for the training to go on."""
        fingerprint = {
            **self.settings.fingerprint(),
            "examples": self.examples.digest,
        }
        if self.settings.rows > 1:
            fingerprint["order"] = "by length"
        return json.loads(json.dumps(fingerprint))

    def compile(self, model) -> None:
        """Compiles with AdamW and the paper's schedule."""
        settings = self.settings
        steps = settings.accumulation_steps
        updates = self.batches_per_epoch * settings.epochs // steps
        updates = max(updates, 1)
        optimizer = keras.optimizers.AdamW(
            WarmupPolynomialDecay(
                settings.peak,
                total_steps=updates,
                warmup_steps=int(settings.warmup * updates),
                power=1.0,
                accumulation_steps=steps,
            ),
            beta_2=0.98,  # RoBERTa's.
            weight_decay=settings.weight_decay,
            global_clipnorm=1.0,
            gradient_accumulation_steps=steps if steps > 1 else None,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        model.compile(optimizer=optimizer)

    def run(self, model, resume: bool, attention: str) -> dict:
        """Trains until the epochs, the patience or the time are over.

        Args:
            model: that `compile` was called with.
            resume: bool, whether to go on from the last state.
            attention: str, what `settle_default` returned, kept with each
                state.

        Returns:
            Dict of `history`, a dict of metrics for each epoch; `best`, the
            best value, and `best_epoch`; `paused`, whether time was over; and
            `step`, the batches in all.

        Raises:
            ValueError: there is a state, and `resume` is false; or it is of
                other settings or examples.
        """
        facts = {
            "fingerprint": self.fingerprint,
            "history": [],
            "best": None,
            "best_epoch": None,
            "finished": False,
        }
        step = 0
        if resume:
            restored = self.states.restore(model)
            if restored is not None:
                step = restored.pop("step")
                facts = restored
                print(f"Going on after batch {step:,}.", flush=True)
        facts["attention"] = attention
        end = None
        if self.settings.minutes is not None:
            end = time.monotonic() + 60 * self.settings.minutes
        tensors = self.task.tensors(self.examples.train, model)
        lengths = self._lengths(tensors)
        total = self.batches_per_epoch * self.settings.epochs
        while step < total and not facts["finished"]:
            step = self._epoch(model, tensors, lengths, step, facts, end)
            if step % self.batches_per_epoch:
                break  # Time is over.
            self._after_epoch(model, step, facts)
            if end is not None and time.monotonic() >= end:
                break
        facts["paused"] = step < total and not facts["finished"]
        if facts["paused"]:
            self._pause(model, step, facts)
        else:
            model.load_weights(self._path(BEST))
        return {**facts, "step": step}

    def measure(self, model, examples: list) -> Outcome:
        """Measures a model on examples, with a progress bar."""
        with Progress("Measuring", len(examples)) as progress:
            return self.task.measure(
                model,
                examples,
                batch_size=self.settings.rows,
                progress=progress,
            )

    def _epoch(self, model, tensors, lengths, step, facts, end):
        """Trains to the end of the epoch or of time; returns the step."""
        epoch, done = divmod(step, self.batches_per_epoch)
        saving = SaveTrainingState(
            self.states, step, facts, 60 * self.settings.save_minutes
        )
        callbacks = [
            saving,
            keras.callbacks.TensorBoard(
                self._path("tensorboard"), write_graph=False
            ),
        ]
        if end is not None:
            callbacks.append(Deadline(end))
        progress = shown(self.batches_per_epoch - done)
        history = model.fit(
            self._batches(tensors, self._order(lengths, epoch), done),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,  # The order is made above.
            verbose=progress["verbose"],
            callbacks=callbacks + progress["callbacks"],
        )
        logs = {name: x[-1] for name, x in history.history.items()}
        facts["last_logs"] = logs
        return saving.step

    def _lengths(self, tensors):
        """The texts' lengths, `None` where they do not matter or show."""
        if self.settings.rows == 1:
            return None
        num, lengths = len(self.examples.train), []
        for start in range(0, num, _AT_ONCE):
            indices = tf.range(start, min(start + _AT_ONCE, num))
            x, _ = self._look_up(tensors, indices)
            part = texts.Examples(x, None, None, len(indices)).lengths()
            if part is None:
                return None
            lengths.append(part)
        return np.concatenate(lengths)

    def _order(self, lengths, epoch):
        """An epoch's examples; in a batch those of like length."""
        settings = self.settings
        if lengths is None:
            num = len(self.examples.train)
            return epoch_order(num, settings.seed, epoch)
        return shuffled_order(lengths, settings.rows, [settings.seed, epoch])

    def _batches(self, tensors, order, done):
        """The rest of an epoch's batches, after the first `done`."""
        settings = self.settings
        indices = tf.data.Dataset.from_tensor_slices(
            order[done * settings.rows :]
        )

        def look_up(index):
            x, y = self._look_up(tensors, index)
            return (x,) if y is None else (x, y)

        return indices.batch(settings.rows).map(look_up)

    def _look_up(self, tensors, indices):
        x, y = tf.nest.map_structure(
            lambda t: None if t is None else tf.gather(t, indices),
            (tensors.x, tensors.y),
        )
        return self.task.look_up(x, y, tensors.shared)

    def _after_epoch(self, model, step, facts):
        """Measures, keeps the best weights, and saves the state."""
        outcome = self.measure(model, self.examples.validation)
        value = outcome.metrics[self.task.metric]
        epoch = step // self.batches_per_epoch
        print(
            f"Epoch {epoch}: validation "
            + ", ".join(
                f"{name} {x:.4g}"
                for name, x in outcome.metrics.items()
                if "/" not in name
            ),
            flush=True,
        )
        writer = tf.summary.create_file_writer(
            self._path("tensorboard/validation")
        )
        with writer.as_default(step=epoch):
            for name, x in outcome.metrics.items():
                tf.summary.scalar(name, x)
        writer.close()
        facts["history"].append(
            {"epoch": epoch, **facts.pop("last_logs"), **outcome.metrics}
        )
        # Not a number is worse than any number.
        if facts["best"] is None or value > facts["best"]:
            if value == value:
                facts["best"] = value
            facts["best_epoch"] = epoch
            self._save_weights(model)
        waited = epoch - facts["best_epoch"]
        facts["finished"] = waited >= self.settings.patience
        self.states.save(model, step, facts)

    def _pause(self, model, step, facts):
        facts.pop("last_logs", None)
        self.states.save(model, step, facts)
        print(
            f"Time is over after batch {step:,}: --resume goes on. What "
            "follows is measured with the weights of now.",
            flush=True,
        )

    def _save_weights(self, model):
        with whole_file(self._path(BEST)) as unfinished:
            model.save_weights(unfinished)

    def _path(self, name):
        return os.path.join(self.settings.output, name)


def check_resume(training: Training, resume: bool) -> None:
    """Raises `ValueError` where a folder's state and `--resume` do not fit."""
    facts = training.states.read_facts()
    folder = training.settings.output
    if facts is None:
        return
    if not resume:
        raise ValueError(
            f"There is a training in '{folder}' already. Go on with it "
            "(--resume), or name another --output."
        )
    before, now = facts["fingerprint"], training.fingerprint
    changed = [
        f"  {name}: it was {before.get(name)!r}, now it is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise ValueError(
            f"The training in '{folder}' was begun with other settings or "
            "data:\n" + "\n".join(changed)
        )
