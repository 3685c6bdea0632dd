"""Examples in memory, as they were read."""

import typing

import numpy as np
import tensorflow as tf


class Examples(typing.NamedTuple):
    """Examples in memory.

    Attributes:
        x: a string tensor, or a tuple or dict of them, examples along axis 0.
        y, sample_weight: (nested) tensors, or `None`.
        num: int, how many there are.
    """

    x: object
    y: object
    sample_weight: object
    num: int

    @property
    def parts(self) -> tuple:
        """`x`, `y` and `sample_weight`."""
        return self.x, self.y, self.sample_weight

    def lengths(self) -> np.ndarray | None:
        """Returns about how long each is: int64 `(num,)`, the bytes of its
        texts; or `None`: they are no texts."""
        total = np.zeros(self.num, np.int64)
        for texts in tf.nest.flatten(self.x, expand_composites=False):
            if texts.dtype != tf.string:
                return None
            sizes = tf.strings.length(texts)
            while sizes.shape.rank > 1:
                sizes = tf.reduce_sum(sizes, axis=-1)
            total += sizes.numpy()
        return total

    def sliced(self, start: int, end: int) -> "Examples":
        """Returns those from `start` up to `end`."""
        parts = tf.nest.map_structure(
            lambda t: None if t is None else t[start:end], self.parts
        )
        return Examples(*parts, end - start)

    def split(self, share: float) -> tuple["Examples", "Examples"]:
        """Returns all but the last `share` of them, and these.

        Raises:
            ValueError: one of the two would be empty.
        """
        at = int(np.floor(self.num * (1.0 - share))) if 0 < share < 1 else 0
        if not 0 < at < self.num:
            raise ValueError(
                "`validation_split` must leave texts to train on and to "
                f"validate with. Received: validation_split={share} of "
                f"{self.num} texts."
            )
        return self.sliced(0, at), self.sliced(at, self.num)
