"""Labels: read with their rows, and checked in graphs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.class_labels import AnyOrNames
from keras_longformer.tasks.class_labels import Classes
from keras_longformer.tasks.class_labels import ManyClasses
from keras_longformer.tasks.class_labels import OneHot
from keras_longformer.tasks.class_labels import labels_of_loss
from keras_longformer.tasks.class_labels import metrics_of_loss
from keras_longformer.tasks.labels import Numbers
from keras_longformer.tasks.multiple_choice.labels import RightChoices

NAMES = ["a", "b", "c"]
CHOICES = {"choices": tf.ragged.constant([["x", "y"], ["x", ""], ["x"] * 3])}

# Labels, what is given, what comes out.
READ = {
    "ints": (Classes(3), [0, 2, 1], [0, 2, 1]),
    "bools": (Classes(2), [True, False], [1, 0]),
    "whole floats": (Classes(3), np.array([0.0, 2.0]), [0, 2]),
    "a column": (Classes(3), np.array([[0], [2]], "int64"), [0, 2]),
    "names": (Classes(3, NAMES), np.array(["c", "a"]), [2, 0]),
    "bytes": (Classes(3, NAMES), [b"c", b"a"], [2, 0]),
    "ignored": (Classes(3, ignored=-100), [-100, 2], [-100, 2]),
    "words": (Classes(3, words=True), [[0, 1], [2]], [[0, 1], [2]]),
    "words by name": (
        Classes(3, NAMES, words=True),
        [["a"], [], ["b", "c"]],
        [[0], [], [1, 2]],
    ),
    "one-hot": (OneHot(2), [[0, 1], [1, 0]], [[0, 1], [1, 0]]),
    "several": (ManyClasses(2), [[0, 1], [1, 1]], [[0, 1], [1, 1]]),
    "several by name": (
        ManyClasses(3, NAMES),
        [["a"], [], ["b", "c"]],
        [[1, 0, 0], [0, 0, 0], [0, 1, 1]],
    ),
    "as many names each": (
        ManyClasses(3, NAMES),
        [["a", "c"], ["b", "c"]],
        [[1, 0, 1], [0, 1, 1]],
    ),
    "numbers": (Numbers(), [1, 2.5], [1, 2.5]),
    "choices": (RightChoices(), [1, 0, 2], [1, 0, 2]),
}
WRONG = {
    "negative": (Classes(3), [0, -1], "-1"),
    "high": (Classes(3), [3, 0], "3"),
    "fraction": (Classes(3), [0.5, 1.0], "0.5"),
    "words": (Classes(3, words=True), [[0, 1], [3]], "3"),
    "name": (Classes(3, NAMES), ["a", "z"], "z"),
    "infinite": (Numbers(), [0.5, np.inf], "inf"),
    "score": (Numbers(low=-1, high=1), [0.5, 1.5], "1.5"),
    "several": (ManyClasses(2), [[0, 1], [0, 2]], "2"),
    "choice": (RightChoices(), [1, 1, 0], "1"),
    "no choice": (RightChoices(), [-1, 0, 0], "-1"),
}
SHAPES = {
    "one-hot": (Classes(3), np.eye(3), "argmax"),
    "rows": (Classes(3), [[0, 1]], "one label a text"),
    "indices": (OneHot(3), [0, 1], "to_categorical"),
    "several": (ManyClasses(3), [0, 1], "for each class"),
    "numbers": (Numbers(2), [0.5, 1.5], r"\(b, 2\)"),
    "choices": (RightChoices(), np.eye(3), "argmax"),
}


def tensor_of(given):
    is_nested = isinstance(given, list) and isinstance(given[0], list)
    make = tf.ragged.constant if is_nested else tf.constant
    return make(given)


@pytest.mark.parametrize("labels, given, want", READ.values(), ids=READ)
def test_reads(labels, given, want):
    read = labels.read(given, CHOICES)
    assert _rows(read) == want
    # The same in a graph, of what was read and of tensors.
    for y in (read, tensor_of(given)):
        if isinstance(y, tf.RaggedTensor) and isinstance(labels, OneHot):
            y = y.to_tensor()
        got = tf.function(lambda y: labels.in_graph(y, CHOICES))(y)
        assert _rows(got) == want


def _rows(tensor):
    if isinstance(tensor, tf.RaggedTensor):
        return tensor.to_list()
    return tensor.numpy().tolist()


@pytest.mark.parametrize("labels, given, match", WRONG.values(), ids=WRONG)
def test_refuses(labels, given, match):
    with pytest.raises(ValueError, match=match):
        labels.read(given, CHOICES)
    check = tf.function(lambda y: labels.in_graph(y, CHOICES))
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        check(tensor_of(given))


@pytest.mark.parametrize("labels, given, match", SHAPES.values(), ids=SHAPES)
def test_refuses_shapes(labels, given, match):
    for check in (labels.read, labels.in_graph):
        with pytest.raises(ValueError, match=match):
            check(tf.constant(given), CHOICES)


def test_losses_say_which_labels():
    sparse = keras.losses.SparseCategoricalCrossentropy
    for loss, kind in (
        (sparse(), Classes),
        ("sparse_categorical_crossentropy", Classes),
        (keras.losses.sparse_categorical_crossentropy, Classes),
        (keras.losses.CategoricalCrossentropy(), OneHot),
        (keras.losses.MeanSquaredError(), AnyOrNames),
    ):
        assert type(labels_of_loss(loss, 3, None)) is kind
    assert labels_of_loss(sparse(ignore_class=-1), 3, None).ignored == -1
    metrics = [keras.metrics.SparseCategoricalAccuracy()]
    assert metrics_of_loss(metrics, sparse()) is metrics
    (metric,) = metrics_of_loss(metrics, keras.losses.CategoricalCrossentropy())
    assert type(metric) is keras.metrics.CategoricalAccuracy
