"""What a pretraining learns: the contract between a task and the run."""

import typing
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_longformer.pretrain.settings import Settings


class Batches(typing.Protocol):
    """Batches whose content follows from their number alone."""

    steps_per_epoch: int

    def dataset(self, step: int = 0) -> tf.data.Dataset:
        """Returns `(x, y, sample_weight)` from batch `step` on, without end."""


class Data(typing.NamedTuple):
    """What a run trains on and is measured with.

    Attributes:
        train: `Batches` of `settings.rows` rows.
        validation: `Batches`, of which the first `validation_batches` are
            measured with.
        validation_batches: int.
        characters_per_token: float, of the text that is measured with.
        tokens_per_row: int, to tell the speed.
        digest: str, follows from the text.
        failure: function that returns the error with which reading last
            failed, or `None`. TensorFlow hands on only its text.
    """

    train: Batches
    validation: Batches
    validation_batches: int
    characters_per_token: float
    tokens_per_row: int
    digest: str
    failure: typing.Callable[[], Exception | None]


class Objective:
    """One thing to learn. A subclass says which model, data and loss.

    Args:
        settings: the run's.
    """

    title = ""
    # The name of what is measured: of curves and the column of the report.
    measured = "bits per token"

    def __init__(self, settings: Settings):
        self.settings = settings

    def open(self) -> keras.Model:
        """Returns the model to start from.

        Raises:
            ValueError, OSError: preset, tokenizer or sizes cannot be used.
        """
        raise NotImplementedError

    def data(self, model: keras.Model) -> Data:
        """Reads and prepares the text of a run, for its model.

        Raises:
            ValueError, OSError: files cannot be used, or do not fit.
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

    def said(self, model: keras.Model) -> Iterator[str]:
        """Yields lines about the model for the report."""
        yield f"{model.count_params():,} weights"
