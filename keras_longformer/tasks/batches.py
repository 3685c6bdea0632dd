"""Batches for Keras, from examples in memory and from streams of batches.

What is in memory is shuffled by its indices: rows are read, and tokenized,
when their batch is made, so that nothing is in memory twice.
"""

import collections
import contextlib
import itertools
import random
import sys
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.tasks.examples import Examples
from keras_longformer.text.assertions import sentence_of

RAN_OUT = "Your input ran out of data"


def kind_of(x) -> str:
    """Returns what `x` is: "dataset", "stream", "function" or "columns"."""
    if isinstance(x, tf.data.Dataset | tf.distribute.DistributedDataset):
        return "dataset"
    if isinstance(x, keras.utils.PyDataset | Iterator) or _is_loader(x):
        return "stream"
    if callable(x) and not hasattr(x, "shape"):
        return "function"
    return "columns"


def batches_of(
    examples: Examples,
    rows: tf.data.Dataset,
    prepare: Callable,
) -> tf.data.Dataset:
    """Returns what is in memory in batches.

    Args:
        examples: those.
        rows: the indices of each batch, int64 `(b,)`.
        prepare: function of `x`, `y` and `sample_weight`, to what Keras takes.
    """

    def look_up(indices):
        parts = tf.nest.map_structure(
            lambda t: None if t is None else tf.gather(t, indices),
            examples.parts,
        )
        return prepare(*parts)

    return prepared(rows, look_up)


def one_batch(examples: Examples, prepare: Callable) -> tf.data.Dataset:
    """Returns what is in memory as one batch, which is made now.

    To make graphs of the preprocessor and of a dataset takes a second or more,
    dozens of times as long as to read a few texts.

    Args:
        examples, prepare: as for `batches_of`.
    """
    with tf.device("CPU"):
        batch = prepare(*examples.parts)
    data = tf.data.Dataset.from_tensors(batch)
    # Of any size, so that the model is traced for no other shapes than before.
    return tf.data.experimental.from_variant(
        tf.data.experimental.to_variant(data),
        tf.nest.map_structure(_of_any_size, data.element_spec),
    )


def mapped(dataset: tf.data.Dataset, prepare: Callable) -> tf.data.Dataset:
    """Returns a dataset of batches as Keras takes them."""

    def prepare_element(*element):
        return prepare(*keras.utils.unpack_x_y_sample_weight(element))

    return prepared(dataset, prepare_element)


def prepared(dataset: tf.data.Dataset, prepare: Callable) -> tf.data.Dataset:
    """Returns `prepare` of each element, made ahead.

    Raises:
        TypeError, ValueError: as `prepare` raised them, without the code that
            TensorFlow made of it.
    """
    raised = []

    def remember(*element):
        try:
            return prepare(*element)
        except (TypeError, ValueError) as error:
            raised.append(error)
            raise

    try:
        dataset = dataset.map(remember, num_parallel_calls=tf.data.AUTOTUNE)
    except (TypeError, ValueError):
        if raised:
            raise raised[0] from None
        raise
    return dataset.prefetch(tf.data.AUTOTUNE)


class Stream:
    """Batches that come from Python: generators, `PyDataset`, Grain, PyTorch.

    Args:
        batches: what yields them.
        read: function of `x`, `y` and `sample_weight`, to `Examples`.
        shuffle: bool, whether the batches of a `PyDataset` are shuffled.

    Attributes:
        error: what went wrong in Python, which TensorFlow would bury.
    """

    def __init__(self, batches, read: Callable, shuffle: bool = False):
        if isinstance(batches, keras.utils.PyDataset):
            _check_threads(batches)
        self.batches = batches
        self.read = read
        self.shuffle = shuffle
        self.error = None
        self.epoch = 0
        self.is_once = isinstance(batches, Iterator)

    def dataset(self) -> tf.data.Dataset:
        """Returns the batches, as they are read.

        Raises:
            TypeError, ValueError: the first batch cannot be read, or there is
                none.
        """
        first = self._first()
        examples = self.read(*first)
        self.has = [part is not None for part in examples.parts]
        self.spec = tf.nest.map_structure(_spec, self._given(examples))
        dataset = tf.data.Dataset.from_generator(
            self._batches, output_signature=self.spec
        )
        count = count_of(self.batches)
        if count is not None:
            cardinality = tf.data.experimental.assert_cardinality(count)
            dataset = dataset.apply(cardinality)
        return dataset

    def parts(self, element):
        """Returns `x`, `y` and `sample_weight` of an element."""
        element = iter(element)
        return [next(element) if has else None for has in self.has]

    def _given(self, examples):
        return tuple(part for part in examples.parts if part is not None)

    def _first(self):
        if isinstance(self.batches, keras.utils.PyDataset):
            if count_of(self.batches) == 0:
                raise ValueError(
                    "There are no batches: the PyDataset is empty."
                )
            return unpacked(self.batches[0])
        batches = iter(self.batches)
        try:
            first = next(batches)
        except StopIteration:
            raise ValueError(
                f"There are no batches: the {_name(self.batches)} is empty"
                + (", or used up." if self.is_once else ".")
            ) from None
        if self.is_once:
            self.batches = itertools.chain([first], batches)
        return unpacked(first)

    def _batches(self):
        """Yields what `from_generator` takes."""
        try:
            for batch in self._epoch():
                examples = self._given(self.read(*unpacked(batch)))
                yield tf.nest.map_structure(_fitting, examples, self.spec)
        except Exception as error:
            self.error = error
            raise

    def _epoch(self):
        self.epoch += 1
        if isinstance(self.batches, keras.utils.PyDataset):
            return _of_py_dataset(self.batches, self.shuffle)
        if _is_grain_map(self.batches):
            return _of_grain_map(self.batches, self.epoch - 1)
        return iter(self.batches)


@contextlib.contextmanager
def plain_errors(data: tf.data.Dataset, steps: int | None, *streams):
    """Says what went wrong with batches in its own words.

    What a stream's Python raised is raised as it was, and of what a dataset's
    graph asserted there is the sentence alone. That batches of an unknown
    number came to their end is no reason for Keras to warn.

    Args:
        data: what Keras was given.
        steps: int, how many batches it shall take, or `None`.
        *streams: those that `data` and others are of; `None` is none.
    """
    streams = [stream for stream in streams if stream is not None]
    for stream in streams:
        stream.error = None
    quiet = contextlib.nullcontext()
    if steps is None and data.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        quiet = warnings.catch_warnings()
    try:
        with quiet:
            if not isinstance(quiet, contextlib.nullcontext):
                warnings.filterwarnings("ignore", RAN_OUT)
            yield
    except tf.errors.OpError as error:
        for stream in streams:
            if stream.error is not None:
                raise stream.error from None
        said = sentence_of(str(error))
        if said is None:
            raise
        raise tf.errors.InvalidArgumentError(None, None, said) from None


def count_of(batches) -> int | None:
    """Returns how many batches there are, or `None`: nobody knows."""
    if isinstance(batches, keras.utils.PyDataset):
        return batches.num_batches
    try:
        count = len(batches)
    except (TypeError, NotImplementedError):
        return None
    return None if count >= sys.maxsize else count


def unpacked(batch):
    """Returns `x`, `y` and `sample_weight` of what a stream yields."""
    if isinstance(batch, list) and not any(
        isinstance(part, str | bytes) for part in batch
    ):
        batch = tuple(batch)
    if isinstance(batch, list):
        return batch, None, None
    return keras.utils.unpack_x_y_sample_weight(batch)


def _name(batches):
    return type(batches).__name__


def _is_loader(x):
    """Whether `x` is a dataset of Grain's, or a loader of PyTorch's."""
    names = {
        (base.__name__, base.__module__.split(".")[0])
        for base in type(x).__mro__
    }
    loaders = {
        ("MapDataset", "grain"),
        ("IterDataset", "grain"),
        ("DataLoader", "grain"),
        ("DataLoader", "torch"),
    }
    return not loaders.isdisjoint(names)


def _is_grain_map(x):
    return any(base.__name__ == "MapDataset" for base in type(x).__mro__)


def _of_grain_map(batches, epoch):
    """One epoch: Grain shuffles anew each time that a dataset is repeated."""
    count = count_of(batches)
    if count is None:
        return iter(batches)
    every = batches.repeat(epoch + 1)
    return (every[epoch * count + i] for i in range(count))


def _check_threads(batches):
    if batches.use_multiprocessing:
        raise ValueError(
            "Batches of texts are read in threads of this process. Make the "
            f"{_name(batches)} with `use_multiprocessing=False`; `workers` "
            "says how many threads."
        )


def _of_py_dataset(batches, shuffle):
    """Yields the batches of one epoch, read by its `workers`, in order."""
    count = batches.num_batches
    batches.on_epoch_begin()
    indices = itertools.count() if count is None else [*range(count)]
    if shuffle and count is not None:
        random.shuffle(indices)
    if batches.workers <= 1:
        yield from map(batches.__getitem__, indices)
    else:
        yield from _threaded(batches, iter(indices))
    batches.on_epoch_end()


def _threaded(batches, indices):
    waiting = collections.deque()
    with futures.ThreadPoolExecutor(batches.workers) as pool:
        try:
            for i in itertools.islice(indices, batches.max_queue_size):
                waiting.append(pool.submit(batches.__getitem__, i))
            while waiting:
                batch = waiting.popleft().result()
                for i in itertools.islice(indices, 1):
                    waiting.append(pool.submit(batches.__getitem__, i))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _spec(tensor):
    """The spec of a batch like this one, of any size."""
    if isinstance(tensor, tf.RaggedTensor):
        return tf.RaggedTensorSpec(
            [None] * tensor.shape.rank, tensor.dtype, tensor.ragged_rank
        )
    shape = [None, *tensor.shape[1:]]
    if tensor.dtype == tf.string:
        shape = [None] * len(shape)
    return tf.TensorSpec(shape, tensor.dtype)


def _of_any_size(spec):
    if isinstance(spec, tf.TensorSpec):
        return tf.TensorSpec([None] * spec.shape.rank, spec.dtype)
    return spec


def _fitting(tensor, spec):
    """A batch's tensor, as the first batch's were."""
    if isinstance(spec, tf.RaggedTensorSpec):
        if not isinstance(tensor, tf.RaggedTensor):
            tensor = tf.RaggedTensor.from_tensor(tensor)
    elif isinstance(tensor, tf.RaggedTensor):
        raise ValueError(
            "Rows have unequal lengths in this batch, and equal ones in the "
            f"first. Yield ragged tensors. Received: shape={tensor.shape}."
        )
    if tensor.dtype != spec.dtype:
        tensor = tf.cast(tensor, spec.dtype)
    return tensor if isinstance(tensor, tf.RaggedTensor) else np.asarray(tensor)
