"""What a pretraining learns: the contract between a task and the run."""

import typing
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.settings import Settings


class Batches(typing.Protocol):
    """Batches whose content follows from their number alone."""

    steps_per_epoch: int

    def dataset(self, step: int = 0) -> tf.data.Dataset:
        """Returns `(x, y, sample_weight)` from batch `step` on, without end."""


class Data(typing.NamedTuple):
    """What a phase trains on and is measured with.

    Attributes:
        train: `Batches` of `settings.rows` rows.
        measure: function that measures the model on held-out text.
        tokens_per_row: int, to tell the speed.
        digest: str, follows from the text.
        failure: function that returns the error with which reading last
            failed, or `None`. TensorFlow hands on only its text.
    """

    train: Batches
    measure: typing.Callable[[], Measured]
    tokens_per_row: int
    digest: str
    failure: typing.Callable[[], Exception | None]


class Objective:
    """One thing to learn. A subclass says which model, data and loss.

    Training goes through phases, one or several, each of which has the
    settings of a run with one number of updates, one length and so on.

    Args:
        settings: the run's.

    Attributes:
        title: str, of the report.
        measured: which field of `Measured` is looked at: "bits_per_token" or
            "bits_per_character".
        beta_2, epsilon: floats, of AdamW.
    """

    title = ""
    measured = "bits_per_token"
    beta_2 = 0.98  # RoBERTa's, as the next.
    epsilon = 1e-6

    def __init__(self, settings: Settings):
        self.settings = settings

    def open(self) -> keras.Model:
        """Returns the model to start from.

        Raises:
            ValueError, OSError: preset, tokenizer or sizes cannot be used.
        """
        raise NotImplementedError

    def phases(self) -> list[Settings]:
        """Returns the settings of each phase; asked after `open`."""
        return [self.settings]

    def in_phase(self, model: keras.Model, phase: Settings) -> keras.Model:
        """Returns a model of the same weights, as a phase trains it."""
        return model

    def data(self, model: keras.Model, phase: Settings, number: int) -> Data:
        """Reads and prepares the text of a phase, for its model.

        Args:
            model: what `in_phase` gave.
            phase: the phase's settings.
            number: int, which phase it is.

        Raises:
            ValueError, OSError: files cannot be used, or do not fit.
        """
        raise NotImplementedError

    def schedule(
        self, phase: Settings, first_update: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Returns the learning rates of a phase.

        Args:
            phase: the phase's settings.
            first_update: int, how many updates the optimizer had before it.
        """
        raise NotImplementedError

    def loss(self) -> keras.losses.Loss:
        """Returns the loss: nats of a predicted token, on average."""
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

    def positions(self, model: keras.Model) -> list[keras.Variable]:
        """Returns the weights that `train_only="positions"` leaves free."""
        raise NotImplementedError

    def finished(self, model: keras.Model) -> keras.Model:
        """Returns the model as it is written for `from_preset`."""
        return model

    def tested(self, model: keras.Model) -> Measured | None:
        """Measures a trained model on the text of `settings.test`."""
        return None

    def said(self, model: keras.Model) -> Iterator[str]:
        """Yields lines about the model for the report."""
        yield f"{model.count_params():,} weights"
