"""What a method of a task was given, and the batches that it makes."""

import functools
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.tasks import batches
from keras_longformer.tasks.by_length import longest_first
from keras_longformer.tasks.by_length import padded_shapes
from keras_longformer.tasks.by_length import shuffled_batches
from keras_longformer.tasks.by_length import token_batches
from keras_longformer.tasks.by_length import widths_of
from keras_longformer.tasks.reading import check_elements

BATCH_SIZE = 32  # Keras's.

TWO_WEIGHTS = (
    "Give `class_weight` or `sample_weight`, not both: multiply the second by "
    "the weights of the classes."
)


class Plan(typing.NamedTuple):
    """How what is in memory becomes batches.

    Attributes:
        batch_size: int, examples in each; by default Keras's.
        tokens_per_batch: int, tokens in each, padding included, instead.
        shuffle: bool, whether anew for each epoch; or `"batch"`, which
            shuffles whole batches.
        may_reorder: bool, whether what is not shuffled may come by length.
    """

    batch_size: int | None = None
    tokens_per_batch: int | None = None
    shuffle: bool | str = False
    may_reorder: bool = False


class Source:
    """What a method was given, read or to be read.

    Args:
        task: the task.
        method: str, "fit", "evaluate", "predict" or "validation_data".
        x, y, sample_weight: what it was given.
    """

    def __init__(self, task, method, x, y, sample_weight):
        self.task, self.method, self.given = task, method, x
        self.examples = self.stream = self.data = None
        kind = batches.kind_of(x)
        if kind == "function":
            name = getattr(x, "__name__", type(x).__name__)
            raise TypeError(
                f"`x` is a function: call it, `{name}()`, where it makes a "
                "generator."
            )
        if kind != "columns":
            self._refuse_besides(y, sample_weight)
        if kind == "dataset":
            if isinstance(x, tf.distribute.DistributedDataset):
                raise TypeError(
                    "Give the `tf.data.Dataset`, which `fit` itself "
                    "distributes. Received: a DistributedDataset."
                )
            check_elements(x.element_spec, task._takes, task.labels)
            self.data = x
        elif kind == "stream":
            self.stream = batches.Stream(x, task._reader(method))
            self.data = self.stream.dataset()
        else:
            self._check_labels(y)
            self.examples = task._reader(method, one=True)(x, y, sample_weight)

    def structure(self):
        """A value or spec of the structure of `x`."""
        if self.examples is not None:
            return self.examples.x
        if self.stream is not None:
            return self.stream.spec[0]
        return keras.utils.unpack_x_y_sample_weight(self.data.element_spec)[0]

    def split(self, share):
        """Returns the source of all but the last part, and that of it."""
        if self.examples is None:
            raise ValueError(
                "`validation_split` is for texts in memory: lists, arrays, "
                "columns. Give `validation_data=...`, batches of its own. "
                f"Received: {type(self.given).__name__}."
            )
        parts = []
        for examples in self.examples.split(share):
            part = object.__new__(Source)
            part.__dict__ = {**self.__dict__, "examples": examples}
            parts.append(part)
        return parts

    def check_epochs(self, epochs, steps):
        """Raises `ValueError` where there are more epochs than data."""
        if self.stream is None or not self.stream.is_once:
            return
        if epochs > 1 and steps is None:
            name = "steps_per_epoch"
            if self.method == "validation_data":
                name = "validation_steps"
            raise ValueError(
                f"A generator can be gone through only once, and there are "
                f"{epochs} epochs: give `{name}=...`, or batches that can be "
                "gone through again, such as a `keras.utils.PyDataset`."
            )

    def prepare(self, weigh=None):
        """Function of `x`, `y` and `sample_weight`, to what Keras takes."""
        is_predicting = self.method == "predict"

        def prepare(x, y, sample_weight):
            if is_predicting:
                y = sample_weight = None
            data = self.task.preprocess_samples(x, y, sample_weight)
            return data if weigh is None else weigh(data, sample_weight)

        return prepare

    def batches(self, plan, weigh=None):
        """Returns a `tf.data.Dataset` of what Keras takes.

        Args:
            plan: a `Plan`.
            weigh: function of `data` and `sample_weight`, to `data`.

        Returns:
            It, and the order in which what is in memory comes, int `(num,)`,
            or `None`: as it was given, or shuffled.
        """
        prepare = self.prepare(weigh)
        if self._is_one_batch(plan):
            return batches.one_batch(self.examples, prepare), None
        if self.examples is not None:
            rows, order = self._rows(plan)
            return batches.batches_of(self.examples, rows, prepare), order
        for name in ("batch_size", "tokens_per_batch"):
            if getattr(plan, name) is not None:
                raise ValueError(
                    f"`{name}` is for texts in memory: these are batches "
                    f"already. Received: {name}={getattr(plan, name)} and "
                    f"{type(self.given).__name__}."
                )
        if self.stream is None:
            return batches.mapped(self.data, prepare), None
        self.stream.shuffle = bool(plan.shuffle)
        data = batches.prepared(
            self.data, lambda *element: prepare(*self.stream.parts(element))
        )
        return data, None

    def _is_one_batch(self, plan):
        if self.examples is None or self.method not in ("predict", "evaluate"):
            return False
        strategy = self.task.distribute_strategy
        if plan.tokens_per_batch is not None or (
            strategy.num_replicas_in_sync > 1
        ):
            return False
        return 0 < self.examples.num <= _size(plan)

    def _rows(self, plan):
        """The indices of each batch, and the order, or `None`."""
        num = self.examples.num
        is_free = self.task.batches_by_length
        if plan.tokens_per_batch is not None:
            shapes = self._shapes(plan)
            is_shuffled = bool(plan.shuffle)
            rows = token_batches(shapes, plan.tokens_per_batch, is_shuffled)
            order = longest_first(widths_of(shapes))
            return rows, None if is_shuffled else order
        size = _size(plan)
        if plan.shuffle and plan.shuffle != "batch":
            lengths = self.examples.lengths() if is_free else None
            return shuffled_batches(num, size, lengths), None
        order = None
        if plan.may_reorder and num > size:
            lengths = self.examples.lengths()
            order = None if lengths is None else longest_first(lengths)
        rows = tf.data.Dataset.range(num)
        if order is not None:
            rows = tf.data.Dataset.from_tensor_slices(order)
        rows = rows.batch(size)
        if plan.shuffle:
            rows = rows.shuffle(-(-num // size))
        return rows, order

    def _shapes(self, plan):
        """What each example is in the model, as `padded_shapes` says it."""
        if plan.batch_size is not None:
            raise ValueError(
                "Give `batch_size` or `tokens_per_batch`, not both. Received: "
                f"batch_size={plan.batch_size}, "
                f"tokens_per_batch={plan.tokens_per_batch}."
            )
        if plan.shuffle == "batch" or not self.task.batches_by_length:
            raise ValueError(
                "`tokens_per_batch` puts texts of like length into a batch, "
                'which `shuffle="batch"` forbids, and an objective that tells '
                "the texts of a batch from each other. Give `batch_size`."
            )
        if self.task.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "With `tokens_per_batch` batches are of any number of texts, "
                "which several replicas cannot share out evenly. Give "
                "`batch_size`."
            )
        return padded_shapes(self.task.preprocessor, self.examples)

    def _refuse_besides(self, y, sample_weight):
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"Batches hold their own `{name}`: `(x, y)` or `(x, y, "
                    f"sample_weight)`. Received: {type(self.given).__name__} "
                    f"and `{name}`."
                )

    def _check_labels(self, y):
        wanted = self.task.labels.wanted
        if self.method != "predict" and y is None and wanted is not None:
            raise ValueError(
                f"`{self.method}` needs {wanted}, or a `tf.data.Dataset` of "
                "both. Received: y=None"
            )


def class_weigher(task, class_weight: dict | None, sample_weight=None):
    """Returns a function that adds the weights of classes, or `None`.

    Args:
        task: its labels are the classes.
        class_weight: dict of indices or names of classes to floats.
        sample_weight: that of `fit`.

    Raises:
        ValueError: labels that are no classes, keys that are none, or two
            kinds of weights.
    """
    if class_weight is None:
        return None
    if sample_weight is not None:
        raise ValueError(TWO_WEIGHTS)
    labels = task.labels
    if labels.num_classes is None:
        raise ValueError(
            "`class_weight` is for labels that are one class each. Give "
            "`sample_weight`, a number for each text."
        )
    names = getattr(task, "class_names", None) or []
    index = {name: i for i, name in enumerate(names)}
    table = np.ones(labels.num_classes, "float32")
    for key, weight in class_weight.items():
        i = index.get(key, key)
        is_index = isinstance(i, int | np.integer)
        if not is_index or not 0 <= i < labels.num_classes:
            raise ValueError(
                "The keys of `class_weight` must be classes, 0 to "
                f"{labels.num_classes - 1}"
                + (f" or one of {names}" if names else "")
                + f". Received: {key!r}."
            )
        table[i] = weight
    return functools.partial(_weighed, table, labels)


def _weighed(table, labels, data, sample_weight):
    """`data`, its weights times those of the classes."""
    if sample_weight is not None:
        raise ValueError(TWO_WEIGHTS)
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError("`class_weight` needs labels. Received: y=None")
    classes = tf.cast(labels.classes_of(y), tf.int32)
    of_class = tf.gather(tf.constant(table), tf.maximum(classes, 0))
    return x, y, of_class if weight is None else weight * of_class


def _size(plan):
    return BATCH_SIZE if plan.batch_size is None else int(plan.batch_size)
