"""Names of classes, and labels that are given by name."""

import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import as_texts


def check_class_names(class_names, num_classes):
    """Returns them as a list of str, or `None`.

    Raises:
        ValueError: not one name for each class, or one name twice.
    """
    if class_names is None:
        return None
    names = [str(name) for name in class_names]
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise ValueError(
            "`class_names` must name each class once. Received: "
            f"{len(names)} names for {num_classes} classes: {names}"
        )
    return names


def class_indices(labels, class_names):
    """Returns labels as they are, or the classes' indices for names.

    Args:
        labels: numbers, or strings of any shape, ragged too.
        class_names: list of str, or `None`.

    Returns:
        `labels`, or int32 of their shape.

    Raises:
        ValueError: strings, and the model has no `class_names`.
        InvalidArgumentError: a name that no class has.
    """
    if not _are_strings(labels):
        return labels
    if class_names is None:
        raise ValueError(
            "Labels are strings, and the model does not know which class has "
            "which name: make it with `class_names=[...]`."
        )
    labels = as_texts(labels)
    if isinstance(labels, tf.RaggedTensor):
        return labels.with_flat_values(
            _look_up(labels.flat_values, class_names)
        )
    return _look_up(labels, class_names)


def _look_up(labels, class_names):
    is_class = tf.equal(labels[..., None], tf.constant(class_names))
    known = tf.reduce_any(is_class, -1)
    check = tf.debugging.Assert(
        tf.reduce_all(known),
        [
            "No class has this name: ",
            tf.boolean_mask(labels, ~known)[:1],
            f"`class_names` are {class_names}.",
        ],
    )
    with tf.control_dependencies([] if check is None else [check]):
        is_class = tf.cast(is_class, tf.int32)
    return tf.argmax(is_class, -1, output_type=tf.int32)


def _are_strings(labels):
    if isinstance(labels, tf.Tensor | tf.RaggedTensor):
        return labels.dtype == tf.string
    if isinstance(labels, np.ndarray):
        if labels.dtype.kind != "O":
            return labels.dtype.kind in "US"
        labels = labels.tolist()
    while isinstance(labels, list | tuple) and len(labels):
        first = next((label for label in labels if label != []), None)
        labels = first
    return isinstance(labels, str | bytes)


def read_num_classes(cls, foreign, kwargs, bias: str, keys=None) -> None:
    """Takes a classifier's classes from a preset, unless they are given.

    Args:
        cls: the task's class. Where `kwargs` has `num_classes`, its head
            starts from random numbers, and the preset's own is dropped, but
            for BERT's pooler, which is a part of the encoder there.
        foreign: the `ForeignPreset`.
        kwargs: dict, the arguments of the constructor, which is changed.
        bias: str, the array with one number for each class.
        keys: what of the preset's facts about the head is taken; by default
            all.

    Raises:
        ValueError: no classes are given, and the preset has none.
    """
    if "num_classes" in kwargs:
        for name in cls.head_weights:
            if name not in foreign.of_encoder:
                foreign.arrays.pop(name, None)
    elif bias in foreign.arrays:
        kwargs["num_classes"] = foreign.arrays[bias].shape[0]
        for name, value in foreign.head.items():
            if keys is None or name in keys:
                kwargs.setdefault(name, value)
    else:
        raise ValueError(
            f"'{foreign.source}' has no classifier for a {cls.__name__}, so "
            "`num_classes` must say how many classes the new one has."
        )
