"""What TensorFlow says of an error is found again, whichever way it says it."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.text.assertions import sentence_of

TEXT = "The text 'Ünï [MASK] \\ \"x\"' has [1] and\n[2] of 2."


def asserted(x):
    message = tf.strings.join([TEXT, tf.strings.as_string(x)])
    check = tf.debugging.Assert(x < 0, [message])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(x)


def in_parts(x):
    check = tf.debugging.Assert(x < 0, ["Types 0 to", tf.constant(3), "only."])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(x)


def compared(x):
    check = tf.debugging.assert_less_equal(
        x, 4, message="At most so many. Marked, and the limit:", summarize=9
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(x)


def looked_up(x):
    return tf.gather(tf.ones((5, 2)), x)


def classed(x):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        x[None], tf.ones((1, 5))
    )


SAID = {
    asserted: f"{TEXT}7",
    in_parts: "Types 0 to 3 only.",
    compared: "At most so many. Marked, and the limit: 7, 4.",
    looked_up: "is not in [0, 5).",
    classed: "outside the valid range of [0, 5).",
}


def eagerly(function):
    return function(tf.constant(7))


def in_a_graph(function):
    return tf.function(function)(tf.constant(7))


def in_a_dataset(function):
    return list(tf.data.Dataset.from_tensors(7).map(function))


@pytest.mark.parametrize("way", [eagerly, in_a_graph, in_a_dataset])
@pytest.mark.parametrize("function", SAID)
def test_found(function, way):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        way(function)
    said = sentence_of(str(caught.value))
    assert said is not None and said.endswith(SAID[function]), said
    assert "\x1b" not in said and "node" not in said
    if function is not asserted:
        assert "\n" not in said
    # As a server sends it.
    if way is not eagerly:
        assert sentence_of(caught.value.message).endswith(SAID[function])


def test_several_numbers():
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.function(compared)(np.array([3, 7, 9], "int32"))
    assert sentence_of(str(caught.value)).endswith("the limit: 3 7 9, 4.")


def test_of_others_nothing_is_said():
    for message in ("", "OOM when allocating", "[1] is not [2]"):
        assert sentence_of(message) is None
