"""Training in phases, as the paper trains its character language models.

A phase's model has the weights of the one before it and other windows, and its
optimizer goes on with the moments that it has.
"""

import dataclasses
from collections.abc import Sequence

import keras


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


def carry(model: keras.Model, other: keras.Model, updates: int) -> None:
    """Gives a model the weights, dropout and optimizer's state of another.

    The two may add up the gradients of different numbers of batches, of which
    none is left over at the end of a phase.

    Args:
        model: trained.
        other: compiled and with its optimizer built, of the same weights.
        updates: int, how many `model` has had.

    Raises:
        ValueError: the two differ in what they keep.
    """
    ours, theirs = _kept(model), _kept(other)
    shapes = [tuple(x.shape) for x in ours], [tuple(x.shape) for x in theirs]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "The models of two phases must have the same weights and "
            f"optimizer. Received: {len(ours)} variables before and "
            f"{len(theirs)} after, or of other shapes."
        )
    for one, another in zip(ours, theirs, strict=True):
        another.assign(one)
    # Keras counts batches, and from their number knows which ends an update.
    optimizer = other.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = inner.gradient_accumulation_steps or 1
    for variable in optimizer.variables:
        if variable.name == "iteration":
            variable.assign(updates * steps)


def _kept(model):
    """All variables but sums of gradients that are not applied."""
    return [
        variable
        for variable in [*model.variables, *model.optimizer.variables]
        if "gradient_accumulator" not in variable.path
    ]
