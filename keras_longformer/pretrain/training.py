"""Keras' `fit` over a phase, so that it can be killed and gone on with."""

import math
import os
import sys
import time
import typing

import keras
import tensorflow as tf

from keras_longformer.pretrain.objective import Data
from keras_longformer.pretrain.objective import Objective
from keras_longformer.pretrain.settings import Settings
from keras_longformer.training.distribution import gather
from keras_longformer.training.distribution import is_chief
from keras_longformer.training.distribution import share_batches
from keras_longformer.training.distribution import worker_of
from keras_longformer.training.progress import Progress
from keras_longformer.training.resume import NotSavedError
from keras_longformer.training.resume import TrainingStates
from keras_longformer.training.resume import all_finite
from keras_longformer.training.resume import between_updates
from keras_longformer.training.stopping import StopRequest

# Batches in a row without a number after which float16 is given up: the loss
# scale, halved by each, has come from 2**15 to nothing.
MOST_SKIPPED = 20


class NotFiniteError(ValueError):
    """The loss, or a weight, is not a number any more."""


class Place(typing.NamedTuple):
    """How far a run is: phases, and in them updates and batches, done."""

    phase: int = 0
    updates: int = 0
    batches: int = 0

    def after(self, settings: Settings) -> "Place":
        """Returns where the phase ends that begins here."""
        return Place(
            self.phase + 1,
            self.updates + settings.updates,
            self.batches + settings.updates * settings.accumulation_steps,
        )


class Training:
    """One phase of a run.

    Args:
        objective, settings, model, data: what to train; `settings` are the
            phase's.
        states: where it is saved.
        before: `Place`, where the phases before this one end; `None`: there
            are none.
        updates: int, of all phases; by default of this one alone.
        stop: `StopRequest`, at which training pauses, or `None`.
    """

    def __init__(
        self,
        objective: Objective,
        settings: Settings,
        model: keras.Model,
        data: Data,
        states: TrainingStates,
        before: Place | None = None,
        updates: int | None = None,
        stop: StopRequest | None = None,
    ):
        self.objective = objective
        self.settings = settings
        self.model = model
        self.data = data
        self.states = states
        self.before = before = before or Place()
        self.updates = updates or settings.updates
        self.stop = stop or StopRequest()
        # Batches, with those of the phases before.
        self.end = before.batches + (
            settings.updates * settings.accumulation_steps
        )

    def compile(self) -> None:
        """Compiles with AdamW and the objective's schedule."""
        settings, model = self.settings, self.model
        if settings.train_only == "positions":
            free = {id(weight) for weight in self.objective.positions(model)}
            for weight in model.trainable_weights:
                weight.trainable = id(weight) in free
        steps = settings.accumulation_steps
        optimizer = keras.optimizers.AdamW(
            self.objective.schedule(settings, self.before.updates),
            beta_2=self.objective.beta_2,
            epsilon=self.objective.epsilon,
            weight_decay=settings.weight_decay,
            global_clipnorm=settings.clip_norm or None,
            gradient_accumulation_steps=steps if steps > 1 else None,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        if model.dtype_policy.compute_dtype == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(
            optimizer=optimizer,
            loss=self.objective.loss(),
            metrics=[],
            weighted_metrics=[],
        )
        optimizer.build(model.trainable_variables)

    def run(self, facts: dict) -> dict:
        """Trains until the phase's updates are done or the time is over.

        Args:
            facts: dict of what is kept with each state: `history`, a dict for
                each measurement; `step`, the batches in all; `seconds` of
                training, those before it was interrupted included.

        Returns:
            The same at the end, with `paused`, whether time was over.

        Raises:
            NotFiniteError: the loss is not a number any more. The last state
                is one in which it was.
            NotSavedError: what came out in the end could not be saved.
            ValueError: text cannot be read.
        """
        step = facts["step"]
        kept = {name: x for name, x in facts.items() if name != "step"}
        kept["phase"] = self.before.phase
        watch = Watch(self, step, kept)
        try:
            if not kept["history"] or step == self.before.batches < self.end:
                watch.measure()
            if step < self.end:
                self._fit(watch)
        finally:
            watch.close()
        return {**kept, "step": watch.step, "paused": watch.step < self.end}

    def _fit(self, watch):
        strategy = self.model.distribute_strategy
        rows = self.settings.rows // worker_of(strategy)[1]
        done = watch.step - self.before.batches
        batches = self.data.train.dataset(done)
        try:
            self.model.fit(
                share_batches(strategy, batches, rows),
                steps_per_epoch=self.end - watch.step,
                verbose=0,
                shuffle=False,
                callbacks=[watch],
            )
        except tf.errors.OpError as error:
            failure = self.data.failure()
            if failure is None:
                raise
            raise ValueError(
                f"The text cannot be read on: {failure}\n{watch.kept()}"
            ) from error


class Watch(keras.callbacks.Callback):
    """Counts batches, and does what is to be done between two.

    Args:
        training: the `Training`.
        step: int, batches before this `fit`, of all phases.
        facts: dict, as `TrainingStates.save` takes it.
    """

    def __init__(self, training: Training, step: int, facts: dict):
        super().__init__()
        settings = training.settings
        self.training = training
        self.settings = settings
        self.set_model(training.model)
        self.step = step
        self.facts = facts
        self.losses = []
        self.skipped = 0
        self.begin = self.saved = time.monotonic()
        self.seconds_before = facts["seconds"]
        self.progress = Progress("Updates", training.updates, self.update)
        self.curves = self._writer("train")
        self.held_out = self._writer("validation")

    @property
    def update(self) -> int:
        """How many updates are done, of all phases."""
        before = self.training.before
        done = (self.step - before.batches) // self.settings.accumulation_steps
        return before.updates + done

    def on_train_batch_begin(self, batch, logs=None):
        # Keras' logs are means since then: of this batch alone.
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self._check(float(logs["loss"]))
        before, every = self.training.before, self.settings.accumulation_steps
        is_update = (self.step - before.batches) % every == 0
        if is_update:
            self._write_curves()
            self.progress(1)
        settings, now = self.settings, time.monotonic()
        is_last = self.step == self.training.end
        if between_updates(self.model):
            return
        if is_update and (
            is_last or self.update % settings.validate_every == 0
        ):
            self.measure()
        is_over = self.training.stop.received
        if settings.minutes is not None:  # By the chief's clock.
            is_over = is_over or now - self.begin >= 60 * settings.minutes
            strategy = self.model.distribute_strategy
            is_over = bool(gather(strategy, [is_over])[0, 0])
        if is_last or is_over:
            self.save()
            self.model.stop_training = True
        elif now - self.saved >= 60 * settings.save_minutes:
            try:
                self.save()
            except NotSavedError as error:
                # Days of work may be ahead, in which the disk gets room.
                print(
                    f"{error} Training goes on, and tries it again in "
                    f"{settings.save_minutes:g} minutes.",
                    file=sys.stderr,
                    flush=True,
                )
                self.saved = time.monotonic()

    def measure(self) -> None:
        """Measures the model on held-out text, for curves and report."""
        measured = self.training.data.measure()
        if not math.isfinite(measured.bits_per_token):
            raise NotFiniteError(
                "Held-out text is predicted with "
                f"{measured.bits_per_token} bits per token after update "
                f"{self.update:,}: a weight is not a number.\n{self.kept()}"
            )
        self.facts["history"].append(
            {
                "phase": self.training.before.phase + 1,
                "update": self.update,
                **measured._asdict(),
                "train_bits_per_token": self.facts.get("train_bits"),
                "seconds": self._seconds(),
            }
        )
        with self.held_out.as_default(step=self.update):
            for name, value in measured._asdict().items():
                tf.summary.scalar(name, value)
        self.held_out.flush()
        bits = [f"bits per character {measured.bits_per_character:.4f}"]
        if self.training.objective.measured == "bits_per_token":
            bits.insert(0, f"bits per token {measured.bits_per_token:.4f}")
        print(
            f"Update {self.update:,}: held-out {', '.join(bits)}, perplexity "
            f"{measured.perplexity:.4g}",
            flush=True,
        )

    def save(self) -> None:
        """Saves a state, if all in it are numbers.

        Raises:
            NotSavedError, NotFiniteError: it is not saved.
        """
        if not all_finite(self.model):
            raise NotFiniteError(
                f"A weight is not a number after update {self.update:,}, and "
                f"is not saved.\n{self.kept()}"
            )
        self.facts["seconds"] = self._seconds()
        self.facts["updates"] = self.update
        self.training.states.save(self.model, self.step, self.facts)
        self.saved = time.monotonic()

    def kept(self) -> str:
        """Returns a sentence: what there is to go back to."""
        states = self.training.states
        newest, facts = states.newest(), states.read_facts()
        if facts is None:
            return "No state was saved yet."
        done = facts["updates"]
        return f"The last good state, of update {done:,}, is kept: '{newest}'."

    def close(self) -> None:
        """Ends the curves and the line of progress."""
        self.progress.__exit__()
        self.curves.close()
        self.held_out.close()

    def _writer(self, name):
        if not is_chief(self.model.distribute_strategy):
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(
            os.path.join(self.settings.output, "tensorboard", name)
        )

    def _check(self, loss):
        """Notes a batch's loss, and raises if it is not a number."""
        if math.isfinite(loss):
            self.losses.append(loss)
            self.skipped = 0
            return
        self.skipped += 1
        scaled = isinstance(
            self.model.optimizer, keras.optimizers.LossScaleOptimizer
        )
        # Where losses are scaled, such a batch changes no weight.
        if scaled and self.skipped < MOST_SKIPPED:
            return
        update = self.update + bool(
            (self.step - self.training.before.batches)
            % self.settings.accumulation_steps
        )
        way_out = "a lower --learning-rate"
        if self.model.dtype_policy.compute_dtype == "float16":
            way_out += ", or --dtype mixed_bfloat16"
        raise NotFiniteError(
            f"The loss of update {update:,} is {loss}"
            + (f", for {self.skipped} batches in a row" if scaled else "")
            + f". {self.kept()} The same settings would come to the same: "
            f"take {way_out}, with another --output."
        )

    def _write_curves(self):
        if not self.losses:
            return
        nats = sum(self.losses) / len(self.losses)
        self.losses = []
        bits = nats / math.log(2)
        self.facts["train_bits"] = bits
        rate = float(self.model.optimizer.learning_rate)
        tokens = self.settings.batch_size * self.training.data.tokens_per_row
        done = self.progress.done - self.progress.before + 1
        speed = done * tokens / (time.monotonic() - self.begin)
        self.progress.note = f"{bits:.3f} bits, {speed:,.0f} tokens/s"
        with self.curves.as_default(step=self.update):
            tf.summary.scalar("bits_per_token", bits)
            tf.summary.scalar("learning_rate", rate)
            tf.summary.scalar("tokens_per_second", speed)

    def _seconds(self):
        return self.seconds_before + time.monotonic() - self.begin
