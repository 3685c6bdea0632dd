"""Rows cut out of one long sequence of tokens, in the order of a seed."""

import numpy as np
import tensorflow as tf


class StreamBatches:
    """Batches of a long text for a language model.

    An epoch cuts the stream into rows of `length` tokens, from an offset and
    in an order that follow from the seed and the epoch alone; so what comes at
    a step does too, and a run that goes on asks for its step.

    Args:
        token_ids: int `(k,)`, an array, memory-mapped or not; rows are copied
            one batch at a time.
        length: int, the tokens of a row.
        batch_size: int, the rows of a batch.
        seed: int.

    Raises:
        ValueError: fewer tokens than a batch needs, or sizes below 1.
    """

    def __init__(
        self, token_ids: np.ndarray, length: int, batch_size: int, seed: int = 0
    ):
        if length < 1 or batch_size < 1:
            raise ValueError(
                "`length` and `batch_size` must be positive. Received: "
                f"length={length}, batch_size={batch_size}"
            )
        self.token_ids = token_ids
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        # One token more, which follows the last; one row less, for the offset.
        rows = (len(token_ids) - 1) // length
        self.rows = rows - 1 if rows > batch_size else rows
        self.steps_per_epoch = self.rows // batch_size
        if self.steps_per_epoch < 1:
            raise ValueError(
                f"A batch of {batch_size} rows of {length} tokens needs "
                f"{batch_size * length + 1} tokens. Received: "
                f"{len(token_ids)}. Take a smaller `length` or `batch_size`."
            )

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns inputs and targets, int32 `(batch_size, length)`."""
        epoch, place = divmod(step, self.steps_per_epoch)
        generator = np.random.default_rng([self.seed, epoch])
        spare = len(self.token_ids) - 1 - self.rows * self.length
        offset = generator.integers(spare + 1)
        order = generator.permutation(self.rows)
        rows = order[place * self.batch_size :][: self.batch_size]
        starts = offset + rows * self.length
        each = [self.token_ids[i : i + self.length + 1] for i in starts]
        tokens = np.stack(each).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]

    def dataset(self, step: int = 0) -> tf.data.Dataset:
        """Returns the batches from `step` on, without end: dicts of
        `token_ids`, and targets."""

        def batches():
            at = step
            while True:
                inputs, targets = self.batch(at)
                yield {"token_ids": inputs}, targets
                at += 1

        spec = tf.TensorSpec([self.batch_size, self.length], tf.int32)
        dataset = tf.data.Dataset.from_generator(
            batches, output_signature=({"token_ids": spec}, spec)
        )
        return dataset.prefetch(2)
