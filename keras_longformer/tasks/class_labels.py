"""Labels that are classes: one, or several, of each text or word."""

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.tasks.class_names import class_indices
from keras_longformer.tasks.labels import Labels
from keras_longformer.tasks.labels import Numbers
from keras_longformer.tasks.labels import checked
from keras_longformer.tasks.labels import flags
from keras_longformer.tasks.labels import read_numbers
from keras_longformer.text.coercion import as_labels
from keras_longformer.text.coercion import as_ragged
from keras_longformer.text.columns import Nested
from keras_longformer.text.columns import is_missing
from keras_longformer.text.columns import places
from keras_longformer.text.columns import value_array


class Classes(Labels):
    """Indices of classes, or their names.

    Args:
        num_classes: int.
        class_names: list of str, or `None`.
        ignored: int, an index besides that the loss ignores, or `None`.
        words: bool, whether there is one for each word, `(b, words)`, and
            not one for each text, `(b,)`.
    """

    def __init__(
        self, num_classes, class_names=None, ignored=None, words=False
    ):
        self.num_classes = num_classes
        self.class_names = class_names
        self.ignored = ignored
        self.rank = 2 if words else 1

    def read(self, y, x):
        array = value_array(y, "Labels")
        if self.rank == 2:
            array = _one_a_word(array, y, x)
        nested = isinstance(array, Nested)
        values = array.flat if nested else self._shaped(array)

        def rows(bad):
            at = np.argwhere(bad)[:, 0].tolist()
            return places(array.rows(at) if nested else dict.fromkeys(at))

        values = self._indices(values, rows)
        self._check_range(values, rows, x)
        if not nested:
            return tf.constant(values, tf.int32)
        if self.rank == 1:
            raise ValueError(
                "There must be one label a text. Received: lists of "
                f"{places(sorted({*array.lengths.tolist()}))} labels."
            )
        return array._replace(flat=values).ragged(tf.int32)

    def in_graph(self, y, x):
        y = class_indices(as_ragged(y), self.class_names)
        y = as_labels(y)
        ragged = y if isinstance(y, tf.RaggedTensor) else None
        values = y if ragged is None else ragged.flat_values
        values = tf.convert_to_tensor(values)
        if ragged is None:
            values = self._shaped(values)
        values = self._checked(values, x)
        return values if ragged is None else ragged.with_flat_values(values)

    def _checked(self, y, x):
        if y.dtype.is_floating:
            indices = tf.cast(tf.round(y), tf.int32)
            right = tf.equal(tf.cast(indices, y.dtype), y)
        else:
            indices = tf.cast(y, tf.int32 if y.dtype == tf.bool else y.dtype)
            right = tf.ones_like(indices, tf.bool)
        right &= self._right(indices, x)
        return checked(indices, right, y, f"Labels {self._range()}. Received: ")

    def _right(self, indices, x):
        right = (indices >= 0) & (indices < self.num_classes)
        if self.ignored is not None:
            right |= tf.equal(indices, self.ignored)
        return right

    def _check_range(self, values, rows, x):
        bad = (values < 0) | (values >= self.num_classes)
        if self.ignored is not None:
            bad &= values != self.ignored
        if bad.any():
            wrong = sorted({*values[bad].ravel().tolist()})
            raise ValueError(
                f"Labels {self._range()}. Received: {places(wrong)}, in row "
                f"{rows(bad)}."
            )

    def _range(self):
        return (
            f"must be from 0 to {self.num_classes - 1}, the indices of "
            f"{self.num_classes} classes"
        )

    def _shaped(self, y):
        """Labels `(b,)`, or of words `(b, words)`, of the shape they have."""
        shape = tuple(y.shape)
        if self.rank == 2:
            return y
        if len(shape) == 2 and shape[1] == 1:
            return y[:, 0]
        if len(shape) != 1:
            raise ValueError(self._wrong_shape(shape))
        return y

    def _wrong_shape(self, shape):
        said = f"There must be one label a text, `(b,)`. Received: {shape}"
        if shape[-1] == self.num_classes:
            return (
                f"{said}. For one-hot labels write `labels.argmax(-1)`, or "
                "compile with `loss=keras.losses.CategoricalCrossentropy("
                'from_logits=True)`; for several labels a text, `problem_type="'
                'multi_label"`.'
            )
        return f"{said}."

    def _indices(self, values, rows):
        """Whole numbers; names become indices."""
        kind = values.dtype.kind
        if kind == "O":
            missing = flags(is_missing, values)
            if missing.any():
                raise ValueError(
                    f"There is no label in row {rows(missing)}, but "
                    f"{values[missing].ravel()[0]}. Leave these rows out."
                )
            if flags(lambda v: isinstance(v, str | bytes), values).all():
                kind = "U"
        if kind in "US":
            return self._named(values, rows)
        if kind == "O":
            try:
                values = values.astype("float64")
            except (TypeError, ValueError):
                raise TypeError(
                    "Labels must be all numbers, or all names of classes. "
                    f"Received: {values.ravel()[0]!r:.60}, for example."
                ) from None
        whole = values.astype("int64") if values.dtype.kind != "f" else None
        if whole is None:
            missing = np.isnan(values)
            if missing.any():
                raise ValueError(
                    f"There is no label in row {rows(missing)}, but NaN. "
                    "Leave these rows out."
                )
            bad = values != np.round(values)
            if bad.any():
                raise ValueError(
                    "Labels must be indices of classes, whole numbers. "
                    f"Received: {values[bad].ravel()[0]} in row {rows(bad)}. "
                    "For numbers take a LongformerTextClassifier with "
                    '`problem_type="regression"`.'
                )
            whole = values.astype("int64")
        return whole

    def _named(self, values, rows):
        if self.class_names is None:
            raise ValueError(
                "Labels are strings, and the model does not know which class "
                "has which name: make it with `class_names=[...]`, or write "
                "`numpy.unique(labels, return_inverse=True)[1]`."
            )
        index = {name: i for i, name in enumerate(self.class_names)}
        found = np.full(values.shape, -1, "int64")
        names = [
            v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)
            for v in values.ravel()
        ]
        found.flat = [index.get(name, -1) for name in names]
        bad = found < 0
        if bad.any():
            wrong = dict.fromkeys(
                repr(name) for name, i in zip(names, found.flat) if i < 0
            )
            raise ValueError(
                f"No class has this name: {places(wrong)}, in row {rows(bad)}. "
                f"`class_names` are {self.class_names}."
            )
        return found


class OneHot(Labels):
    """One-hot rows, `(b, num_classes)`, for a loss that takes these."""

    rank = 2

    def __init__(self, num_classes):
        self.num_classes = num_classes

    def read(self, y, x):
        return read_numbers(y, self._wrong, self.num_classes)

    def in_graph(self, y, x):
        y = as_labels(y)
        if y.shape.rank != 2 or y.shape[1] not in (None, self.num_classes):
            raise ValueError(self._wrong(y.shape))
        return y

    def classes_of(self, y):
        return tf.argmax(y, -1)

    def _wrong(self, shape):
        return (
            f"The loss takes one-hot labels, `(b, {self.num_classes})`. "
            f"Received: {shape}. Write `keras.utils.to_categorical(labels, "
            f"{self.num_classes})`, or leave `loss` out of `compile`."
        )


class ManyClasses(Numbers):
    """For each class 0 or 1, `(b, num_classes)`, or lists of names."""

    def __init__(self, num_classes, class_names=None):
        super().__init__(num_classes, 0, 1)
        self.rank = 2
        self.class_names = class_names

    def read(self, y, x):
        array = value_array(y, "Labels")
        if isinstance(array, np.ndarray):
            if array.ndim != 2 or not _are_names(array):
                return super().read(y, x)
            lengths = np.full(len(array), array.shape[1], "int64")
            array = Nested(array.ravel(), lengths)
        if array.flat.size and not _are_names(array.flat):
            lengths = places(sorted({*array.lengths.tolist()}))
            raise ValueError(self._wrong(f"lists of {lengths} numbers"))
        classes = Classes(self.size, self.class_names, words=True)
        return self._hot(classes.read(array.ragged(tf.string), x))

    def in_graph(self, y, x):
        y = as_labels(as_ragged(y))
        if y.dtype == tf.string:
            y = self._hot(class_indices(y, self.class_names))
        if isinstance(y, tf.RaggedTensor):
            y = tf.ensure_shape(y.to_tensor(), [None, self.size])
        return super().in_graph(y, x)

    def _hot(self, indices):
        if not isinstance(indices, tf.RaggedTensor):
            indices = tf.RaggedTensor.from_tensor(indices)
        hot = tf.one_hot(indices.values, self.size)
        hot = indices.with_values(hot)
        hot = tf.reduce_max(hot, axis=1)
        return tf.maximum(tf.reshape(hot, [-1, self.size]), 0.0)

    def _wrong(self, shape):
        return (
            f"Several labels a text are 0 or 1 for each class, `(b, "
            f"{self.size})`, or lists of `class_names`. Received: {shape}."
        )


def labels_of_loss(loss, num_classes, class_names, words=False) -> Labels:
    """Returns the labels of classes that a loss takes.

    Args:
        loss: what `compile` was given.
        num_classes, class_names, words: as `Classes` takes them.
    """
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    sparse = keras.losses.SparseCategoricalCrossentropy
    one_hot = (
        keras.losses.CategoricalCrossentropy,
        keras.losses.CategoricalFocalCrossentropy,
    )
    if isinstance(loss, sparse):
        ignored = loss.get_config().get("ignore_class")
        return Classes(num_classes, class_names, ignored, words)
    if loss is keras.losses.sparse_categorical_crossentropy:
        return Classes(num_classes, class_names, None, words)
    if isinstance(loss, one_hot) and not words:
        return OneHot(num_classes)
    return AnyOrNames(num_classes, class_names, words)


def metrics_of_loss(metrics: list | None, loss) -> list | None:
    """Returns a task's default metrics, for the labels that a loss takes."""
    if metrics is None or type(labels_of_loss(loss, 1, None)) is not OneHot:
        return metrics
    return [
        keras.metrics.CategoricalAccuracy()
        if isinstance(metric, keras.metrics.SparseCategoricalAccuracy)
        else metric
        for metric in metrics
    ]


class AnyOrNames(Labels):
    """For a loss of one's own: any tensor; names become indices."""

    def __init__(self, num_classes, class_names=None, words=False):
        self.num_classes = num_classes
        self.class_names = class_names
        self.rank = 2 if words else 1

    def classes_of(self, y):
        return y if y.shape.rank == self.rank else tf.argmax(y, -1)

    def read(self, y, x):
        return class_indices(super().read(y, x), self.class_names)

    def in_graph(self, y, x):
        return class_indices(super().in_graph(y, x), self.class_names)


def _are_names(values):
    are = flags(lambda value: isinstance(value, str | bytes), values)
    return values.dtype.kind in "US" or bool(values.size and are.all())


def _one_a_word(array, y, x):
    """Labels of words, `Nested` unless they were padded in an array.

    Raises:
        ValueError: there are not as many as words.
    """
    if isinstance(array, np.ndarray):
        if array.ndim != 2:
            raise ValueError(
                "There must be one label a word, `(b, words)`, in lists of "
                f"lists. Received: {array.shape}."
            )
        is_array = isinstance(y, tf.Tensor) or getattr(y, "ndim", 0) == 2
        lengths = np.full(len(array), array.shape[1], "int64")
        if not is_array:
            array = Nested(array.ravel(), lengths)
    else:
        is_array, lengths = False, array.lengths
    if not isinstance(x, tf.RaggedTensor) or int(x.nrows()) != len(lengths):
        return array  # Of texts: the preprocessor splits them, and checks.
    words = x.row_lengths().numpy()
    bad = words > lengths if is_array else words != lengths
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            "There must be one label a word. In row "
            f"{places(bad.tolist())} there are not, such as {words[row]} words "
            f"and {lengths[row]} labels."
        )
    return array
