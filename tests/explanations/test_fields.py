"""Receptive fields, against gradients."""

import numpy as np
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small


def test_is_what_has_a_gradient(tmp_path):
    backbone = small.make_backbone(
        num_layers=3,
        window_size=[2, 4, 2],
        dilation=[4, [1, 2, 1], 5],
        causal=[False, True, False],
    )
    for weight in backbone.trainable_weights:
        weight.assign(weight * 10)
    field = klf.receptive_field(backbone)
    assert field.takes_globals
    place, n = 30, 60
    embedded = tf.random.stateless_normal([1, n, 24], [0, 1])
    x = tf.Variable(embedded)
    for layer in range(3):
        with tf.GradientTape() as tape:
            outputs = x
            for one in backbone.transformer_layers[: layer + 1]:
                outputs = one(outputs)
            weights = tf.random.stateless_normal([24], [2, 3])
            last = tf.reduce_sum(outputs[0, place] * weights)
        gradient = np.abs(tape.gradient(last, x)[0]).max(axis=-1)
        seen = np.flatnonzero(gradient) - place
        assert seen.tolist() == field.offsets[field.seen[layer]].tolist()
        assert field.num_tokens[layer] == len(seen)
        assert field.reach[layer] == (-seen[0], seen[-1])
    field.save(tmp_path / "field.png")
    assert (tmp_path / "field.png").stat().st_size > 1000
