"""Orders of what is in memory in which little is padding.

Those of `fit` are a `tf.data.Dataset` of batches of indices, drawn anew for
each epoch; that of a training which can be gone on with follows from a seed.
"""

from numbers import Integral

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.tasks.examples import Examples

# Of at most so many batches, drawn at random, the texts are sorted by length.
GROUP = 50


def shuffled_batches(
    num: int, batch_size: int, lengths: np.ndarray | None
) -> tf.data.Dataset:
    """Returns shuffled batches of so many texts of like length.

    Args:
        num: int, how many texts there are.
        batch_size: int, how many in each batch.
        lengths: int `(num,)`, in bytes, or `None`: they are not sorted.
    """
    count = -(-num // batch_size)
    rows = tf.data.Dataset.range(num).shuffle(num)
    group = min(count // 4, GROUP)
    if lengths is None or group <= 1:
        return rows.batch(batch_size)
    # What is padded alike stays shuffled: `argsort` is stable.
    steps = tf.constant(_steps(lengths))
    rows = rows.batch(group * batch_size).map(
        lambda i: tf.gather(i, tf.argsort(tf.gather(steps, i), stable=True))
    )
    rows = rows.unbatch().batch(batch_size).shuffle(min(count, GROUP))
    return rows.apply(tf.data.experimental.assert_cardinality(count))


def shuffled_order(
    lengths: np.ndarray, batch_size: int, seed: list[int]
) -> np.ndarray:
    """Returns an order whose batches are shuffled, of texts of like length.

    Args:
        lengths: int `(num,)`, in bytes.
        batch_size: int, how many texts are a batch; the last may be fewer.
        seed: ints, from which the order follows.

    Returns:
        int64 `(num,)`.
    """
    generator = np.random.default_rng(seed)
    order, steps = generator.permutation(len(lengths)), _steps(lengths)
    group = max(min(len(lengths) // batch_size // 4, GROUP), 1) * batch_size
    for start in range(0, len(order), group):
        part = order[start : start + group]
        part[:] = part[np.argsort(steps[part], kind="stable")]
    whole = len(order) // batch_size * batch_size
    batches = order[:whole].reshape(-1, batch_size)
    batches = generator.permutation(batches, axis=0)
    return np.concatenate([batches.ravel(), order[whole:]])


def token_batches(
    shapes: np.ndarray, tokens_per_batch: int, shuffle: bool
) -> tf.data.Dataset:
    """Returns batches of as many texts as fit into a number of tokens.

    The texts are sorted by what they are padded to, those that are padded
    alike in random order, and cut where the next would be too much; then the
    batches are shuffled. So each epoch has the same sizes of batches.

    Args:
        shapes: int `(num, inputs, 2)`, of each text and each of the model's
            inputs: rows, and tokens of a row, padding included. A batch's are
            the largest of its texts.
        tokens_per_batch: int, the most in a batch, padding included.
        shuffle: bool; otherwise the longest come first, and stay in order.

    Raises:
        TypeError: `tokens_per_batch` is no integer.
        ValueError: the longest text alone is more.
    """
    widths = widths_of(shapes)
    if not isinstance(tokens_per_batch, Integral):
        raise TypeError(
            "`tokens_per_batch` must be an integer. Received: "
            f"tokens_per_batch={tokens_per_batch!r}."
        )
    if tokens_per_batch < widths.max():
        raise ValueError(
            "`tokens_per_batch` must hold the longest text, which is padded to "
            f"{widths.max()} tokens. Received: "
            f"tokens_per_batch={tokens_per_batch}."
        )
    if not shuffle:
        order = longest_first(widths)
        ends = np.cumsum(_sizes(shapes[order], tokens_per_batch))
        parts = tf.ragged.constant(
            [part.tolist() for part in np.split(order, ends[:-1])], tf.int64
        )
        return _known(tf.data.Dataset.from_tensor_slices(parts), len(ends))
    # Of two that change places, none is larger in any input.
    flat = np.column_stack([widths, shapes.reshape(len(shapes), -1)])
    _, steps = np.unique(flat, axis=0, return_inverse=True)
    steps = steps.reshape(-1)
    sizes = _sizes(shapes[np.argsort(steps, kind="stable")], tokens_per_batch)
    ends = np.cumsum(sizes)
    bounds = tf.constant(np.stack([ends - sizes, ends], axis=1))
    steps = tf.constant(steps)

    def cut(rows):
        order = tf.argsort(tf.gather(steps, rows), stable=True)
        rows = tf.gather(rows, order)
        parts = tf.data.Dataset.from_tensor_slices(bounds).shuffle(len(ends))
        return parts.map(lambda bound: rows[bound[0] : bound[1]])

    num = len(widths)
    rows = tf.data.Dataset.range(num).shuffle(num).batch(num).flat_map(cut)
    return _known(rows, len(ends))


def padded_shapes(preprocessor, examples: Examples) -> np.ndarray:
    """Returns what each example is in the model, padding included.

    Tokenizes all texts once.

    Returns:
        int64 `(num, inputs, 2)`, as `token_batches` takes it.
    """
    lengths = examples.lengths()
    order = np.arange(examples.num)
    if lengths is not None:
        order = longest_first(lengths)

    def shapes_of(indices):
        x = tf.nest.map_structure(lambda t: tf.gather(t, indices), examples.x)
        # By its name: a lone tuple would be taken for `(x, y)`.
        inputs = preprocessor(x=x)
        if isinstance(inputs, tuple):
            inputs, *_ = inputs
        shapes = [
            _shapes(mask, tf.size(indices), preprocessor.pads_to(name))
            for name, mask in sorted(inputs.items())
            if name.endswith("padding_mask")
        ]
        return tf.stack(shapes, axis=1)

    rows = tf.data.Dataset.from_tensor_slices(order).batch(32)
    rows = rows.map(shapes_of, num_parallel_calls=tf.data.AUTOTUNE)
    batches = np.concatenate([*rows.as_numpy_iterator()])
    found = np.empty(batches.shape, np.int64)
    found[order] = batches
    return found


def widths_of(shapes: np.ndarray) -> np.ndarray:
    """Returns how many tokens each example is, int64 `(num,)`."""
    return shapes.prod(axis=-1).sum(axis=-1)


def _steps(lengths):
    """Four numbers a doubling, int32, alike where padding hardly differs."""
    steps = np.floor(4 * np.log2(np.maximum(lengths, 256)))
    return steps.astype(np.int32)


def _shapes(mask, num, pad_to):
    """The rows of each example in a mask `(num, ..., n)`, and the columns of
    each: int32 `(num, 2)`."""
    n = tf.shape(mask)[-1]
    mask = tf.reshape(mask, (num, -1, n))
    used = tf.reduce_max(tf.where(mask, tf.range(n) + 1, 0), axis=[1, 2])
    if isinstance(pad_to, str):
        columns = used if pad_to == "longest" else tf.fill([num], n)
    else:
        lengths = tf.constant(sorted(pad_to), tf.int32)
        columns = tf.gather(lengths, tf.searchsorted(lengths, used))
    # Of choices, others may have more in this batch.
    rows = tf.math.count_nonzero(
        tf.reduce_any(mask, axis=2), axis=1, dtype=tf.int32
    )
    return tf.stack([tf.maximum(rows, 1), columns], axis=1)


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Returns an order with little padding, int64 `(num,)`: what is too much
    for the memory comes first."""
    return np.argsort(-lengths, kind="stable")


def restored(outputs, order: np.ndarray):
    """Returns outputs, arrays or ragged tensors, in the order of before."""
    back = np.argsort(order)
    return keras.tree.map_structure(
        lambda t: t[back] if isinstance(t, np.ndarray) else tf.gather(t, back),
        outputs,
    )


def _known(batches, count):
    return batches.apply(tf.data.experimental.assert_cardinality(count))


def _sizes(shapes, most):
    """How many of sorted texts are in each batch, int64."""
    sizes, size, largest = [], 0, shapes[0]
    for shape in shapes:
        largest = np.maximum(largest, shape)
        if (size + 1) * widths_of(largest) > most:
            sizes.append(size)
            size, largest = 0, shape
        size += 1
    return np.array([*sizes, size], np.int64)
